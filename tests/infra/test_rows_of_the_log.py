"""What the database refuses to who writes the log, whatever the program says."""

import psycopg
import pytest
from psycopg import AsyncConnection

from domain.identifiers import shard_of
from tests.infra.conftest import Conninfo
from tests.infra.log_steps import IDS

EVENT = """
INSERT INTO events (originator_id, shard, originator_version, topic, state, tenant_id, event_id,
                    actor, traceparent)
VALUES (%(stream)s, %(shard)s, %(version)s, 'api_key.created', '', %(tenant)s, %(event)s,
        %(actor)s, %(traceparent)s)
"""
COMMAND = """
INSERT INTO commands (tenant_id, command_id, fingerprint, result, events_count)
VALUES (%(tenant)s, %(event)s, '', '', %(count)s)
"""


def values(**changed: object) -> dict[str, object]:
    stream = IDS.new()
    good = {
        "stream": stream,
        "shard": shard_of(stream),
        "version": 1,
        "tenant": IDS.new(),
        "event": IDS.new(),
        "actor": "a" * 200,
        "traceparent": "t" * 100,
        "count": 0,
    }
    return {**good, **changed}


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"shard": 64}, id="in another shard than its stream"),
        pytest.param({"shard": None}, id="in no shard"),
        pytest.param({"version": -1}, id="with a version below zero"),
        pytest.param({"actor": "a" * 201}, id="with an actor of 201 characters"),
        pytest.param({"traceparent": "t" * 101}, id="with a traceparent of 101 characters"),
    ],
)
async def test_the_writer_cannot_store_an_event(
    conninfo: Conninfo, wrong: dict[str, object]
) -> None:
    async with await AsyncConnection.connect(conninfo("writer"), autocommit=True) as writer:
        await writer.execute(EVENT, values())
        await writer.execute(EVENT, values(actor=None, traceparent=None))
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            await writer.execute(EVENT, values(**wrong))


async def test_the_writer_cannot_store_a_command_with_less_than_no_events(
    conninfo: Conninfo,
) -> None:
    async with await AsyncConnection.connect(conninfo("writer"), autocommit=True) as writer:
        await writer.execute(COMMAND, values())
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            await writer.execute(COMMAND, values(count=-1))
