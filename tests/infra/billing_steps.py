"""Billing on a real database, by a clock that tests move."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from commands.authorization import Caller
from commands.billing_accounts import SetBillingTerms
from commands.bulk_port import ExecutionSearch
from commands.dispatch import Dispatcher, Origin
from commands.plan_port import NobodyLimited
from commands.ports import Ports
from commands.tenants import CreateTenant
from domain.envelope import Envelope
from domain.identifiers import TenantId
from domain.invoices import Invoice, invoice_id
from domain.usage_events import UsageEvent, usage_event_id
from infra.admission import EveryoneAdmitted
from infra.billing_facts import PostgresBilling
from infra.billing_rows import PostgresBillingTimers
from infra.postgres import Database
from infra.price_books import StoredPrices
from infra.secrets_source import SecretsSource
from sagas.billing import BillingSaga
from tests.commands.fakes import FakeClock, World
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS
from tests.projections.histories import USAGE

USED_AT = datetime(2026, 11, 22, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


async def append(parts: Parts, tenant_id: TenantId, *aggregates: Any, **rows: Any) -> None:
    await parts.store.append(list(aggregates), Envelope(tenant_id, "test"), **rows)


def sent(tenant_id: TenantId, event_id: str, happened_at: str, cost: int = 10**12) -> UsageEvent:
    return UsageEvent._create(
        UsageEvent.Created,
        id=usage_event_id(tenant_id, "/printers", event_id),
        source="/printers",
        event_id=event_id,
        meter="pages",
        subject=None,
        happened_at=happened_at,
        data={},
        counters=[],
        fingerprint="0" * 64,
        usage={**USAGE["usage"], "source": "sent", "lines": [["pages", 5, cost]]},
    )


class Installation:
    """Billing on the real store, by a clock that tests move. worker_ports: of another process,
    which keeps what it has loaded.
    """

    def __init__(
        self, parts: Parts, billing: PostgresBilling, search: ExecutionSearch | None = None
    ) -> None:
        self.parts = parts
        self.workers: Database | None = None
        self.clock = FakeClock()
        secrets = SecretsSource(bcrypt_cost=4)
        world = World()
        self.ports = Ports(
            parts.store,
            self.clock,
            IDS,
            secrets,
            EveryoneAdmitted(),
            sealing=parts.keys,
            billing=billing,
            users=world.users,
            search=search,
            prices=StoredPrices(parts.store, NobodyLimited()),
        )
        self.worker_ports = replace(self.ports, events=parts.new_store())
        self.operator = world.operator
        self.dispatcher = Dispatcher(self.ports)

    async def tenant(self) -> TenantId:
        create = CreateTenant("Acme", f"{IDS.new()}@example.com", "correct horse battery")
        return TenantId(UUID((await self.done(create))["tenant_id"]))

    async def billed_tenant(
        self, currency: str = "USD", usd_rate: str = "1", **taxes: str
    ) -> TenantId:
        tenant_id = await self.tenant()
        await self.done(SetBillingTerms(tenant_id, currency, usd_rate, None, taxes, 14, 60))
        return tenant_id

    async def done(self, command: Any, caller: Caller | None = None) -> Any:
        origin = Origin(IDS.new())
        return (await self.dispatcher.dispatch(command, caller or self.operator, origin)).result

    async def saga(self) -> BillingSaga:
        """Of a worker that has just begun."""
        if self.workers is None:
            self.workers = await self.parts.database("worker")
        timers = PostgresBillingTimers(self.workers)
        return BillingSaga(timers, self.worker_ports, "worker:1", poll_s=1)

    async def until(self, now: datetime) -> None:
        """Every step that is due by then is taken."""
        self.clock.time = now
        saga = await self.saga()
        while await saga.work_once():
            pass

    async def invoice(self, tenant_id: TenantId, start: datetime) -> Invoice:
        found = await self.parts.store.load(Invoice, invoice_id(tenant_id, start), tenant_id)
        assert found is not None
        return found
