"""Who signed a request, as GitHub, Stripe and the Standard Webhooks specification say it."""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.trigger_webhooks import (
    SIGNATURES_MAX,
    TOLERANCE_S,
    SignatureInvalid,
    SignedRequest,
    require_signed,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RAW = b'{"order": 17}'
SECRET = "it is known to two"
STANDARD_KEY = b"\x00 of 24 random bytes...."


def hexed(signed: bytes, key: bytes = SECRET.encode()) -> str:
    return hmac.new(key, signed, hashlib.sha256).hexdigest()


def at(late_s: float = 0) -> str:
    return str(int((NOW - timedelta(seconds=late_s)).timestamp()))


def github(raw: bytes = RAW) -> dict[str, str]:
    return {"x-hub-signature-256": f"sha256={hexed(raw)}"}


def stripe(late_s: float = 0, raw: bytes = RAW) -> dict[str, str]:
    signature = hexed(f"{at(late_s)}.".encode() + raw)
    return {"stripe-signature": f"t={at(late_s)},v0=00,v1={'0' * 64},v1={signature}"}


def standard(late_s: float = 0, key: bytes = SECRET.encode()) -> dict[str, str]:
    signed = f"msg_1.{at(late_s)}.".encode() + RAW
    signature = b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    headers = {"webhook-id": "msg_1", "webhook-timestamp": at(late_s)}
    return {**headers, "webhook-signature": f"v1a,AAAA v1,{signature}"}


def is_taken(
    scheme: Any, headers: Mapping[str, str], raw: bytes = RAW, secret: str = SECRET
) -> bool:
    try:
        require_signed(SignedRequest(raw, headers), scheme, secret, NOW)
    except SignatureInvalid:
        return False
    return True


MAKERS: Any = {"github": github, "stripe": stripe, "standard": standard}


@pytest.mark.parametrize("scheme", MAKERS)
def test_what_is_signed_is_taken_and_nothing_else(scheme: str) -> None:
    headers = MAKERS[scheme]()
    assert is_taken(scheme, headers)
    assert not is_taken(scheme, headers, raw=RAW + b" ")
    assert not is_taken(scheme, headers, secret="another")
    assert not is_taken(scheme, {})
    assert not is_taken(scheme, dict.fromkeys(headers, ""))
    assert not is_taken(scheme, dict.fromkeys(headers, "t=é,v1=é"))
    for other in MAKERS.keys() - {scheme}:
        assert not is_taken(other, headers)


@pytest.mark.parametrize("scheme", ["stripe", "standard"])
def test_what_was_signed_too_long_ago_or_too_far_ahead_is_not_taken(scheme: str) -> None:
    make = MAKERS[scheme]
    assert is_taken(scheme, make(TOLERANCE_S))
    assert not is_taken(scheme, make(TOLERANCE_S + 1))
    assert not is_taken(scheme, make(-TOLERANCE_S - 1))


def test_the_key_of_a_standard_secret_is_what_its_text_stands_for() -> None:
    secret = f"whsec_{b64encode(STANDARD_KEY).decode()}"
    assert is_taken("standard", standard(key=STANDARD_KEY), secret=secret)
    assert is_taken("standard", standard(key=b"whsec_no base64!"), secret="whsec_no base64!")


def test_a_header_with_a_thousand_signatures_costs_a_few() -> None:
    (right,) = stripe().values()
    signature = right.rpartition(",")[2]
    many = ",".join([f"t={at()}", *["v1=0"] * SIGNATURES_MAX, signature])
    assert not is_taken("stripe", {"stripe-signature": many})
