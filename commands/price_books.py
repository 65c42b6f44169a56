"""Publishing prices: the operator's for everybody, for who is on a plan, or for one tenant."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy
from commands.price_port import PublishedPrices
from domain.identifiers import PLATFORM, JsonObject, TenantId
from domain.plans import Plan, PlanNotFound
from domain.price_books import PriceBook, price_book_id
from domain.tenants import Tenant, TenantNotFound


@dataclass(frozen=True, slots=True)
class PublishPrices(Command):
    """of_tenant, of_plan: whose; neither is the platform's book. prices: model -> meter -> price,
    as events have it. margin: a decimal string. effective_from: None is now.
    """

    requires: ClassVar[str] = "prices:write"

    of_tenant: UUID | None
    prices: JsonObject
    margin: str = "0"
    effective_from: datetime | None = None
    of_plan: UUID | None = None

    def subject(self, own: TenantId | None) -> TenantId:
        """The operator belongs to no tenant, and plans are the platform's."""
        del own
        return PLATFORM if self.of_tenant is None else TenantId(self.of_tenant)


async def publish_prices(command: PublishPrices, on: Tenancy) -> Decided:
    if command.of_tenant is not None:
        on.keep(await on.load(Tenant, on.tenant_id, TenantNotFound))
    elif command.of_plan is not None:
        on.keep(await on.load(Plan, command.of_plan, PlanNotFound))
    book_id = price_book_id(command.of_plan or on.tenant_id)
    book = await on.ports.events.load(PriceBook, book_id, on.tenant_id)
    if book is None:
        book = on.begin(PriceBook, book_id, owner=_owner(command))
    now = on.ports.clock.now()
    since = command.effective_from or now
    number = book.publish(command.prices, margin=command.margin, effective_from=since, now=now)
    return Decided(
        result={
            "price_book_id": str(book_id),
            "version": number,
            "effective_from": since.isoformat(),
        },
        aggregates=(book,),
        side_rows=(PublishedPrices(book_id, number),),
    )


def _owner(command: PublishPrices) -> str:
    """As facts name it."""
    if command.of_plan is not None:
        return f"plan/{command.of_plan}"
    return "platform" if command.of_tenant is None else "tenant"
