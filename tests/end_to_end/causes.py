"""The tree of causes of one run, as GraphQL tells it."""

from typing import Any

from tests.end_to_end.stack import Api

EVENTS = """query($id: ID!) { events(streamId: $id, first: 50) { edges { node {
  version topic causationId causes { streamId version topic }
  effects { streamId version topic } } } } }"""

Told = dict[str, Any]


async def told_causes(api: Api, execution_id: str) -> list[Told]:
    """Of each event of the run, oldest first."""
    edges = (await api.query(EVENTS, id=execution_id))["events"]["edges"]
    return sorted((edge["node"] for edge in edges), key=lambda node: node["version"])


def cause_topic(node: Told) -> str | None:
    return node["causes"][0]["topic"] if node["causes"] else None


def of_topic(nodes: list[Told], topic: str) -> Told:
    return next(node for node in nodes if node["topic"] == topic)
