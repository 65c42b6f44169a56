"""What a provider of payments knows a tenant by."""

from uuid import UUID

from domain.identifiers import TenantId
from domain.payments import PaymentAccount, payment_account_id

TENANT = TenantId(UUID(int=7))


def an_account() -> PaymentAccount:
    return PaymentAccount(id=payment_account_id(TENANT), provider="stripe", customer_id="cus_1")


def test_what_is_saved_last_is_paid_with() -> None:
    account = an_account()
    account.save_method("pm_1")
    account.save_method("pm_2")
    account.save_method("pm_2")
    assert account.method_id == "pm_2"
    assert account.version == 3
