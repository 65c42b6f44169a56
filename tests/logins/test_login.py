"""POST /auth/login: who gets in, who does not, and what they learn."""

from uuid import UUID

from tests.logins.stage import PASSWORD, Stage, unique_email
from tests.write_api.api import problem


async def test_the_right_password_gives_tokens_of_a_session(login: Stage) -> None:
    email = unique_email()
    tenant_id, user_id = await login.a_tenant(email)
    answer = await login.login(email.upper())
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    data = answer.json()["data"]
    assert (data["token_type"], data["expires_in"]) == ("Bearer", 900)
    assert data["user"] == {
        "id": str(user_id),
        "tenant_id": str(tenant_id),
        "email": email,
        "role": "ADMIN",
    }
    claims = await login.tokens.verify(data["access_token"])
    assert (claims.tenant_id, claims.user_id) == (tenant_id, user_id)
    assert await login.is_known(data["access_token"])


async def test_who_is_logged_in_is_the_person_with_the_scopes_of_the_role(login: Stage) -> None:
    email = unique_email()
    tenant_id, user_id = await login.a_tenant(email)
    tokens = await login.logged_in(email)
    made = await login.post(
        "/agents",
        {"name": "Writer", "model": "offline/echo", "instructions": "Answer."},
        headers=tokens.header,
    )
    assert made.status_code == 201, made.text
    agent_id = made.json()["data"]["agent_id"]
    from domain.agents import Agent

    agent = await login.store.load(Agent, UUID(agent_id), tenant_id)
    assert agent is not None
    assert user_id


async def test_a_wrong_password_and_an_unknown_address_look_the_same(login: Stage) -> None:
    email = unique_email()
    await login.a_tenant(email)
    await login.login(email, "a warm-up of the hash of nobody")
    answers = []
    for tried in (email, unique_email()):
        before = login.secrets.runs_count
        answer = await login.login(tried, "a wrong password")
        assert problem(answer, 401, "wrong_credentials") == []
        document = answer.json()
        del document["request_id"]
        answers.append((document, login.secrets.runs_count - before))
    assert answers[0] == answers[1]
    assert answers[0][1] == 1


async def test_a_password_that_fits_several_tenants_asks_which(login: Stage) -> None:
    email = unique_email()
    first, _ = await login.a_tenant(email)
    second, _ = await login.a_tenant(email)
    other, _ = await login.a_tenant(email, "another long password")
    answer = await login.login(email)
    data = answer.json()["data"]
    assert data == {
        "tenant_required": True,
        "tenant_ids": sorted([str(first), str(second)]),
    }
    chosen = await login.login(email, tenant_id=str(second))
    assert chosen.json()["data"]["user"]["tenant_id"] == str(second)
    # Only those that the password fits are told, and only they are chosen from.
    refused = await login.login(email, tenant_id=str(other))
    problem(refused, 401, "wrong_credentials")
    alone = await login.login(email, "another long password")
    assert alone.json()["data"]["user"]["tenant_id"] == str(other)


async def test_a_password_is_compared_whole_or_not_at_all(login: Stage) -> None:
    """Bcrypt reads 72 bytes; what follows must not be ignored."""
    email = unique_email()
    longest = ("seventeen kettles sing of nothing but tea, " * 2)[:72]
    await login.a_tenant(email, longest)
    assert (await login.login(email, longest)).status_code == 200
    too_long = await login.login(email, longest + "q")
    assert problem(too_long, 422, "invalid") == [("/password", "string_too_long")]
    in_bytes = await login.login(email, "ä" * 37)
    assert problem(in_bytes, 422, "invalid") == [("/password", "password_too_long")]
    made = await login.post(
        "/tenants",
        {"name": "Acme", "admin": {"email": unique_email(), "password": "ä" * 37}},
        headers={"X-Operator-Key": "operator"},
    )
    assert problem(made, 422, "invalid") == [("/admin/password", "password_too_long")]


async def test_the_same_characters_are_the_same_password_however_they_are_composed(
    login: Stage,
) -> None:
    email = unique_email()
    await login.a_tenant(email, "cafe\u0301 au lait, please")
    assert (await login.login(email, "caf\u00e9 au lait, please")).status_code == 200


async def test_a_deactivated_person_cannot_log_in(login: Stage) -> None:
    email = unique_email()
    tenant_id, user_id = await login.a_tenant(email)
    await deactivate(login, tenant_id, user_id)
    problem(await login.login(email), 401, "wrong_credentials")


async def test_a_session_ends_at_once_for_who_is_deactivated(login: Stage) -> None:
    email = unique_email()
    tenant_id, user_id = await login.a_tenant(email)
    tokens = await login.logged_in(email)
    assert await login.is_known(tokens.access)
    await deactivate(login, tenant_id, user_id)
    assert not await login.is_known(tokens.access)
    refused = await login.post("/auth/refresh", {"refresh_token": tokens.refresh})
    assert refused.status_code == 401


async def test_a_hash_of_a_lower_cost_is_replaced_at_the_next_login(login: Stage) -> None:
    email = unique_email()
    await login.a_tenant(email)
    login.secrets._bcrypt_cost = 5
    await login.logged_in(email)
    before = login.secrets.runs_count
    await login.logged_in(email)
    assert login.secrets.runs_count == before + 1
    assert PASSWORD not in str(login.secrets.__dict__)


async def deactivate(login: Stage, tenant_id, user_id) -> None:
    """As its command does: the event, and the row that authentication asks."""
    from commands.identity_port import StoredUserAccess
    from domain.envelope import Envelope
    from domain.identity import User

    user = await login.store.load(User, user_id, tenant_id)
    assert user is not None
    user.deactivate()
    row = StoredUserAccess(user_id, user_id.bytes, user.role, user.status)
    await login.store.append([user], Envelope(tenant_id, "operator"), side_rows=[row])
