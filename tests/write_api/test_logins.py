"""What people do about their password and second factor, as HTTP shows it."""

import pytest

from domain.identifiers import JsonObject
from tests.commands.fake_accounts import EMAIL, RESET_TOKEN
from tests.commands.login_fakes import CODE, PASSWORD, RECOVERY_CODE
from tests.write_api.api import Api, problem
from tests.write_api.test_sessions import an_account, session_of

NEW = "incorrect donkey fuel cell"
PROOF: JsonObject = {"password": PASSWORD}
BOTH: JsonObject = {"password": PASSWORD, "code": CODE}

PERSONAL: list[tuple[str, JsonObject]] = [
    ("/auth/password", {"old_password": PASSWORD, "new_password": NEW}),
    ("/auth/totp", PROOF),
    ("/auth/totp/confirm", {"code": CODE}),
    ("/auth/totp/disable", BOTH),
    ("/auth/totp/recovery-codes", BOTH),
]


@pytest.mark.parametrize(("path", "body"), PERSONAL)
async def test_an_api_key_is_not_a_person(api: Api, path: str, body: JsonObject) -> None:
    problem(await api.send("POST", path, body), 403, "needs_session")


@pytest.mark.parametrize(
    ("path", "body"), [one for one in PERSONAL if one[0] != "/auth/totp/confirm"]
)
async def test_the_password_is_asked_for_once_more(api: Api, path: str, body: JsonObject) -> None:
    await an_account(api)
    session = {"Authorization": await session_of(api)}
    name = "old_password" if "old_password" in body else "password"
    refused = await api.send("POST", path, {**body, name: "a guessed one"}, headers=session)
    problem(refused, 401, "wrong_credentials")
    assert api.store.topics[-1] == "session.created"


async def test_a_changed_password_ends_the_other_sessions_and_is_told_by_mail(api: Api) -> None:
    await an_account(api)
    await session_of(api)
    session = {"Authorization": await session_of(api)}
    body = {"old_password": PASSWORD, "new_password": NEW}
    answer = await api.send("POST", "/auth/password", body, headers=session)
    assert answer.json()["data"] == {"ended_count": 1}
    assert api.store.topics[-3:] == ["login.created", "login.password_changed", "session.ended"]
    (mail,) = api.world.mailbox.mails
    assert (mail.to, NEW in mail.text) == (EMAIL, False)


@pytest.mark.parametrize(("password", "code"), [
    ("short", "string_too_short"),
    ("ä" * 37, "password_too_long"),
    ("e\u0301" * 6, "password_too_short"),
])  # fmt: skip
async def test_a_new_password_keeps_to_the_rules(api: Api, password: str, code: str) -> None:
    await an_account(api)
    session = {"Authorization": await session_of(api)}
    body = {"old_password": PASSWORD, "new_password": password}
    refused = await api.send("POST", "/auth/password", body, headers=session)
    assert problem(refused, 422, "invalid") == [("/new_password", code)]


async def test_a_reset_is_accepted_whether_there_is_an_account_or_not(api: Api) -> None:
    await an_account(api)
    answers = [
        await api.send("POST", "/auth/password-reset", {"email": email})
        for email in (EMAIL, "nobody@example.com")
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["data"] == answers[1].json()["data"] == {"is_accepted": True}
    await api.edge_done()
    (mail,) = api.world.mailbox.mails
    assert mail.to == EMAIL
    assert RESET_TOKEN in mail.text
    assert RESET_TOKEN not in str(api.store.states)


async def test_a_reset_token_sets_a_password_and_ends_every_session(api: Api) -> None:
    await an_account(api)
    await session_of(api)
    await api.send("POST", "/auth/password-reset", {"email": EMAIL})
    await api.edge_done()
    body = {"token": RESET_TOKEN, "password": NEW}
    for wrong in ("alp_other", "x"):
        refused = await api.send("POST", "/auth/password-reset/confirm", {**body, "token": wrong})
        assert problem(refused, 422, "reset_refused") == [("/token", "reset_refused")]
    answer = await api.send("POST", "/auth/password-reset/confirm", body)
    assert answer.json()["data"] == {"is_changed": True}
    assert api.store.topics[-2:] == ["login.password_changed", "session.ended"]


async def test_a_second_factor_is_enrolled_confirmed_and_disabled(api: Api) -> None:
    await an_account(api)
    session = {"Authorization": await session_of(api)}
    begun = await api.send("POST", "/auth/totp", PROOF, headers=session)
    assert begun.json()["data"] == {
        "secret": "SECRET",
        "otpauth_uri": f"otpauth://totp/{EMAIL}",
    }
    confirmed = await api.send("POST", "/auth/totp/confirm", {"code": CODE}, headers=session)
    assert confirmed.json()["data"] == {"recovery_codes": [RECOVERY_CODE]}
    again = await api.send("POST", "/auth/totp/confirm", {"code": CODE}, headers=session)
    problem(again, 409, "second_factor_present")
    renewed = await api.send("POST", "/auth/totp/recovery-codes", BOTH, headers=session)
    assert renewed.json()["data"] == {"recovery_codes": [RECOVERY_CODE]}
    disabled = await api.send("POST", "/auth/totp/disable", BOTH, headers=session)
    assert disabled.json()["data"] == {"is_enabled": False}
    assert [topic for topic in api.store.topics if topic.startswith("login.")] == [
        "login.created",
        "login.second_factor_enabled",
        "login.recovery_codes_replaced",
        "login.second_factor_disabled",
    ]
    assert "SECRET" not in str(api.store.states)
    assert RECOVERY_CODE not in str(api.store.states)
