"""What a run remembers beside its nodes."""

from dataclasses import dataclass
from typing import cast

from domain.identifiers import JsonObject

# Of a run that no other run began, as its first event has it.
NO_ORIGIN: JsonObject = {
    "parent_id": None,
    "parent_path": None,
    "depth": 0,
    "forked_from_id": None,
    "forked_from_node": None,
    "subject_id": None,
    "data_subject": None,
}


@dataclass(frozen=True, slots=True)
class Child:
    """A run that a node of this one started. policy: what becomes of it when this run ends."""

    path: str
    policy: str


@dataclass(frozen=True, slots=True)
class Undoing:
    """Why what was done is undone. error: of a run that failed, {code, message, path, attempt}."""

    reason: str
    error: JsonObject | None


def text_id(roots: JsonObject) -> str:
    """The id of a run. roots: what its expressions see. To write it again takes as long as ten
    look-ups.
    """
    return str(cast("JsonObject", roots["execution"])["id"])
