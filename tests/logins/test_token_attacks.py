"""Access tokens that somebody made or changed. Each is refused with the same answer."""

import base64
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey

from commands.login_port import MfaPurpose
from tests.logins.stage import AUDIENCE, ISSUER, Stage, Tokens, unique_email


async def somebody(login: Stage) -> Tokens:
    email = unique_email()
    await login.a_tenant(email)
    return await login.logged_in(email)


def encoded(part: object) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(part: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def signed(login: Stage, token: str, **changes: Any) -> str:
    """Our own signature under other claims, None without; `header` is laid over ours."""
    key = await login.keys.signing()
    head, body, _ = token.split(".")
    header = {**decoded(head), **changes.pop("header", {})}
    claims = {
        name: value for name, value in {**decoded(body), **changes}.items() if value is not None
    }
    return jwt.encode(header, claims, key, algorithms=["Ed25519"])


async def test_the_tests_own_signature_is_a_good_one(login: Stage) -> None:
    """Else the tests below would prove nothing."""
    tokens = await somebody(login)
    assert await login.is_known(await signed(login, tokens.access))


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
async def test_alg_none(login: Stage, alg: str) -> None:
    head, body, _ = (await somebody(login)).access.split(".")
    forged = encoded({**decoded(head), "alg": alg})
    for signature in ("", encoded(b"x")):
        assert not await login.is_known(f"{forged}.{body}.{signature}")


async def test_hs256_with_the_public_key_as_the_secret(login: Stage) -> None:
    tokens = await somebody(login)
    head, body, _ = tokens.access.split(".")
    (jwk,) = (await login.client.get("/.well-known/jwks.json")).json()["keys"][:1]
    raw = base64.urlsafe_b64decode(jwk["x"] + "=")
    for secret in (raw, jwk["x"].encode(), json.dumps(jwk).encode()):
        header = {**decoded(head), "alg": "HS256"}
        key = OctKey.import_key(secret)
        forged = jwt.encode(header, decoded(body), key, algorithms=["HS256"])
        assert not await login.is_known(forged)


@pytest.mark.parametrize("kid", [
    "../../../../dev/null",
    "/etc/passwd",
    "x' OR '1'='1",
    "x'; DROP TABLE agentledger.signing_keys; --",
    "0" * 32,
    "",
    "\x00",
    None,
    1,
    ["k"],
    {"k": 1},
    "https://evil.example/jwks.json",
])  # fmt: skip
async def test_kid_path_and_sql_tricks(login: Stage, kid: object) -> None:
    head, body, signature = (await somebody(login)).access.split(".")
    forged = encoded({**decoded(head), "kid": kid})
    assert not await login.is_known(f"{forged}.{body}.{signature}")


async def attackers(token: str, **header: Any) -> str:
    """Signed by a key of the attacker, which the header may name."""
    private = Ed25519PrivateKey.generate()
    key = OKPKey.import_key(private)
    head, body, _ = token.split(".")
    known = {"jwk": key.as_dict(private=False)} if "jwk" in header else {}
    full = {**decoded(head), **header, **known}
    signing_input = f"{encoded(full)}.{body}"
    return f"{signing_input}.{encoded(private.sign(signing_input.encode()))}"


@pytest.mark.parametrize("header", [
    {},
    {"jwk": None},
    {"jku": "https://evil.example/jwks.json"},
    {"x5u": "https://evil.example/cert.pem"},
    {"x5c": ["MIIB"]},
    {"crit": ["exp"]},
    {"crit": ["b64"], "b64": False},
])  # fmt: skip
async def test_a_key_of_the_attacker_in_the_header(login: Stage, header: dict[str, Any]) -> None:
    token = (await somebody(login)).access
    assert not await login.is_known(await attackers(token, **header))


@pytest.mark.parametrize("header", [
    {"jku": "https://evil.example/jwks.json"},
    {"crit": []},
    {"typ": "JWT"},
    {"typ": "mfa+jwt"},
    {"cty": "JWT"},
])  # fmt: skip
async def test_a_header_of_other_members_is_refused_whoever_signed_it(
    login: Stage, header: dict[str, Any]
) -> None:
    token = (await somebody(login)).access
    key = await login.keys.signing()
    head, body, _ = token.split(".")
    private: Any = key.private_key
    signing_input = f"{encoded({**decoded(head), **header})}.{body}"
    forged = f"{signing_input}.{encoded(private.sign(signing_input.encode()))}"
    assert not await login.is_known(forged)


NOW: Callable[[Stage], int] = lambda login: int(login.clock.now().timestamp())  # noqa: E731


@pytest.mark.parametrize("change", [
    {"iss": "https://evil.example"},
    {"iss": [ISSUER]},
    {"iss": [ISSUER, "https://evil.example"]},
    {"iss": None},
    {"aud": "another-service"},
    {"aud": [AUDIENCE]},
    {"aud": None},
    {"sub": "not a person"},
    {"sub": ["a", "b"]},
    {"sub": None},
    {"sub": str(uuid4())},
    {"tid": str(uuid4())},
    {"tid": None},
    {"sid": str(uuid4())},
    {"sid": None},
    {"jti": None},
    {"exp": None},
    {"exp": "9999999999"},
    {"exp": True},
    {"nbf": None},
    {"iat": None},
])  # fmt: skip
async def test_claims_that_are_wrong_missing_or_of_another_type(
    login: Stage, change: dict[str, Any]
) -> None:
    token = (await somebody(login)).access
    assert not await login.is_known(await signed(login, token, **change))


async def test_an_expired_token(login: Stage) -> None:
    token = (await somebody(login)).access
    assert await login.is_known(token)
    login.clock.pass_time(minutes=15)
    assert not await login.is_known(token)


async def test_a_token_of_the_future(login: Stage) -> None:
    token = (await somebody(login)).access
    for name in ("nbf", "iat"):
        forged = await signed(login, token, **{name: NOW(login) + 60})
        assert not await login.is_known(forged)


async def test_a_refresh_token_is_no_access_token_and_the_other_way_round(login: Stage) -> None:
    tokens = await somebody(login)
    assert not await login.is_known(tokens.refresh)
    answer = await login.post("/auth/refresh", {"refresh_token": tokens.access})
    assert answer.status_code == 401


@pytest.mark.parametrize("purpose", ["second-factor", "second-factor-setup"])
async def test_a_token_that_proves_a_password_is_no_access_token(
    login: Stage, purpose: MfaPurpose
) -> None:
    claims = await login.tokens.verify((await somebody(login)).access)
    mfa = await login.tokens.mint_mfa(purpose, claims.tenant_id, claims.user_id, ["password"])
    assert not await login.is_known(mfa)


async def test_a_tampered_payload(login: Stage) -> None:
    head, body, signature = (await somebody(login)).access.split(".")
    forged = encoded({**decoded(body), "sub": str(uuid4())})
    assert not await login.is_known(f"{head}.{forged}.{signature}")


async def test_a_signature_that_is_cut_padded_or_changed(login: Stage) -> None:
    head, body, signature = (await somebody(login)).access.split(".")
    other = "B" if signature[0] == "A" else "A"
    for forged in (signature[:-4], signature + "=", other + signature[1:], ""):
        assert not await login.is_known(f"{head}.{body}.{forged}")


async def test_an_oversized_token(login: Stage) -> None:
    token = (await somebody(login)).access
    assert not await login.is_known(await signed(login, token, more="x" * 3000))
    assert not await login.is_known("a." * 3000 + "b")


@pytest.mark.parametrize("text", [
    "..", "a.b", "a.b.c.d", "a.b.c.d.e", ".a.b", "e30.e30.e30", "bnVsbA.bnVsbA.bnVsbA",
    "W10.W10.W10",
])  # fmt: skip
async def test_what_is_no_token_at_all(login: Stage, text: str) -> None:
    answer = await login.send(
        "GET",
        "/api/v1/node-types",
        headers={"Authorization": f"Bearer {text}"},
    )
    assert answer.status_code == 401


async def test_a_key_of_another_platform(login: Stage, other: Stage) -> None:
    """The same kind of key, issuer and audience, but not in our table."""
    token = (await somebody(login)).access
    head, body, _ = token.split(".")
    private = Ed25519PrivateKey.generate()
    signing_input = f"{head}.{body}"
    forged = f"{signing_input}.{encoded(private.sign(signing_input.encode()))}"
    assert not await other.is_known(forged)
    assert not await login.is_known(forged)


async def test_every_refusal_is_the_same(login: Stage) -> None:
    token = (await somebody(login)).access
    head, body, _ = token.split(".")
    told = set()
    for text in (f"{head}.{body}.{encoded(b'x' * 64)}", await signed(login, token, exp=1)):
        answer = await login.send(
            "GET", "/api/v1/node-types", headers={"Authorization": f"Bearer {text}"}
        )
        document = answer.json()
        told.add((answer.status_code, document["code"], document["detail"]))
    assert len(told) == 1
