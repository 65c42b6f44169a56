"""Licences and lists of revoked ones as signed documents: JWS (RFC 7515) of one line of text, which
anybody verifies with the issuer's public keys alone, here without any server.

    {"alg": "Ed25519", "kid": ..., "typ": "licence+jwt"} . {iss, sub, licensee, product, seats,
        serial, iat, nbf, exp, issuer_name} . signature

Only a header of exactly these members is looked at further, so that nothing in a document can name
another key or algorithm, or be taken for a document of another kind.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from domain.identifiers import JsonObject
from infra.seal_documents import read_public_keys

ALGORITHM = "Ed25519"
LICENCE_TYPE, REVOCATIONS_TYPE = "licence+jwt", "licence-revocations+jwt"
# A list of ten thousand is far below it.
CHARACTERS_MAX = 4 * 2**20

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_HEADER = {"alg", "kid", "typ"}
_NUMBERS = ("seats", "serial", "iat", "nbf", "exp")
_TEXTS = ("iss", "sub", "licensee", "product", "issuer_name")


class NotValid(Exception):
    """A document does not prove what it says; in words, why."""


@dataclass(frozen=True, slots=True)
class IssuerKeys:
    """issuer_id: whose they are; None: whoever gave them did not say."""

    issuer_id: str | None
    keys: Mapping[str, Ed25519PublicKey]


@dataclass(frozen=True, slots=True)
class Revocations:
    """number: grows with each. serials: by licence, up to which documents do not count."""

    issuer_id: str
    number: int
    issued_at: datetime
    expires_at: datetime
    serials: Mapping[str, int]


def read_issuer_keys(told: dict[str, Any]) -> IssuerKeys:
    """told: what `/api/v1/licence-issuers/{id}/keys` said, or any set of keys (RFC 7517). Raises
    ValueError, KeyError or TypeError.
    """
    issuer_id = told.get("issuer_id")
    return IssuerKeys(None if issuer_id is None else str(issuer_id), read_public_keys(told))


def signed(kind: str, claims: JsonObject, key: OKPKey) -> str:
    header = {"alg": ALGORITHM, "kid": key.kid, "typ": kind}
    return jwt.encode(header, claims, key, algorithms=[ALGORITHM])


def verify_licence(
    text: str, keys: IssuerKeys, *, at: datetime, revocations: Revocations | None = None
) -> dict[str, Any]:
    """Its claims. Raises NotValid."""
    claims = _verified(text, LICENCE_TYPE, keys)
    if any(type(claims.get(name)) is not int for name in _NUMBERS):
        raise NotValid("it lacks a number that every licence has")
    if any(type(claims.get(name)) is not str for name in _TEXTS):
        raise NotValid("it lacks a word that every licence has")
    begins, ends = _instant(claims["nbf"]), _instant(claims["exp"])
    if at < begins:
        raise NotValid(f"it is valid from {begins.isoformat()} on")
    if at >= ends:
        raise NotValid(f"it has expired at {ends.isoformat()}")
    if revocations is not None:
        _require_not_revoked(claims, revocations, at)
    return claims


def verify_revocations(text: str, keys: IssuerKeys) -> Revocations:
    """Raises NotValid. Whether it is recent enough is said with a licence, for it takes a time."""
    claims = _verified(text, REVOCATIONS_TYPE, keys)
    try:
        return Revocations(
            claims["iss"],
            int(claims["number"]),
            _instant(claims["iat"]),
            _instant(claims["exp"]),
            {str(one["licence_id"]): int(one["serial"]) for one in claims["revoked"]},
        )
    except (KeyError, TypeError, ValueError):
        raise NotValid("the list of revocations is not one") from None


def _require_not_revoked(claims: dict[str, Any], revocations: Revocations, at: datetime) -> None:
    """An old list would hide what was revoked since."""
    if revocations.issuer_id != claims["iss"]:
        raise NotValid("the list of revocations is of another issuer")
    if at >= revocations.expires_at:
        raise NotValid(
            f"the list of revocations is of {revocations.issued_at.isoformat()}: fetch a newer one"
        )
    if claims["serial"] <= revocations.serials.get(claims["sub"], 0):
        raise NotValid("it is revoked")


def _verified(text: str, kind: str, keys: IssuerKeys) -> dict[str, Any]:
    """Raises NotValid."""
    if len(text) > CHARACTERS_MAX or _COMPACT.fullmatch(text) is None:
        raise NotValid("it is no signed document")
    public = keys.keys.get(_key_id(text, kind))
    if public is None:
        raise NotValid("it is signed with a key that is not among these")
    try:
        claims = jwt.decode(text, OKPKey.import_key(public), algorithms=[ALGORITHM]).claims
    except (JoseError, ValueError):
        raise NotValid("its signature is not of this key") from None
    if keys.issuer_id is not None and claims.get("iss") != keys.issuer_id:
        raise NotValid("it is of another issuer")
    return claims


def _key_id(text: str, kind: str) -> str:
    """Of a header that is exactly as ours. Raises NotValid."""
    try:
        header = jws.extract_compact(text.encode()).headers()
    except (JoseError, ValueError, TypeError, AttributeError):
        raise NotValid("it is no signed document") from None
    if header.keys() != _HEADER or header["alg"] != ALGORITHM or header["typ"] != kind:
        raise NotValid("it is a document of another kind")
    if type(header["kid"]) is not str:
        raise NotValid("it names no key")
    return header["kid"]


def _instant(seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        raise NotValid("it names a time that there is not") from None
