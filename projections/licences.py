"""licences: what was promised to whom, and how many seats are taken; licence_activations: by
whom.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from typing_extensions import TypedDict

from domain.licences import Licence
from projections.table import (
    BEGUN_BY_PERSON,
    BigInt,
    Decoded,
    Instant,
    Integer,
    Key,
    Projection,
    Text,
    UnexpectedEvent,
    Uuid,
    present,
    stream_key,
)


class LicenceRow(TypedDict):
    """status: issued, expired or revoked. reason: why it was revoked."""

    tenant_id: Uuid
    licence_id: Uuid
    licensee: Text
    product: Text
    seats: Integer
    seats_used: Integer
    serial: Integer
    status: Text
    reason: Text
    starts_at: Instant
    expires_at: Instant
    created_at: Instant
    created_by: Text | None
    updated_at: Instant
    version: BigInt


class LicenceActivationRow(TypedDict):
    tenant_id: Uuid
    activation_id: Uuid
    licence_id: Uuid
    instance: Text
    activated_at: Instant
    released_at: Instant | None
    created_by: Text | None
    version: BigInt


def evolve(row: LicenceRow | None, event: Decoded, _key: Key) -> LicenceRow:
    logged = event.logged
    if isinstance(event.fact, Licence.Created):
        fact = event.fact
        return {
            "tenant_id": logged.tenant_id,
            "licence_id": logged.stream_id,
            "licensee": fact.licensee,
            "product": fact.product,
            "seats": fact.seats,
            "seats_used": 0,
            "serial": 1,
            "status": "issued",
            "reason": "",
            "starts_at": datetime.fromisoformat(fact.starts_at),
            "expires_at": datetime.fromisoformat(fact.expires_at),
            "created_at": logged.recorded_at,
            "created_by": logged.actor,
            "updated_at": logged.recorded_at,
            "version": logged.version,
        }
    known = present(row)
    moved = {"updated_at": logged.recorded_at, "version": logged.version}
    changed: Any = {**known, **_changes(known, event), **moved}
    return changed


def _changes(row: LicenceRow, event: Decoded) -> dict[str, Any]:
    match event.fact:
        case Licence.Renewed() as fact:
            expires_at = datetime.fromisoformat(fact.expires_at)
            terms = {"seats": fact.seats, "expires_at": expires_at, "status": "issued"}
            return {"serial": fact.serial, **terms}
        case Licence.Revoked() as fact:
            return {"status": "revoked", "reason": fact.reason}
        case Licence.Expired():
            return {"status": "expired"}
        case Licence.Activated():
            return {"seats_used": row["seats_used"] + 1}
        case Licence.Released():
            return {"seats_used": row["seats_used"] - 1}
        case _:
            raise UnexpectedEvent(event.logged.topic)


def activation_keys(event: Decoded) -> Sequence[Key]:
    match event.fact:
        case Licence.Activated() | Licence.Released() as fact:
            logged = event.logged
            return ((logged.tenant_id, logged.stream_id, UUID(fact.activation_id)),)
        case _:
            raise UnexpectedEvent(event.logged.topic)


def evolve_activation(
    row: LicenceActivationRow | None, event: Decoded, _key: Key
) -> LicenceActivationRow:
    logged = event.logged
    match event.fact:
        case Licence.Activated() as fact:
            return {
                "tenant_id": logged.tenant_id,
                "activation_id": UUID(fact.activation_id),
                "licence_id": logged.stream_id,
                "instance": fact.instance,
                "activated_at": logged.recorded_at,
                "released_at": None,
                "created_by": logged.actor,
                "version": logged.version,
            }
        case Licence.Released():
            return {**present(row), "released_at": logged.recorded_at, "version": logged.version}
        case _:
            raise UnexpectedEvent(logged.topic)


LICENCES = Projection(
    name="licences",
    version=1,
    row=LicenceRow,
    key=("tenant_id", "licence_id"),
    stream_column="licence_id",
    aggregate=Licence,
    events=(
        Licence.Created,
        Licence.Renewed,
        Licence.Revoked,
        Licence.Activated,
        Licence.Released,
        Licence.Expired,
    ),
    keys=stream_key,
    evolve=evolve,
    own=BEGUN_BY_PERSON,
)
LICENCE_ACTIVATIONS = Projection(
    name="licence_activations",
    version=1,
    row=LicenceActivationRow,
    key=("tenant_id", "licence_id", "activation_id"),
    stream_column="licence_id",
    aggregate=Licence,
    events=(Licence.Activated, Licence.Released),
    keys=activation_keys,
    evolve=evolve_activation,
    own=BEGUN_BY_PERSON,
)
