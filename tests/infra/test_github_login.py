"""GitHub: who signed in is the number of the account, as its API says to the token that the code
was changed for.
"""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest

from commands.oauth_port import LoginRefused, OAuthClient, Profile, Returned
from infra.github_login import GitHub
from infra.http_addresses import allowed_origins
from infra.http_client import GuardedHttp
from infra.oauth_exchange import OAuthExchange
from tests.infra.test_openid import ATTEMPT
from tests.oidc.provider import query_of
from tests.web_server import WebServer, answer, web_server

TOKEN = "/login/oauth/access_token"
ADDRESSES = [
    {"email": "old@acme.example", "primary": False, "verified": True},
    {"email": "Ada@Acme.example", "primary": True, "verified": True},
]


def says(server: WebServer, path: str, document: Any, status: int = 200) -> None:
    body = orjson.dumps(document)
    server.answers[path] = answer(status, body, Content_Type="application/json")


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    async with web_server() as made:
        says(made, TOKEN, {"access_token": "gho_1", "token_type": "bearer", "scope": "read:user"})
        says(made, "/user", {"id": 583231, "login": "ada"})
        says(made, "/user/emails", ADDRESSES)
        yield made


@pytest.fixture
async def github(server: WebServer) -> AsyncIterator[GitHub]:
    origins = allowed_origins(f"127.0.0.1:{server.port}")
    http = GuardedHttp(allowed=origins, connections_max=4)
    exchange = OAuthExchange(http, allowed=origins)
    yield GitHub(exchange, api_url=f"http://127.0.0.1:{server.port}")
    await http.aclose()


def client_of(server: WebServer) -> OAuthClient:
    return OAuthClient("github", f"http://127.0.0.1:{server.port}", "Iv1.ledger", "s3cret")


async def refusal(github: GitHub, server: WebServer, returned: Returned | None = None) -> str:
    with pytest.raises(LoginRefused) as refused:
        await github.profile(client_of(server), ATTEMPT, returned or Returned("code"))
    assert "s3cret" not in refused.value.reason
    return refused.value.reason


async def test_the_number_of_the_account_is_the_subject(github: GitHub, server: WebServer) -> None:
    client = client_of(server)
    assert await github.profile(client, ATTEMPT, Returned("code")) == Profile(
        client.issuer, "583231", "ada@acme.example", is_email_verified=True
    )
    exchange, *reads = server.requests
    form = parse_qs(exchange.body.decode())
    assert form["code_verifier"] == [ATTEMPT.code_verifier]
    assert form["client_secret"] == ["s3cret"]
    assert {one.headers["authorization"] for one in reads} == {"Bearer gho_1"}


async def test_a_browser_is_sent_with_a_challenge(github: GitHub, server: WebServer) -> None:
    url = await github.authorization_url(client_of(server), ATTEMPT)
    assert url.startswith(f"http://127.0.0.1:{server.port}/login/oauth/authorize?")
    sent = query_of(url)
    assert (sent["state"], sent["code_challenge_method"]) == (ATTEMPT.state, "S256")
    assert sent["scope"] == "read:user user:email"
    assert ATTEMPT.code_verifier not in url


@pytest.mark.parametrize(
    "told",
    [
        [{**ADDRESSES[1], "verified": False}],
        [{**ADDRESSES[1], "primary": False}],
        [{**ADDRESSES[1], "verified": "true"}],
        [{**ADDRESSES[1], "email": None}],
        ["ada@acme.example"],
        {"email": "ada@acme.example"},
        [],
    ],
)
async def test_only_an_address_that_is_primary_and_verified_counts(
    github: GitHub, server: WebServer, told: object
) -> None:
    says(server, "/user/emails", told)
    profile = await github.profile(client_of(server), ATTEMPT, Returned("code"))
    assert (profile.email, profile.is_email_verified) == (None, False)


@pytest.mark.parametrize("number", ["583231", True, 0, -1, 1.5, None])
async def test_an_account_without_a_number_is_nobody(
    github: GitHub, server: WebServer, number: object
) -> None:
    says(server, "/user", {"id": number, "login": "ada"})
    assert await refusal(github, server) == "the account has no number"


async def test_code_replayed(github: GitHub, server: WebServer) -> None:
    says(server, TOKEN, {"error": "bad_verification_code", "error_description": "s3cret code"})
    assert "token endpoint" in await refusal(github, server)
    assert [one.target for one in server.requests] == [TOKEN]


async def test_mix_up_an_answer_of_another_issuer(github: GitHub, server: WebServer) -> None:
    returned = Returned("code", "https://evil.example")
    assert await refusal(github, server, returned) == "the answer came from another issuer"
    assert server.requests == []


@pytest.mark.parametrize("path", [TOKEN, "/user", "/user/emails"])
async def test_what_goes_wrong_there_is_a_refusal(
    github: GitHub, server: WebServer, path: str
) -> None:
    for told in (answer(500), answer(body=b"<html>"), answer(302, Location="http://10.0.0.1/")):
        server.answers[path] = told
        await refusal(github, server)
