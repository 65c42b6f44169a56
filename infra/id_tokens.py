"""ID tokens (OpenID Connect Core section 3.1.3.7): whose signature, for whom, from whom, for how
long, and for which attempt to sign in.
"""

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, cast

from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from commands.oauth_port import LoginRefused

ID_TOKEN_CHARACTERS_MAX = 16 * 1024
SUBJECT_CHARACTERS_MAX = 255
KEYS_MAX = 50
CLOCK_LEEWAY_S = 60
# Asymmetric ones only: a key that everybody can read must never be taken for a shared one.
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "Ed25519", "EdDSA"),
)
KEY_TYPES = frozenset({"RSA", "EC", "OKP"})

Claims = Mapping[str, Any]


def key_id_of(id_token: object) -> str | None:
    """The key that the token says it was signed with. Raises LoginRefused for what is no token."""
    if not isinstance(id_token, str) or len(id_token) > ID_TOKEN_CHARACTERS_MAX:
        raise LoginRefused("there is no ID token")
    try:
        key_id = jws.extract_compact(id_token.encode()).headers().get("kid")
    except (JoseError, ValueError, RecursionError) as error:
        raise _invalid(error) from None
    if not isinstance(key_id, str | None):
        raise LoginRefused("the ID token names its key by something that is no text")
    return key_id


def key_named(key_id: str | None, document: Mapping[str, Any]) -> KeySet | None:
    """The one key of that name for signatures; without a name, the only key that there is."""
    listed = document.get("keys")
    keys = cast("Sequence[object]", listed)[:KEYS_MAX] if isinstance(listed, list) else ()
    fit = [cast("dict[str, Any]", key) for key in keys if _is_for_signing(key)]
    named = fit if key_id is None else [key for key in fit if key.get("kid") == key_id]
    if len(named) != 1:
        return None
    try:
        return KeySet.import_key_set({"keys": named})  # pyright: ignore[reportArgumentType] # checked inside
    except (JoseError, ValueError, TypeError) as error:
        raise _invalid(error) from None


def verified_claims(
    id_token: str,
    keys: KeySet,
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    access_token: object,
    now_s: int,
) -> Claims:
    """Raises LoginRefused."""
    try:
        token = jwt.decode(id_token, keys, algorithms=list(ALGORITHMS))
        if not isinstance(token.claims.get("iss"), str):
            raise LoginRefused("the ID token has no issuer")
        CodeIDToken(
            token.claims,
            token.header,
            options={
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": client_id},
            },
            params={"nonce": nonce, "client_id": client_id, "access_token": access_token},
        ).validate(now=now_s, leeway=CLOCK_LEEWAY_S)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise _invalid(error) from None
    claims = cast("Claims", token.claims)
    _require_nonce(claims.get("nonce"), nonce)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_CHARACTERS_MAX:
        raise LoginRefused("the ID token has no subject")
    return claims


def _require_nonce(told: object, nonce: str) -> None:
    """Again and in constant time: that it is there must not depend on a library's options."""
    if not isinstance(told, str) or not hmac.compare_digest(told.encode(), nonce.encode()):
        raise LoginRefused("the ID token is not for this attempt")


def _is_for_signing(key: object) -> bool:
    if not isinstance(key, dict):
        return False
    told = cast("dict[str, object]", key)
    return told.get("kty") in KEY_TYPES and told.get("use", "sig") == "sig"


def _invalid(error: Exception) -> LoginRefused:
    """Of what the error says only the name of the mistake or of the claim is safe to store."""
    claim = getattr(error, "claim", None)
    what = f"its {claim}" if isinstance(claim, str) else type(error).__name__
    return LoginRefused(f"the ID token is not valid ({what[:80]})")
