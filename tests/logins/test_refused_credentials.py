"""A credential that is refused is on the trail of the tenant that it names, with the reason that
nobody was told; of one that names nobody, on the platform's.
"""

from uuid import UUID

from domain.identifiers import TenantId
from infra.data_keys import PLATFORM
from infra.secrets_source import PREFIX, _checksum, _random_base62, has_valid_checksum
from tests.logins.stage import PASSWORD, Stage, Tokens, unique_email
from tests.logins.test_account import enrolled
from tests.write_api.api import problem

CODE = "wrong_credentials"


async def somebody(login: Stage) -> tuple[str, TenantId, str, Tokens]:
    email = unique_email()
    tenant_id, user_id = await login.a_tenant(email)
    tokens = await login.logged_in(email)
    return email, tenant_id, f"user:{user_id}", tokens


async def test_a_wrong_password_is_counted_on_the_trail_of_each_tenant_of_the_address(
    login: Stage,
) -> None:
    email, first, _, _ = await somebody(login)
    second, _ = await login.a_tenant(email)
    bodies = [await login.login(email, "a wrong password") for _ in range(3)]
    assert {problem(body, 401, CODE) == [] for body in bodies} == {True}
    assert all("reason" not in body.text and str(first) not in body.text for body in bodies)
    for tenant_id in (first, second):
        (entry,) = await login.refusals_of(tenant_id)
        assert entry[1:] == (CODE, "the password is wrong", 3)


async def test_a_lockout_is_on_the_trail_of_who_is_locked_out(login: Stage) -> None:
    email = unique_email()
    tenant_id, user_id = await login.a_tenant(email)
    for _ in range(7):
        await login.login(email, "a wrong password")
    told = await login.refusals_of(tenant_id)
    assert (f"user:{user_id}", "too_many_attempts", None, 2) in [
        (actor, code, reason, times) for actor, code, reason, times in told
    ]


async def test_an_address_that_nobody_has_is_on_the_platforms_trail(login: Stage) -> None:
    await login.login(unique_email(), "a wrong password")
    assert ("stranger", CODE, "the password is wrong", 1) in await login.refusals_of(PLATFORM)


async def test_a_wrong_code_is_on_the_trail(login: Stage) -> None:
    email, tenant_id, actor, tokens = await somebody(login)
    await enrolled(login, tokens)
    token = (await login.login(email)).json()["data"]["mfa_token"]
    await login.post("/auth/login/totp", {"mfa_token": token, "code": "000000"})
    reason = "the code is wrong, or was used before"
    assert await login.refusals_of(tenant_id) == [(actor, CODE, reason, 1)]


async def test_tokens_that_count_no_more_are_on_the_trail(login: Stage) -> None:
    _, tenant_id, actor, tokens = await somebody(login)
    login.clock.pass_time(minutes=15)
    assert not await login.is_known(tokens.access)
    successor = await login.refreshed(tokens.refresh)
    await login.refreshed(successor.refresh)
    login.clock.pass_time(seconds=11)
    await login.post("/auth/refresh", {"refresh_token": tokens.refresh})
    await login.post("/auth/refresh", {"refresh_token": successor.refresh})
    login.time_s[0] += 60
    assert not await login.is_known(successor.access)
    assert {(code, reason) for _, code, reason, _ in await login.refusals_of(tenant_id)} == {
        ("unauthenticated", "the token has expired"),
        ("refresh_refused", "token_reused"),
        ("refresh_refused", "it has expired, or its session ended"),
        ("unauthenticated", "the session is over"),
    }
    assert {told[0] for told in await login.refusals_of(tenant_id)} == {actor}


async def test_api_keys_that_count_no_more_are_on_the_trail(login: Stage) -> None:
    email = unique_email()
    body = {"name": "Acme", "admin": {"email": email, "password": PASSWORD}}
    made = await login.post("/tenants", body, headers={"X-Operator-Key": "operator"})
    data = made.json()["data"]
    key, tenant_id = data["api_key"], TenantId(UUID(data["tenant_id"]))
    forged = forged_like(key)
    assert has_valid_checksum(forged)
    assert not await login.is_known(forged)
    tokens = await login.logged_in(email)
    path = f"/api/v1/api-keys/{data['api_key_id']}"
    await login.send("DELETE", path, headers=tokens.header)
    login.authentication.forget(UUID(data["api_key_id"]))
    assert not await login.is_known(key)
    actor = f"api_key:{data['api_key_id']}"
    assert await login.refusals_of(tenant_id) == [
        (actor, "unauthenticated", "the secret of the key is another", 1),
        (actor, "unauthenticated", "the key was revoked", 1),
    ]


async def test_a_tenant_that_does_not_exist_has_no_trail(login: Stage) -> None:
    """Whoever names one in a token makes no key and no rows for it."""
    nobody = TenantId(UUID(int=7))
    invented = login.logins.flow._ports.refresh_tokens.first(nobody)
    await login.post("/auth/refresh", {"refresh_token": invented.text})
    assert await login.refusals_of(nobody) == []


def forged_like(key: str) -> str:
    """Another secret under the same public part."""
    unsigned = f"{PREFIX}{key.split('_')[1]}_{_random_base62(30)}"
    return unsigned + _checksum(unsigned)
