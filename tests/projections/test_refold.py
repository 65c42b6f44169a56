"""A stream whose data subject is erased: what its rows said before is gone, the facts stay."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from commands.ports import LoggedEvent
from domain.executions import Execution
from infra.event_sealing import nested, place, sealed
from projections.executions import EXECUTIONS
from projections.long_fold import LongFold
from projections.node_runs import NODE_RUNS
from projections.projector import Projector
from projections.rebuild import rebuild
from projections.table import AnyProjection
from tests.infra.keys import data_keys_on
from tests.infra.log_steps import IDS
from tests.projections.histories import Stream, a_tenant, an_execution, completed, started
from tests.projections.ledger import Ledger, batches

CANARY = "canary of the subject"


async def of_a_subject(ledger: Ledger, run: Stream, subject_id: UUID) -> Stream:
    """The same stream as it lies in the log."""
    keys = data_keys_on(await ledger.database("projector"))
    key, own = await keys.of(run.tenant_id), await keys.of(run.tenant_id, subject_id)
    run.events[:] = [
        event._replace(
            state=sealed(event.topic, nested(event.topic, event.state, own, at), key, at)
        )
        for event in run.events
        for at in [place(event.stream_id, event.version)]
    ]
    return run


def a_named_run(subject_id: UUID) -> Stream:
    return an_execution(
        a_tenant(), input=CANARY, subject_id=str(subject_id), data_subject="customer-1"
    )


async def a_run_of(ledger: Ledger, subject_id: UUID) -> Stream:
    run = a_named_run(subject_id).happens(Execution.Started)
    completed(started(run, "draft"), "draft")
    run.happens(Execution.Completed, output={"answer": CANARY})
    return await of_a_subject(ledger, run, subject_id)


async def erase(ledger: Ledger, run: Stream, subject_id: UUID) -> Sequence[LoggedEvent]:
    """The key is gone, and the stream says so."""
    row = (run.tenant_id, subject_id)
    await ledger.fetch("INSERT INTO destroyed_keys (tenant_id, subject_id) VALUES (%s, %s)", *row)
    run.happens(Execution.Erased, subject_id=str(subject_id))
    await ledger.append(run.events[-1:])
    return run.events[-1:]


async def deliver(ledger: Ledger, projector: Projector, events: Sequence[LoggedEvent]) -> None:
    """As the log does, which opens them."""
    await projector.handle(batches(await ledger.opened(events), cursor="end"))


async def text_of(ledger: Ledger, projection: AnyProjection) -> str:
    return str(await ledger.rows(projection))


async def test_rows_lose_what_was_personal_and_are_what_a_rebuild_makes(ledger: Ledger) -> None:
    subject_id = IDS.new()
    run = await a_run_of(ledger, subject_id)
    other = await a_run_of(ledger, IDS.new())
    await ledger.append([*run.events, *other.events])
    projector = await ledger.projector()
    await deliver(ledger, projector, await ledger.log())
    assert (await text_of(ledger, EXECUTIONS)).count(CANARY) == 4
    before = await ledger.rows(EXECUTIONS)

    await erase(ledger, run, subject_id)
    news = [event for event in await ledger.log(run) if event.topic == Execution.Erased.TOPIC]
    for _ in range(2):  # It is delivered again, as after a crash.
        await deliver(ledger, projector, news)
    rows = await ledger.rows(EXECUTIONS)
    key = (run.tenant_id, run.stream_id)
    gone = {"input": "null", "output": "null", "data_subject": None}
    erased_at = rows[key]["erased_at"]
    assert erased_at is not None
    version = {"version": len(run.events), "erased_at": erased_at}
    assert rows[key] == {**before[key], **gone, **version}
    assert rows[other.tenant_id, other.stream_id] == before[other.tenant_id, other.stream_id]
    assert await ledger.violations() == []
    for projection in (EXECUTIONS, NODE_RUNS):
        kept = await ledger.rows(projection)
        await rebuild(projection, ledger.connect, ledger.opened)
        assert await ledger.rows(projection) == kept
    assert await ledger.violations() == []


async def test_a_rebuild_under_way_forgets_too(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has folded the stream with the key when that is destroyed."""
    subject_id = IDS.new()
    run = await a_run_of(ledger, subject_id)
    await ledger.append(run.events)
    await deliver(ledger, await ledger.projector(), await ledger.log())
    assert CANARY in await text_of(ledger, EXECUTIONS)
    written = LongFold.write_all

    async def write_all(fold: LongFold) -> None:
        await written(fold)
        monkeypatch.setattr(LongFold, "write_all", written)
        await erase(ledger, run, subject_id)

    monkeypatch.setattr(LongFold, "write_all", write_all)
    await rebuild(EXECUTIONS, ledger.connect, ledger.opened)
    (row,) = (await ledger.rows(EXECUTIONS)).values()
    assert (row["input"], row["version"]) == ("null", len(run.events))


async def test_a_stream_that_stands_still_loses_its_words_too(ledger: Ledger) -> None:
    """It was parked before; its letter tells where, and nothing of anybody."""
    subject_id = IDS.new()
    run = await of_a_subject(ledger, a_named_run(subject_id), subject_id)
    run.logs("execution.polished", b"{}")
    await ledger.append(run.events)
    projector = await ledger.projector([EXECUTIONS, NODE_RUNS])
    await deliver(ledger, projector, await ledger.log())
    assert CANARY in await text_of(ledger, EXECUTIONS)
    await erase(ledger, run, subject_id)
    news = [event for event in await ledger.log(run) if event.topic == Execution.Erased.TOPIC]
    await deliver(ledger, projector, news)
    assert CANARY not in await text_of(ledger, EXECUTIONS)
    letters = await ledger.fetch("SELECT projection, version FROM dead_letters ORDER BY 1")
    assert letters == [("executions_v5", 2), ("node_runs_v4", 2)]
