"""What operators see of the whole log, and that they see nothing else."""

import psycopg
import pytest
from psycopg import AsyncConnection

from domain.envelope import Envelope
from domain.identifiers import TenantId
from infra.metrics import Metrics
from infra.platform_numbers import COUNTED_MAX, tell_platform_numbers
from infra.postgres import Role
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS, a_key


async def test_what_is_behind_the_log_is_counted_over_all_tenants(parts: Parts) -> None:
    for _ in range(2):
        await parts.store.append([a_key()], Envelope(TenantId(IDS.new()), "test"))
    metrics = Metrics()
    async with (await parts.database("api")).connection() as conn:
        await tell_platform_numbers(conn, metrics)
    told = metrics.registry.get_sample_value
    assert (told("seal_lag_events") or 0) >= 2
    assert (told("seal_lag_seconds") or 0) > 0
    assert (told("es_event_store_size_bytes") or 0) > 0
    assert told("es_unreadable_seconds") == 0
    assert told("relay_lag_events") == 0
    assert told("saga_active", {"type": "execution"}) == 0


async def test_an_open_write_transaction_elsewhere_is_seen_by_what_it_holds_back(
    parts: Parts, database_url: str
) -> None:
    async with await AsyncConnection.connect(database_url) as holding:
        await holding.execute("SELECT pg_current_xact_id()")
        await parts.store.append([a_key()], Envelope(TenantId(IDS.new()), "test"))
        metrics = Metrics()
        async with (await parts.database("api")).connection() as conn:
            await tell_platform_numbers(conn, metrics)
        await holding.rollback()
    assert (metrics.registry.get_sample_value("es_unreadable_seconds") or 0) > 0


@pytest.mark.parametrize("role", ["tail", "writer", "worker"])
async def test_other_roles_may_not_ask(parts: Parts, role: Role) -> None:
    async with (await parts.database(role)).connection() as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await conn.execute("SELECT * FROM agentledger.platform_numbers(%s)", (COUNTED_MAX,))
