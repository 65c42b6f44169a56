"""A log as a busy installation has it: runs of a workflow with a branch, of 50 tenants.

64 of them are under way at any time. Some hundred different runs are decided by the domain itself;
each is stored many times, under other ids.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TypeAlias
from uuid import UUID

import orjson
import psycopg
from eventsourcing.persistence import StoredEvent

from domain.attempts import Usage
from domain.definitions import Definition, parse_definition
from domain.execution_outcomes import complete_node
from domain.execution_parts import NO_ORIGIN
from domain.execution_steps import advance
from domain.executions import Execution
from domain.identifiers import Json, JsonObject
from infra.clock import Uuid7Ids
from infra.event_codec import mapper

TENANTS = 50
DIFFERENT_RUNS = 300
RUNS_AT_ONCE = 64
# So many events share a transaction id, as those of group commit do under load.
TRANSACTION_EVENTS = 1000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = ("the", "invoice", "of", "October", "shows", "more", "tokens", "than", "our", "own", "log")

DEFINITION: JsonObject = {
    "nodes": [
        {"id": "start", "type": "start"},
        {
            "id": "draft",
            "type": "llm",
            "config": {"model": "offline/echo", "prompt": "Answer: {{ input.question }}"},
        },
        {
            "id": "is_long",
            "type": "condition",
            "config": {"expression": "size(nodes.draft.output.text) > input.long_over"},
        },
        {
            "id": "review",
            "type": "llm",
            "config": {"model": "offline/echo", "prompt": "Shorten: {{ nodes.draft.output.text }}"},
        },
        {"id": "as_is", "type": "set", "config": {"values": {"note": "short enough"}}},
        {
            "id": "end",
            "type": "end",
            "config": {"output": {"answer": "{{ nodes.draft.output.text }}"}},
        },
    ],
    "edges": [
        {"from": "start", "to": "draft"},
        {"from": "draft", "to": "is_long"},
        {"from": "is_long", "port": "true", "to": "review"},
        {"from": "is_long", "port": "false", "to": "as_is"},
        {"from": "review", "to": "end"},
        {"from": "as_is", "to": "end"},
    ],
}
COPY = (
    "COPY agentledger.events"
    " (originator_id, originator_version, topic, state, tenant_id, correlation_id, actor)"
    " FROM STDIN (FORMAT BINARY)"
)
COPY_TYPES = ("uuid", "int8", "text", "bytea", "uuid", "uuid", "text")


# The stored bytes of an event of a stream of a tenant.
Seal: TypeAlias = Callable[[StoredEvent, UUID, UUID], bytes]


def store_runs(
    url: str,
    events_count: int,
    *,
    tenants: Sequence[UUID] = (),
    seal: Seal | None = None,
    templates: Sequence[Sequence[StoredEvent]] = (),
) -> int:
    """Stores at least so many events; returns how many.

    url: of the superuser, who may write any tenant's. tenants: made when nobody names them. seal:
    without it events lie open. templates: the runs that are stored, those of `rebuild` without.
    """
    templates = templates or decided_runs(DIFFERENT_RUNS)
    new_id = Uuid7Ids().new
    tenants = tenants or [new_id() for _ in range(TENANTS)]
    stored = 0
    with psycopg.connect(url, autocommit=True) as conn:
        rows = _interleaved(_endless_runs(templates, tenants, seal or _open))
        while stored < events_count:
            with conn.cursor().copy(COPY) as copy:
                copy.set_types(COPY_TYPES)
                for _ in range(TRANSACTION_EVENTS):
                    copy.write_row(next(rows))
                    stored += 1
        conn.execute("ANALYZE agentledger.events")
    return stored


def decided_runs(count: int) -> list[list[StoredEvent]]:
    """The stored events of so many different finished runs."""
    definition = parse_definition(DEFINITION)
    return [decided_run(definition, number) for number in range(count)]


def _unmetered(number: int, tokens: int) -> Usage:
    del number
    return Usage("offline/echo", tokens, tokens, tokens * 3_000_000)


def decided_run(
    definition: Definition, number: int, used: Callable[[int, int], Usage] = _unmetered
) -> list[StoredEvent]:
    """used: by a call of the run with this number that answered with so many tokens."""
    words = [WORDS[(number + place) % len(WORDS)] for place in range(10 + number % 40)]
    question: Json = {"question": " ".join(words), "long_over": 150}
    execution = Execution._create(  # noqa: SLF001 # the library's way to choose the id
        Execution.Created,
        id=Uuid7Ids().new(),
        workflow_id=str(Uuid7Ids().new()),
        workflow_version=1,
        agent_id=None,
        definition_hash=definition.hash,
        input=question,
        created_by="api_key:bench",
        **NO_ORIGIN,
    )
    attempts = advance(execution, definition, now=NOW)
    while attempts:
        for attempt in attempts:
            text = f"{attempt.number}: {orjson.dumps(attempt.request['messages']).decode()}"
            tokens = len(text.split())
            output: JsonObject = {
                "text": text,
                "finish_reason": "stop",
                "usage": {"input_tokens": tokens, "output_tokens": tokens, "cached_tokens": 0},
            }
            usage = used(number, tokens)
            complete_node(execution, attempt.path, attempt.number, output, usage=usage)
        attempts = advance(execution, definition, now=NOW)
    assert execution.is_ended
    return [mapper.to_stored_event(event) for event in execution.collect_events()]


def _open(event: StoredEvent, stream_id: UUID, tenant_id: UUID) -> bytes:
    del stream_id, tenant_id
    return event.state


def _endless_runs(
    templates: Sequence[Sequence[StoredEvent]], tenants: Sequence[UUID], seal: Seal
) -> Iterator[list[tuple[object, ...]]]:
    new_id = Uuid7Ids().new
    number = 0
    while True:
        run_id, tenant_id = new_id(), tenants[number % len(tenants)]
        yield [
            (
                *(run_id, e.originator_version, e.topic, seal(e, run_id, tenant_id)),
                *(tenant_id, run_id, "worker:bench"),
            )
            for e in templates[number % len(templates)]
        ]
        number += 1


def _interleaved(runs: Iterator[Iterable[tuple[object, ...]]]) -> Iterator[tuple[object, ...]]:
    """The events of RUNS_AT_ONCE runs in turn, then those of the next."""
    while True:
        together = [next(runs) for _ in range(RUNS_AT_ONCE)]
        for turn in zip_longest(*together):
            yield from (row for row in turn if row is not None)
