"""A tenant with budgets, on the real database."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from commands.budget_port import DueAlert, KnownBudgets, StoredBudget
from commands.ports import Ports
from domain.budget_rules import Counter
from domain.budgets import Budget
from domain.embedding_calls import EmbeddingCall, Purpose
from domain.envelope import Envelope
from domain.execution_outcomes import complete_node
from domain.executions import Execution
from domain.identifiers import Json, JsonObject, TenantId
from domain.node_types import Usage
from domain.usage import Metered
from infra.admission import EveryoneAdmitted
from infra.budget_alerts import PostgresBudgetAlerts
from infra.budget_verification import verify_budgets
from infra.clock import SystemClock
from infra.mail_outbox import SealedMailbox
from infra.postgres import Database
from infra.secrets_source import SecretsSource
from infra.users import PostgresUsers
from sagas.budget_alerts import BudgetAlertSaga
from tests.commands.event_store_contract import an_execution
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS


class _Unleased:
    """Two workers get the same ones, as when a lease has run out."""

    def __init__(self, database: Database) -> None:
        self._alerts = PostgresBudgetAlerts(database)

    async def claim(self, lease_s: float, limit: int) -> Sequence[DueAlert]:  # noqa: ARG002 # the port's
        return await self._alerts.claim(0, limit)


class Tenant:
    """Of its own for each test, so that they share a database."""

    def __init__(self, parts: Parts, owner: AsyncConnection) -> None:
        self.parts, self.owner = parts, owner
        self.id = TenantId(IDS.new())
        self.revision = 0
        self.envelope = Envelope(self.id, "worker:test")

    async def budget(self, limit: int, **told: Any) -> Counter:
        """The counter of a new budget."""
        keeper = told.pop("keeper", "tenant")
        facts: dict[str, Any] = {
            "scope_type": "tenant",
            "scope_id": None,
            "period": "total",
            "window_s": None,
            "time_zone": "UTC",
        }
        facts |= {name: told.pop(name) for name in list(told) if name in facts}
        columns = {"is_hard": True, "notify_at": [], "allows_unpriced": False, **told}
        budget = Budget._create(
            Budget.Created,
            id=IDS.new(),
            **facts,
            limit_usd_pico=limit,
            mode="hard",
            notify_at=columns["notify_at"],
            unpriced="refuse",
            keeper=keeper,
        )
        row = StoredBudget(
            budget.id, {**facts, **columns, "limit_usd_pico": limit, "keeper": keeper}
        )
        await self.parts.store.append([budget], self.envelope, side_rows=[row])
        self.revision += 1
        return Counter(str(budget.id), None, None)

    async def call(
        self, usd_pico: int, counters: Sequence[Counter], *, known: int | None = None
    ) -> Execution:
        """A run whose one call holds so much. Raises BudgetExceeded, BudgetsChanged."""
        run = an_execution({})
        told: list[Json] = [[*counter.told()] for counter in counters]
        reserved: JsonObject = {"usd_pico": usd_pico, "tokens_max": 1, "counters": told}
        run.trigger_event(Execution.Started)
        run.trigger_event(
            Execution.NodeStarted,
            path="call",
            node_type="llm",
            attempt=1,
            request={},
            idempotency_key="k",
            reserved=reserved,
        )
        row = KnownBudgets(self.revision if known is None else known, {})
        await self.parts.store.append([run], self.envelope, side_rows=[row])
        return run

    async def ends(self, run: Execution, cost: int) -> None:
        usage = Usage("m", metered=metered(cost), cost_usd_pico=cost)
        complete_node(run, "call", 1, {"text": ""}, usage=usage)
        await self.parts.store.append([run], self.envelope)

    async def standing(self, counter: Counter) -> tuple[int, int]:
        """Spent, held."""
        cursor = await self.owner.execute(
            "SELECT coalesce(sum(spent), 0)::bigint, coalesce(sum(reserved), 0)::bigint"
            " FROM budget_counters WHERE budget_id = %s",
            (UUID(counter.budget_id),),
        )
        row = await cursor.fetchone()
        assert row is not None
        return row

    async def told(self, counter: Counter) -> list[str]:
        """What the saga tells, by however many workers."""
        sagas = [await self.telling() for _ in range(2)]
        await asyncio.gather(*(saga.work_once() for saga in sagas))
        cursor = await self.owner.execute(
            "SELECT topic FROM events WHERE originator_id = %s AND topic <> 'budget.created'"
            " ORDER BY originator_version",
            (UUID(counter.budget_id),),
        )
        return [row[0] for row in await cursor.fetchall()]

    async def telling(self) -> BudgetAlertSaga:
        ports = Ports(
            self.parts.store,
            SystemClock(),
            IDS,
            SecretsSource(bcrypt_cost=4),
            EveryoneAdmitted(),
            users=PostgresUsers(await self.parts.database("api"), "a lookup key"),
            mailbox=SealedMailbox(self.parts.keys, IDS, has_server=True),
        )
        alerts = _Unleased(await self.parts.database("worker"))
        return BudgetAlertSaga(alerts, ports, "worker:1", 1)

    async def require_verified(self) -> None:
        checks = await verify_budgets(self.owner, self.parts.seals.opened)
        assert {check.name: check.violations for check in checks if not check.ok} == {}


EMBEDDED = Usage(
    "m",
    tokens_in=7,
    cost_usd_pico=140_000,
    metered=Metered("m", "p", None, "provider", "b", [["embedding_tokens", 7, 140_000]]),
)


def an_embedding(
    purpose: Purpose, usd_pico: int = 0, counters: Sequence[Counter] = ()
) -> EmbeddingCall:
    """The intent of a call that holds so much of each."""
    told: list[Json] = [[*counter.told()] for counter in counters]
    reserved: JsonObject = {"usd_pico": usd_pico, "tokens_max": 0, "counters": told}
    return EmbeddingCall(
        id=IDS.new(),
        purpose=purpose,
        model="m",
        happened_at="2026-01-01T00:00:00+00:00",
        created_by="user:ada",
        reserved=reserved if told else None,
        usage=None,
        counters=[],
    )


def metered(cost: int | None) -> Metered:
    return Metered("m", "p", None, "provider", "", [["requests", 1, cost]])
