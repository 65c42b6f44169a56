"""A call of an embedding model: its intent, and each way in which it becomes known what it used."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from domain.embedding_calls import LATE, EmbeddingCall
from domain.node_types import UNBILLED, Usage
from domain.usage import Metered, UsageLine, UsageNotUnresolved

CALL_ID = UUID(int=5)
LINES: list[UsageLine] = [["requests", 1, 0], ["embedding_tokens", 7, 140_000]]
USED = Usage("m", 7, 0, 140_000, Metered("m", "acme", None, "provider", "book/1", LINES))
NOTHING = Usage("m")


def a_call() -> EmbeddingCall:
    call = EmbeddingCall(
        id=CALL_ID,
        purpose="search",
        model="m",
        happened_at="2026-01-01T00:00:00+00:00",
        created_by="user:ada",
        reserved=None,
        usage=None,
        counters=[],
    )
    call.collect_events()
    return call


def completed(call: EmbeddingCall) -> None:
    call.complete(USED)


def failed(call: EmbeddingCall) -> None:
    call.fail("invalid", "no", NOTHING)


def unresolved(call: EmbeddingCall) -> None:
    call.leave_unresolved("interrupted", "nobody told")


def resolved(call: EmbeddingCall) -> None:
    unresolved(call)
    call.resolve(USED, reason="a report")


def then(call: EmbeddingCall) -> list[str]:
    return [event.TOPIC.partition(".")[2] for event in call.collect_events()]  # pyright: ignore[reportAttributeAccessIssue] # every event has one


@pytest.mark.parametrize(
    ("tell", "topics"),
    [
        (completed, ["completed"]),
        (failed, ["failed"]),
        (lambda call: call.fail("invalid", "no", USED), ["failed"]),
        (lambda call: call.fail("timeout", "no answer", UNBILLED), ["usage_unresolved"]),
        (unresolved, ["usage_unresolved"]),
        (resolved, ["usage_unresolved", "usage_resolved"]),
    ],
    ids=["answered", "refused", "billed", "unanswered", "given up", "found out"],
)
def test_how_a_call_ends(tell: Callable[[EmbeddingCall], Any], topics: list[str]) -> None:
    call = a_call()
    tell(call)
    assert then(call) == topics


@pytest.mark.parametrize("end", [completed, failed, resolved], ids=lambda one: one.__name__)
@pytest.mark.parametrize("tell", [completed, failed, unresolved], ids=lambda one: one.__name__)
def test_what_is_known_is_not_told_again(
    end: Callable[[EmbeddingCall], None], tell: Callable[[EmbeddingCall], None]
) -> None:
    call = a_call()
    end(call)
    call.collect_events()
    tell(call)
    assert then(call) == []


def test_an_answer_that_comes_late_says_what_was_used() -> None:
    call = a_call()
    unresolved(call)
    call.complete(USED)
    *_, event = call.collect_events()
    assert isinstance(event, EmbeddingCall.UsageResolved)
    assert (event.reason, event.cost_usd_pico, event.path, event.attempt) == (
        LATE,
        140_000,
        "search",
        1,
    )
    assert event.usage["created_by"] == "user:ada"


def test_a_late_failure_that_was_not_billed_leaves_it_to_the_providers_report() -> None:
    call = a_call()
    unresolved(call)
    call.collect_events()
    failed(call)
    assert then(call) == []
    assert call.require_unresolved("search", 1) == call.modified_on


@pytest.mark.parametrize(
    ("path", "attempt", "end"),
    [
        ("search", 1, completed),
        ("template", 1, unresolved),
        ("search", 2, unresolved),
        ("search", 1, resolved),
    ],
    ids=["known", "another purpose", "another attempt", "resolved"],
)
def test_only_what_is_unresolved_is_resolved(
    path: str, attempt: int, end: Callable[[EmbeddingCall], None]
) -> None:
    call = a_call()
    end(call)
    with pytest.raises(UsageNotUnresolved):
        call.require_unresolved(path, attempt)


def test_what_was_stored_after_its_call_before_there_were_intents_is_known() -> None:
    state: dict[str, Any] = {"usage": {"created_by": "user:ada"}}
    EmbeddingCall.Created.upcast_v1_v2(state)
    assert (state["created_by"], state["reserved"]) == ("user:ada", None)
    call = EmbeddingCall(
        id=CALL_ID, purpose="search", model="m", happened_at="", counters=[], **state
    )
    call.collect_events()
    unresolved(call)
    assert then(call) == []
