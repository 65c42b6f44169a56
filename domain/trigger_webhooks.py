"""Requests to the webhook of a trigger: who signed them, and how that is looked at.

    github    X-Hub-Signature-256: sha256=<hex of HMAC of the body>
    stripe    Stripe-Signature: t=<seconds>,v1=<hex of HMAC of `<t>.<body>`>[,v1=...]
    standard  Webhook-Signature: v1,<base64 of HMAC of `<id>.<timestamp>.<body>`> [v1,...]

All are HMAC-SHA-256. The last two say when they were made: what is older than TOLERANCE_S is
somebody who repeats what they have heard.
"""

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, cast

from domain.errors import FieldError, Forbidden, Invalid, OverLimit
from domain.identifiers import JsonObject
from domain.secret_references import NAME_PATTERN, is_secret_name

SignatureScheme: TypeAlias = Literal["github", "stripe", "standard"]

TOLERANCE_S = 300
# Senders that change their secret sign with both for a while.
SIGNATURES_MAX = 8
STANDARD_PREFIX = "whsec_"

_SECONDS = re.compile(r"[0-9]{1,12}")


class SignatureInvalid(Forbidden):
    """This request is not signed by whom it has to be, or too long ago."""

    code = "signature_invalid"


class NoRoomForRun(OverLimit):
    """There is no room for another run; send it again later."""

    code = "no_room_for_run"


@dataclass(frozen=True, slots=True)
class Signature:
    """secret: its name."""

    scheme: SignatureScheme
    secret: str


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """raw: the body. headers: by name in lower case."""

    raw: bytes
    headers: Mapping[str, str]


def parse_webhook(told: JsonObject) -> Signature | None:
    """told: {signature?: {scheme, secret}}. Raises Invalid with paths into the request: the webhook
    is its member.
    """
    signature = signature_of(told)
    if signature is not None and not is_secret_name(signature.secret):
        reason = f"a name like {NAME_PATTERN} is expected"
        raise Invalid(errors=[FieldError("/webhook/signature/secret", "invalid_name", reason)])
    return signature


def signature_of(told: JsonObject) -> Signature | None:
    """Of what was parsed before."""
    signature = cast("dict[str, str] | None", told.get("signature"))
    if signature is None:
        return None
    return Signature(cast("SignatureScheme", signature["scheme"]), signature["secret"])


def require_signed(
    request: SignedRequest, scheme: SignatureScheme, secret: str, now: datetime
) -> None:
    """Raises SignatureInvalid."""
    match scheme:
        case "github":
            is_right = _is_signed_as_github(request, secret.encode())
        case "stripe":
            is_right = _is_signed_as_stripe(request, secret.encode(), now)
        case "standard":
            is_right = _is_signed_as_standard(request, secret, now)
    if not is_right:
        raise SignatureInvalid


def _is_signed_as_github(request: SignedRequest, key: bytes) -> bool:
    told = request.headers.get("x-hub-signature-256", "")
    return _is_same(told, "sha256=" + hmac.new(key, request.raw, hashlib.sha256).hexdigest())


def _is_signed_as_stripe(request: SignedRequest, key: bytes, now: datetime) -> bool:
    told = request.headers.get("stripe-signature", "")
    parts = [part.strip().partition("=") for part in told.split(",")]
    timestamp = next((text for name, _, text in parts if name == "t"), "")
    if not _is_recent(timestamp, now):
        return False
    right = hmac.new(key, f"{timestamp}.".encode() + request.raw, hashlib.sha256).hexdigest()
    offered = [text for name, _, text in parts if name == "v1"]
    return any(_is_same(one, right) for one in offered[:SIGNATURES_MAX])


def _is_signed_as_standard(request: SignedRequest, secret: str, now: datetime) -> bool:
    headers = request.headers
    timestamp, delivery_id = headers.get("webhook-timestamp", ""), headers.get("webhook-id", "")
    if not delivery_id or not _is_recent(timestamp, now):
        return False
    signed = f"{delivery_id}.{timestamp}.".encode() + request.raw
    digest = hmac.new(_key_of_standard(secret), signed, hashlib.sha256).digest()
    right = f"v1,{b64encode(digest).decode()}"
    offered = headers.get("webhook-signature", "").split(" ")
    return any(_is_same(one, right) for one in offered[:SIGNATURES_MAX])


def _key_of_standard(secret: str) -> bytes:
    """Secrets of that specification are base64 behind a prefix; any other is taken as it is."""
    if not secret.startswith(STANDARD_PREFIX):
        return secret.encode()
    try:
        return b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True)
    except binascii.Error:
        return secret.encode()


def _is_recent(timestamp: str, now: datetime) -> bool:
    if _SECONDS.fullmatch(timestamp) is None:
        return False
    return abs(now.timestamp() - int(timestamp)) <= TOLERANCE_S


def _is_same(told: str, right: str) -> bool:
    """In the same time whatever is told."""
    return hmac.compare_digest(told.encode(), right.encode())
