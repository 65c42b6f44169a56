"""Whatever is claimed, given back and cancelled, in whatever order: compared with a plain list."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.identifiers import TenantId
from sagas.fairness import Claim, ClaimLimits, FairSlots
from sagas.turns import Ordered

TENANTS = [TenantId(UUID(int=number)) for number in range(1, 4)]
WORKFLOWS = ["v", "w", None]
NODE_TYPES = ["llm", "http", "set"]
LIMITS = ClaimLimits(
    4, per_tenant_max=3, per_workflow_max=2, per_node_type_max={"llm": 2, "http": 1}
)

# A workflow belongs to one tenant.
claims = st.builds(
    lambda tenant, workflow, node_type: Claim(
        tenant, None if workflow is None else f"{workflow} of {tenant}", node_type
    ),
    st.sampled_from(TENANTS),
    st.sampled_from(WORKFLOWS),
    st.sampled_from(NODE_TYPES),
)


def is_allowed(claim: Claim, running: list[Claim]) -> bool:
    """By every limit but the total, counted anew."""
    of_type = LIMITS.per_node_type_max.get(claim.node_type, 99)
    return (
        sum(other.tenant_id == claim.tenant_id for other in running) < 3
        and (
            claim.workflow_id is None
            or sum(other.workflow_id == claim.workflow_id for other in running) < 2
        )
        and sum(other.node_type == claim.node_type for other in running) < of_type
    )


@dataclass(eq=False)
class Attempt:
    claim: Claim
    has_begun: bool = False
    end: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None


class Slots(RuleBasedStateMachine):
    """waiting and running are the model: lists in the order of arrival."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.slots = FairSlots(LIMITS)
        self.waiting: list[Attempt] = []
        self.running: list[Attempt] = []
        # Per tenant that could have run: how often each other tenant was served meanwhile.
        self.overtaken: dict[TenantId, Counter[TenantId]] = {}

    def teardown(self) -> None:
        for attempt in [*self.waiting, *self.running]:
            assert attempt.task is not None
            attempt.task.cancel()
        self.settle()
        assert (self.slots.in_flight, self.slots.waiting_count) == (0, 0)
        self.loop.close()

    def settle(self) -> None:
        for _ in range(4):
            self.loop.run_until_complete(asyncio.sleep(0))

    @rule(claim=claims)
    def claim(self, claim: Claim) -> None:
        attempt = Attempt(claim)
        attempt.task = self.loop.create_task(self._hold(attempt))
        self.waiting.append(attempt)
        self.settle()
        assert attempt.has_begun == (
            len(self.running) < LIMITS.total_max and self._is_allowed(attempt)
        )
        if attempt.has_begun:
            self._begin(attempt)

    @rule(data=st.data())
    @precondition(lambda self: self.running)
    def end(self, data: st.DataObject) -> None:
        attempt = data.draw(st.sampled_from(self.running))
        self.running.remove(attempt)
        attempt.end.set()
        self.settle()
        self._serve_waiting()

    @rule(data=st.data())
    @precondition(lambda self: self.waiting)
    def cancel_waiting(self, data: st.DataObject) -> None:
        attempt = data.draw(st.sampled_from(self.waiting))
        assert attempt.task is not None
        attempt.task.cancel()
        self.settle()
        self.waiting.remove(attempt)
        tenant_id = attempt.claim.tenant_id
        if tenant_id not in {each.claim.tenant_id for each in self.waiting}:
            self.overtaken.pop(tenant_id, None)  # Should it come again, it joins anew.

    @rule(data=st.data())
    @precondition(lambda self: self.running and self.waiting)
    def end_while_a_waiter_is_cancelled(self, data: st.DataObject) -> None:
        ended = data.draw(st.sampled_from(self.running))
        cancelled = data.draw(st.sampled_from(self.waiting))
        assert cancelled.task is not None
        if data.draw(st.booleans()):
            cancelled.task.cancel()
            ended.end.set()
        else:
            ended.end.set()
            self.loop.run_until_complete(asyncio.sleep(0))
            cancelled.task.cancel()
        self.settle()
        self.running.remove(ended)
        self.waiting.remove(cancelled)
        self.overtaken.clear()  # What was served meanwhile is not told apart here.
        for attempt in [each for each in self.waiting if each.has_begun]:
            self._begin(attempt)

    @invariant()
    def no_limit_is_passed(self) -> None:
        claims = [attempt.claim for attempt in self.running]
        assert self.slots.in_flight == len(claims) <= LIMITS.total_max
        assert self.slots.waiting_count == len(self.waiting)
        for claim in claims:
            others = list(claims)
            others.remove(claim)
            assert is_allowed(claim, others)

    @invariant()
    def no_slot_is_free_that_somebody_could_have(self) -> None:
        if len(self.running) < LIMITS.total_max:
            assert not [attempt for attempt in self.waiting if self._is_allowed(attempt)]

    async def _hold(self, attempt: Attempt) -> None:
        if not self.slots.try_take(attempt.claim):
            await self.slots.wait(attempt.claim)
        try:
            attempt.has_begun = True
            await attempt.end.wait()
        finally:
            self.slots.give_back(attempt.claim)

    def _is_allowed(self, attempt: Attempt) -> bool:
        return is_allowed(attempt.claim, [other.claim for other in self.running])

    def _begin(self, attempt: Attempt) -> None:
        self.waiting.remove(attempt)
        self.running.append(attempt)

    def _serve_waiting(self) -> None:
        """What began was, one after the other, the oldest of its tenant that was allowed, and no
        tenant that could have run saw another served twice.
        """
        begun = [attempt for attempt in self.waiting if attempt.has_begun]
        for attempt in self._in_some_order(begun):
            could = {each.claim.tenant_id for each in self.waiting if self._is_allowed(each)}
            tenant_id = attempt.claim.tenant_id
            for other in could - {tenant_id}:
                overtakes = self.overtaken.setdefault(other, Counter())
                overtakes[tenant_id] += 1
                assert overtakes[tenant_id] <= 1, "served twice while another could have run"
            self.overtaken.pop(tenant_id, None)
            self._begin(attempt)

    def _in_some_order(self, begun: list[Attempt]) -> list[Attempt]:
        """The order they were granted in: each the oldest allowed of its tenant at that moment."""
        order: list[Attempt] = []
        left = list(begun)
        running = [attempt.claim for attempt in self.running]
        while left:
            chosen = next(each for each in left if self._is_oldest_allowed(each, running, order))
            left.remove(chosen)
            order.append(chosen)
            running.append(chosen.claim)
        return order

    def _is_oldest_allowed(
        self, attempt: Attempt, running: list[Claim], served: list[Attempt]
    ) -> bool:
        same_tenant = [
            each
            for each in self.waiting
            if each.claim.tenant_id == attempt.claim.tenant_id and each not in served
        ]
        return attempt is next(each for each in same_tenant if is_allowed(each.claim, running))


Slots.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestSlots = Slots.TestCase


@given(
    st.lists(st.tuples(st.sampled_from(["put", "discard"]), st.integers(0, 20), st.integers(0, 9)))
)
def test_the_first_in_order_is_the_smallest_that_is_left(
    steps: list[tuple[str, int, int]],
) -> None:
    ordered = Ordered[int]()
    model: dict[int, tuple[float, int]] = {}
    for action, item, number in steps:
        if action == "put":
            model[item] = (float(number), item)
            ordered.put(item, model[item])
        else:
            model.pop(item, None)
            ordered.discard(item)
        expected = min(((place, item) for item, place in model.items()), default=None)
        assert ordered.first() == expected
        assert len(ordered) == len(model)
        assert len(ordered._heap) <= 2 * len(model) + 32
