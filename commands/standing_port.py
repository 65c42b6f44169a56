"""Whether a tenant may act at all, and what is known of it beside its events. A port of its own,
because every command asks it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from domain.identifiers import TenantId

Standing: TypeAlias = Literal["active", "suspended", "offboarding", "offboarded"]


class Standings(Protocol):
    async def of(self, tenant_id: TenantId) -> Standing:
        """As of at most a few seconds ago; at once where the log tells of a change. Raises
        Unavailable.
        """
        ...


class EveryoneActive:
    """Implements Standings, for tools of the operator, which act on whatever tenant there is."""

    async def of(self, tenant_id: TenantId) -> Standing:  # noqa: ARG002 # the port's
        return "active"


# Rows written with events of a tenant.


@dataclass(frozen=True, slots=True)
class RegisteredTenant:
    """A new tenant. Raises QuotaReached at the append when its reseller has as many as it may."""

    reseller_id: TenantId | None


@dataclass(frozen=True, slots=True)
class ChangedStanding:
    standing: Standing


@dataclass(frozen=True, slots=True)
class StoredResellerQuota:
    customers_max: int


@dataclass(frozen=True, slots=True)
class OpenedOffboarding:
    """From now on some worker owes the tenant its end. due_at: the end of its grace."""

    due_at: datetime


@dataclass(frozen=True, slots=True)
class ClosedOffboarding:
    """It stays after all, or is gone. standing: what it is now."""

    standing: Standing


TenantSideRow: TypeAlias = (
    RegisteredTenant | ChangedStanding | StoredResellerQuota | OpenedOffboarding | ClosedOffboarding
)
