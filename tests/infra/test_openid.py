"""Signing in at a real provider that others wrote; what it says is believed only as far as it is
signed, fresh, and meant for this attempt.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from commands.oauth_port import Attempt, LoginRefused, OAuthClient, Profile, Returned
from infra.clock import SystemClock
from infra.http_addresses import allowed_origins
from infra.http_client import GuardedHttp
from infra.oauth_exchange import OAuthExchange
from infra.openid import OpenId
from tests.oidc.provider import OpenIdProvider, query_of, sign_in

ATTEMPT = Attempt("https://ledger.example/cb", "s" * 43, "n" * 43, "v" * 43)
ADA = {"email": "Ada@Acme.example", "email_verified": True, "groups": ["makers", 5]}


@asynccontextmanager
async def an_openid(*allowed: str) -> AsyncIterator[OpenId]:
    origins = allowed_origins(",".join(allowed))
    http = GuardedHttp(allowed=origins, connections_max=4)
    try:
        exchange = OAuthExchange(http, allowed=origins)
        yield OpenId(exchange, SystemClock(), monotonic_s=time.monotonic)
    finally:
        await http.aclose()


@pytest.fixture
async def openid(openid_provider: OpenIdProvider) -> AsyncIterator[OpenId]:
    async with an_openid(openid_provider.address) as made:
        yield made


@pytest.fixture
def client(openid_provider: OpenIdProvider) -> OAuthClient:
    return OAuthClient("oidc", openid_provider.issuer("acme"), "ledger", "s3cret")


async def returned(openid: OpenId, client: OAuthClient, claims: dict[str, object]) -> Returned:
    url = await openid.authorization_url(client, ATTEMPT)
    return Returned(query_of(await sign_in(url, "ada", claims))["code"])


async def refusal(openid: OpenId, client: OAuthClient, what: Returned, attempt=ATTEMPT) -> str:
    with pytest.raises(LoginRefused) as refused:
        await openid.profile(client, attempt, what)
    assert "s3cret" not in refused.value.reason
    assert what.code not in refused.value.reason
    assert refused.value.detail == LoginRefused.__doc__
    return refused.value.reason


async def test_who_signed_in_is_known_by_issuer_and_subject(
    openid: OpenId, client: OAuthClient
) -> None:
    url = await openid.authorization_url(client, ATTEMPT)
    sent = query_of(url)
    assert sent["code_challenge_method"] == "S256"
    assert ATTEMPT.code_verifier not in url
    assert (sent["state"], sent["nonce"]) == (ATTEMPT.state, ATTEMPT.nonce)
    back = await sign_in(url, "ada", ADA)
    assert query_of(back)["state"] == ATTEMPT.state
    assert await openid.profile(client, ATTEMPT, Returned(query_of(back)["code"])) == Profile(
        issuer=client.issuer,
        subject="ada",
        email="ada@acme.example",
        is_email_verified=True,
        groups=("makers",),
    )


@pytest.mark.parametrize(
    ("amr", "is_multi_factor"),
    [(["pwd", "mfa"], True), (["pwd"], False), ([["mfa"]], False), (None, False)],
    ids=str,
)
async def test_more_than_a_password_is_what_the_signed_token_says(
    openid: OpenId, client: OAuthClient, amr: object, is_multi_factor: bool
) -> None:
    told = {} if amr is None else {"amr": amr}
    what = await returned(openid, client, {**ADA, **told})
    assert (await openid.profile(client, ATTEMPT, what)).is_multi_factor is is_multi_factor


@pytest.mark.parametrize("said", ["true", 1, False])
async def test_an_address_is_verified_only_when_the_provider_says_exactly_that(
    openid: OpenId, client: OAuthClient, said: object
) -> None:
    what = await returned(openid, client, {**ADA, "email_verified": said})
    assert not (await openid.profile(client, ATTEMPT, what)).is_email_verified


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"nonce": "of another attempt"}, "nonce"),
        ({"nonce": ""}, "nonce"),
        ({"aud": ["somebody-else"]}, "aud"),
        ({"aud": ["ledger", "somebody-else"], "azp": "somebody-else"}, "azp"),
        ({"azp": "somebody-else"}, "azp"),
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": ["https://evil.example"]}, "iss"),
        ({"exp": 1_000_000_000}, "exp"),
        ({"nbf": 4_000_000_000}, "nbf"),
        ({"iat": 4_000_000_000}, "iat"),
        ({"sub": ""}, "subject"),
        ({"sub": 5}, "sub"),
        ({"at_hash": "AAAA"}, "at_hash"),
    ],
)
async def test_a_token_that_claims_what_it_must_not_is_refused(
    openid: OpenId, client: OAuthClient, claims: dict[str, object], reason: str
) -> None:
    what = await returned(openid, client, {**ADA, **claims})
    assert reason in await refusal(openid, client, what)


async def test_a_replayed_code_is_refused(openid: OpenId, client: OAuthClient) -> None:
    what = await returned(openid, client, ADA)
    await openid.profile(client, ATTEMPT, what)
    await refusal(openid, client, what)


async def test_a_code_stolen_on_its_way_is_worth_nothing_without_the_verifier(
    openid: OpenId, client: OAuthClient
) -> None:
    what = await returned(openid, client, ADA)
    thief = Attempt(ATTEMPT.redirect_uri, ATTEMPT.state, ATTEMPT.nonce, "w" * 43)
    assert "token endpoint" in await refusal(openid, client, what, thief)


async def test_mix_up_an_answer_of_another_issuer_is_refused_before_the_code_is_sent(
    openid: OpenId, client: OAuthClient
) -> None:
    what = await returned(openid, client, ADA)
    mixed = Returned(what.code, "https://evil.example")
    assert await refusal(openid, client, mixed) == "the answer came from another issuer"
    await openid.profile(client, ATTEMPT, what)


async def test_an_issuer_without_tls_is_refused_unless_the_operator_lets_it_through(
    client: OAuthClient,
) -> None:
    async with an_openid() as strict:
        with pytest.raises(LoginRefused) as refused:
            await strict.authorization_url(client, ATTEMPT)
    assert refused.value.reason == "the provider named an address without TLS"
