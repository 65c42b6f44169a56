"""What a run remembers beside its nodes."""

from dataclasses import dataclass

from domain.identifiers import JsonObject


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
