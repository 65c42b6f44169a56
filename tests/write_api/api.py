"""The write API on fakes, spoken to through HTTP without a socket."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from ipaddress import ip_network
from uuid import UUID

import httpx
import orjson
from fastapi import FastAPI

from commands.authorization import Caller
from commands.credential_port import RevokedApiKey, StoredApiKey
from commands.invoice_reading import InvoiceReader
from commands.licence_port import IssuerNotFound
from commands.model_port import ModelFailed, ModelRequest, ModelResponse
from commands.ports import LoggedEvent, Position
from domain.errors import Unauthenticated, Unavailable
from domain.identifiers import JsonObject, TenantId
from domain.licences import Licence, LicenceNotFound
from domain.plans import PlanNotFound
from domain.tenants import TenantNotFound
from infra.audit_entries import AuditFilter, AuditPage
from infra.audit_trail import AuditEntry, AuditTrail
from infra.authentication import Credentials
from infra.client_addresses import ClientAddresses
from infra.event_search import EventFilter, EventPage
from infra.models.tenant_providers import ShortCalls, TenantProviders
from infra.models.usage import measured_tokens
from infra.tenant_archive import ArchiveFile
from infra.webhook_keys import WebhookKeys
from tests.commands.fakes import FakeEventStore, World
from tests.commands.login_fakes import LoginWorld
from tests.rate_limits import TestLimits
from tests.write_api.fake_oauth import FakeIdentityProvider, a_flow
from write_api.app import build_write_routes
from write_api.edge import ScimParts, WriteDependencies

KEY = "Bearer al_test"
OPERATOR_KEY = "operator"
PREFIX = "/api/v1"
# httpx sends from 127.0.0.1 where there is no socket, which is no proxy.
TRUSTED_PROXIES = (ip_network("10.0.0.0/8"),)
RATE_LIMIT_IP_PER_MIN = 100
RATE_LIMIT_LOGIN_PER_MIN = 20
BODY_BYTES_MAX = 1024 * 1024


class FakeAuthentication:
    """Knows the test's own key, the credentials it was told, and every key in the store that is not
    revoked.
    """

    def __init__(self, world: World) -> None:
        self.callers = {KEY: world.caller}
        self._world = world

    async def authenticate(self, credentials: Credentials) -> Caller:
        if credentials.operator_key == OPERATOR_KEY:
            return self._world.operator
        authorization = credentials.authorization
        caller = self.callers.get(authorization or "") or self._of_stored_key(authorization or "")
        if caller is None:
            raise Unauthenticated
        return caller

    def _of_stored_key(self, authorization: str) -> Caller | None:
        secret_hash = f"hash of {authorization.removeprefix('Bearer ')}".encode()
        rows = self._world.store.side_rows
        revoked = [row.api_key_id for row in rows if isinstance(row, RevokedApiKey)]
        for row in rows:
            if isinstance(row, StoredApiKey) and row.secret_hash == secret_hash:
                if row.api_key_id in revoked:
                    return None
                actor = f"api_key:{row.api_key_id}"
                return Caller(actor, self._world.tenant_id, frozenset(row.scopes), row.user_id)
        return None


class FakeWaiter:
    """Every execution has ended with `ended`, or none has. Keeps what it was asked to wait for."""

    def __init__(self) -> None:
        self.ended: JsonObject | None = None
        self.asked: list[tuple[TenantId, float]] = []

    async def wait_for_end(
        self, tenant_id: TenantId, execution_id: UUID, timeout_s: float
    ) -> JsonObject | None:
        self.asked.append((tenant_id, timeout_s))
        if self.ended is None:
            return None
        return {"execution_id": str(execution_id), **self.ended}


class FakeBlobs:
    """contents: by tenant and hash."""

    def __init__(self) -> None:
        self.contents: dict[tuple[TenantId, bytes], bytes] = {}

    async def content(
        self, tenant_id: TenantId, sha256: bytes, *, person: UUID | None = None
    ) -> bytes | None:
        return None if person is not None else self.contents.get((tenant_id, sha256))


class FakeExport:
    """files_of: by tenant."""

    def __init__(self) -> None:
        self.running_count = 0
        self.files_of: dict[TenantId, list[ArchiveFile]] = {}

    async def files(self, tenant_id: TenantId) -> AsyncGenerator[ArchiveFile]:
        for file in self.files_of.get(tenant_id, []):
            yield file


class FakeEventSearch:
    """events: what is found, newest first. asked: for what."""

    def __init__(self) -> None:
        self.events: list[LoggedEvent] = []
        self.asked: list[EventFilter] = []

    async def pages(
        self, tenant_id: TenantId, wanted: EventFilter, *, before: Position | None, events_max: int
    ) -> AsyncGenerator[EventPage]:
        self.asked.append(wanted)
        own = [event for event in self.events if event.tenant_id == tenant_id]
        older = [event for event in own if before is None or event.position < before]
        more = older[events_max - 1].position if len(older) > events_max else None
        yield EventPage(older[:events_max], more)


class FakeAuditLog:
    """Entries in the order in which they were stored. is_away: nothing can be."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.is_away = False

    async def store(self, entries: Sequence[AuditEntry]) -> None:
        if self.is_away:
            raise Unavailable
        self.entries += entries

    async def pages(
        self, tenant_id: TenantId, wanted: AuditFilter, *, before: UUID | None, entries_max: int
    ) -> AsyncGenerator[AuditPage]:
        del wanted
        own = [entry for entry in reversed(self.entries) if entry.tenant_id == tenant_id]
        older = [entry for entry in own if before is None or entry.entry_id < before]
        more = older[entries_max - 1].entry_id if len(older) > entries_max else None
        yield AuditPage(older[:entries_max], more)


class FakePlanUsage:
    """plans, tenants: what there is, with whose customer each tenant is."""

    def __init__(self) -> None:
        self.all: list[JsonObject] = []
        self.tenants: dict[TenantId, tuple[TenantId | None, JsonObject]] = {}

    async def plans(self, *, is_of_reseller: bool) -> list[JsonObject]:
        return [one for one in self.all if one["is_for_resellers"] or not is_of_reseller]

    async def versions(self, plan_id: UUID) -> list[JsonObject]:
        found = [one for one in self.all if one["plan_id"] == str(plan_id)]
        if not found:
            raise PlanNotFound
        return found

    async def of_tenant(self, tenant_id: TenantId, *, reseller_id: TenantId | None) -> JsonObject:
        owner, told = self.tenants.get(tenant_id, (tenant_id, {}))
        if not told or reseller_id not in {None, owner}:
            raise TenantNotFound
        return told

    async def budgets(
        self, tenant_id: TenantId, *, reseller_id: TenantId | None
    ) -> list[JsonObject]:
        told = await self.of_tenant(tenant_id, reseller_id=reseller_id)
        return [{"budget_id": told["plan_id"]}]


class FakeLicences:
    """Documents that are not signed. Nobody else issues any."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def document(self, issuer_id: TenantId, licence_id: UUID) -> str:
        licence = await self._world.store.load(Licence, licence_id, issuer_id)
        if licence is None:
            raise LicenceNotFound
        return f"serial {licence.serial}"

    async def keys(self, issuer_id: TenantId) -> JsonObject:
        if issuer_id != self._world.tenant_id:
            raise IssuerNotFound
        return {"issuer_id": str(issuer_id), "keys": []}

    async def revocations(self, issuer_id: TenantId) -> str:
        return "none" if await self.keys(issuer_id) else ""


class ToldModels:
    """Answers with a word, or fails as it is told. Keeps what it was asked."""

    def __init__(self) -> None:
        self.failure: ModelFailed | None = None
        self.asked: list[ModelRequest] = []

    async def complete(self, request: ModelRequest, on_token: object = None) -> ModelResponse:
        del on_token
        self.asked.append(request)
        if self.failure is not None:
            raise self.failure
        return ModelResponse("Hi", "stop", measured_tokens(1, 1), request.model, "told")


class Api:
    """One client of the API. time_s: what the rate limiter's clock shows."""

    def __init__(
        self, store: FakeEventStore | None = None, *, cors_origins: Sequence[str] = ()
    ) -> None:
        self._cors_origins = cors_origins
        self.world = World(store)
        self.authentication = FakeAuthentication(self.world)
        self.waiter = FakeWaiter()
        self.blobs = FakeBlobs()
        self.exports = FakeExport()
        self.models = ToldModels()
        self.audit_log = FakeAuditLog()
        self.event_search = FakeEventSearch()
        self.audit = AuditTrail(
            self.audit_log.store, self.world.ids, lost=lambda _: None, gather_s=0, count_s=0
        )
        self.webhook_keys = WebhookKeys("a master key of the tests")
        self.plan_usage = FakePlanUsage()
        self.provider = FakeIdentityProvider()
        self.oauth = a_flow(self.world, self.provider)
        self.login = LoginWorld(self.world.accounts)
        self.time_s = 0.0
        self.limits = TestLimits(
            lambda: self.time_s,
            address_per_min=RATE_LIMIT_IP_PER_MIN,
            login_per_min=RATE_LIMIT_LOGIN_PER_MIN,
        )
        self.app = FastAPI(title="AgentLedger", version="0", redirect_slashes=False)
        build_write_routes(self.app, self._dependencies())
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://ledger" + PREFIX)

    def _dependencies(self) -> WriteDependencies:
        return WriteDependencies(
            authenticate=self.authentication.authenticate,
            client_address=ClientAddresses(TRUSTED_PROXIES).of,
            dispatcher=self.world.dispatcher,
            waiter=self.waiter,
            blobs=self.blobs,
            exports=self.exports,
            published_seal_keys=self.published_seal_keys,
            licences=FakeLicences(self.world),
            ids=self.world.ids,
            strangers=self.limits.strangers,
            callers=self.limits.callers,
            webhook_keys=self.webhook_keys,
            oauth=self.oauth,
            scim=ScimParts(self.world.ports, "http://ledger"),
            logins=self.login.logins(self.store, self.world.clock, self.world.dispatcher),
            login_limits=self.limits.logins,
            plan_usage=self.plan_usage,
            invoices=InvoiceReader(self.world.ports),
            features=self.world.features,
            audit=self.audit,
            audit_log=self.audit_log,
            event_search=self.event_search,
            provider_tests=ShortCalls(TenantProviders(self.world.vault), self.models),
            payments=self.world.payments,
            body_bytes_max=BODY_BYTES_MAX,
            cors_origins=self._cors_origins,
        )

    async def published_seal_keys(self) -> list[JsonObject]:
        key = {"kid": "of the tests", "kty": "OKP", "crv": "Ed25519", "x": "AA"}
        return [{**key, "alg": "Ed25519", "use": "sig"}]

    async def edge_done(self) -> None:
        """What is done after the answers is done."""
        await self.app.state.later.done()

    @property
    def store(self) -> FakeEventStore:
        return self.world.store

    def allow(self, credential: str, caller: Caller) -> str:
        """The value of Authorization under which `caller` is known from now on."""
        self.authentication.callers[f"Bearer {credential}"] = caller
        return f"Bearer {credential}"

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """With the test's API key, unless `headers` says otherwise. body: JSON, or bytes as they
        are.
        """
        sent = {"Authorization": KEY, **(headers or {})}
        if body is None:
            return await self.client.request(method, path.removeprefix("/"), headers=sent)
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        sent.setdefault("Content-Type", "application/json")
        return await self.client.request(
            method, path.removeprefix("/"), headers=sent, content=content
        )

    async def created(self, path: str, body: object) -> JsonObject:
        response = await self.send("POST", path, body)
        assert response.status_code in {201, 202}, response.text
        return response.json()["data"]


def problem(response: httpx.Response, status: int, code: str) -> list[tuple[str, str]]:
    """Checks the problem document; its mistakes as (path, code)."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert set(document) == {"type", "title", "status", "detail", "code", "errors", "request_id"}
    assert (document["status"], document["code"]) == (status, code), document
    assert document["type"] == f"urn:agentledger:problem:{code}"
    assert UUID(document["request_id"])
    assert document["detail"]
    return [(mistake["path"], mistake["code"]) for mistake in document["errors"]]
