"""PaymentAccount: what a provider of payments knows a tenant by. One stream per tenant, so that two
who pay for the first time at once make one customer.

It holds names that the provider gave, and nothing that money could be taken with: a card is known
to the provider alone.
"""

from uuid import UUID, uuid5

from eventsourcing.domain import Aggregate, event

from domain.identifiers import StreamId, TenantId


def payment_account_id(tenant_id: TenantId) -> StreamId:
    """Never changes: the stream is found by it."""
    return StreamId(uuid5(tenant_id, "payment account"))


class PaymentAccount(Aggregate):
    """method_id: the provider's name of what invoices are paid with; None: nothing was saved."""

    TOPIC = "payment_account"

    class Created(Aggregate.Created):
        TOPIC = "payment_account.created"
        provider: str
        customer_id: str

    class MethodSaved(Aggregate.Event):
        """It takes the place of the one before."""

        TOPIC = "payment_account.method_saved"
        method_id: str

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

    def save_method(self, method_id: str) -> None:
        if method_id != self.method_id:
            self._method_saved(method_id)

    @event(MethodSaved)
    def _method_saved(self, method_id: str) -> None:
        self.method_id = method_id
