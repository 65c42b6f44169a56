"""Logging in and out, as HTTP shows it. What must hold of the real parts is in tests/logins."""

from uuid import UUID

import pytest

from commands.authorization import Caller
from commands.login_port import Account, Reused, Rotated
from domain.identifiers import TenantId
from tests.commands.fakes import EMAIL
from tests.commands.login_fakes import CODE, JWK, PASSWORD
from tests.write_api.api import RATE_LIMIT_LOGIN_PER_MIN, Api, problem
from tests.write_api.bodies import TENANT

LOGIN = {"email": EMAIL, "password": PASSWORD}


async def an_account(api: Api, *, has_second_factor: bool = False) -> tuple[TenantId, UUID]:
    """The administrator of a new tenant, with the password of the fakes."""
    made = await api.send("POST", "/tenants", TENANT, headers={"X-Operator-Key": "operator"})
    data = made.json()["data"]
    tenant_id, user_id = TenantId(UUID(data["tenant_id"])), UUID(data["user_id"])
    account = Account(tenant_id, user_id, f"hash of {PASSWORD}", has_second_factor)
    api.world.accounts.accounts.append(account)
    return tenant_id, user_id


async def session_of(api: Api) -> str:
    """The value of Authorization of somebody who has just logged in."""
    data = (await api.send("POST", "/auth/login", LOGIN)).json()["data"]
    _, tenant_id, user_id, session_id = data["access_token"].split()
    scopes = frozenset({"*"})
    caller = Caller(f"user:{user_id}", TenantId(UUID(tenant_id)), scopes, UUID(user_id))
    object.__setattr__(caller, "session_id", UUID(session_id))
    return api.allow(data["access_token"], caller)


async def test_a_login_is_a_session_with_tokens_that_no_cache_keeps(api: Api) -> None:
    tenant_id, user_id = await an_account(api)
    answer = await api.send(
        "POST", "/auth/login", LOGIN, headers={"User-Agent": "curl/8.5.0", "Authorization": ""}
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    data = answer.json()["data"]
    assert data["access_token"].startswith(f"access {tenant_id} {user_id} ")
    assert data["refresh_token"] == f"refresh {tenant_id}"
    assert (data["token_type"], data["expires_in"]) == ("Bearer", 900)
    created = api.store.states[-1]
    assert api.store.topics[-1] == "session.created"
    assert (created["factors"], created["client"]) == (["password"], "curl/8.5.0")
    assert "hash" not in str(created)
    assert "refresh" not in str(created)


async def test_a_second_factor_is_asked_for_before_there_is_a_session(api: Api) -> None:
    await an_account(api, has_second_factor=True)
    data = (await api.send("POST", "/auth/login", LOGIN)).json()["data"]
    assert set(data) == {"mfa_required", "mfa_token"}
    assert "session.created" not in api.store.topics
    body = {"mfa_token": data["mfa_token"], "code": "000000"}
    problem(await api.send("POST", "/auth/login/totp", body), 401, "wrong_credentials")
    answer = await api.send("POST", "/auth/login/totp", {**body, "code": CODE})
    assert answer.json()["data"]["token_type"] == "Bearer"
    assert api.store.states[-1]["factors"] == ["password", "totp"]


async def test_a_refresh_token_is_exchanged_and_one_that_was_stolen_ends_the_session(
    api: Api,
) -> None:
    tenant_id, user_id = await an_account(api)
    await api.send("POST", "/auth/login", LOGIN)
    (session_id,) = await api.world.accounts.alive_sessions(
        tenant_id, user_id, api.world.clock.now()
    )
    answers = api.login.refresh_tokens.answers
    answers["good"] = Rotated(tenant_id, user_id, session_id, "better")
    refreshed = await api.send("POST", "/auth/refresh", {"refresh_token": "good"})
    assert refreshed.json()["data"]["refresh_token"] == "better"
    assert api.store.topics[-1] == "session.created"
    answers["old"] = Reused(tenant_id, user_id, session_id)
    for token in ("old", "unknown"):
        refused = await api.send("POST", "/auth/refresh", {"refresh_token": token})
        problem(refused, 401, "refresh_refused")
    assert api.store.topics[-1] == "session.ended"
    assert api.store.states[-1]["reason"] == "token_reused"


async def test_logging_out_ends_this_session_and_others_can_be_ended_too(api: Api) -> None:
    await an_account(api)
    first, second, third = [await session_of(api) for _ in range(3)]
    out = await api.send("POST", "/auth/logout", headers={"Authorization": first})
    assert out.json()["data"]["is_ended"] is True
    assert api.store.states[-1]["reason"] == "logged_out"
    other = second.split()[-1]
    one = await api.send("DELETE", f"/auth/sessions/{other}", headers={"Authorization": third})
    assert one.json()["data"] == {"session_id": other, "is_ended": True}
    assert api.store.states[-1]["reason"] == "revoked"
    rest = await api.send("DELETE", "/auth/sessions", headers={"Authorization": third})
    assert rest.json()["data"] == {"ended_count": 1}


async def test_a_session_of_another_tenant_is_not_there(api: Api) -> None:
    await an_account(api)
    session_id = (await session_of(api)).split()[-1]
    refused = await api.send("DELETE", f"/auth/sessions/{session_id}")
    problem(refused, 404, "not_found")
    assert api.store.topics[-1] == "session.created"


async def test_an_api_key_has_no_session_to_log_out_of(api: Api) -> None:
    problem(await api.send("POST", "/auth/logout"), 403, "needs_session")


@pytest.mark.parametrize(("path", "body"), [
    ("/auth/login", LOGIN),
    ("/auth/login/totp", {"mfa_token": "x", "code": "123456"}),
    ("/auth/refresh", {"refresh_token": "x"}),
    ("/auth/password-reset", {"email": EMAIL}),
    ("/auth/password-reset/confirm", {"token": "x", "password": "a long password"}),
])  # fmt: skip
async def test_an_address_may_not_try_for_long(api: Api, path: str, body: object) -> None:
    for _ in range(RATE_LIMIT_LOGIN_PER_MIN):
        assert (await api.send("POST", path, body)).status_code != 429
    refused = await api.send("POST", path, body)
    problem(refused, 429, "too_many_attempts")
    assert int(refused.headers["retry-after"]) >= 1
    api.time_s += 60
    assert (await api.send("POST", path, body)).status_code != 429


async def test_the_keys_of_access_tokens_are_for_everybody(api: Api) -> None:
    answer = await api.client.get("http://ledger/.well-known/jwks.json")
    assert answer.json() == {"keys": [JWK]}
    assert answer.headers["cache-control"] == "public, max-age=60"
