"""Puts the write side on an application: routes, problem documents, headers, and the last resort
for what nobody foresaw.

Nothing happens at import; an entry point builds the dependencies and calls build_write_routes.
"""

import logging

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from commands.ports import Ids
from infra.logs import begin_request
from write_api import (
    agents,
    approvals,
    audit,
    billing_accounts,
    blobs,
    budgets,
    bulk_operations,
    call_limits,
    credentials,
    credits,  # noqa: A004 # the concept has this name everywhere
    events,
    execution_commands,
    execution_forks,
    execution_upgrades,
    execution_usage,
    executions,
    exports,
    external_identities,
    feature_flags,
    identity,
    identity_providers,
    invoices,
    licences,
    login_rules,
    logins,
    managed_budgets,
    node_types,
    payments,
    plans,
    price_books,
    providers,
    roles,
    seal_keys,
    second_factors,
    secrets,
    sessions,
    sharing,
    signals,
    subjects,
    subscriptions,
    tenants,
    trigger_fires,
    trigger_webhooks,
    triggers,
    upcoming_invoices,
    usage_events,
    webhooks,
    workflow_templates,
    workflows,
)
from write_api.edge import Edge, WriteDependencies
from write_api.observed import Observed
from write_api.open_paths import add_open_paths
from write_api.openapi import document_schemas
from write_api.problem_details import (
    REQUEST_ID_SCOPE_KEY,
    add_problem_handlers,
    request_id_of,
    unexpected_problem,
)
from write_api.routes import add_routes, documented_route
from write_api.scim_place import add_scim, scim_paths, scim_schemas
from write_api.security_headers import SecurityHeaders

# The most called first: they are matched one after the other.
ROUTES = (
    *workflow_templates.ROUTES,
    *workflows.ROUTES,
    *agents.ROUTES,
    *sharing.ROUTES,
    *bulk_operations.ROUTES,  # Before those of one execution: `bulk` is no id.
    *executions.ROUTES,
    *signals.ROUTES,
    *webhooks.ROUTES,
    *triggers.ROUTES,
    *trigger_fires.ROUTES,
    *trigger_webhooks.ROUTES,
    *approvals.ROUTES,
    *execution_commands.ROUTES,
    *execution_forks.ROUTES,
    *execution_upgrades.ROUTES,
    *usage_events.ROUTES,
    *execution_usage.ROUTES,
    *credentials.ROUTES,
    *subjects.ROUTES,
    *identity.ROUTES,
    *roles.ROUTES,
    *identity_providers.ROUTES,
    *external_identities.ROUTES,
    *secrets.ROUTES,
    *providers.ROUTES,
    *tenants.ROUTES,
    *payments.ROUTES,
    *plans.ROUTES,
    *subscriptions.ROUTES,
    *credits.ROUTES,
    *licences.ROUTES,
    *feature_flags.ROUTES,
    *budgets.ROUTES,
    *call_limits.ROUTES,
    *managed_budgets.ROUTES,
    *price_books.ROUTES,
    *billing_accounts.ROUTES,
    *upcoming_invoices.ROUTES,  # Before those of one invoice: `upcoming` is no id.
    *invoices.ROUTES,
    *node_types.ROUTES,
    *blobs.ROUTES,
    *sessions.ROUTES,
    *logins.ROUTES,
    *second_factors.ROUTES,
    *login_rules.ROUTES,
    *exports.ROUTES,
    *seal_keys.ROUTES,
    *audit.ROUTES,
    *events.ROUTES,
)
BODIES = (
    *workflow_templates.BODIES,
    *workflows.BODIES,
    *agents.BODIES,
    *sharing.BODIES,
    *bulk_operations.BODIES,
    *executions.BODIES,
    *signals.BODIES,
    *triggers.BODIES,
    *trigger_fires.BODIES,
    *approvals.BODIES,
    *execution_commands.BODIES,
    *execution_forks.BODIES,
    *execution_upgrades.BODIES,
    *usage_events.BODIES,
    *execution_usage.BODIES,
    *credentials.BODIES,
    *subjects.BODIES,
    *identity.BODIES,
    *roles.BODIES,
    *identity_providers.BODIES,
    *external_identities.BODIES,
    *secrets.BODIES,
    *providers.BODIES,
    *tenants.BODIES,
    *payments.BODIES,
    *plans.BODIES,
    *subscriptions.BODIES,
    *credits.BODIES,
    *licences.BODIES,
    *feature_flags.BODIES,
    *budgets.BODIES,
    *call_limits.BODIES,
    *price_books.BODIES,
    *billing_accounts.BODIES,
    *invoices.BODIES,
    *sessions.BODIES,
    *logins.BODIES,
    *second_factors.BODIES,
    *login_rules.BODIES,
)

# What a website that is let in may send, and its script may read. No cookies: there are none.
CORS_METHODS = sorted({route.method for route in ROUTES})
CORS_REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "X-Min-Position",
)
CORS_ANSWER_HEADERS = (
    "ETag",
    "Idempotency-Replayed",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
)
CORS_KEPT_S = 600

log = logging.getLogger(__name__)


def build_write_routes(app: FastAPI, dependencies: WriteDependencies) -> None:
    """Adds to `app`, which should not redirect slashes: a redirected POST is a second request.

    The routes lie on `app` itself: an included router costs each request 45 us (FastAPI 0.165).
    """
    edge = Edge(dependencies)
    app.state.later = edge.later
    add_routes(app, edge, ROUTES)
    add_scim(app, edge, dependencies.scim)
    add_problem_handlers(app)
    add_open_paths(app, edge)
    document_schemas(
        app,
        BODIES,
        routes=lambda: [documented_route(declared) for declared in ROUTES],
        paths=scim_paths,
        path_schemas=scim_schemas,
    )
    app.add_middleware(LastResort, ids=dependencies.ids)
    if dependencies.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(dependencies.cors_origins),
            allow_methods=CORS_METHODS,
            allow_headers=CORS_REQUEST_HEADERS,
            expose_headers=CORS_ANSWER_HEADERS,
            max_age=CORS_KEPT_S,
        )
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Observed, is_caller_trace_continued=dependencies.is_caller_trace_continued)


class LastResort:
    """Gives every request its id.

    What nobody foresaw is logged with it, and answered with a problem that says no more than it.
    """

    def __init__(self, app: ASGIApp, ids: Ids) -> None:
        self._app = app
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope[REQUEST_ID_SCOPE_KEY] = self._ids.new()
        begin_request(request_id)
        is_started = False

        async def send_watched(message: Message) -> None:
            nonlocal is_started
            is_started = True
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        except Exception:
            log.exception("request %s failed", request_id_of(scope))
            if is_started:
                raise
            await unexpected_problem(scope)(scope, receive, send)
