"""Large payloads lie beside their events, whatever the event, and nothing else of it changes."""

import hashlib
from dataclasses import fields
from typing import Any
from uuid import UUID

import orjson
import pytest
from eventsourcing.persistence import StoredEvent

from domain.bulk_operations import BulkOperation
from domain.catalogue import AGGREGATES
from domain.executions import Execution
from domain.identifiers import Json, JsonObject
from domain.payloads import INLINE_BYTES_MAX
from infra.event_codec import encoded, mapper
from infra.payload_offloading import (
    MARKER,
    PAYLOAD_MEMBERS,
    divided,
    make_whole,
    reference,
    referenced,
)
from tests.infra.test_event_codec import GOLDEN, topic_of

STREAM_ID = UUID(int=7)
LARGE = "x" * INLINE_BYTES_MAX
# What could be large by its type, and is not: bounded where it is made.
SMALL = {
    ("agent.created", "profile"),
    ("agent.limited", "limits"),
    ("agent.revised", "profile"),
    ("billing_account.period_closed", "counted"),
    ("billing_account.period_closed", "included_left"),
    ("billing_account.terms_changed", "taxes"),
    ("bulk_operation.created", "filter"),
    ("bulk_operation.progressed", "refusals"),
    ("directory_user.changed", "attributes"),
    ("directory_user.created", "attributes"),
    ("embedding_call.completed", "usage"),
    ("embedding_call.created", "reserved"),
    ("embedding_call.created", "usage"),
    ("embedding_call.failed", "usage"),
    ("embedding_call.usage_resolved", "usage"),
    ("execution.child_ended", "error"),
    ("execution.compensation_started", "error"),
    ("execution.iteration_ended", "error"),
    ("execution.node_completed", "usage"),
    ("execution.node_failed", "usage"),
    ("execution.node_started", "reserved"),
    ("execution.run_metered", "usage"),
    ("execution.usage_resolved", "usage"),
    ("identity_provider.configured", "group_roles"),
    ("invoice.credited", "document"),
    ("invoice.finalized", "document"),
    ("plan.created", "limits"),
    ("plan.revised", "limits"),
    ("plan.created", "terms"),
    ("plan.revised", "terms"),
    ("price_book.published", "prices"),
    ("storage_measurement.created", "usage"),
    ("subscription.change_scheduled", "plan"),
    ("subscription.plan_changed", "plan"),
    ("subscription.started", "plan"),
    ("tenant.limited", "limits"),
    ("tenant.plan_changed", "overrides"),
    ("trigger.changed", "input"),
    ("trigger.changed", "policy"),
    ("trigger.changed", "schedule"),
    ("trigger.changed", "webhook"),
    ("trigger.created", "input"),
    ("trigger.created", "policy"),
    ("trigger.created", "schedule"),
    ("trigger.created", "webhook"),
    ("usage_event.created", "data"),
    ("usage_event.created", "usage"),
    ("workflow.created", "definition"),
    ("workflow.revised", "definition"),
}
OPEN_TYPES = (Json, JsonObject, JsonObject | None, list[JsonObject])


def events() -> list[tuple[str, type[Any]]]:
    """Every event class, by topic."""
    kinds = [
        kind
        for aggregate in AGGREGATES
        for name in dir(aggregate)
        if _is_event(kind := getattr(aggregate, name))
    ]
    return [(kind.TOPIC, kind) for kind in dict.fromkeys(kinds)]


def _is_event(kind: object) -> bool:
    return isinstance(kind, type) and "." in str(getattr(kind, "TOPIC", ""))


def address(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def golden(topic: str) -> Any:
    paths = [path for path in sorted(GOLDEN.iterdir()) if topic_of(path) == topic]
    return mapper.to_domain_event(StoredEvent(STREAM_ID, 3, topic, paths[-1].read_bytes()))


def test_every_member_that_could_be_large_is_named_or_known_to_be_small() -> None:
    could_be = {
        (topic, field.name)
        for topic, kind in events()
        for field in fields(kind)
        if field.type in OPEN_TYPES
    }
    named = {(topic, member) for topic, members in PAYLOAD_MEMBERS.items() for member in members}
    assert could_be == named | SMALL
    assert not named & SMALL


@pytest.mark.parametrize(
    ("topic", "member"),
    [(topic, name) for topic, names in PAYLOAD_MEMBERS.items() for name in names],
)
def test_a_large_member_lies_beside_its_event_and_comes_back(topic: str, member: str) -> None:
    event = golden(topic)
    vars(event)[member] = value = [{"large": LARGE}]
    content = orjson.dumps(value)
    before = dict(vars(event))
    state, (blob,) = divided(event, *encoded(event), address=address)
    assert vars(event) == before
    assert (blob.stream_id, blob.content) == (STREAM_ID, content)
    assert blob.sha256 == address(content)
    assert len(state) < 2000
    assert MARKER in state
    assert orjson.loads(state)[member] == reference(blob.sha256, len(content))
    fact = mapper.to_domain_event(StoredEvent(STREAM_ID, 3, topic, state))
    assert list(referenced(fact)) == [blob.sha256]
    make_whole(fact, {blob.sha256: content})
    assert vars(fact) == before


@pytest.mark.parametrize("path", sorted(GOLDEN.iterdir()), ids=lambda path: path.stem)
def test_a_small_event_is_stored_as_it_always_was(path: Any) -> None:
    event = golden(topic_of(path))
    topic, state = encoded(event)
    assert divided(event, topic, state, address=address) == (state, [])


def test_of_a_large_event_only_the_large_members_lie_beside_it() -> None:
    event = golden(Execution.IterationEnded.TOPIC)
    vars(event).update(output={"$blob": "mine"}, compensations=[{"path": LARGE}])
    state, (blob,) = divided(event, *encoded(event), address=address)
    stored = orjson.loads(state)
    assert stored["output"] == {"$$blob": "mine"}
    assert stored["compensations"] == reference(blob.sha256, len(blob.content))


def test_a_payload_that_is_gone_says_so_and_a_list_of_them_is_empty() -> None:
    event = golden(Execution.IterationEnded.TOPIC)
    vars(event).update(output=LARGE, compensations=[{"path": LARGE}])
    topic = Execution.IterationEnded.TOPIC
    state, blobs = divided(event, *encoded(event), address=address)
    fact: Any = mapper.to_domain_event(StoredEvent(STREAM_ID, 3, topic, state))
    make_whole(fact, {})
    told = {"sha256": blobs[0].sha256.hex(), "bytes": len(blobs[0].content)}
    assert fact.output == {"$blob": {**told, "removed": True}}
    assert fact.compensations == []


def test_two_members_with_one_content_are_one_content() -> None:
    event = golden(BulkOperation.Created.TOPIC)
    vars(event)["parameters"] = {"input": LARGE}
    (first,), (second,) = (
        divided(event, *encoded(event), address=address)[1],
        divided(event, *encoded(event), address=address)[1],
    )
    assert first == second
