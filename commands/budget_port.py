"""The budgets of tenants: what holds, the rows that say so beside the log, and how an append is
refused. Adapter: infra/tenant_budgets.py.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias
from uuid import UUID

from domain.budget_rules import BudgetRule, Counter
from domain.errors import Stale
from domain.identifiers import JsonObject, TenantId
from domain.reservations import Standing

# Rows are written in the transaction of the events that say so.


@dataclass(frozen=True, slots=True)
class StoredBudget:
    """told: the columns by name. Raises QuotaReached at the append when there are too many."""

    budget_id: UUID
    told: JsonObject


@dataclass(frozen=True, slots=True)
class RevisedBudget:
    """told: the columns that can be revised, by name."""

    budget_id: UUID
    told: JsonObject


@dataclass(frozen=True, slots=True)
class RemovedBudget:
    budget_id: UUID


@dataclass(frozen=True, slots=True)
class ReleasedHold:
    """Raises NothingHeld at the append."""

    budget_id: UUID
    execution_id: UUID
    path: str
    attempt: int


@dataclass(frozen=True, slots=True)
class ToldAlert:
    """It goes with the event that tells it. Raises Stale at the append when it was told."""

    alert_id: UUID


BudgetRow: TypeAlias = StoredBudget | RevisedBudget | RemovedBudget | ReleasedHold | ToldAlert


@dataclass(frozen=True, slots=True)
class KnownBudgets:
    """With each append that something is paid for: what who decided knew. caps: limits that are no
    budget's, by the id that stands for one. exhausted: counters that refused a call of which the
    append says so.
    """

    revision: int
    caps: Mapping[str, int]
    exhausted: Sequence[Counter] = ()


class BudgetsChanged(Stale):
    """The tenant has other budgets than was known."""


class BudgetExceeded(Stale):
    """What is left of a budget does not pay for what the append would begin."""

    def __init__(self, standings: Mapping[Counter, Standing]) -> None:
        """standings: of the counters that have too little left."""
        super().__init__()
        self.standings = standings


class DueAlert(NamedTuple):
    """What is to be told of a budget. counter: which. reserved, cost: of an attempt that was billed
    beyond what it had reserved; spent otherwise. cause_id: the last of the events that it was
    counted with.
    """

    alert_id: UUID
    tenant_id: TenantId
    kind: Literal["threshold", "exhausted", "overshot"]
    counter: Counter
    threshold: str | None
    spent: int
    limit: int
    execution_id: UUID | None
    path: str | None
    attempt: int | None
    reserved: int | None
    cause_id: UUID | None = None


class BudgetAlerts(Protocol):
    """What is to be told, leased to one worker at a time."""

    async def claim(self, lease_s: float, limit: int) -> Sequence[DueAlert]: ...


class TenantBudgets(NamedTuple):
    """revision: grows with each change of them."""

    revision: int = 0
    rules: tuple[BudgetRule, ...] = ()


NO_BUDGETS = TenantBudgets()


class Budgets(Protocol):
    async def of(self, tenant_id: TenantId) -> TenantBudgets:
        """As of a few seconds ago. What is wrong is found out at the append. Raises Unavailable."""
        ...

    def known(self, tenant_id: TenantId) -> TenantBudgets:
        """Without waiting: as was found out last; none of a tenant that nobody asked about yet."""
        ...

    def forget(self, tenant_id: TenantId) -> None: ...

    async def standings(
        self, tenant_id: TenantId, counters: Sequence[Counter], caps: Mapping[str, int]
    ) -> Mapping[Counter, Standing]:
        """As they stand now, of those that belong to hard budgets or have a cap. Raises
        Unavailable.
        """
        ...


class NobodyBudgeted:
    """Implements Budgets, for tools of the operator."""

    async def of(self, tenant_id: TenantId) -> TenantBudgets:
        return self.known(tenant_id)

    def known(self, tenant_id: TenantId) -> TenantBudgets:  # noqa: ARG002 # the port's
        return NO_BUDGETS

    def forget(self, tenant_id: TenantId) -> None:
        """Nothing is kept."""

    async def standings(
        self,
        tenant_id: TenantId,  # noqa: ARG002 # the port's
        counters: Sequence[Counter],  # noqa: ARG002 # the port's
        caps: Mapping[str, int],  # noqa: ARG002 # the port's
    ) -> Mapping[Counter, Standing]:
        return {}
