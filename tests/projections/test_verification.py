"""`verify` finds what is wrong with a projection, and nothing when nothing is."""

import random

import pytest

import projections.verification
from projections.catalogue import PROJECTIONS
from projections.executions import EXECUTIONS
from projections.node_runs import NODE_RUNS
from projections.verification import verify_projection
from tests.projections.histories import (
    Stream,
    a_finished_run,
    a_tenant,
    interleaved,
)
from tests.projections.ledger import Ledger, batches
from tests.projections.tenant_histories import random_streams


async def three_runs(ledger: Ledger) -> list[Stream]:
    """Applied, oldest first."""
    tenant_id = a_tenant()
    runs = [a_finished_run(tenant_id) for _ in range(3)]
    await ledger.append(interleaved(random.Random(1), runs))
    await (await ledger.projector()).handle(batches(await ledger.log()))
    return runs


async def test_a_whole_projection_has_nothing_to_say(ledger: Ledger) -> None:
    streams = random_streams(random.Random(1), a_tenant(), 30)
    await ledger.append(interleaved(random.Random(1), streams))
    await (await ledger.projector()).handle(batches(await ledger.log()))
    for projection in PROJECTIONS:
        check = await verify_projection(ledger.owner, projection, ledger.opened)
        assert check.ok
        assert check.checked == len(await ledger.rows(projection)) > 0


@pytest.mark.parametrize("page", [1, 2, 3, 1000])
async def test_pages_of_any_size_see_every_row_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr(projections.verification, "STREAMS_PAGE", page)
    monkeypatch.setattr(projections.verification, "PLACES_PAGE", page)
    monkeypatch.setattr(projections.verification, "EVENTS_PAGE", page)
    await three_runs(ledger)
    check = await verify_projection(ledger.owner, NODE_RUNS, ledger.opened)
    assert (check.checked, check.violations) == (9, [])


async def test_a_row_that_was_changed_is_named_with_its_columns(ledger: Ledger) -> None:
    run, *_ = await three_runs(ledger)
    await ledger.fetch(
        "UPDATE executions_v5 SET status = 'RUNNING', tokens_in = 1 WHERE execution_id = %s",
        run.stream_id,
    )
    assert await ledger.violations() == [
        f"{run.tenant_id}/{run.stream_id}: status, tokens_in differ"
    ]


async def test_a_row_that_is_gone_is_missed(ledger: Ledger) -> None:
    *_, run = await three_runs(ledger)
    await ledger.fetch(
        "DELETE FROM node_runs_v4 WHERE path = 'draft' AND execution_id = %s", run.stream_id
    )
    assert await ledger.violations() == [
        f"{run.tenant_id}/{run.stream_id}/draft: the row is missing"
    ]


async def test_a_row_that_no_event_made_is_found_wherever_it_sorts(ledger: Ledger) -> None:
    for stranger in ("first", "last"):
        run, *_ = await three_runs(ledger)
        byte = "00000000" if stranger == "first" else "ffffffff"
        await ledger.owner.execute(
            "INSERT INTO node_runs_v4 (tenant_id, execution_id, path, ordinal, node_id, status,"
            " attempt, is_copied, cost_usd_pico, unpriced, tokens_in, tokens_out)"
            " VALUES (%s, %s, 'x', 1, 'x', 'RUNNING', 1, false, 0, 0, 0, 0)",
            (run.tenant_id, byte + str(run.stream_id)[8:]),
        )
    violations = await ledger.violations()
    assert len(violations) == 2
    assert all(violation.endswith("no event explains this row") for violation in violations)


async def test_events_that_the_position_has_passed_must_be_applied(ledger: Ledger) -> None:
    run, *_ = await three_runs(ledger)
    await ledger.fetch("DELETE FROM executions_v5 WHERE execution_id = %s", run.stream_id)
    await ledger.fetch("DELETE FROM executions_v5_streams WHERE stream_id = %s", run.stream_id)
    assert await ledger.violations() == [f"{run.stream_id}: applied to version 0 of 7"]


async def test_events_that_the_position_has_not_reached_are_no_violation(ledger: Ledger) -> None:
    await three_runs(ledger)
    await ledger.append(a_finished_run().events)
    assert await ledger.violations() == []


async def test_a_version_beyond_the_store_is_a_violation(ledger: Ledger) -> None:
    run, *_ = await three_runs(ledger)
    await ledger.fetch(
        "UPDATE executions_v5_streams SET version = 99 WHERE stream_id = %s", run.stream_id
    )
    assert await ledger.violations() == [f"{run.stream_id}: version 99 is applied and not stored"]


async def test_a_parked_stream_must_have_a_letter_and_a_letter_a_parked_stream(
    ledger: Ledger,
) -> None:
    run, *_ = await three_runs(ledger)
    await ledger.fetch(
        "UPDATE executions_v5_streams SET is_parked = true WHERE stream_id = %s", run.stream_id
    )
    assert await ledger.violations([EXECUTIONS]) == [
        f"{run.stream_id}: is parked at version 7 without a dead letter"
    ]
    await ledger.fetch("UPDATE executions_v5_streams SET is_parked = false")
    await ledger.owner.execute(
        "INSERT INTO dead_letters VALUES ('executions_v5', %s, %s, 8, 'execution.paused', 'why')",
        (run.stream_id, run.tenant_id),
    )
    assert await ledger.violations([EXECUTIONS]) == [
        f"{run.stream_id}: has a dead letter and is not parked"
    ]
