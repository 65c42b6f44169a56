"""What `verify` finds in a log, and what it does not mistake for a violation."""

from collections.abc import AsyncIterator

import pytest

from domain.credits import CreditAccount
from domain.executions import Execution
from domain.identifiers import shard_of
from domain.triggers import Trigger
from infra.connections import Connection
from infra.trigger_verification import verify_triggers
from infra.verification import verify_log
from tests.conftest import database_url_of
from tests.projections.billing_histories import a_credit_account
from tests.projections.conftest import OPTIONS, drop_database, fresh_copy
from tests.projections.histories import (
    FREE,
    IDS,
    Stream,
    a_finished_run,
    an_execution,
    child_ended,
    child_started,
    compensation_started,
    completed,
    failed,
    resolved,
    started,
    suspended,
)
from tests.projections.ledger import Ledger
from tests.projections.trigger_histories import a_trigger, fired

OWNED = "every execution is ended or owned"
ONCE = "no effect is accepted twice"
TOLD = "every child that ended told its parent"
STUCK = {"path": None, "attempt": None, "code": "stuck", "message": "no end", "stopped_paths": []}


@pytest.fixture
async def ledger(
    postgres_url: str, template_database: str, master_key: str
) -> AsyncIterator[Ledger]:
    """On a database of its own: what is checked is the whole log."""
    name = fresh_copy(postgres_url, template_database)
    url = database_url_of(postgres_url, name)
    async with await Connection.connect(url, autocommit=True, options=OPTIONS) as owner:
        built = Ledger(url, master_key, owner)
        yield built
        for database in built.databases.values():
            await database.close()
    drop_database(postgres_url, name)


async def violations(ledger: Ledger, check: str) -> list[str]:
    checks = {
        one.name: one for one in await verify_log(ledger.owner, ledger.opened, lambda _: None)
    }
    return checks[check].violations


async def own(ledger: Ledger, run: Stream) -> None:
    """A worker owes this run an end."""
    await ledger.fetch(
        "INSERT INTO open_executions (tenant_id, execution_id, shard) VALUES (%s, %s, 0)",
        run.tenant_id,
        run.stream_id,
    )


def undone(run: Stream) -> Stream:
    return compensation_started(run).happens(Execution.Compensated, paths=[])


def needs_attention(run: Stream) -> Stream:
    return run.happens(Execution.AttentionNeeded, message="look", paths=["a"], done_paths=[])


def retried(run: Stream, *paths: str) -> Stream:
    return run.happens(Execution.Failed, **STUCK).happens(Execution.Retried, paths=list(paths))


async def look_at(ledger: Ledger, trigger: Stream, due_at: str) -> None:
    await ledger.fetch(
        "INSERT INTO due_triggers (tenant_id, trigger_id, due_at) VALUES (%s, %s, %s)",
        trigger.tenant_id,
        trigger.stream_id,
        due_at,
    )


async def test_a_trigger_is_looked_at_when_its_events_say(ledger: Ledger) -> None:
    one_o_clock, two_o_clock = "2026-01-01T01:00:00+00:00", "2026-01-01T02:00:00+00:00"
    begun, resting = a_trigger(), a_trigger()
    fresh, waiting = a_trigger(), a_trigger().happens(Trigger.Buffered, nominal_at=one_o_clock)
    fired(begun, str(IDS.new()))
    resting.happens(Trigger.Paused, reason="by_hand", note=None)
    called = a_trigger(schedule=None, webhook={})
    streams = [begun, resting, fresh, waiting, called]
    await ledger.append([event for stream in streams for event in stream.events])
    await look_at(ledger, begun, two_o_clock)
    await look_at(ledger, fresh, one_o_clock)
    await look_at(ledger, waiting, "2026-01-01T01:00:05+00:00")
    check = await verify_triggers(ledger.owner, ledger.opened)
    assert (check.violations, check.checked) == ([], 5)
    await ledger.fetch(
        "UPDATE due_triggers SET due_at = %s WHERE trigger_id = %s", one_o_clock, begun.stream_id
    )
    for lost in (fresh, waiting):
        await ledger.fetch("DELETE FROM due_triggers WHERE trigger_id = %s", lost.stream_id)
    await look_at(ledger, resting, one_o_clock)
    stray = a_trigger()
    await look_at(ledger, stray, one_o_clock)
    check = await verify_triggers(ledger.owner, ledger.opened)
    assert sorted(check.violations) == sorted(
        [
            f"{begun.stream_id}: is looked at {one_o_clock}, and its events say {two_o_clock}",
            f"{fresh.stream_id}: is looked at never, and its events say {one_o_clock}",
            f"{waiting.stream_id}: is looked at never, and its events say {two_o_clock}",
            f"{resting.stream_id}: is looked at {one_o_clock}, and its events say never",
            f"{stray.stream_id}: is looked at, and has no events",
        ]
    )


async def test_an_event_in_another_shard_than_its_stream_is_found(ledger: Ledger) -> None:
    first, second = an_execution(), an_execution()
    await ledger.append([*first.events, *second.events])
    check = "every stream is in its shard"
    assert await violations(ledger, check) == []
    of = shard_of(first.stream_id)
    for shard, said in ((of ^ 1, str(of ^ 1)), (None, "none")):
        await ledger.fetch(
            "UPDATE events SET shard = %s WHERE originator_id = %s", shard, first.stream_id
        )
        assert await violations(ledger, check) == [
            f"{first.stream_id}: version 1 is in shard {said}, its stream in {of}"
        ]


async def test_a_run_is_owned_unless_the_last_that_was_decided_ended_it(ledger: Ledger) -> None:
    is_open = [
        an_execution(),
        retried(an_execution()),
        compensation_started(a_finished_run()),
        resolved(needs_attention(an_execution()), "a"),
        needs_attention(an_execution()).happens(Execution.Paused),
    ]
    is_closed = [
        a_finished_run(),
        undone(a_finished_run()),
        needs_attention(an_execution()),
        retried(an_execution()).happens(Execution.Completed, output=None),
    ]
    for run in (*is_open, *is_closed):
        await ledger.append(run.events)
    for run in is_open:
        await own(ledger, run)
    assert await violations(ledger, OWNED) == []
    await ledger.fetch("DELETE FROM open_executions")
    for run in is_closed:
        await own(ledger, run)
    found = {run.stream_id: "is not ended and nobody owes its end" for run in is_open}
    found |= {run.stream_id: "is ended and still owed an end" for run in is_closed}
    expected = sorted(f"{stream_id}: {what}" for stream_id, what in found.items())
    assert sorted(await violations(ledger, OWNED)) == expected


async def test_an_end_that_is_owed_to_nothing_is_found(ledger: Ledger) -> None:
    run = an_execution()
    await own(ledger, run)
    assert await violations(ledger, OWNED) == [f"{run.stream_id}: is owed an end but has no events"]


async def test_a_second_outcome_of_an_attempt_is_found_even_after_a_retry(ledger: Ledger) -> None:
    twice = completed(completed(started(an_execution(), "draft"), "draft"), "draft")
    late = completed(retried(failed(started(an_execution(), "draft"), "draft"), "draft"), "draft")
    revived = failed(started(an_execution(), "draft"), "draft", code="abandoned")
    completed(revived, "draft")
    for run in (twice, late, revived):
        await ledger.append(run.events)
    assert sorted(await violations(ledger, ONCE)) == sorted(
        f"{run.stream_id}: draft attempt 1 has two outcomes" for run in (twice, late, revived)
    )


async def test_what_is_no_second_effect_is_no_violation(ledger: Ledger) -> None:
    """A condition that failed is looked at again, a wait begins again, and a node that waits for
    its next attempt is given up.
    """
    run = failed(an_execution(), "check", node_type="condition")
    failed(suspended(run, "paid"), "paid", node_type="signal")
    retried(run, "check", "paid")
    completed(run, "check", node_type="condition", **FREE)
    completed(suspended(run, "paid"), "paid", node_type="signal", **FREE)
    failed(started(run, "draft"), "draft", retry_at="2026-01-01T00:00:09Z")
    failed(run, "draft", code="abandoned")
    run.happens(Execution.NodeCopied, path="draft", node_type="llm", output=1, ports=[])
    await ledger.append(run.events)
    assert await violations(ledger, ONCE) == []


async def test_a_child_whose_parent_does_not_know_of_its_end_is_found(ledger: Ledger) -> None:
    child, running = a_finished_run(), an_execution()
    parent = child_started(an_execution(), "research", child.stream_id)
    child_started(parent, "other", running.stream_id)
    for run in (child, running, parent):
        await ledger.append(run.events)
    assert await violations(ledger, TOLD) == [
        f"{child.stream_id}: has ended, and its parent {parent.stream_id} was not told"
    ]


async def test_a_parent_need_not_be_told_what_it_knows_or_does_not_wait_for(
    ledger: Ledger,
) -> None:
    children = [a_finished_run() for _ in range(4)]
    told, unawaited, stopped, replaced = (child.stream_id for child in children)
    parents = [
        child_ended(child_started(an_execution(), "a", told), "a", told),
        child_started(an_execution(), "a", unawaited, is_awaited=False),
        child_started(an_execution(), "a", stopped).happens(Execution.Failed, **STUCK),
        retried(child_started(an_execution(), "a", replaced), "a"),
        child_started(an_execution(), "a", needs_attention(an_execution()).stream_id),
        child_started(an_execution(), "a", IDS.new()),
    ]
    for run in (*children, *parents):
        await ledger.append(run.events)
    assert await violations(ledger, TOLD) == []


async def test_a_payload_that_is_gone_though_it_is_used_and_a_wrong_count_are_found(
    ledger: Ledger,
) -> None:
    tenant_id, stream_id = IDS.new(), IDS.new()
    await ledger.fetch(
        "INSERT INTO blobs (tenant_id, sha256, bytes, content) VALUES (%s, 'kept', 4, 'true')",
        tenant_id,
    )
    for sha256 in ("kept", "gone"):
        await ledger.fetch(
            "INSERT INTO blob_uses (tenant_id, stream_id, sha256) VALUES (%s, %s, %s::bytea)",
            tenant_id,
            stream_id,
            sha256,
        )
    await ledger.fetch("INSERT INTO blob_totals (tenant_id, bytes) VALUES (%s, 5)", tenant_id)
    assert await violations(ledger, "every payload beside the log is stored") == [
        f"{stream_id}: refers to a payload that is not stored: {b'gone'.hex()}"
    ]
    assert await violations(ledger, "the payloads of every tenant are counted") == [
        f"{tenant_id}: 5 bytes of payloads are counted, 4 are stored"
    ]


async def test_an_entry_of_credits_that_makes_or_takes_what_is_not_there_is_found(
    ledger: Ledger,
) -> None:
    check = "credits are kept by double entry"
    account = a_credit_account()
    await ledger.append(account.events)
    assert await violations(ledger, check) == []
    told = {"invoice_id": "i", "at": "2026-01-09T00:00:00+00:00"}
    made = a_credit_account()
    made.happens(CreditAccount.Burned, postings=[["grant:g", -1], ["consumed:i", 2]], **told)
    overdrawn = a_credit_account()
    overdrawn.happens(CreditAccount.Burned, postings=[["grant:g", -1], ["consumed:i", 1]], **told)
    for stream in (made, overdrawn):
        await ledger.append(stream.events)
    assert sorted(await violations(ledger, check)) == sorted(
        [
            f"{made.stream_id} version 7: its entry does not sum to zero",
            f"{overdrawn.stream_id} version 7: grant:g is below zero",
        ]
    )
