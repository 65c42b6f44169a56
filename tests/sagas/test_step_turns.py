"""A tenant has its own steps at once, those who crowd share spare ones, and who is quiet is not
delayed by them.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from domain.identifiers import TenantId
from sagas.step_turns import QUIET_S, StepLimits, StepTurns
from sagas.turns import weights

NOISY = TenantId(UUID(int=1))
LOUD = TenantId(UUID(int=2))
QUIET = TenantId(UUID(int=3))
OWN = 2
SPARE = 10
# Up to so many, a tenant is quiet.
FEW = 8


@dataclass
class Steps:
    """Steps that each last until they are told to end. begun: names, in order."""

    now_s: float = 100.0
    weights: dict[UUID, float] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    running: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        limits = StepLimits(FEW, OWN, SPARE)
        self.turns = StepTurns(limits, lambda: self.now_s, weights(self.weights))
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}

    async def begin(self, tenant_id: TenantId, names: Iterable[str]) -> None:
        for name in names:
            self._ends[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._step(name, tenant_id))
        await settled()

    async def end(self, *names: str) -> None:
        for name in names:
            self._ends[name].set()
        await settled()

    async def end_all(self) -> None:
        while self.running:
            await self.end(self.running[0])

    async def end_and_cancel(self, ended: str, next_one: str) -> None:
        """The next one is granted its step, and cancelled before it knows."""
        self._ends[ended].set()
        await asyncio.sleep(0)
        self.cancel(next_one)
        await settled()

    def cancel(self, *names: str) -> None:
        for name in names:
            self._tasks[name].cancel()

    async def _step(self, name: str, tenant_id: TenantId) -> None:
        if not self.turns.try_take(tenant_id):
            await self.turns.wait(tenant_id)
        self.running.append(name)
        self.begun.append(name)
        try:
            await self._ends[name].wait()
        finally:
            self.running.remove(name)
            self.turns.give_back(tenant_id)


async def settled() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


def named(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


@pytest.fixture
def steps() -> Steps:
    return Steps()


async def test_a_tenant_alone_has_its_own_steps_and_all_spare_ones(steps: Steps) -> None:
    await steps.begin(NOISY, named("n", 20))

    assert steps.running == named("n", OWN + SPARE)


async def test_a_quiet_tenant_never_waits_for_ten_thousand_steps_of_another(steps: Steps) -> None:
    await steps.begin(NOISY, named("n", 10_000))

    await steps.begin(QUIET, named("q", FEW))

    assert steps.running == [*named("n", OWN + SPARE), *named("q", FEW)]


async def test_while_a_tenant_is_quiet_others_keep_no_more_than_their_own(steps: Steps) -> None:
    await steps.begin(NOISY, named("n", 30))
    await steps.begin(LOUD, named("l", 30))
    await steps.begin(QUIET, ["q"])

    for _ in range(20):
        await steps.end(next(name for name in steps.running if name != "q"))

    of_whom = Counter(name[0] for name in steps.running)
    assert of_whom == {"n": OWN, "l": OWN, "q": 1}


async def test_spare_steps_are_handed_out_again_when_the_quiet_tenant_has_gone(
    steps: Steps,
) -> None:
    await steps.begin(NOISY, named("n", 40))
    await steps.begin(QUIET, ["q"])
    await steps.end("q", *named("n", SPARE))
    steps.now_s += QUIET_S / 2
    await steps.end(steps.running[0])
    during = len(steps.running)

    steps.now_s += QUIET_S
    await steps.end(steps.running[0])

    assert (during, len(steps.running)) == (OWN, OWN + SPARE)


async def test_tenants_that_crowd_take_spare_steps_in_turn(steps: Steps) -> None:
    await steps.begin(NOISY, named("n", 30))
    await steps.begin(LOUD, named("l", 30))
    before = len(steps.begun)

    # What the other tenant took while it was quiet counts as spare: first that is given back.
    await steps.end(*named("n", 8), "l0", "l1")

    assert Counter(name[0] for name in steps.begun[before:]) == {"n": 2, "l": 2}


async def test_a_tenant_of_twice_the_weight_has_twice_as_many_of_its_own() -> None:
    steps = Steps(weights={NOISY: 2.0})
    await steps.begin(NOISY, named("n", 40))
    await steps.begin(QUIET, ["q"])

    for _ in range(20):
        await steps.end(next(name for name in steps.running if name != "q"))

    assert len(steps.running) == 1 + 2 * OWN


async def test_steps_of_one_tenant_begin_in_the_order_they_were_asked_for(steps: Steps) -> None:
    await steps.begin(NOISY, named("n", 20))

    await steps.end_all()

    assert steps.begun == named("n", 20)


async def test_who_is_cancelled_leaves_no_trace_whenever_that_happens(steps: Steps) -> None:
    await steps.begin(NOISY, named("n", 20))
    steps.cancel("n13", "n19")
    await steps.end("n0")
    waiting_count = steps.turns.waiting_count
    await steps.end_and_cancel("n1", "n14")
    assert steps.turns.waiting_count < waiting_count

    await steps.end_all()

    assert not {"n13", "n14", "n19"} & set(steps.begun)
    assert (steps.turns.in_flight, steps.turns.waiting_count) == (0, 0)


async def test_all_steps_begin_and_nothing_is_kept_of_tenants_that_have_none(steps: Steps) -> None:
    await steps.begin(NOISY, named("n", 50))
    await steps.begin(LOUD, named("l", 50))
    await steps.begin(QUIET, named("q", 3))

    await steps.end_all()
    # All spare ones are free again.
    steps.now_s += 2 * QUIET_S
    await steps.begin(NOISY, named("again", 20))
    await steps.end_all()

    assert len(steps.begun) == 103 + 20


async def test_quiet_tenants_that_have_gone_are_forgotten(steps: Steps) -> None:
    for number in range(10, 60):
        await steps.begin(TenantId(UUID(int=number)), [f"step{number}"])
        await steps.end(f"step{number}")
        steps.now_s += QUIET_S / 2

    assert steps.turns.quiet_count <= 3
