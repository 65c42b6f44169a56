"""tenants."""

from domain.tenants import Tenant
from projections.fold import rows_after
from projections.tenants import TENANTS
from tests.projections.histories import a_tenant, at, the_tenant


def test_a_tenant_has_a_name() -> None:
    tenant_id = a_tenant()
    assert rows_after(TENANTS, the_tenant(tenant_id).events) == [
        {
            "tenant_id": tenant_id,
            "name": "Ada & Co",
            "created_at": at(1),
            "region": "eu",
            "time_zone": "Europe/Oslo",
            "reseller_id": None,
            "payload_days": None,
            "standing": "active",
            "suspended_at": None,
            "suspended_reason": None,
            "suspended_by": None,
            "missed_payments": [],
            "offboarding_due_at": None,
            "customers_max": 0,
            "version": 1,
        }
    ]


def test_a_tenant_keeps_payloads_as_long_as_it_said_last() -> None:
    tenant = the_tenant(a_tenant()).happens(Tenant.RetentionChanged, payload_days=30)
    (row,) = rows_after(TENANTS, tenant.events)
    assert (row["payload_days"], row["version"]) == (30, 2)
    (row,) = rows_after(TENANTS, tenant.happens(Tenant.RetentionChanged, payload_days=None).events)
    assert (row["payload_days"], row["version"]) == (None, 3)


def test_a_tenant_that_is_suspended_says_why_and_by_whom_until_it_is_resumed() -> None:
    tenant = the_tenant(a_tenant())
    tenant.happens(Tenant.Suspended, reason="unpaid", is_by_operator=True)
    (row,) = rows_after(TENANTS, tenant.events)
    assert (row["standing"], row["suspended_reason"]) == ("suspended", "unpaid")
    assert (row["suspended_at"], row["suspended_by"]) == (at(2), tenant.events[-1].actor)
    (row,) = rows_after(TENANTS, tenant.happens(Tenant.Resumed).events)
    assert (row["standing"], row["suspended_at"], row["suspended_by"]) == ("active", None, None)


def test_settings_and_the_quota_of_a_reseller_are_those_that_were_set_last() -> None:
    tenant = the_tenant(a_tenant())
    tenant.happens(Tenant.SettingsChanged, name="Ada", time_zone="UTC")
    tenant.happens(Tenant.ResellerQuotaChanged, customers_max=5)
    (row,) = rows_after(TENANTS, tenant.events)
    assert (row["name"], row["time_zone"], row["customers_max"]) == ("Ada", "UTC", 5)


def test_a_tenant_stands_still_until_all_that_it_missed_is_paid_whatever_the_operator_says() -> (
    None
):
    tenant = the_tenant(a_tenant()).happens(Tenant.PaymentMissed, payment_id="p1")
    tenant.happens(Tenant.PaymentMissed, payment_id="p2")
    tenant.happens(Tenant.Suspended, reason="too loud", is_by_operator=True)
    tenant.happens(Tenant.Resumed).happens(Tenant.PaymentRecovered, payment_id="p1")
    (row,) = rows_after(TENANTS, tenant.events)
    assert (row["standing"], row["missed_payments"]) == ("suspended", ["p2"])
    (row,) = rows_after(TENANTS, tenant.happens(Tenant.PaymentRecovered, payment_id="p2").events)
    assert (row["standing"], row["missed_payments"]) == ("active", [])
    tenant.happens(Tenant.OffboardingRequested, due_at="2026-02-01T00:00:00Z", is_by_operator=False)
    (row,) = rows_after(TENANTS, tenant.happens(Tenant.PaymentMissed, payment_id="p3").events)
    assert row["standing"] == "offboarding"
    (row,) = rows_after(TENANTS, tenant.happens(Tenant.OffboardingCancelled).events)
    assert row["standing"] == "suspended"
