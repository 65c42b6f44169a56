"""Sessions that end with what they were begun by, and what becomes of them while a tenant is
suspended.
"""

from uuid import UUID

from commands.dispatch import Origin
from commands.login_flow import LoggedIn
from domain.identifiers import TenantId
from domain.identity_providers import identity_provider_id
from domain.invitations import InvitationToken
from domain.login_rules import at_provider
from tests.infra.log_steps import IDS
from tests.logins.stage import PASSWORD, Stage, unique_email
from tests.logins.test_account import enrolled, mailed_token
from tests.write_api.api import problem

ORIGIN = Origin(IDS.new())
OPERATOR = {"X-Operator-Key": "operator"}
PROVIDER = {
    "kind": "oidc",
    "issuer": "https://login.acme.example",
    "client_id": "ledger",
    "client_secret": "hush hush",
    "default_role": "USER",
}


async def begun_at(login: Stage, tenant_id: TenantId, user_id: UUID, provider_id: UUID) -> LoggedIn:
    return await login.logins.flow.begin_session(
        tenant_id, user_id, [at_provider(provider_id)], ORIGIN
    )


async def test_with_an_identity_provider_the_sessions_end_that_were_begun_there(
    login: Stage,
) -> None:
    email = unique_email()
    tenant_id, user_id = await login.a_tenant(email)
    here = await login.logged_in(email)
    for name in ("acme", "other"):
        path = f"/api/v1/identity-providers/{name}"
        put = await login.send("PUT", path, PROVIDER, headers=here.header)
        assert put.status_code == 200, put.text
    there = [
        await begun_at(login, tenant_id, user_id, identity_provider_id(tenant_id, "acme"))
        for _ in range(2)
    ]
    elsewhere = await begun_at(login, tenant_id, user_id, identity_provider_id(tenant_id, "other"))
    removed = await login.send("DELETE", "/api/v1/identity-providers/acme", headers=here.header)
    assert removed.json()["data"]["ended_count"] == 2, removed.text
    for session in there:
        assert not await login.is_known(session.access_token)
        refused = await login.post("/auth/refresh", {"refresh_token": session.refresh_token})
        problem(refused, 401, "refresh_refused")
    assert await login.is_known(elsewhere.access_token)
    assert await login.is_known(here.access)


async def standing(login: Stage, tenant_id: TenantId, what: str) -> None:
    body = {"reason": "unpaid"} if what == "suspend" else None
    answer = await login.post(f"/tenants/{tenant_id}/{what}", body, headers=OPERATOR)
    assert answer.status_code == 200, answer.text


async def test_only_the_right_password_is_told_that_the_tenant_is_suspended(login: Stage) -> None:
    email = unique_email()
    tenant_id, _ = await login.a_tenant(email)
    await standing(login, tenant_id, "suspend")
    problem(await login.login(email, "a wrong password"), 401, "wrong_credentials")
    problem(await login.login(email), 403, "tenant_suspended")
    await standing(login, tenant_id, "resume")
    await login.logged_in(email)


async def test_a_code_is_not_used_up_by_a_suspended_tenant(login: Stage) -> None:
    email = unique_email()
    tenant_id, _ = await login.a_tenant(email)
    _, codes = await enrolled(login, await login.logged_in(email))
    token = (await login.login(email)).json()["data"]["mfa_token"]
    await standing(login, tenant_id, "suspend")
    body = {"mfa_token": token, "code": codes[0]}
    problem(await login.post("/auth/login/totp", body), 403, "tenant_suspended")
    await standing(login, tenant_id, "resume")
    assert (await login.post("/auth/login/totp", body)).status_code == 200


async def test_sessions_go_on_in_a_suspended_tenant_and_can_be_ended(login: Stage) -> None:
    email = unique_email()
    tenant_id, _ = await login.a_tenant(email)
    first, second = await login.logged_in(email), await login.logged_in(email)
    await standing(login, tenant_id, "suspend")
    successor = await login.refreshed(first.refresh)
    assert await login.is_known(successor.access)
    ended = await login.post("/auth/logout", {}, headers=second.header)
    assert ended.status_code == 200, ended.text
    # A stolen token that comes back ends its session as ever.
    await login.refreshed(successor.refresh)
    login.clock.pass_time(seconds=11)
    await login.post("/auth/refresh", {"refresh_token": first.refresh})
    assert not await login.is_known(successor.access)


async def test_a_token_that_is_none_does_not_tell_that_a_tenant_is_suspended(
    login: Stage,
) -> None:
    email = unique_email()
    tenant_id, user_id = await login.a_tenant(email)
    reset = await mailed_token(login, email)
    await standing(login, tenant_id, "suspend")
    forged = invitation_like(tenant_id, user_id)
    accept = {"token": forged, "password": PASSWORD}
    problem(await login.post("/auth/invitations/accept", accept), 409, "invitation_over")
    guessed = {"token": reset[:-4] + "AAAA", "password": "incorrect donkey fuel cell"}
    refused = await login.post("/auth/password-reset/confirm", guessed)
    problem(refused, 422, "reset_refused")


def invitation_like(tenant_id: TenantId, user_id: UUID) -> str:
    return str(InvitationToken(tenant_id, user_id, b"\x00" * 32))
