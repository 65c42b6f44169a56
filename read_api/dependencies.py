"""What the read side needs from whoever starts it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from starlette.types import Scope

from infra.audit_entries import AuditEntries
from infra.audit_trail import AuditTrail
from infra.authentication import Caller, Credentials
from infra.caller_limits import CallerLimits
from infra.event_log import TenantId
from infra.event_sealing import OpenEvents
from infra.event_search import EventSearch
from infra.live_text import LiveText
from infra.metrics import Metrics
from infra.metrics_access import MetricsAccess
from infra.postgres import Database
from infra.read_positions import ReadPositions
from infra.readiness import Readiness
from infra.scrape import Scrape
from infra.seal_proofs import SealProofs
from infra.tail import Tail
from infra.tenant_features import PostgresFeatures
from read_api.limits import ReadLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDependencies:
    """database: of the role api.

    authenticate: raises Unauthenticated. client_address: of a request or a WebSocket.
    count_stranger: called for a request without a valid credential, with its address; callers:
    counts those with one. Both raise OverLimit.
    audit: where what is asked is put on record; audit_log: what is on it.
    request_id_of: of a request or a WebSocket. pending_migrations: names, empty when the schema is
    current. upcoming_invoice: of the caller's tenant, as GET /api/v1/invoices/upcoming tells it;
    None where it is not billed. embedding_model: by which texts are compared; embed: a text by it,
    for a tenant and an actor of it. Raises DomainError.
    """

    database: Database
    open_events: OpenEvents
    tail: Tail
    positions: ReadPositions
    authenticate: Callable[[Credentials], Awaitable[Caller]]
    client_address: Callable[[Scope], str]
    count_stranger: Callable[[Scope, str], Awaitable[None]]
    callers: CallerLimits
    request_id_of: Callable[[Scope], UUID]
    pending_migrations: Callable[[], Awaitable[Sequence[str]]]
    metrics: Metrics
    metrics_access: MetricsAccess
    scrape: Scrape
    readiness: Readiness
    audit: AuditTrail
    audit_log: AuditEntries
    features: PostgresFeatures
    seal_proofs: SealProofs
    event_search: EventSearch
    live_text: LiveText = field(default_factory=LiveText)
    upcoming_invoice: Callable[[Caller], Awaitable[Mapping[str, Any] | None]]
    embedding_model: str
    embed: Callable[[TenantId, str, str], Awaitable[Sequence[float]]]
    limits: ReadLimits = field(default_factory=ReadLimits)
    is_introspection_allowed: bool = True
    cors_origins: Sequence[str] = ()
