"""Providers that lie, and tokens that somebody forged. Each test is named after its attack."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from commands.oauth_port import LoginRefused, OAuthClient, Returned
from infra.openid import OpenId
from tests.infra.test_openid import ATTEMPT, an_openid
from tests.oidc.forger import Forger, a_forger
from tests.web_server import Answer, answer

METADATA_SERVICE = "http://169.254.169.254/latest/meta-data"


@pytest.fixture
async def forger() -> AsyncIterator[Forger]:
    async with a_forger() as made:
        yield made


@pytest.fixture
async def openid(forger: Forger) -> AsyncIterator[OpenId]:
    async with an_openid(forger.address) as made:
        yield made


def client_of(forger: Forger) -> OAuthClient:
    return OAuthClient("oidc", forger.issuer, forger.client_id, "s3cret")


async def outcome(openid: OpenId, forger: Forger, id_token: str) -> str:
    """Why it was refused."""
    forger.answer_with(id_token)
    with pytest.raises(LoginRefused) as refused:
        await openid.profile(client_of(forger), ATTEMPT, Returned("code"))
    return refused.value.reason


async def test_what_is_signed_by_the_published_key_is_believed(
    openid: OpenId, forger: Forger
) -> None:
    forger.answer_with(forger.signed(forger.claims(ATTEMPT.nonce)))
    profile = await openid.profile(client_of(forger), ATTEMPT, Returned("code"))
    assert (profile.issuer, profile.subject) == (forger.issuer, "mallory")


async def test_alg_none(openid: OpenId, forger: Forger) -> None:
    token = forger.unsigned(forger.claims(ATTEMPT.nonce))
    assert "UnsupportedAlgorithmError" in await outcome(openid, forger, token)


async def test_key_confusion_hs256_with_the_public_key(openid: OpenId, forger: Forger) -> None:
    token = forger.signed_with_public_key(forger.claims(ATTEMPT.nonce))
    assert "UnsupportedAlgorithmError" in await outcome(openid, forger, token)


async def test_key_confusion_a_shared_key_among_the_published_ones(
    openid: OpenId, forger: Forger
) -> None:
    shared = {"kty": "oct", "kid": "k1", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"}
    forger.publish("/jwks", {"keys": [shared]})
    token = forger.signed(forger.claims(ATTEMPT.nonce))
    assert "does not have" in await outcome(openid, forger, token)


async def test_unknown_kid(openid: OpenId, forger: Forger) -> None:
    token = forger.signed(forger.claims(ATTEMPT.nonce), kid="k2")
    assert "does not have" in await outcome(openid, forger, token)
    asked = [one.target for one in forger.server.requests]
    assert asked.count("/jwks") == 1, "an invented name made us ask the provider again at once"


async def test_kid_that_is_a_path(openid: OpenId, forger: Forger) -> None:
    token = forger.signed(forger.claims(ATTEMPT.nonce), kid="../../dev/null")
    assert "does not have" in await outcome(openid, forger, token)


async def test_a_key_that_the_token_brings_along(openid: OpenId, forger: Forger) -> None:
    own = ECKey.generate_key("P-256", {"kid": "k1"})
    header = {"alg": "ES256", "kid": "k1", "jwk": own.as_dict(private=False)}
    token = jwt.encode(header, forger.claims(ATTEMPT.nonce), own)
    assert "not valid" in await outcome(openid, forger, token)


async def test_keys_that_the_token_says_to_fetch(openid: OpenId, forger: Forger) -> None:
    forged = replace(forger, key=RSAKey.generate_key(2048, {"kid": "k1"}))
    told = {"jku": f"{forger.issuer}/elsewhere", "x5u": f"{forger.issuer}/elsewhere"}
    token = forged.signed(forger.claims(ATTEMPT.nonce), **told)
    assert "not valid" in await outcome(openid, forger, token)
    assert "/elsewhere" not in [one.target for one in forger.server.requests]


async def test_signature_of_somebody_else(openid: OpenId, forger: Forger) -> None:
    forged = replace(forger, key=RSAKey.generate_key(2048, {"kid": "k1"}))
    token = forged.signed(forger.claims(ATTEMPT.nonce))
    assert "BadSignatureError" in await outcome(openid, forger, token)


async def test_claims_changed_after_signing(openid: OpenId, forger: Forger) -> None:
    header, _, signature = forger.signed(forger.claims(ATTEMPT.nonce)).split(".")
    other = forger.signed(forger.claims(ATTEMPT.nonce, sub="ada")).split(".")[1]
    token = f"{header}.{other}.{signature}"
    assert "BadSignatureError" in await outcome(openid, forger, token)


async def test_expired_token(openid: OpenId, forger: Forger) -> None:
    token = forger.signed(forger.claims(ATTEMPT.nonce, exp=1_700_000_000))
    assert "exp" in await outcome(openid, forger, token)


async def test_token_without_an_end(openid: OpenId, forger: Forger) -> None:
    claims = forger.claims(ATTEMPT.nonce)
    del claims["exp"]
    assert "exp" in await outcome(openid, forger, forger.signed(claims))


async def test_token_without_a_nonce(openid: OpenId, forger: Forger) -> None:
    claims = forger.claims(ATTEMPT.nonce)
    del claims["nonce"]
    assert "nonce" in await outcome(openid, forger, forger.signed(claims))


async def test_oversized_token(openid: OpenId, forger: Forger) -> None:
    token = forger.signed(forger.claims(ATTEMPT.nonce, padding="x" * 20_000))
    assert await outcome(openid, forger, token) == "there is no ID token"


@pytest.mark.parametrize("token", ["", "a.b", "a.b.c", "e30.e30.", "....", "\u00e9.e30.e30"])
async def test_what_is_no_token_at_all(openid: OpenId, forger: Forger, token: str) -> None:
    assert await outcome(openid, forger, token)


async def test_discovery_of_another_issuer(openid: OpenId, forger: Forger) -> None:
    forger.publish_all(issuer="https://accounts.example.com")
    with pytest.raises(LoginRefused) as refused:
        await openid.authorization_url(client_of(forger), ATTEMPT)
    assert refused.value.reason == "the discovery document is of another issuer"


async def test_mix_up_against_an_issuer_that_promises_to_name_itself(
    openid: OpenId, forger: Forger
) -> None:
    forger.publish_all(authorization_response_iss_parameter_supported=True)
    forger.answer_with(forger.signed(forger.claims(ATTEMPT.nonce)))
    with pytest.raises(LoginRefused) as refused:
        await openid.profile(client_of(forger), ATTEMPT, Returned("code"))
    assert refused.value.reason == "the answer came from another issuer"
    assert not [one for one in forger.server.requests if one.target == "/token"]


@pytest.mark.parametrize("issuer", ["https://10.0.0.1", "https://169.254.169.254", "https://[::1]"])
async def test_ssrf_by_an_issuer_at_a_private_address(openid: OpenId, issuer: str) -> None:
    with pytest.raises(LoginRefused) as refused:
        await openid.authorization_url(OAuthClient("oidc", issuer, "c", "s"), ATTEMPT)
    assert "forbidden_address" in refused.value.reason


@pytest.mark.parametrize("name", ["token_endpoint", "jwks_uri"])
@pytest.mark.parametrize("url", ["https://169.254.169.254/latest/meta-data", METADATA_SERVICE])
async def test_ssrf_by_an_endpoint_at_a_private_address(
    openid: OpenId, forger: Forger, name: str, url: str
) -> None:
    forger.publish_all(**{name: url})
    token = forger.signed(forger.claims(ATTEMPT.nonce))
    await outcome(openid, forger, token)


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks", "/token"])
async def test_redirect_to_the_metadata_service(openid: OpenId, forger: Forger, path: str) -> None:
    forger.answer_with(forger.signed(forger.claims(ATTEMPT.nonce)))
    forger.server.answers[path] = answer(307, Location=METADATA_SERVICE)
    with pytest.raises(LoginRefused):
        await openid.profile(client_of(forger), ATTEMPT, Returned("code"))
    assert not [one for one in forger.server.requests if one.target.startswith("/latest")]


async def test_redirect_that_would_carry_the_client_secret_on(
    openid: OpenId, forger: Forger
) -> None:
    forger.server.answers["/elsewhere"] = answer(body=b"{}")
    forger.server.answers["/token"] = answer(307, Location="/elsewhere")
    with pytest.raises(LoginRefused):
        await openid.profile(client_of(forger), ATTEMPT, Returned("code"))
    assert "/elsewhere" not in [one.target for one in forger.server.requests]


async def test_userinfo_of_somebody_else(openid: OpenId, forger: Forger) -> None:
    forger.publish_all(userinfo_endpoint=f"{forger.issuer}/userinfo")
    forger.publish("/userinfo", {"sub": "ada", "email": "ada@acme.example"})
    claims = forger.claims(ATTEMPT.nonce)
    del claims["email"]
    token = forger.signed(claims)
    assert await outcome(openid, forger, token) == "the user info is of somebody else"


@pytest.mark.parametrize(
    "told",
    [
        Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n", "fill", b"x" * 1000),
        answer(body=b"[" * 100_000),
        answer(body=b"[]"),
        answer(body=b'"text"'),
        answer(500),
        answer(body=b"\xff"),
    ],
)
async def test_a_provider_that_answers_nonsense(
    openid: OpenId, forger: Forger, told: Answer
) -> None:
    for path in ("/jwks", "/token", "/.well-known/openid-configuration"):
        forger.publish_all()
        forger.answer_with(forger.signed(forger.claims(ATTEMPT.nonce)))
        forger.server.answers[path] = told
        async with an_openid(forger.address) as fresh:
            with pytest.raises(LoginRefused):
                await fresh.profile(client_of(forger), ATTEMPT, Returned("code"))
