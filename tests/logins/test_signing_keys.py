"""Signing keys: rotated while serving, known to every process, revoked at once."""

from datetime import timedelta

from infra.signing_keys import KEPT_S, OVERLAP
from tests.infra.conftest import Parts
from tests.logins.stage import Stage, stage, unique_email


async def key_ids(login: Stage) -> list[str]:
    answer = await login.client.get("/.well-known/jwks.json")
    return [key["kid"] for key in answer.json()["keys"]]


async def test_the_published_keys_are_public(login: Stage) -> None:
    answer = await login.client.get("/.well-known/jwks.json")
    for key in answer.json()["keys"]:
        assert set(key) == {"kty", "crv", "x", "kid", "alg", "use"}
        assert (key["kty"], key["crv"], key["alg"], key["use"]) == (
            "OKP",
            "Ed25519",
            "Ed25519",
            "sig",
        )


async def test_after_a_rotation_both_keys_count_until_the_overlap_is_over(
    login: Stage, other: Stage
) -> None:
    email = unique_email()
    await login.a_tenant(email)
    old = await login.logged_in(email)
    assert await other.is_known(old.access)
    new_id = await login.keys.rotate()
    new = await login.logged_in(email)
    # The other process has not seen the key yet, and looks for it when it meets it.
    other.time_s[0] += 1
    assert await other.is_known(new.access)
    assert await other.is_known(old.access)
    published = await key_ids(login)
    assert published[0] == new_id
    assert len(published) >= 2
    login.clock.pass_time(seconds=OVERLAP.total_seconds())
    assert await key_ids(login) == [new_id]


async def test_a_key_that_is_too_old_signs_no_more(parts: Parts, database_url: str) -> None:
    async with stage(parts, database_url, key_age=timedelta(days=1)) as login:
        email = unique_email()
        await login.a_tenant(email)
        await login.logged_in(email)
        first = (await key_ids(login))[0]
        login.clock.pass_time(days=1, seconds=1)
        login.time_s[0] += KEPT_S
        tokens = await login.logged_in(email)
        assert (await key_ids(login))[0] != first
        assert await login.is_known(tokens.access)


async def test_a_key_that_leaked_is_revoked_in_every_process(login: Stage, other: Stage) -> None:
    email = unique_email()
    await login.a_tenant(email)
    old = await login.logged_in(email)
    assert await other.is_known(old.access)
    await login.keys.rotate(revoke_others=True)
    login.time_s[0] += KEPT_S
    other.time_s[0] += KEPT_S
    assert not await login.is_known(old.access)
    assert not await other.is_known(old.access)
    assert await other.is_known((await login.logged_in(email)).access)
