"""The recorded state of a trigger as one JSON value, so that one that has fired for years need not
be read from its first event. See domain/execution_snapshots.py.
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from domain.identifiers import JsonObject
from domain.triggers import Trigger, TriggerText

SNAPSHOT_VERSION = 1

# What is JSON already.
PLAIN = ("created_by", "failures_in_a_row", "key_generation", "is_paused", "is_deleted")
INSTANTS = ("decided_until", "buffered_at", "backfilled_until", "backfill_to")


def snapshot_of(trigger: Trigger) -> JsonObject:
    return {
        **{name: getattr(trigger, name) for name in PLAIN},
        **{name: _text(getattr(trigger, name)) for name in INSTANTS},
        "id": str(trigger.id),
        "version": trigger.version,
        "created_on": trigger.created_on.isoformat(),
        "modified_on": trigger.modified_on.isoformat(),
        "workflow_id": str(trigger.workflow_id),
        "text": asdict(trigger.text),
        "open_runs": [*trigger.open_runs],
    }


def trigger_from(snapshot: JsonObject) -> Trigger:
    """The trigger as of that version; it owns the values."""
    state = cast("Any", snapshot)
    trigger = object.__new__(Trigger)
    vars(trigger).update(
        {
            "_id": UUID(state["id"]),
            "_version": state["version"],
            "_created_on": datetime.fromisoformat(state["created_on"]),
            "_modified_on": datetime.fromisoformat(state["modified_on"]),
            "_pending_events": [],
            **{name: state[name] for name in PLAIN},
            **{name: _instant(state[name]) for name in INSTANTS},
            "workflow_id": UUID(state["workflow_id"]),
            "text": TriggerText(**state["text"]),
            "open_runs": state["open_runs"],
        }
    )
    return trigger


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
