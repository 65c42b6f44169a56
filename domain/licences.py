"""Licence: what a reseller promises a customer of its own, for so many seats and so long. Signed
documents say so to anybody, without asking us; each renewal is a document with the next serial.

    issued ──► expired ──► renewed ...
       │
       └──► revoked    for ever: no document of it counts, whatever its serial

A document that promised more than the newest one is revoked by its serial when it is replaced.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound, Refused
from domain.identifiers import JsonObject

SEATS_MAX = 10_000
RENEWALS_MAX = 1_000


class LicenceNotFound(NotFound):
    """There is no such licence."""


class ActivationNotFound(NotFound):
    """This licence has no such activation."""


class LicenceRevoked(Refused):
    """This licence is revoked."""

    code = "licence_revoked"


class LicenceOver(Refused):
    """This licence has expired."""

    code = "licence_expired"


class LicenceNotBegun(Refused):
    """This licence is not valid yet."""

    code = "licence_not_begun"


class NoSeatLeft(Refused):
    """Every seat of this licence is taken; release one."""

    code = "no_seat_left"


class TooManyRenewals(Refused):
    """This licence was renewed as often as it can be."""

    code = "too_many_renewals"


class Licence(Aggregate):
    TOPIC = "licence"

    class Created(Aggregate.Created):
        """issuer_name, licensee, product: as the document names them. starts_at, expires_at,
        issued_at: RFC 3339.
        """

        TOPIC = "licence.created"
        issuer_name: str
        licensee: str
        product: str
        seats: int
        starts_at: str
        expires_at: str
        issued_at: str

    class Renewed(Aggregate.Event):
        """serial: of the new document."""

        TOPIC = "licence.renewed"
        serial: int
        seats: int
        expires_at: str
        issued_at: str

    class Revoked(Aggregate.Event):
        TOPIC = "licence.revoked"
        reason: str

    class Activated(Aggregate.Event):
        """instance: what takes the seat, as the issuer names it."""

        TOPIC = "licence.activated"
        activation_id: str
        instance: str

    class Released(Aggregate.Event):
        TOPIC = "licence.released"
        activation_id: str

    class Expired(Aggregate.Event):
        TOPIC = "licence.expired"
        at: str

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        issuer_name: str,
        licensee: str,
        product: str,
        seats: int,
        starts_at: str,
        expires_at: str,
        issued_at: str,
    ) -> None:
        self.issuer_name = issuer_name
        self.licensee = licensee
        self.product = product
        self.seats = seats
        self.starts_at = datetime.fromisoformat(starts_at)
        self.expires_at = datetime.fromisoformat(expires_at)
        self.issued_at = datetime.fromisoformat(issued_at)
        self.serial = 1
        # Until when any document of it could count.
        self.last_expires_at = self.expires_at
        self.is_revoked = False
        self.is_expired = False
        self.activations: dict[str, str] = {}

    @property
    def status(self) -> Literal["issued", "expired", "revoked"]:
        if self.is_revoked:
            return "revoked"
        return "expired" if self.is_expired else "issued"

    @property
    def due_at(self) -> datetime | None:
        """When it expires, if it has not."""
        return None if self.is_revoked or self.is_expired else self.expires_at

    def renew(self, *, seats: int | None, expires_at: datetime, now: datetime) -> bool:
        """seats: None leaves them. Whether the documents before are revoked, because they promise
        more. Raises LicenceRevoked, TooManyRenewals.
        """
        self.expire(now)
        if self.is_revoked:
            raise LicenceRevoked
        if self.serial > RENEWALS_MAX:
            raise TooManyRenewals(renewals_max=RENEWALS_MAX)
        seats = self.seats if seats is None else seats
        promised_more = seats < self.seats or expires_at < self.expires_at
        self._renewed(self.serial + 1, seats, expires_at.isoformat(), now.isoformat())
        return promised_more

    def revoke(self, reason: str) -> None:
        if not self.is_revoked:
            self._revoked(reason)

    def activate(self, activation_id: str, instance: str, now: datetime) -> str:
        """Takes a seat, and returns the activation that has it: the same one for the same instance.
        Raises LicenceRevoked, LicenceNotBegun, LicenceOver, NoSeatLeft.
        """
        self.expire(now)
        if self.is_revoked:
            raise LicenceRevoked
        if now < self.starts_at:
            raise LicenceNotBegun(starts_at=self.starts_at.isoformat())
        if self.is_expired:
            raise LicenceOver(expires_at=self.expires_at.isoformat())
        known = (one for one, name in self.activations.items() if name == instance)
        held = next(known, None)
        if held is not None:
            return held
        if len(self.activations) >= self.seats:
            raise NoSeatLeft(seats=self.seats)
        self._activated(activation_id, instance)
        return activation_id

    def release(self, activation_id: str) -> None:
        """Raises ActivationNotFound."""
        if activation_id not in self.activations:
            raise ActivationNotFound
        self._released(activation_id)

    def expire(self, now: datetime) -> None:
        if self.due_at is not None and self.due_at <= now:
            self._expired(self.due_at.isoformat())

    @event(Renewed)
    def _renewed(self, serial: int, seats: int, expires_at: str, issued_at: str) -> None:
        self.serial = serial
        self.seats = seats
        self.expires_at = datetime.fromisoformat(expires_at)
        self.issued_at = datetime.fromisoformat(issued_at)
        self.last_expires_at = max(self.last_expires_at, self.expires_at)
        self.is_expired = False

    @event(Revoked)
    def _revoked(self, reason: str) -> None:  # noqa: ARG002 # only read models tell it
        self.is_revoked = True

    @event(Activated)
    def _activated(self, activation_id: str, instance: str) -> None:
        self.activations[activation_id] = instance

    @event(Released)
    def _released(self, activation_id: str) -> None:
        del self.activations[activation_id]

    @event(Expired)
    def _expired(self, at: str) -> None:  # noqa: ARG002 # the library passes the event's fields
        self.is_expired = True


def licence_claims(licence: Licence, issuer_id: UUID) -> JsonObject:
    """What its newest document says (RFC 7519)."""
    return {
        "iss": str(issuer_id),
        "issuer_name": licence.issuer_name,
        "sub": str(licence.id),
        "licensee": licence.licensee,
        "product": licence.product,
        "seats": licence.seats,
        "serial": licence.serial,
        "iat": int(licence.issued_at.timestamp()),
        "nbf": int(licence.starts_at.timestamp()),
        "exp": int(licence.expires_at.timestamp()),
    }
