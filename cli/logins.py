"""The parts that people log in by, of one API process."""

import time
from collections.abc import Callable
from datetime import timedelta

from commands.account_flow import AccountFlow
from commands.dispatch import Dispatcher
from commands.login_flow import LoginFlow, LoginPorts
from commands.ports import Ports
from infra.access_tokens import SignedAccessTokens
from infra.accounts import PostgresAccounts
from infra.breached_passwords import BreachedPasswords
from infra.http_client import GuardedHttp
from infra.login_attempts import PostgresAttempts
from infra.password_judge import InformedPasswordJudge
from infra.refresh_tokens import PostgresRefreshTokens
from infra.reset_tokens import RandomResetTokens
from infra.runtime import Runtime
from infra.second_factors import PostgresSecondFactors
from infra.secrets_source import SecretsSource
from infra.signing_keys import SigningKeys
from infra.users import PostgresUsers
from write_api.edge import Logins

AUDIENCE = "agentledger"
BREACH_CONNECTIONS_MAX = 8


async def build_signing_keys(runtime: Runtime) -> SigningKeys:
    return SigningKeys(
        await runtime.database("api"),
        await runtime.data_keys("api"),
        runtime.clock,
        runtime.ids,
        max_age=timedelta(days=runtime.settings.signing_key_days),
        monotonic_s=time.monotonic,
    )


def access_tokens(runtime: Runtime, keys: SigningKeys) -> SignedAccessTokens:
    settings = runtime.settings
    return SignedAccessTokens(
        keys,
        runtime.clock,
        runtime.ids,
        issuer=settings.public_url,
        audience=AUDIENCE,
        lifetime_s=settings.access_token_minutes * 60,
    )


async def accounts(runtime: Runtime) -> PostgresAccounts:
    database = await runtime.database("api")
    return PostgresAccounts(database, PostgresUsers(database, runtime.lookup_key).email_hash)


async def build_logins(
    runtime: Runtime,
    tokens: SignedAccessTokens,
    ports: Ports,
    *,
    dispatcher: Dispatcher,
    passwords: SecretsSource,
) -> Logins:
    settings = runtime.settings
    database = await runtime.database("api")
    idle = timedelta(days=settings.session_idle_days)
    login_ports = LoginPorts(
        accounts=await accounts(runtime),
        attempts=PostgresAttempts(database, runtime.lookup_key, runtime.clock),
        passwords=passwords,
        access_tokens=tokens,
        refresh_tokens=PostgresRefreshTokens(database, idle=idle),
        second_factors=PostgresSecondFactors(
            database, await runtime.data_keys("api"), runtime.clock
        ),
        events=ports.events,
        clock=runtime.clock,
        dispatcher=dispatcher,
        password_judge=ports.password_judge,
        session=timedelta(days=settings.session_days_max),
        idle=idle,
    )
    flow = LoginFlow(login_ports)
    account = AccountFlow(login_ports, flow, RandomResetTokens())
    return Logins(flow, account, tokens.keys.published)


def build_password_judge(runtime: Runtime, *, failed: Callable[[], None]) -> InformedPasswordJudge:
    """failed: told when a server that knows breaches was to be asked, and could not be."""
    settings = runtime.settings
    if settings.breached_passwords_url is None:
        return InformedPasswordJudge()
    http = GuardedHttp(allowed=settings.http_allow, connections_max=BREACH_CONNECTIONS_MAX)
    runtime.at_close(http.aclose)
    breached = BreachedPasswords(http, settings.breached_passwords_url, failed=failed)
    return InformedPasswordJudge(breached.is_breached)
