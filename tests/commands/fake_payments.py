"""A provider of payments in memory: what it was asked, what its customers do, what it tells."""

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from commands.payment_port import (
    Charge,
    ChargeRequest,
    ChargeStatus,
    Checkout,
    CheckoutRequest,
    ForgedEvent,
    OpenedCheckout,
    PaymentProviderUnavailable,
    ProviderEvent,
)
from domain.identifiers import TenantId

SIGNATURE = "signed by the provider"


@dataclass
class FakePayments:
    """declines: what the next charges are declined with. is_away: nobody answers. is_slow: charges
    take days. loses_answers: so many charges are made, and nobody hears of it.
    """

    name: str = "stripe"
    declines: list[str] = field(default_factory=list[str])
    is_away: bool = False
    is_slow: bool = False
    loses_answers: int = 0
    customers: dict[tuple[TenantId, str], str] = field(
        default_factory=dict[tuple[TenantId, str], str]
    )
    checkouts: dict[str, Checkout] = field(default_factory=dict[str, Checkout])
    requests: dict[str, CheckoutRequest] = field(default_factory=dict[str, CheckoutRequest])
    made: dict[str, Charge] = field(default_factory=dict[str, Charge])
    asked: list[ChargeRequest] = field(default_factory=list[ChargeRequest])

    async def make_customer(self, tenant_id: TenantId, name: str) -> str:
        self._answer()
        return self.customers.setdefault((tenant_id, name), f"cus_{len(self.customers) + 1}")

    async def open_checkout(self, request: CheckoutRequest) -> OpenedCheckout:
        self._answer()
        checkout_id = f"cs_{len(self.checkouts) + 1}"
        self.requests[checkout_id] = request
        self.checkouts[checkout_id] = Checkout(
            checkout_id, "open", request.tenant_id, request.payment_id, None, None
        )
        url = f"https://pay.example.com/{checkout_id}"
        return OpenedCheckout(checkout_id, url, request.expires_at)

    def complete(self, checkout_id: str, method_id: str = "pm_1") -> Checkout:
        """Somebody does what the page asks for."""
        opened, request = self.checkouts[checkout_id], self.requests[checkout_id]
        charge = None
        if request.amount is not None:
            charge = self._charged(request, None, method_id, "succeeded", None)
        done = replace(opened, status="complete", charge=charge, method_id=method_id)
        self.checkouts[checkout_id] = done
        return done

    async def checkout(self, checkout_id: str) -> Checkout:
        self._answer()
        return self.checkouts[checkout_id]

    async def close_checkout(self, checkout_id: str) -> Checkout:
        self._answer()
        if self.checkouts[checkout_id].status == "open":
            self.checkouts[checkout_id] = replace(self.checkouts[checkout_id], status="expired")
        return self.checkouts[checkout_id]

    async def charge(self, request: ChargeRequest) -> Charge:
        self._answer()
        self.asked.append(request)
        same = [one for one in self.made.values() if _named(one) == _named(request)]
        if same:
            return same[0]
        code = self.declines.pop(0) if self.declines else None
        status = "failed" if code else "processing" if self.is_slow else "succeeded"
        charge = self._charged(request, request.attempt, request.method_id, status, code)
        if self.loses_answers:
            self.loses_answers -= 1
            raise PaymentProviderUnavailable
        return charge

    async def charge_of(self, reference: str) -> Charge:
        self._answer()
        return self.made[reference]

    async def charges(self, customer_id: str, *, since: datetime) -> Sequence[Charge]:
        self._answer()
        del since
        tenants = {tenant for (tenant, _), known in self.customers.items() if known == customer_id}
        return [one for one in self.made.values() if one.tenant_id in tenants]

    async def refund(self, reference: str, amount: str, currency: str, *, key: str) -> Charge:
        self._answer()
        del currency, key
        charge = self.made[reference]
        refunded = str(Decimal(charge.refunded) + Decimal(amount))
        self.made[reference] = replace(charge, refunded=refunded)
        return self.made[reference]

    async def verified(self, payload: bytes, signature: str) -> ProviderEvent:
        if not hmac.compare_digest(signature.encode(), SIGNATURE.encode()):
            raise ForgedEvent
        told = json.loads(payload)
        tenant_id = self._tenant_of(told["about"])
        about = None if tenant_id is None else told["subject"]
        return ProviderEvent(told["id"], told["kind"], about, told["about"], tenant_id)

    @property
    def taken(self) -> Decimal:
        """All that was really taken."""
        done = [one for one in self.made.values() if one.status == "succeeded"]
        return sum((Decimal(one.amount) for one in done), Decimal(0))

    def _charged(
        self,
        request: ChargeRequest | CheckoutRequest,
        attempt: int | None,
        method_id: str,
        status: ChargeStatus,
        code: str | None,
    ) -> Charge:
        assert request.amount is not None
        charge = Charge(
            reference=f"pi_{len(self.made) + 1}",
            status=status,
            amount=request.amount,
            currency=request.currency,
            refunded="0",
            tenant_id=request.tenant_id,
            payment_id=request.payment_id,
            attempt=attempt,
            method_id=method_id,
            failure_code=code,
        )
        self.made[charge.reference] = charge
        return charge

    def _tenant_of(self, about: str) -> TenantId | None:
        known = self.checkouts.get(about) or self.made.get(about)
        return None if known is None else known.tenant_id

    def _answer(self) -> None:
        if self.is_away:
            raise PaymentProviderUnavailable


def an_event(event_id: str, kind: str, subject: str, about: str) -> bytes:
    """What the provider sends, for FakePayments.verified. subject: `charge` or `checkout`."""
    told = {"id": event_id, "kind": kind, "subject": subject, "about": about}
    return json.dumps(told).encode()


def _named(one: Charge | ChargeRequest) -> tuple[object, object]:
    return one.payment_id, one.attempt
