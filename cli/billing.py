"""Assembles the billing saga: for workers, and for who closes a month by hand."""

from cli.payments import build_payments
from commands.ports import Clock, Ports
from infra.admission import EveryoneAdmitted
from infra.billing_facts import PostgresBilling
from infra.billing_rows import PostgresBillingTimers
from infra.runtime import Runtime
from infra.secrets_source import SecretsSource
from sagas.billing import BillingSaga


async def build_billing(runtime: Runtime, clock: Clock | None = None) -> BillingSaga:
    """About tenants that may not act themselves, too. clock: of a day that is simulated."""
    database, keys = await runtime.database("api"), await runtime.data_keys("api")
    ports = Ports(
        await runtime.event_store("api"),
        clock or runtime.clock,
        runtime.ids,
        SecretsSource(bcrypt_cost=runtime.settings.bcrypt_cost),
        EveryoneAdmitted(),
        sealing=keys,
        billing=PostgresBilling(database, keys),
        payments=build_payments(runtime),
    )
    return BillingSaga(
        PostgresBillingTimers(await runtime.database("worker")),
        ports,
        f"worker:{runtime.name}",
        poll_s=runtime.settings.worker_billing_poll_s,
    )
