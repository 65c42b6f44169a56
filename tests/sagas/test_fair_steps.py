"""A worker that drives many runs of one tenant stores the steps of another without delay."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from commands.authorization import EVERY_SCOPE
from commands.dispatch import Dispatcher
from commands.ports import CommandRecord, PositionToken, SideRow
from domain.aggregates import Aggregate
from domain.envelope import Envelope
from domain.identifiers import TenantId
from sagas.step_turns import StepLimits, StepTurns
from tests.commands.fakes import FakeEventStore, World
from tests.sagas.steps import Worker, an_execution, one_call, read, until


class HeldStore(FakeEventStore):
    """What workers append waits until the store is let go. appending: whose they are."""

    def __init__(self) -> None:
        super().__init__()
        self.appending: Counter[TenantId] = Counter()
        self.is_let_go = asyncio.Event()

    async def append(
        self,
        aggregates: Sequence[Aggregate],
        envelope: Envelope,
        *,
        side_rows: Sequence[SideRow] = (),
        command: CommandRecord | None = None,
    ) -> PositionToken | None:
        if envelope.actor.startswith("worker:"):
            self.appending[envelope.tenant_id] += 1
            await self.is_let_go.wait()
        return await super().append(aggregates, envelope, side_rows=side_rows, command=command)


async def test_a_step_of_a_quiet_tenant_is_stored_while_steps_of_a_noisy_one_wait() -> None:
    store = HeldStore()
    noisy, quiet = World(store), World(store)
    # One installation: no id is given twice.
    quiet.dispatcher = Dispatcher(replace(quiet.ports, ids=noisy.ids))
    quiet.tenant_id = TenantId(noisy.ids.new())
    quiet.caller = quiet.caller_with(EVERY_SCOPE)
    worker = Worker(noisy)
    own_max, spare_max = 2, 8
    worker.saga.parts.steps = StepTurns(
        StepLimits(8, own_max, spare_max), asyncio.get_running_loop().time
    )
    await worker.own_everything()
    ids = [await an_execution(noisy, one_call()) for _ in range(30)]
    await worker.deliver()
    await until(lambda: store.appending[noisy.tenant_id], "the noisy tenant stores steps")

    await an_execution(quiet, one_call())
    await worker.deliver()
    await until(lambda: store.appending[quiet.tenant_id], "the quiet tenant stores its step")

    assert store.appending[noisy.tenant_id] == own_max + spare_max
    store.is_let_go.set()
    for place in range(len(ids) + 1):
        await until(lambda place=place: len(worker.models.calls) > place, "all runs go on")
        worker.models.answer(place, "ok")
    await until(lambda: worker.saga.driven_count() == 0, "all runs end")
    assert {(await read(noisy, each)).status for each in ids} == {"COMPLETED"}
