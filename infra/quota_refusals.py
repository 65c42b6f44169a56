"""How the functions of the database say that a quota is reached, inside of the append that would
have used more of it. MESSAGE is its name, DETAIL how much it is.
"""

from psycopg import DatabaseError

from domain.errors import DomainError
from domain.quotas import QuotaReached

QUOTA_SQLSTATE = "ALQ01"


def quota_refusal(error: DatabaseError) -> DomainError:
    name, limit = error.diag.message_primary or "", error.diag.message_detail or "0"
    return QuotaReached(f"The quota {name} of {limit} is reached.", quota=name)
