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
from typing import Generic, TypeVar

from domain.identifiers import TenantId
from sagas.claims import Claim, Usage
from sagas.turns import Ordered, Place, Turns

Waiter = TypeVar("Waiter")


class _Lanes(Generic[Waiter]):
    """Of one tenant and node type: per workflow, who waits by ticket; free: the workflows that no
    limit of theirs holds back.
    """

    __slots__ = ("free", "of_workflow")

    def __init__(self) -> None:
        self.of_workflow: dict[str | None, OrderedDict[int, Waiter]] = {}
        self.free = Ordered[str | None]()


class _Tenant(Generic[Waiter]):
    """lanes: per node type that something waited for since the tenant began to wait."""

    __slots__ = ("lanes", "waiting_count")

    def __init__(self) -> None:
        self.lanes: dict[str, _Lanes[Waiter]] = {}
        self.waiting_count = 0


class WaitingClaims(Generic[Waiter]):
    """usage: read here, counted by the owner, who says `settle` after each change of it."""

    def __init__(self, usage: Usage, turns: Turns) -> None:
        self._usage = usage
        self._turns = turns
        self._tenants: dict[TenantId, _Tenant[Waiter]] = {}
        self._lines: dict[str, Ordered[TenantId]] = {}
        self._arrivals_count = 0
        self.count = 0

    def put(self, claim: Claim, waiter: Waiter) -> int:
        """The ticket with which the waiter can leave."""
        tenant_id, workflow_id, node_type = claim
        tenant = self._tenants.get(tenant_id)
        if tenant is None:
            tenant = self._tenants[tenant_id] = _Tenant()
            self._turns.join(tenant_id)
        lanes = tenant.lanes.get(node_type)
        if lanes is None:
            lanes = tenant.lanes[node_type] = _Lanes()
        lane = lanes.of_workflow.setdefault(workflow_id, OrderedDict())
        self._arrivals_count += 1
        lane[self._arrivals_count] = waiter
        self.count += 1
        tenant.waiting_count += 1
        if len(lane) == 1:  # Behind another of its lane, it changes nothing yet.
            self._settle_lanes(claim, node_type, lanes)
        return self._arrivals_count

    def discard(self, claim: Claim, ticket: int) -> None:
        """Leave without having been served; nothing happens when it is not there."""
        tenant_id, workflow_id, node_type = claim
        tenant = self._tenants.get(tenant_id)
        lanes = tenant.lanes.get(node_type) if tenant else None
        lane = lanes.of_workflow.get(workflow_id) if lanes else None
        if tenant is None or lanes is None or lane is None or ticket not in lane:
            return
        del lane[ticket]
        if not lane:
            del lanes.of_workflow[workflow_id]
        self.count -= 1
        tenant.waiting_count -= 1
        self.settle(claim)
        if tenant.waiting_count == 0:
            del self._tenants[tenant_id]
            self._turns.leave(tenant_id)

    def next(self) -> tuple[Claim, int, Waiter] | None:
        """Claim, ticket and waiter of the next that all limits but the total allow."""
        tenant_id = self._next_tenant()
        if tenant_id is None:
            return None
        node_type, workflow_id = self._next_lane(self._tenants[tenant_id])
        lane = self._tenants[tenant_id].lanes[node_type].of_workflow[workflow_id]
        ticket = next(iter(lane))
        return Claim(tenant_id, workflow_id, node_type), ticket, lane[ticket]

    def serve(self, claim: Claim, ticket: int) -> None:
        """Its slot is counted: it waits no more, and its tenant had its turn."""
        self._turns.serve(claim.tenant_id)
        self.discard(claim, ticket)

    def settle(self, claim: Claim) -> None:
        """Put in order what a change of this claim's tenant or workflow may have moved."""
        tenant = self._tenants.get(claim.tenant_id)
        if tenant is not None:
            for node_type, lanes in tenant.lanes.items():
                self._settle_lanes(claim, node_type, lanes)

    def _settle_lanes(self, claim: Claim, node_type: str, lanes: _Lanes[Waiter]) -> None:
        tenant_id, workflow_id, _ = claim
        lane = lanes.of_workflow.get(workflow_id)
        if lane and not self._usage.of_workflow.is_full(workflow_id):
            lanes.free.put(workflow_id, (0.0, next(iter(lane))))
        else:
            lanes.free.discard(workflow_id)
        line = self._lines.get(node_type)
        if line is None:
            line = self._lines[node_type] = Ordered()
        if len(lanes.free) > 0 and not self._usage.of_tenant.is_full(tenant_id):
            line.put(tenant_id, self._turns.join(tenant_id))
        else:
            line.discard(tenant_id)

    def _next_tenant(self) -> TenantId | None:
        foremost: tuple[Place, TenantId] | None = None
        for node_type, line in self._lines.items():
            if not self._usage.of_node_type.is_full(node_type):
                first = line.first()
                if first is not None and (foremost is None or first[0] < foremost[0]):
                    foremost = first
        return None if foremost is None else foremost[1]

    def _next_lane(self, tenant: _Tenant[Waiter]) -> tuple[str, str | None]:
        """Node type and workflow of the oldest waiter that may run; the tenant has one."""
        oldest: tuple[Place, tuple[str, str | None]] | None = None
        for node_type, lanes in tenant.lanes.items():
            if not self._usage.of_node_type.is_full(node_type):
                first = lanes.free.first()
                if first is not None and (oldest is None or first[0] < oldest[0]):
                    oldest = first[0], (node_type, first[1])
        assert oldest is not None
        return oldest[1]
