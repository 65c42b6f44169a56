"""What of an event is of one person, and is sealed with that person's key inside the event: what
must not be read once they are erased. Everything else is a fact of the tenant and stays: ids,
times, states, costs.

    {"path": "draft", "output": "..."}  ──►  {"path": "draft", "output": null}  +  {"output": "..."}

Whoever reads events of somebody who is erased sees the first, marked.
"""

from collections.abc import Mapping
from uuid import UUID

import orjson

from domain.aggregates import Aggregate
from domain.directory_users import DirectoryUser
from domain.executions import Execution
from domain.identifiers import Json, JsonObject
from domain.identity import User
from domain.sessions import Session

# Of runs only when they name a data subject. A test finds every member of every event of these
# aggregates, and wants it here or known to be a fact.
PERSONAL_MEMBERS: Mapping[str, tuple[str, ...]] = {
    User.Created.TOPIC: ("email", "name"),
    User.ProfileChanged.TOPIC: ("name",),
    Session.Created.TOPIC: ("client",),
    DirectoryUser.Created.TOPIC: ("attributes",),
    DirectoryUser.Changed.TOPIC: ("attributes",),
    Execution.Created.TOPIC: ("input", "data_subject"),
    Execution.NodeStarted.TOPIC: ("request",),
    Execution.NodeCompleted.TOPIC: ("output",),
    Execution.NodeFailed.TOPIC: ("message",),
    Execution.NodeDoubted.TOPIC: ("message",),
    Execution.IterationEnded.TOPIC: ("output", "error", "compensations"),
    Execution.NodeSuspended.TOPIC: ("request",),
    Execution.ChildEnded.TOPIC: ("output", "error"),
    Execution.Signalled.TOPIC: ("payload",),
    Execution.ApprovalDecided.TOPIC: ("comment", "edits"),
    Execution.CompensationStarted.TOPIC: ("message", "error"),
    Execution.AttentionNeeded.TOPIC: ("message",),
    Execution.Resolved.TOPIC: ("output",),
    Execution.NodeCopied.TOPIC: ("output",),
    Execution.Completed.TOPIC: ("output",),
    Execution.Failed.TOPIC: ("message",),
    Execution.Cancelled.TOPIC: ("reason",),
}
# The stream of a person ends with one of these; each says whose data is gone: `subject_id`.
ERASED_TOPICS = frozenset(
    {User.Erased.TOPIC, Session.Erased.TOPIC, DirectoryUser.Erased.TOPIC, Execution.Erased.TOPIC}
)
# In the JSON of an event whose personal members cannot be read any more.
ERASED_MARK = "$erased"
ERASED_BEGINNING = b'{"$erased":true,'
ERASED_TEXT = "erased"
# Of {code, message, path, ...}: what does not say what went wrong with whose data.
ERROR_FACTS = frozenset({"code", "path", "attempt"})


def subject_of(aggregate: Aggregate) -> UUID | None:
    """Whose key the personal members of its events are sealed with."""
    subject_id: UUID | None = getattr(aggregate, "subject_id", None)
    return subject_id


def apart(topic: str, state: bytes) -> tuple[bytes, bytes] | None:
    """The JSON of an event without what is personal, and that. None when nothing is."""
    members = PERSONAL_MEMBERS.get(topic)
    if members is None:
        return None
    facts: JsonObject = orjson.loads(state)
    personal = {member: facts[member] for member in members if facts[member] is not None}
    for member, value in personal.items():
        facts[member] = _left(member, value)
    return orjson.dumps(facts), orjson.dumps(personal)


def together(facts: bytes, personal: bytes) -> bytes:
    return orjson.dumps({**orjson.loads(facts), **orjson.loads(personal)})


def erased(facts: bytes) -> bytes:
    """The JSON of an event of somebody who is erased, marked so."""
    return ERASED_BEGINNING + facts[1:]


def _left(member: str, value: Json) -> Json:
    """What an event says in the place of a personal value, of a kind that readers of such events
    expect there.
    """
    match member, value:
        case "error", dict():
            facts = {name: told for name, told in value.items() if name in ERROR_FACTS}
            return {**facts, "message": ERASED_TEXT}
        case "message", _:
            return ERASED_TEXT
        case "compensations", _:
            return []
        case "attributes", _:
            return {}
        case "email", _:
            return ""
        case _:
            return None
