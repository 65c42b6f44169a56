"""A tenant that is billed, and what happens to its invoices."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import sagas.billing
from commands.authorization import Caller
from commands.billing_accounts import SetBillingTerms
from commands.tenants import CreateTenant
from domain.billing_accounts import Terms
from domain.identifiers import TenantId
from domain.invoices import Invoice, invoice_id
from sagas.billing import BillingSaga
from tests.commands.fake_billing import FakeBillingTimers
from tests.commands.fakes import NOON, World

ACME = CreateTenant("Acme", "Ada@Example.com", "correct horse battery")
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DEATHS = ("billing.after_claim", "billing.before_append", "billing.after_append")


class Died(BaseException):
    """A worker, where it was told to."""


@contextmanager
def dying_at(point: str, times: int = 1) -> Iterator[None]:
    """When it is there for so many times."""
    left = times

    def reach(reached: str) -> None:
        nonlocal left
        left -= reached == point
        if reached == point and left == 0:
            raise Died

    real, sagas.billing.reach = sagas.billing.reach, reach
    try:
        yield
    finally:
        sagas.billing.reach = real


USUAL = Terms("EUR", "0.5", None, {"default": "19"}, 14, 86400)


class Billed:
    """From noon of 21 November on, in EUR at 0.5 of a USD, 19 % tax, with a day of grace. issuer:
    who made it and its terms.
    """

    def __init__(self, world: World, tenant_id: TenantId, issuer: Caller) -> None:
        self.world = world
        self.tenant_id = tenant_id
        self.issuer = issuer
        self.timers = FakeBillingTimers(world.store)
        self.saga = BillingSaga(self.timers, world.ports, "worker:1", poll_s=1)

    @classmethod
    async def begun(
        cls, world: World, issuer: Caller | None = None, terms: Terms = USUAL
    ) -> "Billed":
        issuer = issuer or world.operator
        made = await world.when(ACME, caller=issuer)
        tenant_id = TenantId(UUID(str(made.result["tenant_id"])))
        await world.when(SetBillingTerms(tenant_id, *terms), caller=issuer)
        return cls(world, tenant_id, issuer)

    async def until(self, now: datetime) -> None:
        self.world.clock.time = now
        while await self.saga.work_once():
            pass

    async def issued(self) -> Invoice:
        """The first invoice, of 1 EUR and tax."""
        self.world.billing.used(self.tenant_id, NOON)
        self.world.billing.used(self.tenant_id, NOON, model="offline/script")
        await self.until(DECEMBER)
        await self.until(DECEMBER + DAY)
        return await self.invoice()

    async def invoice(self, start: datetime = NOON) -> Invoice:
        found = await self.world.store.load(
            Invoice, invoice_id(self.tenant_id, start), self.tenant_id
        )
        assert found is not None
        return found
