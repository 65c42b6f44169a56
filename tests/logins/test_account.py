"""Passwords changed and reset, and the second factor: on real tables, with real codes and mail."""

import asyncio
import re
from datetime import timedelta

import pytest
from psycopg import AsyncConnection
from pyotp.totp import TOTP

from tests.logins.stage import PASSWORD, Stage, Tokens, unique_email
from tests.write_api.api import problem

NEW = "incorrect donkey fuel cell"
TOKEN = re.compile(r"alp_[A-Za-z0-9_-]{64}")


async def somebody(login: Stage) -> tuple[str, Tokens]:
    email = unique_email()
    await login.a_tenant(email)
    return email, await login.logged_in(email)


async def mailed_token(login: Stage, email: str) -> str:
    await login.post("/auth/password-reset", {"email": email})
    await login.later()
    due = await login.outbox.claim(60)
    assert due is not None
    assert due.mail.to == email
    await login.outbox.sent(due)
    found = TOKEN.search(due.mail.text)
    assert found is not None
    return found[0]


async def test_a_changed_password_counts_at_once_and_ends_the_other_sessions(
    login: Stage,
) -> None:
    email, here = await somebody(login)
    elsewhere = await login.logged_in(email)
    body = {"old_password": PASSWORD, "new_password": NEW}
    answer = await login.post("/auth/password", body, headers=here.header)
    assert answer.json()["data"] == {"ended_count": 1}, answer.text
    assert await login.is_known(here.access)
    assert not await login.is_known(elsewhere.access)
    problem(await login.login(email), 401, "wrong_credentials")
    await login.logged_in(email, NEW)
    due = await login.outbox.claim(60)
    assert due is not None
    assert "was changed" in due.mail.text
    await login.outbox.sent(due)


async def test_a_reset_token_counts_once(login: Stage) -> None:
    email, session = await somebody(login)
    token = await mailed_token(login, email)
    body = {"token": token, "password": NEW}
    answers = await asyncio.gather(
        *(login.post("/auth/password-reset/confirm", body) for _ in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422, 422, 422]
    assert not await login.is_known(session.access)
    await login.logged_in(email, NEW)
    due = await login.outbox.claim(60)
    assert due is not None
    await login.outbox.sent(due)


async def test_a_reset_token_is_over_after_an_hour_and_never_lies_in_the_clear(
    login: Stage, database_url: str
) -> None:
    email, _ = await somebody(login)
    token = await mailed_token(login, email)
    async with await AsyncConnection.connect(database_url) as owner:
        cursor = await owner.execute(
            "SELECT count(*) FROM agentledger.events WHERE position(%s::bytea in state) > 0",
            (token.encode(),),
        )
        assert await cursor.fetchone() == (0,)
    login.clock.pass_time(seconds=timedelta(hours=1).total_seconds())
    body = {"token": token, "password": NEW}
    refused = await login.post("/auth/password-reset/confirm", body)
    problem(refused, 422, "reset_refused")


@pytest.mark.parametrize(
    ("password", "code"),
    [("password1234", "password_guessable"), ("example {local}", "password_personal")],
)
async def test_a_password_that_is_tried_first_becomes_nobodys(
    login: Stage, password: str, code: str
) -> None:
    """At a change, at a reset (whose token is not used up by it), and for a new tenant."""
    email, session = await somebody(login)
    bad = password.format(local=email.partition("@")[0])
    body = {"old_password": PASSWORD, "new_password": bad}
    changed = await login.post("/auth/password", body, headers=session.header)
    assert problem(changed, 422, "invalid") == [("/new_password", code)]
    token = await mailed_token(login, email)
    reset = await login.post("/auth/password-reset/confirm", {"token": token, "password": bad})
    assert problem(reset, 422, "invalid") == [("/password", code)]
    made = await login.post(
        "/tenants",
        {"name": "Acme", "admin": {"email": email, "password": bad}},
        headers={"X-Operator-Key": "operator"},
    )
    assert problem(made, 422, "invalid") == [("/admin/password", code)]
    body = {"token": token, "password": NEW}
    assert (await login.post("/auth/password-reset/confirm", body)).status_code == 200
    due = await login.outbox.claim(60)
    assert due is not None
    await login.outbox.sent(due)


async def test_a_reset_for_nobody_looks_like_any_other_and_mails_nobody(login: Stage) -> None:
    answer = await login.post("/auth/password-reset", {"email": unique_email()})
    assert (answer.status_code, answer.json()["data"]) == (202, {"is_accepted": True})
    await login.later()
    assert await login.outbox.claim(60) is None


async def enrolled(login: Stage, tokens: Tokens) -> tuple[TOTP, list[str]]:
    begun = await login.post("/auth/totp", {"password": PASSWORD}, headers=tokens.header)
    secret = begun.json()["data"]["secret"]
    assert secret in begun.json()["data"]["otpauth_uri"]
    totp = TOTP(secret)
    body = {"code": totp.at(login.clock.now())}
    confirmed = await login.post("/auth/totp/confirm", body, headers=tokens.header)
    assert confirmed.status_code == 200, confirmed.text
    login.clock.pass_time(seconds=30)
    return totp, confirmed.json()["data"]["recovery_codes"]


async def second(login: Stage, email: str, code: str) -> int:
    first = (await login.login(email)).json()["data"]
    assert set(first) == {"mfa_required", "mfa_token"}
    body = {"mfa_token": first["mfa_token"], "code": code}
    return (await login.post("/auth/login/totp", body)).status_code


async def test_a_code_of_the_second_factor_counts_once_and_near_its_time(login: Stage) -> None:
    email, tokens = await somebody(login)
    totp, _ = await enrolled(login, tokens)
    now = totp.at(login.clock.now())
    assert await second(login, email, now) == 200
    assert await second(login, email, now) == 401
    # The one before is older than the one that was used.
    assert await second(login, email, totp.at(login.clock.now() - timedelta(seconds=30))) == 401
    login.clock.pass_time(seconds=60)
    assert await second(login, email, totp.at(login.clock.now() - timedelta(seconds=60))) == 401
    assert await second(login, email, totp.at(login.clock.now() + timedelta(seconds=30))) == 200


async def test_one_code_used_at_once_by_many_counts_for_one(login: Stage) -> None:
    email, tokens = await somebody(login)
    totp, _ = await enrolled(login, tokens)
    code = totp.at(login.clock.now())
    statuses = await asyncio.gather(*(second(login, email, code) for _ in range(4)))
    assert sorted(statuses) == [200, 401, 401, 401]


async def test_ten_recovery_codes_count_once_each_however_typed(login: Stage) -> None:
    email, tokens = await somebody(login)
    totp, codes = await enrolled(login, tokens)
    assert len(set(codes)) == 10
    assert await second(login, email, codes[0]) == 200
    assert await second(login, email, codes[0]) == 401
    assert await second(login, email, codes[1].upper().replace("-", "")) == 200
    body = {"password": PASSWORD, "code": totp.at(login.clock.now())}
    renewed = await login.post("/auth/totp/recovery-codes", body, headers=tokens.header)
    assert renewed.status_code == 200, renewed.text
    assert await second(login, email, codes[2]) == 401
    assert await second(login, email, renewed.json()["data"]["recovery_codes"][0]) == 200


async def test_attempts_at_the_second_factor_are_limited(login: Stage) -> None:
    email, tokens = await somebody(login)
    totp, _ = await enrolled(login, tokens)
    wrong = [await second(login, email, "000000") for _ in range(6)]
    assert wrong == [401] * 5 + [429]
    assert await second(login, email, totp.at(login.clock.now())) == 429


async def test_a_second_factor_that_was_not_confirmed_is_not_asked_for(login: Stage) -> None:
    email, tokens = await somebody(login)
    await login.post("/auth/totp", {"password": PASSWORD}, headers=tokens.header)
    await login.logged_in(email)


async def test_without_the_second_factor_the_password_is_enough_again(login: Stage) -> None:
    email, tokens = await somebody(login)
    totp, _ = await enrolled(login, tokens)
    again = await login.post("/auth/totp", {"password": PASSWORD}, headers=tokens.header)
    problem(again, 409, "second_factor_present")
    body = {"password": PASSWORD, "code": totp.at(login.clock.now())}
    disabled = await login.post("/auth/totp/disable", body, headers=tokens.header)
    assert disabled.status_code == 200, disabled.text
    await login.logged_in(email)


async def test_the_secret_of_a_second_factor_lies_sealed(login: Stage, database_url: str) -> None:
    _, tokens = await somebody(login)
    begun = await login.post("/auth/totp", {"password": PASSWORD}, headers=tokens.header)
    secret = begun.json()["data"]["secret"].encode()
    async with await AsyncConnection.connect(database_url) as owner:
        cursor = await owner.execute("SELECT sealed_secret FROM agentledger.second_factors")
        assert all(secret not in bytes(row[0]) for row in await cursor.fetchall())
