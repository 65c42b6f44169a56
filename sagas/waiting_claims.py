"""The claims that wait for a slot, and which of them is next.

    tenant ──► node type ──► lanes that no workflow limit holds back, by their oldest waiter
       │
       └────► stands in the line of each node type that it could use a slot of

Claims that are equal wait in one lane, first come, first served. What a limit holds back is taken
out of its line and put back when the limit gives way, so that finding the next claim never looks at
one that cannot run. Per claim this costs a few steps per node type (they are a handful) and O(log
n).
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from domain.identifiers import TenantId
from sagas.claims import Claim, Usage
from sagas.turns import Ordered, Place, Turns

Waiter = TypeVar("Waiter")


@dataclass(eq=False, slots=True)
class _Tenant:
    """free_lanes: per node type that something waits for."""

    free_lanes: dict[str, Ordered[Claim]] = field(default_factory=dict[str, Ordered[Claim]])
    waiting_count: int = 0


class WaitingClaims(Generic[Waiter]):
    """usage: read here, counted by the owner, who says `settle` after each change of it."""

    def __init__(self, usage: Usage, turns: Turns) -> None:
        self._usage = usage
        self._turns = turns
        self._lanes: dict[Claim, OrderedDict[int, Waiter]] = {}
        self._tenants: dict[TenantId, _Tenant] = {}
        self._lines: dict[str, Ordered[TenantId]] = {}
        self._arrivals_count = 0
        self.count = 0

    def put(self, claim: Claim, waiter: Waiter) -> int:
        """The ticket with which the waiter can leave."""
        self._arrivals_count += 1
        self.count += 1
        self._lanes.setdefault(claim, OrderedDict())[self._arrivals_count] = waiter
        tenant = self._tenants.setdefault(claim.tenant_id, _Tenant())
        tenant.waiting_count += 1
        tenant.free_lanes.setdefault(claim.node_type, Ordered())
        self._turns.join(claim.tenant_id)
        self.settle(claim)
        return self._arrivals_count

    def discard(self, claim: Claim, ticket: int) -> None:
        """Leave without having been served; nothing happens when it is not there."""
        lane = self._lanes.get(claim)
        if lane is not None and ticket in lane:
            del lane[ticket]
            self._left(claim)
            self.settle(claim)

    def next(self) -> tuple[Claim, int, Waiter] | None:
        """Claim, ticket and waiter of the next that all limits but the total allow."""
        tenant_id = self._next_tenant()
        if tenant_id is None:
            return None
        claim = self._next_lane(self._tenants[tenant_id])
        ticket, waiter = next(iter(self._lanes[claim].items()))
        return claim, ticket, waiter

    def serve(self, claim: Claim, ticket: int) -> None:
        """Its slot is counted: it waits no more, and its tenant had its turn."""
        self._turns.serve(claim.tenant_id)
        self.discard(claim, ticket)

    def settle(self, claim: Claim) -> None:
        """Put in order what a change of this claim's tenant or workflow may have moved."""
        tenant = self._tenants.get(claim.tenant_id)
        if tenant is None:
            return
        for node_type, free_lanes in list(tenant.free_lanes.items()):
            self._settle_lane(free_lanes, claim._replace(node_type=node_type))
            self._settle_line(claim.tenant_id, node_type, is_free=len(free_lanes) > 0)

    def _settle_lane(self, free_lanes: Ordered[Claim], lane: Claim) -> None:
        waiters = self._lanes.get(lane)
        if waiters and not self._usage.of_workflow.is_full(lane.workflow_id):
            free_lanes.put(lane, (0.0, next(iter(waiters))))
        else:
            free_lanes.discard(lane)

    def _settle_line(self, tenant_id: TenantId, node_type: str, *, is_free: bool) -> None:
        line = self._lines.setdefault(node_type, Ordered())
        if is_free and not self._usage.of_tenant.is_full(tenant_id):
            line.put(tenant_id, self._turns.join(tenant_id))
        else:
            line.discard(tenant_id)

    def _next_tenant(self) -> TenantId | None:
        firsts = [
            first
            for node_type, line in self._lines.items()
            if not self._usage.of_node_type.is_full(node_type)
            and (first := line.first()) is not None
        ]
        return min(firsts, key=_place_of)[1] if firsts else None

    def _next_lane(self, tenant: _Tenant) -> Claim:
        firsts = [
            first
            for node_type, lanes in tenant.free_lanes.items()
            if not self._usage.of_node_type.is_full(node_type)
            and (first := lanes.first()) is not None
        ]
        return min(firsts, key=_place_of)[1]

    def _left(self, claim: Claim) -> None:
        """One waiter of this lane is gone; forget what has none left."""
        self.count -= 1
        if not self._lanes[claim]:
            del self._lanes[claim]
        tenant = self._tenants[claim.tenant_id]
        tenant.waiting_count -= 1
        if tenant.waiting_count == 0:
            del self._tenants[claim.tenant_id]
            self._turns.leave(claim.tenant_id)
            for node_type in tenant.free_lanes:
                self._lines[node_type].discard(claim.tenant_id)


def _place_of(first: tuple[Place, object]) -> Place:
    return first[0]
