"""Stripe as the provider of payments, through its own SDK.

Stripe collects and knows the cards; what is owed, and by whom, it learns from us with each call.
Objects are known again by their metadata, so nothing is lost when an answer is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import orjson
from pydantic import SecretStr

from commands.http_port import Http
from commands.payment_port import (
    Charge,
    ChargeRequest,
    Checkout,
    CheckoutRequest,
    ForgedEvent,
    OpenedCheckout,
    PaymentProviderRefused,
    ProviderEvent,
)
from domain.identifiers import TenantId
from infra.crash_points import reach
from infra.payments.stripe_amounts import to_stripe
from infra.payments.stripe_objects import (
    ATTEMPT,
    PAYMENT,
    TENANT,
    Members,
    charge_of,
    checkout_of,
    event_of,
)
from infra.payments.stripe_sdk import StripeSdk, import_sdk

CHARGES_MAX = 100
# Of an event's signature: older ones may be somebody's recording.
TOLERANCE_S = 300
_OF_CHARGES = ["latest_charge"]
_OF_CHECKOUTS = ["payment_intent.latest_charge", "setup_intent"]


@dataclass(frozen=True, slots=True)
class StripeSettings:
    """webhook_secrets: all of them count, so that one can be replaced."""

    api_key: SecretStr
    webhook_secrets: Sequence[SecretStr]
    api_base: str


class StripePayments:
    """Implements commands.payment_port.PaymentProvider."""

    name = "stripe"

    def __init__(self, settings: StripeSettings, http: Http) -> None:
        self._settings = settings
        self._http = http
        self._sdk: StripeSdk | None = None

    async def make_customer(self, tenant_id: TenantId, name: str) -> str:
        params = {"name": name, "metadata": {TENANT: str(tenant_id)}}
        # The same key with another name would be refused.
        key = {"idempotency_key": f"customer-{uuid5(tenant_id, name)}"}
        made = await self._ask(lambda stripe: stripe.customers.create_async(params, key))
        return str(made["id"])

    async def open_checkout(self, request: CheckoutRequest) -> OpenedCheckout:
        metadata = _metadata(request.tenant_id, request.payment_id)
        params: Members = {
            "customer": request.customer_id,
            "success_url": request.success_url,
            "cancel_url": request.cancel_url,
            "metadata": metadata,
        }
        if request.amount is None:
            params |= {"mode": "setup", "currency": request.currency.lower()}
            params["setup_intent_data"] = {"metadata": metadata}
        else:
            params |= {"mode": "payment", "line_items": [_line(request, request.amount)]}
            params["expires_at"] = int(request.expires_at.timestamp())
            params["payment_intent_data"] = {
                "metadata": metadata,
                "setup_future_usage": "off_session",
            }
        key = {"idempotency_key": request.key}
        made = await self._ask(lambda stripe: stripe.checkout.sessions.create_async(params, key))
        expires_at = datetime.fromtimestamp(int(made["expires_at"]), UTC)
        return OpenedCheckout(str(made["id"]), str(made["url"]), expires_at)

    async def checkout(self, checkout_id: str) -> Checkout:
        wanted = {"expand": _OF_CHECKOUTS}
        found = await self._ask(
            lambda stripe: stripe.checkout.sessions.retrieve_async(checkout_id, wanted)
        )
        return checkout_of(found)

    async def close_checkout(self, checkout_id: str) -> Checkout:
        # Only an open one can be closed; what it is instead is asked then.
        with suppress(PaymentProviderRefused):
            await self._ask(lambda stripe: stripe.checkout.sessions.expire_async(checkout_id))
        return await self.checkout(checkout_id)

    async def charge(self, request: ChargeRequest) -> Charge:
        metadata = _metadata(request.tenant_id, request.payment_id)
        params: Members = {
            "amount": to_stripe(request.amount, request.currency),
            "currency": request.currency.lower(),
            "customer": request.customer_id,
            "payment_method": request.method_id,
            "off_session": True,
            "confirm": True,
            "description": request.description,
            "metadata": {**metadata, ATTEMPT: str(request.attempt)},
        }
        key = {"idempotency_key": f"payment-{request.payment_id}-{request.attempt}"}
        intent = await self._ask(lambda stripe: stripe.payment_intents.create_async(params, key))
        reach("payments.after_charge")
        return charge_of(intent)

    async def charge_of(self, reference: str) -> Charge:
        wanted = {"expand": _OF_CHARGES}
        return charge_of(
            await self._ask(lambda stripe: stripe.payment_intents.retrieve_async(reference, wanted))
        )

    async def charges(self, customer_id: str, *, since: datetime) -> Sequence[Charge]:
        params: Members = {
            "customer": customer_id,
            "created": {"gte": int(since.timestamp())},
            "limit": CHARGES_MAX,
        }
        listed = await self._ask(lambda stripe: stripe.payment_intents.list_async(params))
        return [charge_of(intent) for intent in listed["data"]]

    async def refund(self, reference: str, amount: str, currency: str, *, key: str) -> Charge:
        params: Members = {
            "payment_intent": reference,
            "amount": to_stripe(amount, currency),
        }
        named = {"idempotency_key": key}
        await self._ask(lambda stripe: stripe.refunds.create_async(params, named))
        return await self.charge_of(reference)

    async def verified(self, payload: bytes, signature: str) -> ProviderEvent:
        sdk = await self._imported()
        if not any(
            _is_signed(sdk, payload, signature, secret) for secret in self._settings.webhook_secrets
        ):
            raise ForgedEvent
        try:
            return event_of(orjson.loads(payload))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ForgedEvent from None

    async def _ask(self, call: Callable[[Any], Awaitable[Any]]) -> Members:
        """The object that Stripe answers with, as JSON."""
        sdk = await self._imported()
        with sdk.failures_named():
            try:
                answer = await call(sdk.client)
            except sdk.module.CardError as error:
                intent = sdk.declined(error)
                if intent is None:
                    raise
                return intent
        return answer.to_dict()

    async def _imported(self) -> StripeSdk:
        if self._sdk is None:
            settings = self._settings
            self._sdk = await asyncio.to_thread(
                import_sdk, settings.api_key.get_secret_value(), settings.api_base, self._http
            )
        return self._sdk


def _is_signed(sdk: StripeSdk, payload: bytes, signature: str, secret: SecretStr) -> bool:
    try:
        sdk.module.WebhookSignature.verify_header(
            payload, signature, secret.get_secret_value(), TOLERANCE_S
        )
    except (sdk.module.SignatureVerificationError, ValueError, TypeError):
        # The latter for bytes that are no text, and characters that no signature has.
        return False
    return True


def _line(request: CheckoutRequest, amount: str) -> Members:
    return {
        "quantity": 1,
        "price_data": {
            "currency": request.currency.lower(),
            "unit_amount": to_stripe(amount, request.currency),
            "product_data": {"name": request.description},
        },
    }


def _metadata(tenant_id: TenantId, payment_id: UUID | None) -> dict[str, str]:
    told = {TENANT: str(tenant_id)}
    return told if payment_id is None else {**told, PAYMENT: str(payment_id)}
