"""The role `api`: commands, queries, subscriptions and the stream of one run, on one web
application.
"""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from fastapi import FastAPI

from cli.embeddings import build_searches
from cli.logins import (
    access_tokens,
    accounts,
    build_logins,
    build_password_judge,
    build_signing_keys,
)
from cli.oauth import build_oauth
from cli.payments import build_payments
from cli.rate_limits import RateLimitParts, build_rate_limits
from cli.web_server import run_http
from commands.invoice_reading import InvoiceReader
from commands.ports import Ports
from infra.access_tokens import SignedAccessTokens
from infra.api_key_uses import ApiKeyUses
from infra.audit_entries import AuditEntries
from infra.audit_trail import AuditTrail
from infra.authentication import Authentication
from infra.billing_facts import PostgresBilling
from infra.client_addresses import ClientAddresses
from infra.consumer import keep_running
from infra.directory import PostgresDirectory
from infra.event_commitments import EventCommitments
from infra.event_search import EventSearch
from infra.event_store import PostgresEventStore
from infra.execution_waiter import ExecutionWaiter
from infra.mail_outbox import SealedMailbox
from infra.metrics import METRICS, Metrics
from infra.metrics_access import MetricsAccess
from infra.migrations import pending
from infra.models import build_models
from infra.models.tenant_providers import ShortCalls, TenantProviders
from infra.parts import PostgresPartRights
from infra.plan_usage import PlanUsage
from infra.postgres import Database
from infra.price_books import StoredPrices
from infra.published_licences import PublishedLicences
from infra.read_positions import ReadPositions
from infra.runtime import Runtime
from infra.seal_proofs import SealProofs
from infra.secrets_source import SecretsSource
from infra.session_tokens import SessionTokens
from infra.subjects import PostgresDataSubjects
from infra.tail import Tail
from infra.traced_dispatcher import TracedDispatcher
from infra.users import PostgresUsers
from projections.catalogue import PROJECTIONS
from projections.execution_search import PostgresExecutionSearch
from projections.tenant_export import PostgresTenantExport
from read_api.limits import ReadLimits
from read_api.router import ReadDependencies, build_read_routes
from write_api.app import build_write_routes
from write_api.edge import ScimParts, WriteDependencies
from write_api.problem_details import REQUEST_ID_SCOPE_KEY


@dataclass(eq=False)
class ApiParts:
    """positions: also told by a projector in the same process."""

    app: FastAPI
    tail: Tail
    positions: ReadPositions
    key_uses: ApiKeyUses
    rate_limits: RateLimitParts


async def build_api_parts(runtime: Runtime) -> ApiParts:
    settings = runtime.settings
    database, store = await runtime.database("api"), await runtime.event_store("api")
    key_uses = ApiKeyUses(database, runtime.clock)
    tokens = access_tokens(runtime, await build_signing_keys(runtime))
    authentication = _authentication(runtime, database, key_uses, tokens)
    tail = await runtime.tail(store, authentication.forget)
    positions = _positions(runtime, database)
    client_address, metrics = ClientAddresses(settings.trusted_proxies).of, METRICS
    audit_log, audit = await _audit(runtime, metrics)
    waiter = await _waiter(runtime, tail, authentication, metrics)
    secrets = SecretsSource(bcrypt_cost=settings.bcrypt_cost)
    ports = await _ports(runtime, store, secrets=secrets, metrics=metrics)
    app, dispatcher = _application(), TracedDispatcher(ports)
    rate_limits = build_rate_limits(runtime, database, metrics, await runtime.plans("api"))
    seals, seal_proofs = await runtime.event_seals("api"), await runtime.seal_proofs()
    event_search = EventSearch(database, seals.opened)
    written = WriteDependencies(
        authenticate=authentication.authenticate,
        client_address=client_address,
        dispatcher=dispatcher,
        waiter=waiter,
        blobs=await runtime.blobs("api"),
        exports=await _exports(runtime, seal_proofs),
        published_seal_keys=seal_proofs.published_keys,
        licences=await _licences(runtime, store),
        ids=runtime.ids,
        strangers=rate_limits.strangers,
        callers=rate_limits.callers,
        webhook_keys=runtime.webhook_keys,
        oauth=await build_oauth(runtime, store, dispatcher),
        scim=ScimParts(ports, settings.public_url),
        logins=await build_logins(runtime, tokens, ports, dispatcher=dispatcher, passwords=secrets),
        login_limits=rate_limits.logins,
        plan_usage=PlanUsage(database),
        invoices=InvoiceReader(ports),
        features=await runtime.features("api"),
        audit=audit,
        audit_log=audit_log,
        event_search=event_search,
        provider_tests=await _provider_tests(runtime),
        payments=ports.payments,
        body_bytes_max=settings.body_bytes_max,
        cors_origins=settings.cors_origins,
        is_caller_trace_continued=settings.is_caller_trace_continued,
    )
    build_write_routes(app, written)
    build_read_routes(
        app,
        await _read_dependencies(
            runtime,
            written,
            rate_limits,
            tail=tail,
            positions=positions,
            metrics=metrics,
            audit_log=audit_log,
            seal_proofs=seal_proofs,
            event_search=event_search,
        ),
    )
    return ApiParts(app, tail, positions, key_uses, rate_limits)


async def _licences(runtime: Runtime, store: PostgresEventStore) -> PublishedLicences:
    database, data_keys = await runtime.database("api"), await runtime.data_keys()
    return PublishedLicences(database, store, data_keys, clock=runtime.clock, ids=runtime.ids)


async def _read_dependencies(  # what both edges share is the write side's
    runtime: Runtime,
    written: WriteDependencies,
    rate_limits: RateLimitParts,
    *,
    tail: Tail,
    positions: ReadPositions,
    metrics: Metrics,
    audit_log: AuditEntries,
    seal_proofs: SealProofs,
    event_search: EventSearch,
) -> ReadDependencies:
    settings, searches = runtime.settings, await build_searches(runtime)
    return ReadDependencies(
        database=await runtime.database("api"),
        open_events=(await runtime.event_seals("api")).opened,
        tail=tail,
        positions=positions,
        authenticate=written.authenticate,
        client_address=written.client_address,
        count_stranger=rate_limits.strangers.take,
        callers=rate_limits.callers,
        features=await runtime.features("api"),
        request_id_of=lambda scope: scope.get(REQUEST_ID_SCOPE_KEY) or runtime.ids.new(),
        pending_migrations=lambda: pending(runtime.conninfo("api")),
        metrics=metrics,
        metrics_access=MetricsAccess(settings.metrics_allow, written.client_address),
        scrape=runtime.scrape,
        readiness=runtime.readiness,
        audit=written.audit,
        audit_log=audit_log,
        seal_proofs=seal_proofs,
        event_search=event_search,
        live_text=runtime.live_text,
        upcoming_invoice=written.invoices.upcoming.own_if_billed,
        embedding_model=searches.model,
        embed=searches.search,
        limits=ReadLimits(
            min_position_wait_s=settings.min_position_wait_s,
            ready_lag_s_max=settings.ready_lag_s_max,
        ),
        is_introspection_allowed=settings.is_introspection_allowed,
        cors_origins=settings.cors_origins,
    )


async def _waiter(
    runtime: Runtime, tail: Tail, authentication: Authentication, metrics: Metrics
) -> ExecutionWaiter:
    """It, and others, hear at once of what other parts of this process do."""
    database, blobs = await runtime.database("api"), await runtime.blobs("api")
    waiter = ExecutionWaiter(database, tail, blobs, await runtime.event_seals("api"))
    runtime.neighbours.execution_ended = waiter.ended
    runtime.neighbours.access_changed = await _forgetting(runtime, authentication)
    runtime.neighbours.worker_began = metrics.worker_began
    runtime.neighbours.cache_asked = metrics.cache_asked
    return waiter


async def _exports(runtime: Runtime, proofs: SealProofs) -> PostgresTenantExport:
    return PostgresTenantExport(
        await runtime.database("api"),
        (await runtime.event_seals("api")).opened,
        await runtime.blobs("api"),
        PROJECTIONS,
        proofs=proofs,
        commitments=EventCommitments(await runtime.data_keys()),
    )


async def _provider_tests(runtime: Runtime) -> ShortCalls:
    models = build_models({}, allowed=runtime.settings.http_allow)
    runtime.at_close(models.aclose)
    providers = TenantProviders(await runtime.vault("api"), await runtime.features("api"))
    return ShortCalls(providers, models)


def _application() -> FastAPI:
    return FastAPI(
        title="AgentLedger",
        version="1",
        redirect_slashes=False,
        openapi_url="/openapi.json",
        # FastAPI's own pages load scripts from another host; read_api/dashboard.py has one.
        docs_url=None,
        redoc_url=None,
    )


def _authentication(
    runtime: Runtime, database: Database, key_uses: ApiKeyUses, tokens: SignedAccessTokens
) -> Authentication:
    operator_key = runtime.settings.operator_key
    return Authentication(
        database,
        runtime.clock,
        operator_key=operator_key.get_secret_value() if operator_key else None,
        sessions=SessionTokens(database, tokens, runtime.clock, monotonic_s=time.monotonic),
        monotonic_s=time.monotonic,
        key_used=key_uses.note,
    )


def _positions(runtime: Runtime, database: Database) -> ReadPositions:
    return ReadPositions(
        database,
        partitions_count=runtime.settings.log_partitions,
        projections=[projection.table for projection in PROJECTIONS],
        poll_s=runtime.settings.poll_min_s,
    )


async def _forgetting(runtime: Runtime, authentication: Authentication) -> Callable[[UUID], None]:
    """Told at once of what was stored here: callers, whether tenants may act, and their plans."""
    standings, plans = await runtime.standings(), await runtime.plans("api")
    features = await runtime.features("api")

    def forget(stream_id: UUID) -> None:
        authentication.forget(stream_id)
        standings.forget(stream_id)
        plans.forget(stream_id)
        features.forget(stream_id)

    return forget


async def _ports(
    runtime: Runtime,
    store: PostgresEventStore,
    *,
    secrets: SecretsSource,
    metrics: Metrics,
) -> Ports:
    """What commands need, all of it."""
    database = await runtime.database("api")
    return Ports(
        events=store,
        clock=runtime.clock,
        ids=runtime.ids,
        secrets=secrets,
        admission=await runtime.admission(),
        password_judge=build_password_judge(runtime, failed=metrics.breaches_unknown.inc),
        search=PostgresExecutionSearch(database),
        standings=await runtime.standings(),
        plans=await runtime.plans("api"),
        budgets=await runtime.budgets("api"),
        features=await runtime.features("api"),
        prices=StoredPrices(store, await runtime.plans("api")),
        billing=PostgresBilling(database, await runtime.data_keys("api")),
        payments=build_payments(runtime),
        regions=runtime.settings.regions,
        users=PostgresUsers(database, runtime.lookup_key, proof_keys=runtime.master_keys),
        mailbox=SealedMailbox(
            await runtime.data_keys("api"),
            runtime.ids,
            has_server=runtime.settings.smtp_host is not None,
        ),
        accounts=await accounts(runtime),
        sealing=await runtime.data_keys(),
        data_subjects=PostgresDataSubjects(database, await runtime.data_keys(), runtime.lookup_key),
        directory=PostgresDirectory(database, runtime.lookup_key),
        vault=await runtime.vault("api"),
        parts=PostgresPartRights(database),
    )


async def _audit(runtime: Runtime, metrics: Metrics) -> tuple[AuditEntries, AuditTrail]:
    writer, api = await runtime.database("writer"), await runtime.database("api")
    audit_log = AuditEntries(writer, api, await runtime.data_keys())
    audit = AuditTrail(audit_log.store, runtime.ids, lost=metrics.audit_entries_lost.inc)
    runtime.at_close(audit.close)
    return audit_log, audit


async def run_api(runtime: Runtime, parts: ApiParts, listening: socket.socket) -> None:
    """Serve until cancelled, with the loops that the API needs beside it."""
    pause_max_s = runtime.settings.consumer_restart_max_s
    loops = {
        "tail": parts.tail.run,
        "read positions": parts.positions.run,
        "uses of API keys": parts.key_uses.run,
        "rate limits": parts.rate_limits.limits.run,
        "tidied rate limits": parts.rate_limits.store.run,
    }
    for name, loop in loops.items():
        runtime.in_background(name, keep_running(name, loop, pause_max_s=pause_max_s))
    await run_http(parts.app, listening)
