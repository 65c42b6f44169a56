"""The plans of tenants: what limits they are under, and the rows that say so beside the log.
Adapter: infra/tenant_plans.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

from domain.call_limits import LIMITS, LIMITS_OF_TYPES, CallLimit, call_limit, narrower, type_limit
from domain.execution_usage import METERED_TYPES
from domain.identifiers import Json, JsonObject, TenantId
from domain.plans import STANDARD_ID, STANDARD_NAME

# Rows are written in the transaction of the events that say so.


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A new version of a plan."""

    plan_id: UUID
    plan_version: int
    name: str
    limits: JsonObject
    is_for_resellers: bool
    terms: JsonObject | None


@dataclass(frozen=True, slots=True)
class ArchivedPlan:
    plan_id: UUID


@dataclass(frozen=True, slots=True)
class StoredTenantPlan:
    """plan_version: None follows the newest. overrides: limits of the tenant's own."""

    plan_id: UUID
    plan_version: int | None
    overrides: JsonObject


PartKind: TypeAlias = Literal["agents", "workflows", "triggers"]


@dataclass(frozen=True, slots=True)
class CountedPart:
    """The tenant has one more. Raises QuotaReached at the append when its plan allows no more."""

    kind: PartKind
    part_id: UUID


@dataclass(frozen=True, slots=True)
class RemovedPart:
    kind: PartKind
    part_id: UUID


@dataclass(frozen=True, slots=True)
class AdmittedExecution:
    """An execution begins that counts. Raises ExecutionQuotaReached at the append."""


@dataclass(frozen=True, slots=True)
class ReopenedExecution:
    """One that had ended goes on: it is one at once again, and none more in its month. Raises
    ExecutionQuotaReached at the append.
    """


@dataclass(frozen=True, slots=True)
class StoredAgentLimits:
    """limits: those of domain/call_limits.py that are set; none takes the row away. Raises
    QuotaReached at the append when too many agents have some.
    """

    agent_id: UUID
    limits: JsonObject


@dataclass(frozen=True, slots=True)
class StoredOwnLimits:
    """limits: those of domain/call_limits.py that the tenant sets itself; none takes the row
    away.
    """

    limits: JsonObject


PlanRow: TypeAlias = (
    StoredPlan
    | ArchivedPlan
    | StoredTenantPlan
    | CountedPart
    | RemovedPart
    | AdmittedExecution
    | ReopenedExecution
    | StoredAgentLimits
    | StoredOwnLimits
)


@dataclass(frozen=True)
class TenantPlan:
    """limits: by name, those of domain/plans.py that hold for the tenant; with its overrides.
    agent_limits: by the agent, those of domain/call_limits.py that it has. own_limits: those of
    them that the tenant has set itself; of each the narrower one counts.
    """

    plan_id: UUID
    plan_version: int
    name: str
    limits: Mapping[str, Json] = field(default_factory=dict[str, Json])
    agent_limits: Mapping[str, Mapping[str, Json]] = field(
        default_factory=dict[str, "Mapping[str, Json]"]
    )
    own_limits: Mapping[str, Json] = field(default_factory=dict[str, Json])

    def whole(self, limit: str) -> int | None:
        """A limit that is a whole number; None: there is none."""
        value = self.limits.get(limit)
        return None if value is None else int(str(value))

    @cached_property
    def limits_executions(self) -> bool:
        return (
            self.whole("executions_per_month") is not None
            or self.whole("concurrent_executions") is not None
        )

    @cached_property
    def concurrent_steps(self) -> int | None:
        return self.whole("concurrent_steps")

    @cached_property
    def run_duration_s(self) -> int | None:
        return self.whole("run_duration_s")

    @cached_property
    def run_cost_usd(self) -> str | None:
        value = self.limits.get("run_cost_usd")
        return None if value is None else str(value)

    @cached_property
    def limited_types(self) -> frozenset[str]:
        """The node types of whose calls one may have to wait for another."""
        limits = self._of_all_calls
        of_types = {one for one, limit in LIMITS_OF_TYPES.items() if limit in limits}
        if self.agent_limits or not limits.keys().isdisjoint(LIMITS):
            return METERED_TYPES | of_types
        return frozenset(of_types)

    @cached_property
    def _of_all_calls(self) -> JsonObject:
        return narrower(self.limits, self.own_limits)

    def call_limits(
        self, tenant_id: TenantId, node_type: str, agent_id: UUID | None
    ) -> list[CallLimit]:
        """Those that a call counts in. agent_id: of one that an agent makes."""
        limits = self._of_all_calls
        if node_type in LIMITS_OF_TYPES:
            own = type_limit(tenant_id, node_type, limits)
            return [] if own is None else [own]
        found = [call_limit(tenant_id, limits)]
        if agent_id is not None:
            found.append(call_limit(agent_id, self.agent_limits.get(str(agent_id), {})))
        return [limit for limit in found if limit is not None]

    @cached_property
    def step_weight(self) -> float | None:
        value = self.limits.get("step_weight")
        return None if value is None else float(str(value))


class Plans(Protocol):
    async def of(self, tenant_id: TenantId) -> TenantPlan:
        """As of a few seconds ago; at once where the log tells of a change. Raises Unavailable."""
        ...

    def known(self, tenant_id: TenantId) -> TenantPlan:
        """Without waiting: as was found out last; without limits of a tenant that nobody asked
        about yet.
        """
        ...


class PlanUsage(Protocol):
    """What is read of plans by who manages tenants. Adapter: infra/plan_usage.py."""

    async def plans(self, *, is_of_reseller: bool) -> list[JsonObject]: ...

    async def versions(self, plan_id: UUID) -> list[JsonObject]: ...

    async def of_tenant(
        self, tenant_id: TenantId, *, reseller_id: TenantId | None
    ) -> JsonObject: ...

    async def budgets(
        self, tenant_id: TenantId, *, reseller_id: TenantId | None
    ) -> list[JsonObject]: ...


class NobodyLimited:
    """Implements Plans, for tools of the operator."""

    async def of(self, tenant_id: TenantId) -> TenantPlan:
        return self.known(tenant_id)

    def known(self, tenant_id: TenantId) -> TenantPlan:  # noqa: ARG002 # the port's
        return STANDARD


STANDARD = TenantPlan(STANDARD_ID, 1, STANDARD_NAME)
