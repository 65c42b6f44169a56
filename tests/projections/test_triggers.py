"""triggers."""

from typing import Any
from uuid import UUID

import orjson
import pytest

from domain.triggers import Trigger
from projections.fold import rows_after
from projections.triggers import LAST_MAX, TRIGGERS
from tests.projections.histories import IDS, at
from tests.projections.trigger_histories import NOMINAL, POLICY, a_trigger, fired, missed


def test_a_trigger_says_what_it_does_and_what_it_did_last() -> None:
    run = str(IDS.new())
    trigger = missed(fired(a_trigger(), run), 3)
    trigger.happens(Trigger.Settled, execution_id=run, status="FAILED")
    trigger.happens(Trigger.Paused, reason="failures", note=None)
    (found,) = rows_after(TRIGGERS, trigger.events)
    row: dict[str, Any] = {**found}
    last = orjson.loads(row.pop("last"))
    texts = {name: orjson.loads(row.pop(name)) for name in ("schedule", "input", "policy")}
    assert texts == {
        "schedule": {"every_s": 3600},
        "input": {"at": "{{ input.scheduled_at }}"},
        "policy": POLICY,
    }
    assert row.pop("workflow_id")
    assert row == {
        "tenant_id": trigger.tenant_id,
        "trigger_id": trigger.stream_id,
        "workflow_version": None,
        "name": "Hourly",
        "kind": "schedule",
        "webhook": None,
        "is_paused": True,
        "pause_reason": "failures",
        "note": None,
        "is_deleted": False,
        "fired_count": 1,
        "missed_count": 3,
        "last_fired_at": at(2),
        "last_execution_id": UUID(run),
        "failures_in_a_row": 1,
        "created_by": "user:ada",
        "created_at": at(1),
        "updated_at": at(1),
        "version": 5,
    }
    assert [one.get("reason") or one["execution_id"] for one in last] == ["too_late", run]


@pytest.mark.parametrize(
    ("statuses", "count"),
    [
        (["FAILED", "COMPENSATED", "CANCELLED"], 2),
        (["FAILED", "COMPLETED"], 0),
        (["FAILED", "COMPLETED", "FAILED"], 1),
    ],
)
def test_failures_in_a_row_are_counted_until_a_run_completes(
    statuses: list[str], count: int
) -> None:
    trigger = a_trigger()
    for status in statuses:
        trigger.happens(Trigger.Settled, execution_id=str(IDS.new()), status=status)
    (row,) = rows_after(TRIGGERS, trigger.events)
    assert row["failures_in_a_row"] == count


def test_only_the_last_fires_are_kept() -> None:
    trigger = a_trigger()
    runs = [str(IDS.new()) for _ in range(LAST_MAX + 1)]
    for run in runs:
        fired(trigger, run)
    (row,) = rows_after(TRIGGERS, trigger.events)
    told = [one["execution_id"] for one in orjson.loads(str(row["last"]))]
    assert told == runs[:0:-1]


def test_a_trigger_that_was_changed_resumed_and_deleted_says_so() -> None:
    trigger = a_trigger().happens(Trigger.Paused, reason="by_hand", note="holidays")
    trigger.happens(Trigger.Resumed, note="back", decided_until=NOMINAL)
    changed = {"name": "Hook", "workflow_version": 2, "schedule": None, "webhook": {}}
    trigger.happens(Trigger.Changed, **changed, input=None, policy=POLICY, decided_until=NOMINAL)
    trigger.happens(Trigger.Buffered, nominal_at=NOMINAL)
    trigger.happens(Trigger.Backfilled, after_at=NOMINAL, to_at=NOMINAL, count=1)
    trigger.happens(Trigger.Rotated, key_generation=2).happens(Trigger.Deleted)
    (row,) = rows_after(TRIGGERS, trigger.events)
    assert (row["name"], row["workflow_version"], row["webhook"]) == ("Hook", 2, "{}")
    assert (row["is_paused"], row["pause_reason"], row["note"]) == (False, None, "back")
    assert (row["is_deleted"], row["updated_at"], row["version"]) == (True, at(8), 8)
