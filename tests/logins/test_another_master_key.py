"""What people have in their hands while the master key is changed: what goes on, and what ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import AsyncConnection

from infra.master_key_rotation import rotate
from tests.infra.conftest import Parts
from tests.logins.stage import MASTER_KEY, PASSWORD, SCRYPT_N, Stage, Tokens, stage, unique_email
from tests.logins.test_account import enrolled, mailed_token
from tests.write_api.api import problem

NEW = "the next master key, of thirty-two bytes or more"


@asynccontextmanager
async def rotated(database_url: str) -> AsyncIterator[None]:
    """And back, for the database is that of other tests too."""
    options = "-c search_path=agentledger,pg_catalog"
    async with await AsyncConnection.connect(
        database_url, autocommit=True, options=options
    ) as owner:
        await rotate(owner, NEW, MASTER_KEY, scrypt_n=SCRYPT_N, on_progress=lambda _: None)
        try:
            yield
        finally:
            await rotate(owner, MASTER_KEY, NEW, scrypt_n=SCRYPT_N, on_progress=lambda _: None)


async def an_invitation(login: Stage, tokens: Tokens) -> str:
    body = {"email": unique_email(), "role": "USER"}
    made = await login.post("/users", body, headers=tokens.header)
    assert made.status_code == 201, made.text
    due = await login.outbox.claim(60)
    assert due is not None
    await login.outbox.sent(due)
    (token,) = (line for line in due.mail.text.splitlines() if len(line) > 60 and " " not in line)
    return token


async def accepted(login: Stage, token: str) -> int:
    body = {"token": token, "password": PASSWORD}
    return (await login.post("/auth/invitations/accept", body)).status_code


async def test_everything_but_open_invitations_outlives_the_old_master_key(
    parts: Parts, database_url: str, login: Stage
) -> None:
    email = unique_email()
    await login.a_tenant(email)
    session = await login.logged_in(email)
    totp, _ = await enrolled(login, session)
    early, late = [await an_invitation(login, session) for _ in range(2)]
    reset = await mailed_token(login, email)
    clock = login.clock
    async with (
        stage(parts, database_url, clock=clock, master_key=NEW, previous=(MASTER_KEY,)) as both,
        rotated(database_url),
        stage(parts, database_url, clock=clock, master_key=NEW) as after,
    ):
        assert await accepted(both, early) == 200
        assert await accepted(after, late) == 409
        assert await after.is_known(session.access)
        await after.refreshed(session.refresh)
        first = (await after.login(email)).json()["data"]
        body = {"mfa_token": first["mfa_token"], "code": totp.at(clock.now())}
        assert (await after.post("/auth/login/totp", body)).status_code == 200
        body = {"token": reset, "password": "incorrect donkey fuel cell"}
        assert (await after.post("/auth/password-reset/confirm", body)).status_code == 200
        problem(await after.login(email), 401, "wrong_credentials")
