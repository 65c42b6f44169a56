"""A tenant asks for a second factor: who has none sets one up or stays out, by whatever way they
come, and an administrator helps who lost theirs. On real tables, with real codes and mail.
"""

from uuid import UUID

import pytest
from pyotp.totp import TOTP

from commands.dispatch import Origin
from commands.login_flow import LoggedIn, SecondFactorNeeded, SetupNeeded
from domain.identifiers import TenantId
from domain.identity import User
from domain.login_rules import at_provider
from tests.infra.log_steps import IDS
from tests.logins.stage import PASSWORD, Stage, Tokens, unique_email
from tests.logins.test_account import enrolled
from tests.write_api.api import problem

AT = at_provider(UUID(int=5))
ORIGIN = Origin(UUID(int=1))


async def a_strict_tenant(login: Stage, **rules: object) -> tuple[str, TenantId, UUID, Tokens]:
    """Its administrator, who is logged in from before and has no second factor."""
    email = unique_email()
    tenant_id, user_id = await login.a_tenant(email)
    tokens = await login.logged_in(email)
    await login.set_rules(tokens, require_mfa=True, **rules)
    return email, tenant_id, user_id, tokens


async def setup_token(login: Stage, email: str) -> str:
    data = (await login.login(email)).json()["data"]
    assert set(data) == {"mfa_setup_required", "mfa_token"}
    return data["mfa_token"]


async def set_up(login: Stage, email: str) -> tuple[Tokens, TOTP]:
    token = await setup_token(login, email)
    begun = await login.post("/auth/login/totp/enrol", {"mfa_token": token})
    totp = TOTP(begun.json()["data"]["secret"])
    body = {"mfa_token": token, "code": totp.at(login.clock.now())}
    done = await login.post("/auth/login/totp/confirm", body)
    assert done.status_code == 200, done.text
    data = done.json()["data"]
    assert len(data["recovery_codes"]) == 10
    login.clock.pass_time(seconds=30)
    return Tokens(data["access_token"], data["refresh_token"]), totp


async def an_invited_person(login: Stage, tokens: Tokens, role: str) -> tuple[str, UUID]:
    email = unique_email()
    body = {"email": email, "role": role}
    made = await login.post("/users", body, headers=tokens.header)
    assert made.status_code == 201, made.text
    due = await login.outbox.claim(60)
    assert due is not None
    await login.outbox.sent(due)
    (token,) = (line for line in due.mail.text.splitlines() if len(line) > 60 and " " not in line)
    body = {"token": token, "password": "acmeacmeacme"}
    refused = await login.post("/auth/invitations/accept", body)
    assert problem(refused, 422, "invalid") == [("/password", "password_personal")]
    accepted = await login.post("/auth/invitations/accept", {"token": token, "password": PASSWORD})
    assert accepted.status_code == 200, accepted.text
    return email, UUID(made.json()["data"]["user_id"])


async def test_who_has_no_second_factor_sets_one_up_and_goes_on(login: Stage) -> None:
    email, *_ = await a_strict_tenant(login)
    tokens, totp = await set_up(login, email)
    assert await login.is_known(tokens.access)
    await login.refreshed(tokens.refresh)
    first = (await login.login(email)).json()["data"]
    assert set(first) == {"mfa_required", "mfa_token"}
    body = {"mfa_token": first["mfa_token"], "code": totp.at(login.clock.now())}
    assert (await login.post("/auth/login/totp", body)).status_code == 200


async def test_the_token_for_the_setup_is_good_for_nothing_else_and_for_one_setup(
    login: Stage,
) -> None:
    email, *_ = await a_strict_tenant(login)
    token = await setup_token(login, email)
    assert not await login.is_known(token)
    code = {"mfa_token": token, "code": "000000"}
    problem(await login.post("/auth/login/totp", code), 401, "unauthenticated")
    problem(await login.post("/auth/login/totp/confirm", code), 401, "wrong_credentials")
    await set_up(login, email)
    late = await login.post("/auth/login/totp/enrol", {"mfa_token": token})
    problem(late, 409, "second_factor_present")
    code = {"mfa_token": token, "code": "000000"}
    problem(await login.post("/auth/login/totp/confirm", code), 401, "wrong_credentials")
    login.clock.pass_time(minutes=15)
    over = await login.post("/auth/login/totp/enrol", {"mfa_token": token})
    problem(over, 401, "unauthenticated")


async def test_a_token_of_the_login_with_a_second_factor_sets_none_up(login: Stage) -> None:
    email = unique_email()
    await login.a_tenant(email)
    await enrolled(login, await login.logged_in(email))
    token = (await login.login(email)).json()["data"]["mfa_token"]
    refused = await login.post("/auth/login/totp/enrol", {"mfa_token": token})
    problem(refused, 401, "unauthenticated")


async def test_sessions_from_before_end_at_their_next_refresh(login: Stage) -> None:
    _, _, _, tokens = await a_strict_tenant(login)
    refused = await login.post("/auth/refresh", {"refresh_token": tokens.refresh})
    problem(refused, 401, "refresh_refused")
    assert not await login.is_known(tokens.access)


async def test_api_keys_are_no_logins(login: Stage) -> None:
    email = unique_email()
    body = {"name": "Acme", "admin": {"email": email, "password": PASSWORD}}
    made = await login.post("/tenants", body, headers={"X-Operator-Key": "operator"})
    key = made.json()["data"]["api_key"]
    await login.set_rules(await login.logged_in(email), require_mfa=True)
    assert await login.is_known(key)


async def test_only_the_roles_that_are_named_are_asked(login: Stage) -> None:
    _, _, _, admin = await a_strict_tenant(login, mfa_roles=["VIEWER"])
    user, _ = await an_invited_person(login, admin, "USER")
    viewer, _ = await an_invited_person(login, admin, "VIEWER")
    await login.logged_in(user)
    await setup_token(login, viewer)


async def test_a_role_that_is_not_there_cannot_be_named(login: Stage) -> None:
    _, _, _, tokens = await a_strict_tenant(login)
    body = {"require_mfa": True, "mfa_roles": ["ADMIN", str(IDS.new())]}
    refused = await login.send("PUT", "/api/v1/login-rules", body, headers=tokens.header)
    assert problem(refused, 422, "invalid") == [("/mfa_roles/1", "unknown_role")]


async def test_a_second_factor_that_is_asked_for_cannot_be_removed(login: Stage) -> None:
    email, *_ = await a_strict_tenant(login)
    tokens, totp = await set_up(login, email)
    body = {"password": PASSWORD, "code": totp.at(login.clock.now())}
    refused = await login.post("/auth/totp/disable", body, headers=tokens.header)
    problem(refused, 409, "second_factor_required")


@pytest.mark.parametrize(
    ("factors", "trusts", "wanted"),
    [
        ([AT], False, SetupNeeded),
        ([AT], True, LoggedIn),
        ([AT, "mfa"], False, LoggedIn),
    ],
)
async def test_a_provider_counts_if_it_says_so_or_is_trusted(
    login: Stage, factors: list[str], trusts: bool, wanted: type
) -> None:
    _, tenant_id, user_id, _ = await a_strict_tenant(login, trust_identity_providers=trusts)
    flow = login.logins.flow
    answer = await flow.go_on(tenant_id, user_id, factors, ORIGIN, is_second_due=False)
    assert type(answer) is wanted


async def test_whose_provider_says_too_little_is_asked_for_the_code_of_here(login: Stage) -> None:
    email, tenant_id, user_id, _ = await a_strict_tenant(login)
    _, totp = await set_up(login, email)
    flow = login.logins.flow
    answer = await flow.go_on(tenant_id, user_id, [AT], ORIGIN, is_second_due=False)
    assert isinstance(answer, SecondFactorNeeded)
    session = await flow.second_factor(answer.mfa_token, totp.at(login.clock.now()), ORIGIN)
    assert await login.is_known(session.access_token)


async def test_an_administrator_resets_the_second_factor_of_somebody_else(login: Stage) -> None:
    _, tenant_id, user_id, admin = await a_strict_tenant(login, mfa_roles=["USER"])
    email, person_id = await an_invited_person(login, admin, "USER")
    tokens, _ = await set_up(login, email)
    path = f"/api/v1/users/{person_id}/totp"
    answer = await login.send("DELETE", path, headers=admin.header)
    assert answer.json()["data"] == {"user_id": str(person_id), "ended_count": 1}
    assert not await login.is_known(tokens.access)
    due = await login.outbox.claim(60)
    assert due is not None
    assert (due.mail.to, "was reset" in due.mail.subject) == (email, True)
    await login.outbox.sent(due)
    await setup_token(login, email)
    again = await login.send("DELETE", path, headers=admin.header)
    problem(again, 409, "second_factor_missing")
    own = await login.send("DELETE", f"/api/v1/users/{user_id}/totp", headers=admin.header)
    problem(own, 409, "own_second_factor")
    other = unique_email()
    await login.a_tenant(other)
    foreign = await login.send("DELETE", path, headers=(await login.logged_in(other)).header)
    problem(foreign, 404, "not_found")
    assert await login.store.load(User, person_id, tenant_id) is not None


async def test_who_may_not_change_people_resets_no_second_factor(login: Stage) -> None:
    email = unique_email()
    _, admin_id = await login.a_tenant(email)
    admin = await login.logged_in(email)
    user, _ = await an_invited_person(login, admin, "USER")
    tokens = await login.logged_in(user)
    refused = await login.send("DELETE", f"/api/v1/users/{admin_id}/totp", headers=tokens.header)
    problem(refused, 403, "forbidden")
