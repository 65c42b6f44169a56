"""PaymentAccount: what a provider of payments knows a tenant by. One stream per tenant, so that two
who pay for the first time at once make one customer.

It holds names that the provider gave, and nothing that money could be taken with: a card is known
to the provider alone.
"""

from datetime import datetime, timedelta
from uuid import UUID, uuid5

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import OverLimit
from domain.identifiers import StreamId, TenantId

# All tenants share what the provider lets us ask in a second.
PAGES_MAX = 20
PAGES_WITHIN = timedelta(hours=1)


class TooManyPages(OverLimit):
    """Too many pages to pay at were opened in the last hour; use one of them, or wait."""

    code = "too_many_pages"


def payment_account_id(tenant_id: TenantId) -> StreamId:
    """Never changes: the stream is found by it."""
    return StreamId(uuid5(tenant_id, "payment account"))


class PaymentAccount(Aggregate):
    """method_id: the provider's name of what invoices are paid with; None: nothing was saved.
    opened_at: of the newest pages, PAGES_MAX at most.
    """

    TOPIC = "payment_account"

    class Created(Aggregate.Created):
        TOPIC = "payment_account.created"
        provider: str
        customer_id: str

    class MethodSaved(Aggregate.Event):
        """It takes the place of the one before."""

        TOPIC = "payment_account.method_saved"
        method_id: str

    class PageOpened(Aggregate.Event):
        """A page of the provider. payment_id: what is paid there; None: it only asks what with."""

        TOPIC = "payment_account.page_opened"
        checkout_id: str
        payment_id: str | None
        at: str

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        provider: str,
        customer_id: str,
    ) -> None:
        self.provider = provider
        self.customer_id = customer_id
        self.method_id: str | None = None
        self.opened_at: list[datetime] = []

    def require_room(self, now: datetime) -> None:
        """For another page. Raises TooManyPages."""
        if len(self.opened_at) >= PAGES_MAX:
            waits = self.opened_at[0] + PAGES_WITHIN - now
            if waits > timedelta(0):
                raise TooManyPages(retry_after_s=waits.total_seconds())

    def open_page(self, checkout_id: str, payment_id: UUID | None, *, now: datetime) -> None:
        paid = None if payment_id is None else str(payment_id)
        self._page_opened(checkout_id, paid, now.isoformat())

    def save_method(self, method_id: str) -> None:
        if method_id != self.method_id:
            self._method_saved(method_id)

    @event(MethodSaved)
    def _method_saved(self, method_id: str) -> None:
        self.method_id = method_id

    @event(PageOpened)
    def _page_opened(self, checkout_id: str, payment_id: str | None, at: str) -> None:  # noqa: ARG002 # the library passes the event's fields
        self.opened_at = [*self.opened_at, datetime.fromisoformat(at)][-PAGES_MAX:]
