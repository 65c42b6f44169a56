"""Everything that people log in by, on a real PostgreSQL, spoken to through HTTP without a socket.

The clock stands until it is moved, so nothing waits. Passwords are hashed at bcrypt's lowest cost,
and every hash is counted.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import httpx
import orjson
from fastapi import FastAPI
from psycopg import AsyncConnection

from commands.account_flow import AccountFlow
from commands.dispatch import Dispatcher
from commands.invoice_reading import InvoiceReader
from commands.login_flow import LoginFlow, LoginPorts
from commands.ports import Ports
from domain.identifiers import TenantId
from infra.access_tokens import SignedAccessTokens
from infra.accounts import PostgresAccounts
from infra.admission import EveryoneAdmitted
from infra.audit_trail import AuditTrail
from infra.authentication import Authentication
from infra.client_addresses import ClientAddresses
from infra.data_keys import DataKeys
from infra.directory import PostgresDirectory
from infra.event_store import PostgresEventStore
from infra.key_encryption import KeyEncryption
from infra.login_attempts import PostgresAttempts
from infra.mail_outbox import PostgresMailOutbox, SealedMailbox
from infra.models.tenant_providers import ShortCalls, TenantProviders
from infra.neighbours import Neighbours
from infra.password_judge import InformedPasswordJudge
from infra.postgres import Database
from infra.refresh_tokens import PostgresRefreshTokens
from infra.reset_tokens import RandomResetTokens
from infra.retention import RetentionKnown
from infra.second_factors import PostgresSecondFactors
from infra.secrets_source import SecretsSource
from infra.session_tokens import SessionTokens
from infra.signing_keys import SigningKeys
from infra.standings import PostgresStandings
from infra.users import PostgresUsers
from infra.webhook_keys import WebhookKeys
from tests.commands.fake_features import FakeFeatures
from tests.commands.fakes import World
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS
from tests.rate_limits import TestLimits
from tests.write_api.api import (
    OPERATOR_KEY,
    FakeAuditLog,
    FakeBlobs,
    FakeEventSearch,
    FakeExport,
    FakeLicences,
    FakePlanUsage,
    FakeWaiter,
    ToldModels,
)
from tests.write_api.fake_oauth import FakeIdentityProvider, a_flow
from write_api.app import build_write_routes
from write_api.edge import Logins, ScimParts, WriteDependencies

MASTER_KEY = "a master key of the tests, thirty-two bytes or more"
ISSUER, AUDIENCE = "https://ledger.example", "agentledger"
PASSWORD = "correct horse battery"
SESSION, IDLE = timedelta(days=30), timedelta(days=7)
SCRYPT_N = 16
BCRYPT_COST = 4


class MovedClock:
    """Stands until it is moved. It begins now, because the database's own clock goes on."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        return self.time

    def pass_time(self, **units: float) -> None:
        self.time += timedelta(**units)


class CountingSecrets(SecretsSource):
    """runs_count: of bcrypt."""

    runs_count = 0

    def _hash(self, password: str) -> str:
        self.runs_count += 1
        return super()._hash(password)

    def _check(self, password: str, password_hash: str | None) -> bool:
        self.runs_count += 1
        return super()._check(password, password_hash)


@dataclass
class Tokens:
    access: str
    refresh: str

    @property
    def header(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}


@dataclass
class Stage:
    """One API process. time_s: of the clock for how long things are remembered."""

    clock: MovedClock
    secrets: CountingSecrets
    keys: SigningKeys
    tokens: SignedAccessTokens
    authentication: Authentication
    store: PostgresEventStore
    outbox: PostgresMailOutbox
    logins: Logins
    audit: AuditTrail
    audit_log: FakeAuditLog
    client: httpx.AsyncClient
    app: FastAPI
    time_s: list[float]
    database_url: str

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
        address: str = "192.0.2.1",
    ) -> httpx.Response:
        sent = {"X-Forwarded-For": address, "Content-Type": "application/json", **(headers or {})}
        content = None if body is None else orjson.dumps(body)
        return await self.client.request(method, path, headers=sent, content=content)

    async def post(self, path: str, body: object, **options: Any) -> httpx.Response:
        return await self.send("POST", f"/api/v1{path}", body, **options)

    async def a_tenant(self, email: str, password: str = PASSWORD) -> tuple[TenantId, UUID]:
        body = {"name": "Acme", "admin": {"email": email, "password": password}}
        made = await self.post("/tenants", body, headers={"X-Operator-Key": OPERATOR_KEY})
        assert made.status_code == 201, made.text
        data = made.json()["data"]
        return TenantId(UUID(data["tenant_id"])), UUID(data["user_id"])

    async def login(self, email: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
        options = {name: more.pop(name) for name in ("address", "headers") if name in more}
        body = {"email": email, "password": password, **more}
        return await self.post("/auth/login", body, **options)

    async def logged_in(self, email: str, password: str = PASSWORD, **more: Any) -> Tokens:
        answer = await self.login(email, password, **more)
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        return Tokens(data["access_token"], data["refresh_token"])

    async def refreshed(self, token: str) -> Tokens:
        answer = await self.post("/auth/refresh", {"refresh_token": token})
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        return Tokens(data["access_token"], data["refresh_token"])

    async def set_rules(self, tokens: Tokens, **rules: Any) -> None:
        answer = await self.send("PUT", "/api/v1/login-rules", rules, headers=tokens.header)
        assert answer.status_code == 200, answer.text

    async def is_known(self, access_token: str) -> bool:
        """Whether a route that anybody of the tenant may use lets it in."""
        answer = await self.send(
            "GET", "/api/v1/node-types", headers={"Authorization": f"Bearer {access_token}"}
        )
        assert answer.status_code in {200, 401}, answer.text
        return answer.status_code == 200

    async def refusals_of(
        self, tenant_id: TenantId, action: str | None = None
    ) -> list[tuple[str, str | None, str | None, int]]:
        """On the tenant's trail: (actor, code, reason, times)."""
        await self.audit.close()
        return [
            (entry.actor, entry.code, entry.reason, entry.times)
            for entry in self.audit_log.entries
            if entry.tenant_id == tenant_id
            and entry.outcome == "denied"
            and action in {None, entry.action}
        ]

    async def later(self) -> None:
        """What is done after the answers is done."""
        await self.app.state.later.done()

    async def topics(self, *kinds: str) -> list[str]:
        """Of all events of these aggregates, in order."""
        async with await AsyncConnection.connect(self.database_url) as owner:
            cursor = await owner.execute(
                "SELECT topic FROM agentledger.events"
                " WHERE split_part(topic, '.', 1) = ANY(%s) ORDER BY notification_id",
                (list(kinds),),
            )
            return [row[0] for row in await cursor.fetchall()]


def unique_email() -> str:
    return f"{IDS.new().hex}@example.com"


@asynccontextmanager
async def stage(
    parts: Parts,
    database_url: str,
    *,
    clock: MovedClock | None = None,
    master_key: str = MASTER_KEY,
    previous: Sequence[str] = (),
    key_age: timedelta = timedelta(days=30),
) -> AsyncIterator[Stage]:
    clock = clock or MovedClock()
    time_s = [0.0]
    database = await parts.database("api")
    keys = data_keys(database, master_key, *previous)
    secrets = CountingSecrets(bcrypt_cost=BCRYPT_COST)
    neighbours = Neighbours()
    store = _store(parts, database, keys, neighbours)
    signing = SigningKeys(
        database, keys, clock, IDS, max_age=key_age, monotonic_s=lambda: time_s[0]
    )
    tokens = SignedAccessTokens(signing, clock, IDS, ISSUER, AUDIENCE, 15 * 60)
    authentication = Authentication(
        database,
        clock,
        operator_key=OPERATOR_KEY,
        sessions=SessionTokens(database, tokens, clock, monotonic_s=lambda: time_s[0]),
        monotonic_s=lambda: time_s[0],
        key_used=lambda _key_id, _tenant_id: None,
    )
    standings = PostgresStandings(database, monotonic_s=lambda: time_s[0])

    def forget(stream_id: UUID) -> None:
        authentication.forget(stream_id)
        standings.forget(stream_id)

    neighbours.access_changed = forget
    ports = replace(
        _ports(database, keys, (master_key, *previous), clock=clock, secrets=secrets, store=store),
        standings=standings,
    )
    dispatcher = Dispatcher(ports)
    logins = _logins(ports, database, keys, secrets=secrets, tokens=tokens)
    app = FastAPI(redirect_slashes=False)
    audit_log = FakeAuditLog()
    dependencies = _dependencies(authentication, dispatcher, logins, time_s, audit_log=audit_log)
    build_write_routes(app, dependencies)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("10.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://ledger") as client:
        yield Stage(
            clock,
            secrets,
            signing,
            tokens,
            authentication,
            store,
            PostgresMailOutbox(await parts.database("worker"), keys),
            logins,
            dependencies.audit,
            audit_log,
            client,
            app,
            time_s,
            database_url,
        )


def _store(
    parts: Parts, database: Database, keys: DataKeys, neighbours: Neighbours
) -> PostgresEventStore:
    return PostgresEventStore(
        database,
        parts.group_commit,
        IDS,
        keys=keys,
        blobs=parts.blobs,
        definitions=parts.definitions,
        snapshots=parts.snapshots,
        retention=RetentionKnown(database, monotonic_s=asyncio.get_running_loop().time),
        page_events=100,
        cache_max=100,
        neighbours=neighbours,
    )


def _ports(
    database: Database,
    keys: DataKeys,
    master_keys: Sequence[str],
    *,
    clock: MovedClock,
    secrets: CountingSecrets,
    store: PostgresEventStore,
) -> Ports:
    users = PostgresUsers(database, MASTER_KEY, proof_keys=master_keys)
    return Ports(
        store,
        clock,
        IDS,
        secrets,
        EveryoneAdmitted(),
        users=users,
        mailbox=SealedMailbox(keys, IDS, has_server=True),
        accounts=PostgresAccounts(database, users.email_hash),
        password_judge=InformedPasswordJudge(),
        sealing=keys,
        directory=PostgresDirectory(database, MASTER_KEY),
    )


def _logins(
    ports: Ports,
    database: Database,
    keys: DataKeys,
    *,
    secrets: CountingSecrets,
    tokens: SignedAccessTokens,
) -> Logins:
    assert ports.accounts is not None
    login_ports = LoginPorts(
        accounts=ports.accounts,
        attempts=PostgresAttempts(database, MASTER_KEY, ports.clock),
        passwords=secrets,
        access_tokens=tokens,
        refresh_tokens=PostgresRefreshTokens(database, idle=IDLE),
        second_factors=PostgresSecondFactors(database, keys, ports.clock),
        events=ports.events,
        clock=ports.clock,
        dispatcher=Dispatcher(ports),
        password_judge=ports.password_judge,
        session=SESSION,
        idle=IDLE,
    )
    flow = LoginFlow(login_ports)
    account = AccountFlow(login_ports, flow, RandomResetTokens())
    return Logins(flow, account, tokens.keys.published)


def data_keys(database: Database, *master_keys: str) -> DataKeys:
    encryption = KeyEncryption(database, master_keys or (MASTER_KEY,), scrypt_n=SCRYPT_N)
    return DataKeys(database, encryption, monotonic_s=asyncio.get_running_loop().time)


def _dependencies(
    authentication: Authentication,
    dispatcher: Dispatcher,
    logins: Logins,
    time_s: list[float],
    *,
    audit_log: FakeAuditLog,
) -> WriteDependencies:
    """Every client is behind one proxy of ours, so that a test chooses its address."""
    limits = TestLimits(lambda: time_s[0], address_per_min=10_000, login_per_min=10_000)
    return WriteDependencies(
        authenticate=authentication.authenticate,
        client_address=ClientAddresses((ip_network("10.0.0.0/8"),)).of,
        dispatcher=dispatcher,
        waiter=FakeWaiter(),
        blobs=FakeBlobs(),
        ids=IDS,
        strangers=limits.strangers,
        callers=limits.callers,
        webhook_keys=WebhookKeys(MASTER_KEY),
        oauth=a_flow(World(), FakeIdentityProvider()),
        scim=ScimParts(World().ports, "http://ledger"),
        logins=logins,
        login_limits=limits.logins,
        audit=AuditTrail(audit_log.store, IDS, lost=lambda _: None, gather_s=0, count_s=3600),
        audit_log=audit_log,
        exports=FakeExport(),
        plan_usage=FakePlanUsage(),
        features=FakeFeatures(),
        published_seal_keys=logins.published_keys,
        licences=FakeLicences(World()),
        payments=None,
        invoices=InvoiceReader(World().ports),
        event_search=FakeEventSearch(),
        provider_tests=ShortCalls(TenantProviders(World().vault), ToldModels()),
        body_bytes_max=1024 * 1024,
    )
