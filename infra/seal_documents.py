"""Seals, heads and keys as JSON, for whoever verifies them elsewhere: hashes in hexadecimal, places
as `era-transaction-notification`. Reading raises ValueError, KeyError or TypeError.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from commands.ports import Position
from domain.identifiers import JsonObject
from infra.log_seals import Head, Seal, SignedSeal, place_text


def seal_document(signed: SignedSeal) -> JsonObject:
    seal = signed.seal
    return {
        "number": seal.number,
        "heads": seal.tree_size,
        "root": seal.root.hex(),
        "events": seal.events_count,
        "after": place_text(seal.after),
        "until": place_text(seal.until),
        "sealed_at": seal.sealed_at.isoformat(),
        "previous": seal.previous.hex(),
        "key_id": seal.key_id,
        "signature": signed.signature.hex(),
    }


def read_seal(told: Mapping[str, Any]) -> SignedSeal:
    seal = Seal(
        number=int(told["number"]),
        tree_size=int(told["heads"]),
        root=bytes.fromhex(told["root"]),
        events_count=int(told["events"]),
        after=read_place(told["after"]),
        until=read_place(told["until"]),
        sealed_at=datetime.fromisoformat(told["sealed_at"]),
        previous=bytes.fromhex(told["previous"]),
        key_id=str(told["key_id"]),
    )
    return SignedSeal(seal, bytes.fromhex(told["signature"]))


def head_document(head: Head) -> JsonObject:
    return {
        "tenant_id": str(head.tenant_id),
        "number": head.number,
        "size": head.size,
        "root": head.root.hex(),
        "previous": head.previous,
        "leaf_index": head.leaf_index,
    }


def read_head(told: Mapping[str, Any]) -> Head:
    return Head(
        tenant_id=UUID(told["tenant_id"]),
        number=int(told["number"]),
        size=int(told["size"]),
        root=bytes.fromhex(told["root"]),
        previous=int(told["previous"]),
        leaf_index=int(told["leaf_index"]),
    )


def read_place(text: str) -> Position:
    era, tx_id, notification_id = (int(number) for number in text.split("-"))
    return Position(era, tx_id, notification_id)


def read_public_keys(told: dict[str, Any]) -> dict[str, Ed25519PublicKey]:
    """By id. told: a set of keys (RFC 7517), or one. Raises ValueError, KeyError or TypeError."""
    keys: dict[str, Ed25519PublicKey] = {}
    jwks: list[dict[str, Any]] = told.get("keys", [told])
    for jwk in jwks:
        try:
            public = OKPKey.import_key(jwk).public_key
        except JoseError as error:
            message = "a key is none of RFC 7517"
            raise ValueError(message) from error
        if not isinstance(public, Ed25519PublicKey):
            message = "a key is not one of Ed25519"
            raise TypeError(message)
        keys[str(jwk["kid"])] = public
    return keys
