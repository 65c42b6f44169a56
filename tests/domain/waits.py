"""Runs of one node that waits, and what they record."""

from datetime import timedelta

from domain.identifiers import Json, JsonObject
from tests.domain.facts import fact
from tests.domain.given import NOON, Run, a_run, a_set


def waiting(node: JsonObject, *edges: str, given_input: Json = None) -> Run:
    """One node that waits; `rescue` stands behind its error port when edges lead there."""
    name = node["id"]
    nodes = [node, a_set("rescue")] if any("rescue" in edge for edge in edges) else [node]
    return a_run(nodes, [f"start -> {name}", *edges], given_input)


def at(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat()


def suspended(seconds: float | None) -> tuple[str, JsonObject]:
    return fact("suspended", wake_at=None if seconds is None else at(seconds))


def node_suspended(path: str, kind: str, request: JsonObject, until: str | None) -> Json:
    fields: JsonObject = {"path": path, "node_type": kind, "attempt": 1, "request": request}
    return fact("node_suspended", **fields, until=until)  # pyright: ignore[reportReturnType] # a fact
