"""How fast the log is sealed: read, opened, hashed into its tenants' trees, signed and stored."""

import asyncio
import time
from dataclasses import dataclass
from uuid import UUID

import psycopg
from eventsourcing.persistence import StoredEvent

from bench.cpu import own_s, server_s
from bench.history import TENANTS, Seal, store_runs
from bench.report import Figure, Measurement, at_least, in_turn
from bench.stage import BenchFailed, Stage
from cli.collections import rare_collections
from domain.identifiers import TenantId
from infra.clock import Uuid7Ids
from infra.connections import Connection
from infra.data_keys import DataKeys
from infra.event_sealing import place, sealed
from infra.key_encryption import Scope
from infra.prepared_statements import PreparedStatements
from infra.runtime import Runtime, build_runtime

NAME = "seals"
EVENTS = 100_000
TABLES = "log_seals, seal_heads, seal_tiles, seal_head_tiles"


@dataclass(frozen=True, slots=True)
class Rate:
    """core: a second of one core, ours and PostgreSQL's together."""

    per_s: float
    per_core_s: float


async def measure(stage: Stage) -> Measurement:
    settings = await stage.installation("seals")
    url = settings.database_url
    assert url is not None
    # Alone in its process, as fast as it can.
    alone = settings.model_copy(update={"seal_share_max": 1.0})
    async with build_runtime(alone) as runtime:
        tenants = [TenantId(Uuid7Ids().new()) for _ in range(TENANTS)]
        seal = await sealing(await runtime.data_keys("projector"), tenants)
        stored = await asyncio.to_thread(store_runs, url, EVENTS, tenants=tenants, seal=seal)

        async def rate() -> Rate:
            await asyncio.to_thread(_forget_seals, url)
            await stage.settle()
            with rare_collections():  # As every process of the product.
                return await _rate(runtime, stage, stored)

        (rates,) = await in_turn(rate)
    return Measurement(
        NAME,
        f"{stored:,} events sealed",
        [
            Figure("sealed", "events/s", [r.per_s for r in rates], at_least(50_000)),
            Figure("per core used", "events/s", [r.per_core_s for r in rates]),
        ],
        [
            f"runs of six nodes of {TENANTS} tenants, {alone.seal_events_max} events a seal",
            "in a process with other parts it takes a tenth of a core (SEAL_SHARE_MAX)",
        ],
    )


async def sealing(keys: DataKeys, tenants: list[TenantId]) -> Seal:
    found = await keys.of_all([Scope(tenant_id) for tenant_id in tenants])

    def seal(event: StoredEvent, stream_id: UUID, tenant_id: UUID) -> bytes:
        bound_to = place(stream_id, event.originator_version)
        return sealed(event.topic, event.state, found[Scope(TenantId(tenant_id))], bound_to)

    return seal


async def _rate(runtime: Runtime, stage: Stage, stored: int) -> Rate:
    sealer = await runtime.log_sealer()
    async with await Connection.connect(
        runtime.conninfo("projector"), autocommit=True, prepare_threshold=None
    ) as conn:
        statements = PreparedStatements(conn)
        began_s, used_s = time.perf_counter(), own_s() + server_s(stage)
        while await sealer.seal_next(conn, statements):
            pass
        took_s = time.perf_counter() - began_s
        used_s = own_s() + server_s(stage) - used_s
    if sealer.sealed_count != stored:
        message = f"{sealer.sealed_count} of {stored} events were sealed"
        raise BenchFailed(message)
    return Rate(stored / took_s, stored / used_s)


def _forget_seals(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(f"SET search_path = agentledger; TRUNCATE {TABLES}".encode())
