"""The read API on a real ledger, spoken to through HTTP without a socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, LiteralString
from uuid import UUID

import httpx
from fastapi import FastAPI
from psycopg import AsyncConnection

from commands.authorization import Caller
from domain.errors import Unauthenticated
from domain.identifiers import JsonObject, TenantId
from infra.audit_entries import AuditEntries
from infra.audit_trail import AuditTrail
from infra.authentication import Credentials
from infra.client_addresses import ClientAddresses, parsed_networks
from infra.data_keys import DataKeys
from infra.event_commitments import EventCommitments
from infra.event_search import EventSearch
from infra.key_encryption import KeyEncryption
from infra.metrics import Metrics
from infra.metrics_access import MetricsAccess
from infra.models.offline_embeddings import HASH, hashed
from infra.postgres import Database
from infra.read_positions import ReadPositions
from infra.readiness import Readiness
from infra.scrape import Scrape
from infra.seal_proofs import SealProofs
from infra.tail import Tail
from infra.tenant_features import PostgresFeatures
from infra.wakeups import Wakeups
from projections.catalogue import PROJECTIONS
from read_api.dependencies import ReadDependencies
from read_api.limits import ReadLimits
from read_api.router import build_read_routes
from tests.infra.keys import data_keys_on
from tests.projections.histories import IDS, Stream, a_tenant
from tests.projections.ledger import PARTITIONS, Ledger, batches
from tests.rate_limits import TestLimits

KEY = "Bearer al_test"
STRANGERS_MAX = 5
SCRYPT_N = 16


class CountingDatabase(Database):
    """Counts what is sent."""

    statements = 0
    checkouts = 0

    @asynccontextmanager
    async def shared(self) -> AsyncIterator[AsyncConnection]:
        self.checkouts += 1
        async with super().shared() as conn:
            yield conn

    async def tenant_json(
        self,
        tenant_id: TenantId,
        query: LiteralString,
        params: JsonObject,
        *,
        person: UUID | None = None,
        is_kept: bool = False,
    ) -> bytes | None:
        self.statements += 1
        return await super().tenant_json(tenant_id, query, params, person=person, is_kept=is_kept)


@dataclass
class Callers:
    """Who holds which credential, in place of infra/authentication.py."""

    known: dict[str, Caller]

    async def authenticate(self, credentials: Credentials) -> Caller:
        caller = self.known.get(credentials.operator_key or credentials.authorization or "")
        if caller is None:
            raise Unauthenticated
        return caller


async def nobody_billed(_caller: Caller) -> None:
    """In place of commands/upcoming_invoices.py."""


async def hashed_text(_tenant_id: TenantId, text: str, _actor: str) -> Sequence[float]:
    """In place of sagas/embeddings.py."""
    return hashed(text)


@dataclass
class Api:
    ledger: Ledger
    dependencies: ReadDependencies
    database: CountingDatabase
    callers: Callers
    limits: TestLimits
    tenant_id: TenantId
    wakeups: Wakeups
    pending: list[str]
    recorded: dict[UUID, tuple[Stream, int]] = field(default_factory=dict)

    def app(self, **limits: float) -> FastAPI:
        dependencies = self.dependencies
        if limits:
            narrowed: ReadLimits = replace(dependencies.limits, **limits)
            dependencies = replace(dependencies, limits=narrowed)
        app = FastAPI(redirect_slashes=False)
        build_read_routes(app, dependencies)
        return app

    def client(self, app: FastAPI | None = None) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app or self.app())
        return httpx.AsyncClient(
            transport=transport, base_url="http://api", headers={"Authorization": KEY}
        )

    async def record(self, *streams: Stream) -> None:
        """Appends what is new in the streams; the read models do not have it yet."""
        for stream in streams:
            self.recorded.setdefault(stream.stream_id, (stream, 0))
        fresh = [
            event
            for stream in streams
            for event in stream.events[self.recorded[stream.stream_id][1] :]
        ]
        await self.ledger.append(fresh)
        for stream in streams:
            self.recorded[stream.stream_id] = (stream, len(stream.events))
        self.wakeups.hint()

    async def project(self) -> None:
        """The read models catch up with what was recorded here."""
        projector = await self.ledger.projector()
        streams = [stream for stream, _ in self.recorded.values()]
        await projector.handle(batches(await self.ledger.log(*streams)))

    async def happened(self, *streams: Stream) -> None:
        await self.record(*streams)
        await self.project()

    async def ask(
        self,
        query: str,
        *,
        app: FastAPI | None = None,
        headers: Mapping[str, str] = {},
        **variables: Any,
    ) -> Any:
        """The whole answer of a POST that was answered with 200."""
        async with self.client(app) as client:
            body = {"query": query, "variables": variables}
            response = await client.post("/graphql", json=body, headers=headers)
        assert response.status_code == 200, response.text
        return response.json()

    async def read(self, query: str, **variables: Any) -> Any:
        """The data of an answer without errors."""
        answer = await self.ask(query, **variables)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    async def refused(self, query: str, **asked: Any) -> str:
        """The code of the one error of an answer without data."""
        answer = await self.ask(query, **asked)
        assert answer.get("data") is None, answer
        assert len(answer["errors"]) == 1, answer
        return answer["errors"][0]["extensions"]["code"]


@asynccontextmanager
async def build_api(ledger: Ledger) -> AsyncIterator[Api]:
    database = CountingDatabase((await ledger.database("api")).conninfo, pool_size_max=8)
    await database.open()
    wakeups = Wakeups()
    tail = Tail(
        await ledger.database("tail"),
        wakeups,
        poll_min_s=0.002,
        poll_max_s=0.05,
        on_place=lambda _stream_id, _version: None,
    )
    positions = ReadPositions(
        database,
        partitions_count=PARTITIONS,
        projections=[projection.table for projection in PROJECTIONS],
        poll_s=0.005,
    )
    tenant_id = a_tenant()
    callers = Callers({KEY: Caller("user:ada", tenant_id, frozenset({"read", "audit:read"}))})
    pending: list[str] = []
    limits = TestLimits(lambda: 0.0, address_per_min=STRANGERS_MAX)

    async def pending_migrations() -> Sequence[str]:
        return pending

    # Not the one whose statements are counted.
    reader = await ledger.database("api")
    data_keys = DataKeys(
        reader,
        KeyEncryption(reader, [ledger.master_key], scrypt_n=SCRYPT_N),
        monotonic_s=asyncio.get_running_loop().time,
    )
    audit_log = AuditEntries(await ledger.database("writer"), reader, data_keys)
    audit = AuditTrail(audit_log.store, IDS, lost=lambda _count: None, gather_s=0.01, count_s=0.02)
    scrape = Scrape(Metrics())
    scrape.ask(lambda told: told.pool("api", database.sizes()))
    dependencies = ReadDependencies(
        open_events=ledger.opened,
        database=database,
        tail=tail,
        positions=positions,
        authenticate=callers.authenticate,
        client_address=ClientAddresses(()).of,
        count_stranger=limits.strangers.take,
        callers=limits.callers,
        request_id_of=lambda _scope: IDS.new(),
        pending_migrations=pending_migrations,
        metrics=scrape.metrics,
        metrics_access=MetricsAccess(parsed_networks("127.0.0.1"), ClientAddresses(()).of),
        scrape=scrape,
        readiness=Readiness(),
        audit=audit,
        audit_log=audit_log,
        features=PostgresFeatures(reader, monotonic_s=lambda: 0.0),
        event_search=EventSearch(database, ledger.opened),
        seal_proofs=SealProofs(database, EventCommitments(data_keys_on(database))),
        upcoming_invoice=nobody_billed,
        embedding_model=HASH,
        embed=hashed_text,
    )
    loops = [asyncio.create_task(tail.run()), asyncio.create_task(positions.run())]
    try:
        yield Api(ledger, dependencies, database, callers, limits, tenant_id, wakeups, pending)
    finally:
        for loop in loops:
            loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*loops)
        await audit.close()
        await database.close()
