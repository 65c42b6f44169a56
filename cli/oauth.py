"""Logins at identity providers, put together for the role `api`."""

import time
from collections.abc import Mapping
from functools import cache

from commands.dispatch import Dispatcher
from commands.http_port import Http
from commands.oauth_port import IdentityProviders
from commands.ports import EventStore
from infra.client_secrets import PostgresClientSecrets
from infra.http_client import GuardedHttp
from infra.oauth_attempts import PostgresOAuthAttempts
from infra.runtime import Runtime
from write_api.external_identities import CALLBACK_PATH
from write_api.oauth_flow import OAuthFlow

# Where the dashboard picks up a login (dashboard/src/session/sso.ts).
DASHBOARD_RETURN_PATH = "/dashboard/signed-in"


async def build_oauth(runtime: Runtime, events: EventStore, dispatcher: Dispatcher) -> OAuthFlow:
    settings = runtime.settings
    database = await runtime.database("api")
    http = GuardedHttp(allowed=settings.http_allow, connections_max=settings.login_connections_max)
    runtime.at_close(http.aclose)
    redirect_uri = f"{settings.public_url}{CALLBACK_PATH}"
    own_page = f"{settings.public_url}{DASHBOARD_RETURN_PATH}"
    return OAuthFlow(
        events=events,
        dispatcher=dispatcher,
        attempts=PostgresOAuthAttempts(database, runtime.clock, redirect_uri=redirect_uri),
        secrets=PostgresClientSecrets(database, await runtime.data_keys()),
        kinds=cache(lambda: _kinds(runtime, http)),
        issuers={"google": settings.google_issuer, "github": settings.github_url},
        return_to=settings.login_return_to | {own_page},
        own_page=own_page,
    )


def _kinds(runtime: Runtime, http: Http) -> Mapping[str, IdentityProviders]:
    """For the first who signs in so: the libraries take 0.1 s to load."""
    from infra.github_login import GitHub
    from infra.oauth_exchange import OAuthExchange
    from infra.openid import OpenId

    exchange = OAuthExchange(http, allowed=runtime.settings.http_allow)
    openid = OpenId(exchange, runtime.clock, monotonic_s=time.monotonic)
    github = GitHub(exchange, api_url=runtime.settings.github_api_url)
    return {"oidc": openid, "google": openid, "github": github}
