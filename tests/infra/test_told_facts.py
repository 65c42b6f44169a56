"""What is read of events of usage, without all else that they say."""

import os
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest

from domain.executions import Execution
from infra.billing_facts import FactRow, fact_of, told_by
from infra.sealing import Cipher

RUN, TENANT = UUID(int=7), UUID(int=8)
AT = datetime(2026, 11, 29, tzinfo=UTC)
LINES = [["requests", 1, 0], ["input_tokens", 9, 90, {"id": "p", "tiers": [{"usd": "0.1"}]}]]
TOLD: dict[str, Any] = {
    "timestamp": "2026-11-29T00:00:00+00:00",
    "path": "map[3]/draft",
    "attempt": 2,
    "output": {"usage": {"lines": "none of these"}, "path": "nor this"},
    "model": "openai/gpt-4o",
    "usage": {"provider": "openai", "agent_id": None, "prices": "platform/1", "lines": LINES},
}


def nested(depth: int) -> Any:
    value: Any = "the end"
    for _ in range(depth):
        value = [value]
    return value


def row(state: bytes) -> FactRow:
    return FactRow(1, 2, 3, RUN, 4, Execution.NodeCompleted.TOPIC, AT, state)


# Deeper than one parser goes, and than none does.
@pytest.mark.parametrize("depth", [1, 220])
def test_whatever_an_output_is_what_was_used_is_a_fact(depth: int) -> None:
    state = orjson.dumps({**TOLD, "output": {**TOLD["output"], "deep": nested(depth)}})
    fact = fact_of(row(state), told_by(state))
    assert fact is not None
    assert fact[1:7] == (AT, RUN, "map[3]/draft", 2, "openai/gpt-4o", "platform/1")
    assert fact.lines == LINES


def test_an_attempt_from_before_meters_is_charged_as_a_whole() -> None:
    told = {name: value for name, value in TOLD.items() if name != "usage"}
    state = orjson.dumps({**told, "tokens_in": 3, "tokens_out": 0, "cost_usd_pico": 50})
    fact = fact_of(row(state), told_by(state))
    assert fact is not None
    assert fact.lines == [["requests", 1, 50], ["input_tokens", 3, 0]]


def test_of_many_states_what_was_tampered_with_stays_as_it_is() -> None:
    cipher = Cipher(os.urandom(32), TENANT, "events")
    whole, other = cipher.seal(b'{"a": 1}', b"1"), cipher.seal(b'{"a": 2}', b"2")
    changed = whole[:-1] + bytes([whole[-1] ^ 1])
    stored = [(whole, b"1"), (other, b"1"), (changed, b"1"), (whole[:20], b"1"), (b"{}", b"1")]
    assert cipher.open_all(stored) == [b'{"a": 1}', other, changed, whole[:20], b"{}"]
