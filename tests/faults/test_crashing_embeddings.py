"""Texts that a paid model embeds, on a real PostgreSQL and a provider that counts its requests: a
hard budget admits exactly what it pays for, from however many services, and whoever is killed
around a call leaves nothing held that nobody can settle.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection

from cli.deadlines import build_deadlines, deadline_ports
from cli.embeddings import build_searches, build_templates
from commands.authorization import Caller
from commands.budgets import CreateBudget
from commands.decisions import Command
from commands.dispatch import Dispatcher, Origin
from commands.embedding_port import EmbeddingHeldUp
from commands.execution_usage import ImportUsageReport, ReportedUsage
from commands.price_books import PublishPrices
from commands.tenants import CreateTenant
from commands.workflows import CreateWorkflow
from domain.embedding_calls import EmbeddingCall
from domain.identifiers import JsonObject, TenantId
from domain.workflow_templates import template_text
from infra.budget_verification import verify_budgets
from infra.models import build_models
from infra.models.bounds import embedding_tokens_max
from infra.price_books import StoredPrices
from infra.runtime import Runtime, build_runtime
from infra.settings import Settings
from sagas.deadlines import DeadlineSaga
from sagas.workflow_templates import TemplateSaga
from tests.commands.steps import a_chain, an_llm
from tests.end_to_end.stack import CHEAP_HASHING
from tests.faults.crash_chains import OF_EMBEDDINGS
from tests.faults.processes import Installation
from tests.openai_server import USAGE, Answer, OpenAiServer, openai_server

pytestmark = pytest.mark.timeout(600)

ACME = CreateTenant("Acme", "ada@example.com", "correct horse battery")
OPERATOR = Caller("operator", None, frozenset(), is_operator=True)
MODEL, TOKEN_USD_PICO = "openai/embedder", 20_000
PRICES: JsonObject = {
    MODEL: {"embedding_tokens": {"kind": "unit", "usd_pico": TOKEN_USD_PICO, "per": 1}}
}
CALL_USD_PICO = USAGE["prompt_tokens"] * TOKEN_USD_PICO
TEXT, CALLS, SEARCHES = "invoices that nobody paid", 5, 12
DEFINITION = a_chain(an_llm("draft"))
WAIT_S, POLL_S = 180.0, 0.01
COUNTED = (
    "SELECT spent::bigint, reserved::bigint, overshot::bigint FROM agentledger.budget_counters"
    " WHERE tenant_id = %s"
)
TOPICS = (
    "SELECT topic FROM agentledger.events WHERE tenant_id = %s"
    " AND starts_with(topic, 'embedding_call.') ORDER BY notification_id"
)
OPEN = "SELECT count(*) FROM agentledger.deadlines WHERE tenant_id = %s AND kind = 'embedding'"
LATER = "UPDATE agentledger.deadlines SET due_at = clock_timestamp(), leased_until = '-infinity'"
AGAIN = "UPDATE agentledger.templates SET due_at = clock_timestamp()"
EMBEDDED = (
    "SELECT count(*) FROM agentledger.templates WHERE tenant_id = %s AND embedding IS NOT NULL"
)


@dataclass
class Embedding:
    """services: two, each with its own connections and memory."""

    url: str
    server: OpenAiServer
    workers: Installation
    services: tuple[Runtime, Runtime]
    dispatcher: Dispatcher
    deadlines: DeadlineSaga
    tenant_id: TenantId

    async def when(self, command: Command, *, is_operator: bool = False) -> JsonObject:
        caller = OPERATOR
        if not is_operator:
            caller = Caller("user:ada", self.tenant_id, frozenset({command.requires}))
        origin = Origin(self.services[0].ids.new())
        return (await self.dispatcher.dispatch(command, caller, origin)).result

    async def a_budget(self, limit_usd_pico: int) -> None:
        await self.when(
            CreateBudget("tenant", None, "total", None, None, limit_usd_pico, "hard", [])
        )

    async def saga(self) -> TemplateSaga:
        """In this process."""
        runtime, models = self.services[0], build_models(os.environ)
        runtime.at_close(models.aclose)
        return await build_templates(runtime, models, await prices_of(runtime))

    async def dies_at(self, point: str) -> None:
        self.do(AGAIN)
        process = self.workers.start("template", AGENTLEDGER_CRASH_AT=point)
        assert await process.ended(wait_s=WAIT_S) == -signal.SIGKILL, process.said()

    def do(self, statement: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute(statement.encode())

    def found(self, query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url, autocommit=True) as conn:
            return conn.execute(query.encode(), (self.tenant_id,)).fetchall()

    async def require_verified(self) -> None:
        async with await AsyncConnection.connect(
            self.url, autocommit=True, options="-c search_path=agentledger"
        ) as conn:
            seals = await self.services[0].event_seals("worker")
            checks = await verify_budgets(conn, seals.opened)
        assert {check.name: check.violations for check in checks if not check.ok} == {}


@pytest.fixture
async def embedding(
    database_url: str, master_key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Embedding]:
    async with openai_server() as server, AsyncExitStack() as stack:
        environment = {
            **CHEAP_HASHING,
            "AGENTLEDGER_DATABASE_URL": database_url,
            "AGENTLEDGER_MASTER_KEY": master_key,
            "AGENTLEDGER_EMBEDDING_MODEL": MODEL,
            "OPENAI_BASE_URL": server.api_base,
            "OPENAI_API_KEY": "sk-test",
        }
        for name, text in environment.items():
            monkeypatch.setenv(name, text)
        one, other = [await stack.enter_async_context(build_runtime(Settings())) for _ in range(2)]
        ports = await deadline_ports(one)
        dispatcher = Dispatcher(replace(ports, prices=await prices_of(one)))
        made = await dispatcher.dispatch(ACME, OPERATOR, Origin(one.ids.new()))
        tenant_id = TenantId(UUID(str(made.result["tenant_id"])))
        workers = Installation(environment, tmp_path)
        deadlines = await build_deadlines(one, ports)
        built = Embedding(
            database_url, server, workers, (one, other), dispatcher, deadlines, tenant_id
        )
        await built.when(PublishPrices(None, PRICES), is_operator=True)
        yield built
        workers.end()


async def prices_of(runtime: Runtime) -> StoredPrices:
    return StoredPrices(await runtime.event_store("api"), await runtime.plans("api"))


async def test_a_hard_budget_for_five_texts_admits_five_of_those_that_are_asked_for_at_once(
    embedding: Embedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By two services that know nothing of each other, while no answer has come yet."""
    monkeypatch.setattr("sagas.embeddings.TIMEOUT_S", WAIT_S)
    most = embedding_tokens_max(TEXT) * TOKEN_USD_PICO
    await embedding.a_budget(CALLS * most + most - 1)
    embedding.server.answers(Answer(hangs=True))
    searches = [await build_searches(runtime) for runtime in embedding.services]
    asked = [
        asyncio.create_task(
            searches[number % 2].search(embedding.tenant_id, TEXT, f"user:{number}")
        )
        for number in range(SEARCHES)
    ]
    async with asyncio.timeout(WAIT_S):
        while sum(one.done() for one in asked) < SEARCHES - CALLS or (
            len(embedding.server.requests) < CALLS
        ):
            await asyncio.sleep(POLL_S)
    assert embedding.found(COUNTED) == [(0, CALLS * most, 0)]
    embedding.server.is_closing.set()  # Now all of them are answered.
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, BaseException)]
    assert [type(one) for one in refused] == [EmbeddingHeldUp] * (SEARCHES - CALLS)
    keys = {request.headers["Idempotency-Key"] for request in embedding.server.requests}
    assert len(keys) == len(embedding.server.requests) == CALLS
    assert embedding.found(COUNTED) == [(CALLS * CALL_USD_PICO, 0, 0)]
    assert embedding.found(OPEN) == [(0,)]
    await embedding.require_verified()


async def test_whoever_dies_around_a_call_leaves_nothing_that_cannot_be_settled(
    embedding: Embedding,
) -> None:
    create = CreateWorkflow("Answer", None, is_public=True, definition=DEFINITION)
    await embedding.when(create)
    most = embedding_tokens_max(template_text("Answer", None, DEFINITION)) * TOKEN_USD_PICO
    await embedding.a_budget(10 * most)
    after_call, after_outcome, before_call = sorted(OF_EMBEDDINGS)

    # Nothing is held for what was not stored.
    await embedding.dies_at("append.in_transaction")
    assert (embedding.found(TOPICS), embedding.server.requests) == ([], [])
    # Of these two nobody can know what they used, whether the provider was asked or not.
    for number, point in enumerate((before_call, after_call), 1):
        await embedding.dies_at(point)
        assert embedding.found(COUNTED) == [(0, number * most, 0)]
        assert len(embedding.server.requests) == number - 1
        embedding.do(LATER)
        assert await embedding.deadlines.work_once()
        assert embedding.found(OPEN) == [(0,)]
    assert embedding.found(COUNTED) == [(0, 2 * most, 0)]
    # What is on record is settled, though its vector is lost: the text is embedded again.
    await embedding.dies_at(after_outcome)
    assert embedding.found(COUNTED) == [(CALL_USD_PICO, 2 * most, 0)]
    assert embedding.found(EMBEDDED) == [(0,)]
    embedding.do(AGAIN)
    assert await (await embedding.saga()).work_once()
    assert embedding.found(EMBEDDED) == [(1,)]
    created, completed, lost = (
        f"embedding_call.{name}" for name in ("created", "completed", "usage_unresolved")
    )
    told = [str(row[0]) for row in embedding.found(TOPICS)]
    assert told == [created, lost, created, lost, *[created, completed] * 2]
    # The provider's report has the one that arrived; the other was never billed.
    (arrived, *_), (unknown, _) = embedding.server.requests, await unresolved(embedding)
    used = ReportedUsage(arrived.headers["Idempotency-Key"], MODEL, {"embedding_tokens": 7})
    entries = [used, ReportedUsage(unknown, MODEL, {})]
    assert unknown != used.request_id
    report = ImportUsageReport(embedding.tenant_id, entries, "report of November")
    assert (await embedding.when(report, is_operator=True))["resolved"] == 2
    assert embedding.found(COUNTED) == [(3 * CALL_USD_PICO, 0, 0)]
    await embedding.require_verified()


async def unresolved(embedding: Embedding) -> list[str]:
    """The keys of the calls of which nobody knows what they used, oldest first."""
    lost = embedding.found(
        "SELECT originator_id FROM agentledger.events WHERE tenant_id = %s"
        " AND topic = 'embedding_call.usage_unresolved' ORDER BY notification_id"
    )
    store = await embedding.services[0].event_store("worker")
    calls = [
        await store.load(EmbeddingCall, UUID(str(row[0])), embedding.tenant_id) for row in lost
    ]
    return [call.request_id for call in calls if call is not None]
