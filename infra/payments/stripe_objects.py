"""What Stripe's objects mean to us. They are read as JSON, for only a few of their members concern
us, and whatever else is in them (names, addresses, the end of a card's number) goes no further.
"""

from typing import Any, cast
from uuid import UUID

from commands.payment_port import (
    Charge,
    ChargeStatus,
    Checkout,
    CheckoutStatus,
    ProviderEvent,
)
from domain.identifiers import TenantId
from infra.payments.stripe_amounts import from_stripe

Members = dict[str, Any]

# What we write into each object, and know it by again.
TENANT, PAYMENT, ATTEMPT = "agentledger_tenant", "agentledger_payment", "agentledger_attempt"

_CHARGE_STATUSES: dict[str, ChargeStatus] = {
    "succeeded": "succeeded",
    "processing": "processing",
    # Nobody is there who could answer what the bank asks.
    "requires_action": "failed",
    "requires_payment_method": "failed",
    "canceled": "cancelled",
}
_CHECKOUT_STATUSES: dict[str, CheckoutStatus] = {"complete": "complete", "expired": "expired"}
_ABOUT_CHECKOUTS = "checkout.session."
_ABOUT_INTENTS = "payment_intent."
_ABOUT_CHARGES = "charge."


def charge_of(intent: Members) -> Charge:
    """Of a payment intent, with `latest_charge` expanded where refunds matter."""
    metadata, currency = _metadata(intent), str(intent["currency"]).upper()
    latest, error = intent.get("latest_charge"), intent.get("last_payment_error")
    refunded = _members(latest).get("amount_refunded") or 0
    code = _failure_code(_members(error))
    status = _CHARGE_STATUSES.get(str(intent["status"]), "open")
    if status == "failed" and code is None:
        code = str(intent["status"])
    return Charge(
        reference=str(intent["id"]),
        status=status,
        amount=from_stripe(int(intent["amount"]), currency),
        currency=currency,
        refunded=from_stripe(int(refunded), currency),
        tenant_id=_tenant(metadata),
        payment_id=_uuid(metadata.get(PAYMENT)),
        attempt=_number(metadata.get(ATTEMPT)),
        method_id=_id(intent.get("payment_method")),
        failure_code=code,
    )


def checkout_of(session: Members) -> Checkout:
    """Of a session with `payment_intent.latest_charge` and `setup_intent` expanded."""
    metadata = _metadata(session)
    intent, setup = session.get("payment_intent"), session.get("setup_intent")
    charge = charge_of(cast("Members", intent)) if isinstance(intent, dict) else None
    method = _members(setup).get("payment_method") if charge is None else charge.method_id
    return Checkout(
        checkout_id=str(session["id"]),
        status=_CHECKOUT_STATUSES.get(str(session.get("status")), "open"),
        tenant_id=_tenant(metadata),
        payment_id=_uuid(metadata.get(PAYMENT)),
        charge=charge,
        method_id=_id(method),
    )


def event_of(event: Members) -> ProviderEvent:
    """Raises KeyError, TypeError, ValueError for what is no event."""
    event_id, kind = str(event["id"]), str(event["type"])
    about = cast("Members", event["data"]["object"])
    tenant_id = _tenant(_metadata(about))
    if tenant_id is not None and kind.startswith(_ABOUT_CHECKOUTS):
        return ProviderEvent(event_id, kind, "checkout", str(about["id"]), tenant_id)
    reference = None
    if kind.startswith(_ABOUT_INTENTS):
        reference = about["id"]
    elif kind.startswith(_ABOUT_CHARGES):
        reference = about.get("payment_intent")
    if tenant_id is not None and reference is not None:
        return ProviderEvent(event_id, kind, "charge", str(_id(reference)), tenant_id)
    return ProviderEvent(event_id, kind, None, "", None)


def _failure_code(error: Members) -> str | None:
    """The bank's reason where it gave one: `insufficient_funds` says more than `card_declined`."""
    code = error.get("decline_code") or error.get("code")
    return None if code is None else str(code)[:100]


def _metadata(thing: Members) -> Members:
    return _members(thing.get("metadata"))


def _members(thing: object) -> Members:
    """None of what is not expanded, or not there."""
    return cast("Members", thing) if isinstance(thing, dict) else {}


def _id(thing: object) -> str | None:
    """Of what is expanded, or of its id."""
    if isinstance(thing, dict):
        return str(cast("Members", thing)["id"])
    return None if thing is None else str(thing)


def _tenant(metadata: Members) -> TenantId | None:
    tenant_id = _uuid(metadata.get(TENANT))
    return None if tenant_id is None else TenantId(tenant_id)


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None


def _number(text: object) -> int | None:
    return int(str(text)) if str(text).isdecimal() else None
