"""Slots go round by tenant, no limit is passed, no slot is idle, and who leaves is forgotten."""

import asyncio
from collections.abc import Iterable
from uuid import UUID

import pytest

from domain.identifiers import TenantId
from sagas.fairness import Claim, ClaimLimits, FairSlots
from sagas.turns import weights

NOISY = TenantId(UUID(int=1))
QUIET = TenantId(UUID(int=2))
HEAVY = TenantId(UUID(int=3))


class Attempts:
    """Attempts that each hold a slot until they are told to end. running: names, in the order they
    began.
    """

    def __init__(self, slots: FairSlots) -> None:
        self.slots = slots
        self.running: list[str] = []
        self.begun: list[str] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}

    async def begin(self, name: str, claim: Claim) -> None:
        self._ends[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._attempt(name, claim))
        await settled()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await settled()
        self._tasks[name].result()

    async def cancel(self, *names: str) -> None:
        for name in names:
            self._tasks[name].cancel()
        await settled()

    async def end_all(self) -> None:
        while self.running:
            await self.end(self.running[0])

    async def _attempt(self, name: str, claim: Claim) -> None:
        await taken(self.slots, claim)
        self.running.append(name)
        self.begun.append(name)
        try:
            await self._ends[name].wait()
        finally:
            self.running.remove(name)
            self.slots.give_back(claim)


async def taken(slots: FairSlots, claim: Claim) -> None:
    if not slots.try_take(claim):
        await slots.wait(claim)


async def settled() -> None:
    """Everything that can happen without time passing has happened."""
    for _ in range(6):
        await asyncio.sleep(0)


def a_claim(
    tenant_id: TenantId = NOISY, workflow_id: str | None = "w", node_type: str = "llm"
) -> Claim:
    return Claim(tenant_id, workflow_id, node_type)


async def begin_all(attempts: Attempts, names: Iterable[str], claim: Claim) -> None:
    for name in names:
        await attempts.begin(name, claim)


@pytest.fixture
def one_slot() -> Attempts:
    return Attempts(FairSlots(ClaimLimits(1)))


async def test_a_tenant_with_ten_thousand_waiting_claims_delays_another_by_one_round() -> None:
    attempts = Attempts(FairSlots(ClaimLimits(1)))
    flood = [asyncio.create_task(taken(attempts.slots, a_claim(NOISY))) for _ in range(10_000)]
    await settled()
    assert (attempts.slots.in_flight, attempts.slots.waiting_count) == (1, 9_999)
    await attempts.begin("quiet", a_claim(QUIET))
    served_before = 0
    while not attempts.begun:
        attempts.slots.give_back(a_claim(NOISY))
        served_before += 1
        await settled()
    assert served_before <= 2
    for task in flood:
        task.cancel()
    await asyncio.gather(*flood, return_exceptions=True)
    assert attempts.slots.waiting_count == 0
    await attempts.end_all()


async def test_tenants_that_wait_take_turns(one_slot: Attempts) -> None:
    await begin_all(one_slot, ["n0", "n1", "n2", "n3"], a_claim(NOISY))
    await begin_all(one_slot, ["q0", "q1"], a_claim(QUIET))
    await one_slot.end_all()
    assert one_slot.begun == ["n0", "n1", "q0", "n2", "q1", "n3"]


async def test_a_tenant_of_weight_three_gets_three_turns_for_one() -> None:
    attempts = Attempts(FairSlots(ClaimLimits(1), weights({HEAVY: 3})))
    await attempts.begin("first", a_claim(QUIET))
    await begin_all(attempts, [f"q{n}" for n in range(4)], a_claim(QUIET))
    await begin_all(attempts, [f"h{n}" for n in range(9)], a_claim(HEAVY))
    await attempts.end_all()
    order = "".join(name[0] for name in attempts.begun[1:])
    assert [order[:4].count("h"), order[4:8].count("h"), order[8:12].count("h")] == [3, 3, 3]


async def test_a_workflow_at_its_limit_does_not_hold_back_another_of_the_same_tenant() -> None:
    attempts = Attempts(FairSlots(ClaimLimits(2, per_workflow_max=1)))
    await attempts.begin("a0", a_claim(workflow_id="a"))
    await attempts.begin("a1", a_claim(workflow_id="a"))
    await attempts.begin("a2", a_claim(workflow_id="a"))
    await attempts.begin("b0", a_claim(workflow_id="b"))
    assert attempts.running == ["a0", "b0"]
    await attempts.begin("b1", a_claim(workflow_id="b"))
    await attempts.end("b0")
    assert attempts.running == ["a0", "b1"]
    await attempts.end("a0")
    assert attempts.running == ["b1", "a1"]
    await attempts.end_all()


async def test_a_plan_may_hold_a_tenant_to_fewer_than_others() -> None:
    narrow = {QUIET: 1}
    limits = ClaimLimits(4, per_tenant_max=2, own_max_of=narrow.get)
    attempts = Attempts(FairSlots(limits))
    await begin_all(attempts, ["q0", "q1"], a_claim(QUIET))
    await begin_all(attempts, ["n0", "n1", "n2"], a_claim(NOISY))
    assert attempts.running == ["q0", "n0", "n1"]
    del narrow[QUIET]
    await attempts.end("q0")
    assert attempts.running == ["n0", "n1", "q1"]
    await attempts.end_all()


async def test_who_waits_for_a_node_type_is_held_back_by_what_its_tenant_took_meanwhile() -> None:
    limits = ClaimLimits(9, per_tenant_max=1, per_node_type_max={"http": 1})
    attempts = Attempts(FairSlots(limits))
    await attempts.begin("theirs", a_claim(QUIET, node_type="http"))
    await attempts.begin("waits", a_claim(NOISY, node_type="http"))
    await attempts.begin("overtakes", a_claim(NOISY, node_type="set"))
    await attempts.end("theirs")
    assert attempts.running == ["overtakes"]
    await attempts.end("overtakes")
    assert attempts.running == ["waits"]


async def test_a_plan_that_becomes_narrower_holds_back_who_waits() -> None:
    own_max = {NOISY: 2}
    attempts = Attempts(FairSlots(ClaimLimits(2, own_max_of=own_max.get)))
    for name in ("1", "2", "3"):
        await attempts.begin(name, a_claim(NOISY if name != "2" else QUIET))
    own_max[NOISY] = 1
    await attempts.end("2")
    assert attempts.running == ["1"]
    await attempts.end("1")
    assert attempts.running == ["3"]


async def test_what_runs_without_a_workflow_has_no_workflow_limit() -> None:
    attempts = Attempts(FairSlots(ClaimLimits(3, per_workflow_max=1)))
    await begin_all(attempts, ["x", "y", "z"], a_claim(workflow_id=None))
    assert attempts.running == ["x", "y", "z"]
    await attempts.end_all()


async def test_a_node_type_at_its_limit_holds_back_that_type_only() -> None:
    attempts = Attempts(FairSlots(ClaimLimits(3, per_node_type_max={"llm": 1})))
    await begin_all(attempts, ["l0", "l1"], a_claim(NOISY, node_type="llm"))
    await attempts.begin("l2", a_claim(QUIET, node_type="llm"))
    await attempts.begin("h0", a_claim(NOISY, node_type="http"))
    assert attempts.running == ["l0", "h0"]
    await attempts.end("l0")
    assert attempts.running == ["h0", "l1"]
    await attempts.end("l1")
    assert attempts.running == ["h0", "l2"]
    await attempts.end_all()


async def test_a_tenant_at_its_limit_leaves_slots_to_others() -> None:
    attempts = Attempts(FairSlots(ClaimLimits(3, per_tenant_max=2)))
    await begin_all(attempts, ["n0", "n1", "n2"], a_claim(NOISY))
    await attempts.begin("q0", a_claim(QUIET))
    assert attempts.running == ["n0", "n1", "q0"]
    await attempts.end("q0")
    assert attempts.running == ["n0", "n1"]
    await attempts.end("n0")
    assert attempts.running == ["n1", "n2"]
    await attempts.end_all()


async def test_one_end_may_let_two_begin_that_waited_for_different_limits() -> None:
    limits = ClaimLimits(4, per_workflow_max=1, per_node_type_max={"llm": 1})
    attempts = Attempts(FairSlots(limits))
    await attempts.begin("both", a_claim(NOISY, "a", "llm"))
    await attempts.begin("workflow", a_claim(NOISY, "a", "http"))
    await attempts.begin("type", a_claim(QUIET, "b", "llm"))
    assert attempts.running == ["both"]
    await attempts.end("both")
    assert sorted(attempts.running) == ["type", "workflow"]
    await attempts.end_all()


async def test_a_waiter_that_is_cancelled_is_passed_over(one_slot: Attempts) -> None:
    await begin_all(one_slot, ["a", "b", "c"], a_claim())
    await one_slot.cancel("b")
    assert one_slot.slots.waiting_count == 1
    await one_slot.end("a")
    assert one_slot.running == ["c"]
    await one_slot.end_all()
    assert one_slot.slots.in_flight == 0


async def test_a_slot_granted_to_a_waiter_that_is_cancelled_at_once_goes_on() -> None:
    """The grant and the cancellation meet in one turn of the event loop, in either order."""
    slots = FairSlots(ClaimLimits(1))
    for is_granted_first in (True, False):
        assert slots.try_take(a_claim())
        waiters = [asyncio.create_task(taken(slots, a_claim())) for _ in range(2)]
        await settled()
        if is_granted_first:
            slots.give_back(a_claim())
            waiters[0].cancel()
        else:
            waiters[0].cancel()
            slots.give_back(a_claim())
        await settled()
        assert [waiter.done() for waiter in waiters] == [True, True]
        assert (slots.in_flight, slots.waiting_count) == (1, 0)
        slots.give_back(a_claim())


async def test_claims_that_were_cancelled_cost_their_tenant_no_turn(one_slot: Attempts) -> None:
    await one_slot.begin("first", a_claim(QUIET))
    await begin_all(one_slot, ["n0", "n1", "n2", "n3"], a_claim(NOISY))
    await begin_all(one_slot, ["q0", "q1"], a_claim(QUIET))
    await one_slot.cancel("n0", "n1", "n2")
    await one_slot.end_all()
    assert one_slot.begun == ["first", "n3", "q0", "q1"]
