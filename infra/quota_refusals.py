"""How the functions of the database say that a quota is used up, inside of the append that would
have used more of it.

MESSAGE is its name, DETAIL how much it is, HINT in how many seconds it begins anew, if it does.
"""

from psycopg import DatabaseError

from domain.errors import DomainError
from domain.quotas import QuotaReached, QuotaUsedUp

QUOTA_SQLSTATE = "ALQ01"


def quota_refusal(error: DatabaseError) -> DomainError:
    name, limit = error.diag.message_primary or "", error.diag.message_detail or "0"
    reset_s = error.diag.message_hint
    if reset_s is None:
        return QuotaReached(f"The quota {name} of {limit} is reached.", quota=name)
    detail = f"The quota {name} of {limit} is used up."
    return QuotaUsedUp(detail, retry_after_s=float(reset_s), quota=name)
