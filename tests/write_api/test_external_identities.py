"""The way of a browser to a provider and back. Each test of an attack is named after it."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from commands.authorization import Caller
from commands.oauth_port import Profile
from tests.write_api.api import Api, problem
from tests.write_api.directory import Directory
from tests.write_api.fake_oauth import APP, OWN_PAGE
from tests.write_api.test_identity_providers import PROVIDER

ADA = Profile("https://login.acme.example", "ada-1", "ada@acme.example", is_email_verified=True)
CALLBACK = "/auth/oauth/callback"
CHALLENGE = "c" * 43


@pytest.fixture
async def acme(api: Api) -> Api:
    await Directory(api).open()
    await api.send("PUT", "/identity-providers/acme", PROVIDER)
    api.provider.profile_told = ADA
    return api


def start_path(api: Api, name: str = "acme", query: str = "") -> str:
    return f"/auth/oauth/{api.world.tenant_id}/{name}/start{query}"


async def started(api: Api, query: str = "") -> tuple[str, str]:
    """(state, cookie)"""
    response = await api.send("GET", start_path(api, query=query), headers={"Authorization": ""})
    assert response.status_code == 302, response.text
    return state_and_cookie(response.headers["location"], response)


def state_and_cookie(url: str, response: httpx.Response) -> tuple[str, str]:
    cookie = response.headers["set-cookie"]
    pair, _, attributes = cookie.partition("; ")
    assert pair.startswith("__Host-oauth_")
    assert attributes == "Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax"
    return httpx.URL(url).params["state"], pair


async def back(api: Api, state: str, cookie: str, **query: str) -> httpx.Response:
    asked = httpx.QueryParams({"state": state, "code": "right", **query})
    headers = {"Authorization": "", "Cookie": cookie}
    return await api.send("GET", f"{CALLBACK}?{asked}", headers=headers)


async def test_a_browser_goes_to_the_provider_and_comes_back_with_a_session(acme: Api) -> None:
    state, cookie = await started(acme)
    assert acme.provider.clients[0].client_secret == "hush hush"
    response = await back(acme, state, cookie)
    data = response.json()["data"]
    assert response.status_code == 200
    assert (data["user"]["email"], data["user"]["role"]) == ("ada@acme.example", "USER")
    assert data["access_token"]
    assert response.headers["cache-control"] == "no-store"
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert "session.created" in acme.store.topics


@pytest.mark.parametrize("state", ["", "nonsense", "019a0000-0000-7000-8000-000000000000-0"])
async def test_state_missing_or_forged(acme: Api, state: str) -> None:
    _, cookie = await started(acme)
    problem(await back(acme, state, cookie), 401, "login_refused")


async def test_state_replayed(acme: Api) -> None:
    state, cookie = await started(acme)
    assert (await back(acme, state, cookie)).status_code == 200
    problem(await back(acme, state, cookie), 401, "login_refused")


async def test_state_of_another_browser_login_csrf(acme: Api) -> None:
    state, cookie = await started(acme)
    _, other = await started(acme)
    for wrong in ("", other, cookie.replace("=", "=x")):
        problem(await back(acme, state, wrong), 401, "login_refused")


async def test_code_injected_for_another_code(acme: Api) -> None:
    state, cookie = await started(acme)
    problem(await back(acme, state, cookie, code="wrong"), 401, "login_refused")


async def test_an_error_of_the_provider_ends_the_login(acme: Api) -> None:
    state, cookie = await started(acme)
    refused = await back(acme, state, cookie, code="", error="access_denied")
    problem(refused, 401, "login_refused")


async def test_a_parameter_that_is_there_twice_is_refused(acme: Api) -> None:
    state, cookie = await started(acme)
    headers = {"Authorization": "", "Cookie": cookie}
    twice = await acme.send("GET", f"{CALLBACK}?state={state}&state=x&code=right", headers=headers)
    problem(twice, 422, "invalid")


async def test_a_refusal_says_the_same_whatever_the_reason_and_the_log_has_it(
    acme: Api, caplog: pytest.LogCaptureFixture
) -> None:
    bodies: set[str] = set()
    for profile in (None, Profile(ADA.issuer, "x", "x@evil.example", is_email_verified=True)):
        acme.provider.profile_told = profile
        response = await back(acme, *await started(acme))
        bodies.add(response.json()["detail"])
    assert len(bodies) == 1
    assert "no domain that the provider may let in" in caplog.text
    assert ADA.subject not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/login",
        "https://app.example/login/",
        "https://app.example/login?x=1",
        "https://app.example/login@evil.example",
        "https://app.example.evil.example/login",
        "//evil.example",
        "javascript:alert(1)",
        "",
    ],
)
async def test_open_redirect_by_return_to(acme: Api, url: str) -> None:
    asked = httpx.QueryParams({"return_to": url, "code_challenge": CHALLENGE})
    response = await acme.send("GET", start_path(acme, query=f"?{asked}"))
    assert problem(response, 422, "invalid") == [("query:return_to", "not_allowed")]


async def test_an_application_picks_up_a_login_with_its_verifier(acme: Api) -> None:
    state, cookie = await started(acme, f"?return_to={APP}&code_challenge={CHALLENGE}")
    response = await back(acme, state, cookie)
    assert response.status_code == 302
    url = httpx.URL(response.headers["location"])
    assert str(url).startswith(f"{APP}?code=")
    assert set(url.params) == {"code"}
    body = {"code": url.params["code"], "code_verifier": CHALLENGE}
    picked = await acme.send("POST", "/auth/oauth/exchange", body, headers={"Authorization": ""})
    assert picked.json()["data"]["user"]["email"] == "ada@acme.example"
    again = await acme.send("POST", "/auth/oauth/exchange", body, headers={"Authorization": ""})
    problem(again, 401, "login_refused")


async def test_an_application_is_told_that_its_login_was_refused_and_not_why(acme: Api) -> None:
    acme.provider.profile_told = None
    asked = f"?return_to={APP}&code_challenge={CHALLENGE}"
    state, cookie = await started(acme, asked)
    other, _ = await started(acme, asked)
    for response in (
        await back(acme, state, cookie, error="access_denied", error_description="<b>no</b>"),
        await back(acme, other, ""),
    ):
        assert response.status_code == 302
        assert response.headers["location"] == f"{APP}?error=login_refused"
        assert response.headers["cache-control"] == "no-store"
        assert response.content == b""


async def test_a_refused_login_is_on_record_though_the_browser_is_sent_back(acme: Api) -> None:
    acme.provider.profile_told = None
    await back(acme, *await started(acme, f"?return_to={APP}&code_challenge={CHALLENGE}"))
    await acme.audit.close()
    refused = [one for one in acme.audit_log.entries if one.action == "finishLogin"]
    assert [(one.tenant_id, one.outcome, one.code) for one in refused] == [
        (acme.world.tenant_id, "denied", "login_refused")
    ]


async def test_a_browser_of_whose_login_nothing_is_known_ends_on_our_own_page(acme: Api) -> None:
    state, cookie = await started(acme)
    await back(acme, state, cookie)
    browser = {"Authorization": "", "Cookie": cookie, "Accept": "text/html,*/*;q=0.8"}
    for known in (state, "nonsense"):
        path = f"{CALLBACK}?state={known}&code=right&return_to=https://evil.example"
        response = await acme.send("GET", path, headers=browser)
        assert response.status_code == 302
        assert response.headers["location"] == f"{OWN_PAGE}?error=login_refused"


async def test_a_provider_that_is_gone_meanwhile_lets_nobody_in(acme: Api) -> None:
    state, cookie = await started(acme)
    await acme.send("DELETE", "/identity-providers/acme")
    problem(await back(acme, state, cookie), 401, "login_refused")


async def test_code_of_a_login_stolen_from_the_address_bar(acme: Api) -> None:
    state, cookie = await started(acme, f"?return_to={APP}&code_challenge={CHALLENGE}")
    url = httpx.URL((await back(acme, state, cookie)).headers["location"])
    body = {"code": url.params["code"], "code_verifier": "x" * 43}
    stolen = await acme.send("POST", "/auth/oauth/exchange", body, headers={"Authorization": ""})
    problem(stolen, 401, "login_refused")


async def test_return_to_needs_the_challenge_of_who_picks_up(acme: Api) -> None:
    for query in (f"?return_to={APP}", f"?return_to={APP}&code_challenge=short"):
        response = await acme.send("GET", start_path(acme, query=query))
        assert problem(response, 422, "invalid") == [("query:code_challenge", "missing_field")]


async def test_an_unknown_provider_and_one_of_another_tenant_are_not_there(acme: Api) -> None:
    problem(await acme.send("GET", start_path(acme, "nobody")), 404, "not_found")
    other = acme.world.ids.new()
    problem(await acme.send("GET", f"/auth/oauth/{other}/acme/start"), 404, "not_found")


def signed_in(api: Api, user_id: UUID) -> str:
    scopes = frozenset({"external_identities:write"})
    caller = Caller(f"user:{user_id}", api.world.tenant_id, scopes, user_id, session_id=user_id)
    return api.allow(f"session-{user_id}", caller)


async def a_user(api: Api) -> UUID:
    """Somebody who is here already, with the address that the provider vouches for."""
    return await Directory(api).company.somebody("ada@acme.example")


async def test_takeover_by_address_is_refused_and_the_person_links_the_account(acme: Api) -> None:
    user_id = await a_user(acme)
    problem(await back(acme, *await started(acme)), 401, "login_refused")
    headers = {"Authorization": signed_in(acme, user_id)}
    body = {"provider": "acme"}
    begun = await acme.send("POST", "/auth/identities/link", body, headers=headers)
    url: Any = begun.json()["data"]["authorization_url"]
    linked = await back(acme, *state_and_cookie(url, begun))
    assert linked.json()["data"] == {"is_linked": True}
    response = await back(acme, *await started(acme))
    assert response.json()["data"]["user"]["id"] == str(user_id)


async def test_linking_csrf_needs_the_browser_that_began(acme: Api) -> None:
    headers = {"Authorization": signed_in(acme, await a_user(acme))}
    begun = await acme.send("POST", "/auth/identities/link", {"provider": "acme"}, headers=headers)
    state, _ = state_and_cookie(begun.json()["data"]["authorization_url"], begun)
    problem(await back(acme, state, "__Host-oauth_x=y"), 401, "login_refused")


async def test_an_api_key_links_nothing(acme: Api) -> None:
    response = await acme.send("POST", "/auth/identities/link", {"provider": "acme"})
    problem(response, 403, "needs_session")


async def test_logins_count_against_the_address(acme: Api) -> None:
    answers = [(await back(acme, "nonsense", "")).status_code for _ in range(25)]
    assert answers[-1] == 429
    assert 429 not in answers[:15]
