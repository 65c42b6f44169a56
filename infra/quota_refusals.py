"""How the functions of the database say that a quota is reached, inside of the append that would
have used more of it. MESSAGE is its name, DETAIL how much it is: a number, or for what a plan
limits {limit, used, plan} as JSON.
"""

from datetime import UTC, datetime
from typing import Any

import orjson
from psycopg import DatabaseError

from domain.errors import DomainError
from domain.quotas import ExecutionQuotaReached, QuotaReached

QUOTA_SQLSTATE = "ALQ01"
# When an execution may have ended, so that another fits.
CONCURRENT_RETRY_AFTER_S = 5.0


def quota_refusal(error: DatabaseError, *, now: datetime | None = None) -> DomainError:
    name = error.diag.message_primary or ""
    told: Any = orjson.loads(error.diag.message_detail or "0")
    if not isinstance(told, dict):
        return QuotaReached(f"The quota {name} of {told} is reached.", quota=name)
    detail = (
        f"The plan {told['plan']} allows {name} of {told['limit']}, and {told['used']} are used."
    )
    match name:
        case "executions_per_month":
            wait_s = _until_next_month_s(now or datetime.now(UTC))
            return ExecutionQuotaReached(detail, retry_after_s=wait_s, quota=name)
        case "concurrent_executions":
            return ExecutionQuotaReached(detail, retry_after_s=CONCURRENT_RETRY_AFTER_S, quota=name)
        case _:
            return QuotaReached(detail, quota=name)


def next_month(now: datetime) -> datetime:
    """When quotas of a month begin anew."""
    first = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return first.replace(year=now.year + now.month // 12, month=now.month % 12 + 1)


def _until_next_month_s(now: datetime) -> float:
    return (next_month(now) - now).total_seconds()
