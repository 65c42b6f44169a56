"""Histories of what tenants pay for."""

from domain.credits import CreditAccount
from domain.identifiers import JsonObject, TenantId
from domain.licences import Licence
from domain.payments import Payment
from domain.subscriptions import Subscription
from tests.projections.histories import IDS, Stream, a_tenant

TERMS: JsonObject = {
    "interval": "month",
    "recurring_usd": "49",
    "minimum_usd": "0",
    "trial_days": 0,
    "included": [],
}
TEAM: JsonObject = {
    "plan_id": "00000000-0000-7000-8000-00000000aaaa",
    "plan_version": 1,
    "name": "Team",
    "terms": TERMS,
}
CLUB: JsonObject = {**TEAM, "plan_version": 2, "name": "Club", "terms": None}


def a_subscription(tenant_id: TenantId | None = None) -> Stream:
    """With a trial that is over, and another plan from the next period on."""
    stream = Stream(Subscription, tenant_id or a_tenant()).happens(Subscription.Created)
    stream.happens(
        Subscription.Started,
        plan=TEAM,
        starts_at="2026-01-01T00:00:00+00:00",
        trial_ends_at="2026-01-15T00:00:00+00:00",
        time_zone="Europe/Oslo",
    )
    stream.happens(
        Subscription.TrialStarted,
        period_start="2026-01-01T00:00:00+00:00",
        period_end="2026-01-15T00:00:00+00:00",
    )
    stream.happens(
        Subscription.PeriodStarted,
        period_start="2026-01-15T00:00:00+00:00",
        period_end="2026-02-15T00:00:00+00:00",
    )
    return stream.happens(Subscription.ChangeScheduled, plan=CLUB, at="2026-02-15T00:00:00+00:00")


def a_payment(tenant_id: TenantId | None = None) -> Stream:
    """Of an invoice: declined once, then paid in two parts, and a little given back."""
    stream = Stream(Payment, tenant_id or a_tenant()).happens(
        Payment.Created,
        purpose="invoice",
        plan_id=None,
        plan_version=None,
        invoice_id="00000000-0000-7000-8000-00000000bbbb",
        amount="49.00",
        currency="EUR",
    )
    stream.happens(Payment.Attempted, attempt=1, amount="49.00", method_id="pm_1")
    stream.happens(
        Payment.Failed,
        attempt=1,
        reference="pi_1",
        code="insufficient_funds",
        retry_at="2026-03-04T00:00:00+00:00",
    )
    stream.happens(Payment.Succeeded, **received("wire 1", "20.00", is_whole=False))
    stream.happens(Payment.Succeeded, **received("wire 2", "29.00", is_whole=True))
    return stream.happens(Payment.Refunded, reference="wire 2", amount="1.50")


def received(reference: str, amount: str, *, is_whole: bool) -> JsonObject:
    """Of a transfer."""
    return {
        "provider": "manual",
        "reference": reference,
        "attempt": None,
        "amount": amount,
        "currency": "EUR",
        "is_whole": is_whole,
        "received_at": "2026-03-03T00:00:00+00:00",
    }


def a_credit_account(tenant_id: TenantId | None = None) -> Stream:
    """25 USD that burned 5 for an invoice which was void, and 10 that came to nothing."""
    first, second, invoice = str(IDS.new()), str(IDS.new()), str(IDS.new())
    usd = 10**12
    at = {"at": "2026-01-09T00:00:00+00:00"}
    stream = Stream(CreditAccount, tenant_id or a_tenant()).happens(CreditAccount.Created)
    for grant_id, amount, expires_at in (
        (first, 25 * usd, None),
        (second, 10 * usd, "2026-01-09T00:00:00+00:00"),
    ):
        stream.happens(
            CreditAccount.Granted,
            grant_id=grant_id,
            source="promotional",
            description="welcome",
            priority=100,
            effective_at="2026-01-01T00:00:00+00:00",
            expires_at=expires_at,
            scope=None,
            postings=[["issued", -amount], [f"grant:{grant_id}", amount]],
        )
    burned = [[f"grant:{first}", -5 * usd], [f"consumed:{invoice}", 5 * usd]]
    stream.happens(CreditAccount.Burned, invoice_id=invoice, postings=burned, **at)
    back = [[f"consumed:{invoice}", -5 * usd], [f"grant:{first}", 5 * usd]]
    stream.happens(
        CreditAccount.Restored, invoice_id=invoice, reference="void", postings=back, **at
    )
    gone = [[f"grant:{second}", -10 * usd], ["expired", 10 * usd]]
    return stream.happens(CreditAccount.Expired, grant_id=second, postings=gone, **at)


def a_licence(tenant_id: TenantId | None = None) -> Stream:
    """Of five seats, of which one is taken and one was."""
    kept, gone = str(IDS.new()), str(IDS.new())
    stream = Stream(Licence, tenant_id or a_tenant())
    stream.happens(
        Licence.Created,
        issuer_name="Rita Resells",
        licensee="Acme",
        product="Suite",
        seats=5,
        starts_at="2026-01-01T00:00:00+00:00",
        expires_at="2027-01-01T00:00:00+00:00",
        issued_at="2026-01-01T00:00:00+00:00",
    )
    for activation_id, instance in ((kept, "host-1"), (gone, "host-2")):
        stream.happens(Licence.Activated, activation_id=activation_id, instance=instance)
    return stream.happens(Licence.Released, activation_id=gone)
