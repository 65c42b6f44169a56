"""The path that every command takes through HTTP: who calls, the body, the command, the answer.

identify ──► Call ──► body ──► command ──► answer ──► {"data", "meta": {"position", "request_id"}}
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol, TypeAlias, TypeVar
from uuid import UUID

import orjson
from pydantic import TypeAdapter
from starlette.responses import Response
from starlette.types import Receive, Scope

from commands.account_flow import AccountFlow
from commands.authorization import Caller
from commands.decisions import Command
from commands.dispatch import Answer, Dispatcher, Origin
from commands.feature_port import TenantFeatures
from commands.invoice_reading import InvoiceReader
from commands.licence_port import LicencePublications
from commands.login_flow import LoginFlow
from commands.payment_port import PaymentProvider
from commands.plan_port import PlanUsage
from commands.ports import Ids, Ports, Position
from commands.provider_port import ProviderTests
from commands.signals import ReceiveWebhook
from domain.errors import Unauthenticated
from domain.executions import ExecutionNotFound
from domain.identifiers import JsonObject, TenantId
from infra.audit_entries import AuditFilter, AuditPage
from infra.audit_trail import Asked, AuditTrail, Source
from infra.authentication import Credentials
from infra.caller_limits import CallerLimits
from infra.client_addresses import told_user_agent
from infra.event_search import EventFilter, EventPage
from infra.tenant_archive import ArchiveFile
from infra.webhook_keys import WebhookKeys
from write_api.audited import POSITION_SCOPE_KEY, audited_target
from write_api.later import Later
from write_api.oauth_flow import OAuthFlow
from write_api.problem_details import request_id_of
from write_api.rate_limits import AddressLimits
from write_api.requests import (
    HeaderMap,
    expected_version,
    header_map,
    idempotency_key,
    is_bodiless,
    path_id,
    path_text,
    read_json,
    read_wait_s,
    traceparent,
    validated,
)
from write_api.turns import Turns

Body = TypeVar("Body")
More: TypeAlias = "Callable[[Call, Answer], Awaitable[Answer]] | None"


class ExecutionWaiter(Protocol):
    async def wait_for_end(
        self, tenant_id: TenantId, execution_id: UUID, timeout_s: float
    ) -> JsonObject | None:
        """{execution_id, status, output, error} of an execution that ended in time, else None."""
        ...


class AuditLog(Protocol):
    def pages(
        self, tenant_id: TenantId, wanted: AuditFilter, *, before: UUID | None, entries_max: int
    ) -> AsyncGenerator[AuditPage]:
        """Newest first, of at most entries_max entries together. Raises OverLimit at the first."""
        ...


class EventSearch(Protocol):
    def pages(
        self, tenant_id: TenantId, wanted: EventFilter, *, before: Position | None, events_max: int
    ) -> AsyncGenerator[EventPage]:
        """Newest first, opened, of at most events_max events together. Raises OverLimit at the
        first.
        """
        ...


class Blobs(Protocol):
    async def content(
        self, tenant_id: TenantId, sha256: bytes, *, person: UUID | None = None
    ) -> bytes | None:
        """The JSON of a large payload; None when the tenant has none of this hash, or the person
        sees nothing that has it.
        """
        ...


class TenantExport(Protocol):
    """running_count: of this process, at the moment."""

    running_count: int

    def files(self, tenant_id: TenantId) -> AsyncGenerator[ArchiveFile]:
        """Everything of the tenant, in pieces that fit into memory."""
        ...


class Features(Protocol):
    """See infra/tenant_features.py."""

    async def of(self, tenant_id: TenantId) -> TenantFeatures: ...

    async def defined(self) -> TenantFeatures: ...


@dataclass(frozen=True, slots=True)
class ScimParts:
    """ports: to read with. public_url: as directories reach us, without a slash at the end."""

    ports: Ports
    public_url: str


@dataclass(frozen=True, slots=True)
class Logins:
    """published_keys: JWKs of those who check access tokens."""

    flow: LoginFlow
    account: AccountFlow
    published_keys: Callable[[], Awaitable[Sequence[JsonObject]]]


# Who shows no credential, and needs none.
STRANGER = Caller("stranger", None, frozenset())
# Where an endpoint leaves who a stranger proved to be.
BECAME_SCOPE_KEY = "agentledger.became"


@dataclass(frozen=True, slots=True)
class WriteDependencies:
    """What the edge needs.

    authenticate: raises Unauthenticated. client_address: of a request. strangers, callers: count
    requests without and with a valid credential, together with the read side. audit: where
    every request is put on record; audit_log: what is on it. login_limits: of the routes that need
    no credential.
    """

    authenticate: Callable[[Credentials], Awaitable[Caller]]
    client_address: Callable[[Scope], str]
    dispatcher: Dispatcher
    waiter: ExecutionWaiter
    blobs: Blobs
    exports: TenantExport
    published_seal_keys: Callable[[], Awaitable[Sequence[JsonObject]]]
    licences: LicencePublications
    ids: Ids
    strangers: AddressLimits
    callers: CallerLimits
    webhook_keys: WebhookKeys
    oauth: OAuthFlow
    scim: ScimParts
    logins: Logins
    login_limits: AddressLimits
    plan_usage: PlanUsage
    invoices: InvoiceReader
    features: Features
    audit: AuditTrail
    audit_log: AuditLog
    event_search: EventSearch
    provider_tests: ProviderTests
    payments: PaymentProvider | None
    body_bytes_max: int
    cors_origins: Sequence[str] = ()
    is_caller_trace_continued: bool = False


class Edge:
    """Turns a request into a Call, or refuses it before its body is read."""

    def __init__(self, dependencies: WriteDependencies) -> None:
        self.dispatcher = dependencies.dispatcher
        self.waiter = dependencies.waiter
        self.blobs = dependencies.blobs
        self.oauth = dependencies.oauth
        self.exports = dependencies.exports
        self.published_seal_keys = dependencies.published_seal_keys
        self.licences = dependencies.licences
        self.audit = dependencies.audit
        self.audit_log = dependencies.audit_log
        self.event_search = dependencies.event_search
        self.provider_tests = dependencies.provider_tests
        self.payments = dependencies.payments
        self.plan_usage = dependencies.plan_usage
        self.invoices = dependencies.invoices
        self.features = dependencies.features
        self.body_bytes_max = dependencies.body_bytes_max
        self.logins = dependencies.logins
        self.later = Later()
        self._login_limits = dependencies.login_limits
        self._authenticate = dependencies.authenticate
        self._client_address = dependencies.client_address
        self.strangers = dependencies.strangers
        self.callers = dependencies.callers
        self.webhook_keys = dependencies.webhook_keys
        self.turns = Turns()

    async def identify(self, scope: Scope, receive: Receive) -> "Call":
        headers = header_map(scope)
        credentials = self.credentials_of(scope, headers)
        try:
            caller = await self._authenticate(credentials)
        except Unauthenticated:
            await self.strangers.take(scope, credentials.address)
            raise
        await self.callers.take(scope, caller)
        return Call(self, scope, receive, headers, caller, credentials)

    async def identify_stranger(self, scope: Scope, receive: Receive) -> "Call":
        """Of a route that is there to become known. Every call counts against the address."""
        headers = header_map(scope)
        credentials = self.credentials_of(scope, headers)
        await self._login_limits.take(scope, credentials.address)
        return Call(self, scope, receive, headers, STRANGER, credentials)

    async def identify_login(self, scope: Scope, receive: Receive) -> "Call":
        """Of a login with a password. Who tries many is turned away at the price of a header."""
        self.logins.flow.require_room()
        return await self.identify_stranger(scope, receive)

    async def identify_anybody(self, scope: Scope, receive: Receive) -> "Call":
        """Of a route whose answer is the same for all."""
        headers = header_map(scope)
        credentials = self.credentials_of(scope, headers)
        await self.strangers.take(scope, credentials.address)
        return Call(self, scope, receive, headers, STRANGER, credentials)

    async def count_stranger(self, scope: Scope) -> None:
        """Of what needs no credential and is no route of ours. Raises OverLimit."""
        await self.strangers.take(scope, self._client_address(scope))

    async def identify_webhook(self, scope: Scope, receive: Receive) -> "Call":
        """By the key in the path, which is the credential of whoever has no other.

        A wrong key, an unknown execution and one of another tenant are the same to the caller.
        """
        execution_id, name = path_id(scope, "execution_id"), path_text(scope, "name")
        headers = header_map(scope)
        credentials = self.credentials_of(scope, headers)
        tenant_id = self.webhook_keys.tenant(execution_id, scope["path_params"]["key"])
        if tenant_id is None:
            await self.strangers.take(scope, credentials.address)
            raise ExecutionNotFound
        # An actor for each webhook: deliveries to two of them may have one id.
        actor = f"webhook:{execution_id}/{name}"
        caller = Caller(actor, tenant_id, frozenset({ReceiveWebhook.requires}))
        await self.callers.take(scope, caller)
        return Call(self, scope, receive, headers, caller, credentials)

    def asked(self, scope: Scope, action: str, call: "Call | None") -> Asked:
        """What the audit trail says of a request. call: None of a stranger's."""
        if call is None:
            caller, credentials = None, self.credentials_of(scope, header_map(scope))
        else:
            caller = scope.get(BECAME_SCOPE_KEY) if call.caller is STRANGER else call.caller
            credentials = call.credentials
        source = Source(credentials.address, credentials.user_agent)
        return Asked(caller, action, request_id_of(scope), source, audited_target(scope))

    def credentials_of(self, scope: Scope, headers: HeaderMap) -> Credentials:
        return Credentials(
            authorization=_text(headers.get(b"authorization")),
            operator_key=_text(headers.get(b"x-operator-key")),
            address=self._client_address(scope),
            user_agent=told_user_agent(headers.get(b"user-agent")),
        )


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose caller is known; what an endpoint reads and answers with.

    credentials: as they came, with the client's address.
    """

    edge: Edge
    scope: Scope
    receive: Receive
    headers: HeaderMap
    caller: Caller
    credentials: Credentials

    @property
    def request_id(self) -> UUID:
        return request_id_of(self.scope)

    @property
    def expected_version(self) -> int | None:
        return expected_version(self.headers)

    def id(self, name: str) -> UUID:
        """The path parameter `name`."""
        return path_id(self.scope, name)

    def text(self, name: str) -> str:
        """The path parameter `name`, which is no id of ours; decoded."""
        return path_text(self.scope, name)

    async def body(self, adapter: TypeAdapter[Body], *media_types: bytes) -> Body:
        bytes_max = self.edge.body_bytes_max
        raw = await read_json(self.receive, self.headers, *media_types, bytes_max=bytes_max)
        return validated(adapter, raw)

    async def optional_body(self, adapter: TypeAdapter[Body]) -> Body:
        """No body means an empty object, whatever its content type."""
        if is_bodiless(self.headers):
            return validated(adapter, {})
        return await self.body(adapter)

    async def answer(
        self, command: Command, status: HTTPStatus, *, key: str | None = None, more: More = None
    ) -> Response:
        """Decide the command and tell the result. key: for idempotency, from another header. more:
        adds what is made of it each time, and not stored.
        """
        answer = await self._decide(command, key)
        return self._response(answer if more is None else await more(self, answer), status)

    async def answer_at_end(self, command: Command) -> Response:
        """The execution that the command begins: accepted, or its result if it ends in time."""
        wait_s = read_wait_s(self.scope)
        answer = await self._decide(command)
        execution_id = answer.result["execution_id"]
        assert isinstance(execution_id, str)
        assert self.caller.tenant_id is not None
        ended = None
        if wait_s > 0:
            ended = await self.edge.waiter.wait_for_end(
                self.caller.tenant_id, UUID(execution_id), wait_s
            )
        if ended is None:
            return self._response(answer, HTTPStatus.ACCEPTED)
        finished = Answer(ended, answer.position, answer.is_replayed)
        return self._response(finished, HTTPStatus.OK)

    def became(self, tenant_id: TenantId, user_id: UUID) -> None:
        """Who this stranger proved to be, for the record."""
        person = Caller(f"user:{user_id}", tenant_id, frozenset(), user_id)
        self.scope[BECAME_SCOPE_KEY] = person

    def secret_answer(self, data: JsonObject, status: HTTPStatus) -> Response:
        """What no cache and no idempotency key may keep."""
        meta: JsonObject = {"position": None, "request_id": str(self.request_id)}
        headers = {"Cache-Control": "no-store"}
        return json_response({"data": data, "meta": meta}, status, headers)

    def origin(self, key: str | None = None) -> Origin:
        return Origin(
            self.request_id,
            key,
            traceparent(self.headers),
            self.credentials.address,
            self.credentials.user_agent,
        )

    async def _decide(self, command: Command, key: str | None = None) -> Answer:
        origin = self.origin(key or idempotency_key(self.headers))
        answer = await self.edge.dispatcher.dispatch(command, self.caller, origin)
        self.scope[POSITION_SCOPE_KEY] = answer.position
        return answer

    def _response(self, answer: Answer, status: HTTPStatus) -> Response:
        """ETag: the version of the stream, which If-Match takes."""
        headers: dict[str, str] = {}
        if answer.is_replayed:
            headers["Idempotency-Replayed"] = "true"
        version = answer.result.get("version")
        if version is not None:
            headers["ETag"] = f'"{version}"'
        meta: JsonObject = {"position": answer.position, "request_id": str(self.request_id)}
        return json_response({"data": answer.result, "meta": meta}, status, headers)


def json_response(
    document: JsonObject, status: HTTPStatus, headers: dict[str, str] | None = None
) -> Response:
    return Response(
        orjson.dumps(document), status.value, headers=headers, media_type="application/json"
    )


def _text(raw: bytes | None) -> str | None:
    """Header bytes are Latin-1 to HTTP."""
    return None if raw is None else raw.decode("latin-1")
