"""How long it takes to finalise an invoice of many facts, from the log to its stored document, and
to render that in every form.
"""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, cast
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from bench.cpu import own_s, server_s
from bench.engine import STEPS, chain
from bench.history import decided_run, store_runs
from bench.report import ROUNDS, Figure, Measurement, at_most
from bench.seals import sealing
from bench.stage import BenchFailed, Stage, execute
from cli.billing import build_billing
from cli.collections import rare_collections
from commands.authorization import Caller
from commands.billing_accounts import SetBillingTerms
from commands.billing_port import DueBilling
from commands.dispatch import Dispatcher, Origin
from commands.tenants import CreateTenant
from domain.billing_accounts import BillingAccount, billing_account_id
from domain.definitions import parse_definition
from domain.identifiers import JsonObject, TenantId
from domain.invoices import Invoice, invoice_id
from domain.node_types import Usage
from domain.usage import Metered, UsageLine
from infra.runtime import Runtime, build_runtime
from infra.users import PostgresUsers
from sagas.billing import BillingSaga
from write_api.invoices import FORMS

NAME = "invoice"
FACTS_STORED = 100_000
DIFFERENT_RUNS = 50
MODELS = 10
# No month is longer.
AHEAD = timedelta(days=32)
STEP: JsonObject = {"config": {"model": "offline/echo", "prompt": "{{ input.question }}"}}
OPERATOR = Caller("operator", None, frozenset(), is_operator=True)


class AheadClock:
    """The month is over."""

    def now(self) -> datetime:
        return datetime.now(UTC) + AHEAD


class Round(NamedTuple):
    """used_s: of processors, ours and PostgreSQL's. forms_s: to render each form."""

    facts: int
    finalized_s: float
    used_s: float
    server_used_s: float
    forms_s: dict[str, float]


async def measure(stage: Stage) -> Measurement:
    settings = await stage.installation("invoice")
    count = stage.asked.facts or FACTS_STORED
    async with build_runtime(settings) as runtime:
        saga = await build_billing(runtime)
        tenants = [await _billed_tenant(runtime, saga) for _ in range(ROUNDS)]
        seal = await sealing(await runtime.data_keys("projector"), tenants)
        runs = _runs()
        events = count * ROUNDS * len(runs[0]) // STEPS
        url = settings.database_url
        assert url is not None
        await asyncio.to_thread(store_runs, url, events, tenants=tenants, seal=seal, templates=runs)
        await asyncio.to_thread(execute, url, "VACUUM ANALYZE agentledger.events")
        later = await build_billing(runtime, AheadClock())
        with rare_collections():  # As every process of the product.
            rounds = [await _round(stage, later, tenant_id) for tenant_id in tenants]
    wholes = [one.finalized_s + sum(one.forms_s.values()) for one in rounds]
    return Measurement(
        NAME,
        f"an invoice of {rounds[0].facts:,} facts, finalised and rendered",
        [
            Figure("finalised and rendered in every form", "s", wholes, at_most(2)),
            Figure("finalised, stored when done", "s", [one.finalized_s for one in rounds]),
            Figure("  processor time", "s", [one.used_s for one in rounds]),
            Figure("    of it PostgreSQL's", "s", [one.server_used_s for one in rounds]),
            *(
                Figure(f"rendered as {name}", "ms", [1000 * one.forms_s[name] for one in rounds])
                for name in FORMS
            ),
        ],
        [
            f"{ROUNDS} tenants, one a round, whose runs lie among each other in the log, sealed",
            f"{MODELS} models, three meters a call; half of the events are intents, and no facts",
        ],
    )


async def _billed_tenant(runtime: Runtime, saga: BillingSaga) -> TenantId:
    """From now on."""
    users = PostgresUsers(await runtime.database("api"), runtime.lookup_key)
    dispatcher = Dispatcher(replace(saga.ports, users=users))
    new_id = runtime.ids.new
    create = CreateTenant("Bench", "bench@example.com", f"{new_id()}")
    made = await dispatcher.dispatch(create, OPERATOR, Origin(new_id()))
    tenant_id = TenantId(UUID(str(made.result["tenant_id"])))
    terms = SetBillingTerms(tenant_id, "EUR", "0.9", None, {"default": "19"}, 14, 0)
    await dispatcher.dispatch(terms, OPERATOR, Origin(new_id()))
    return tenant_id


def _runs() -> list[list[StoredEvent]]:
    """Of five calls in a row, each with its intent."""
    definition = parse_definition(chain([STEP] * STEPS))
    return [decided_run(definition, number, _used) for number in range(DIFFERENT_RUNS)]


def _used(number: int, tokens: int) -> Usage:
    model = f"openai/model-{number % MODELS}"
    lines: list[UsageLine] = [
        ["requests", 1, 0],
        ["input_tokens", tokens, tokens * 150_000],
        ["output_tokens", tokens, tokens * 600_000],
    ]
    metered = Metered(model, "openai", None, "provider", "platform/1", lines)
    return Usage(model, tokens, tokens, metered.cost_usd_pico, metered)


async def _round(stage: Stage, saga: BillingSaga, tenant_id: TenantId) -> Round:
    await stage.settle()
    due = DueBilling(tenant_id, billing_account_id(tenant_id))
    events = saga.ports.events
    account = await events.load(BillingAccount, due.subject_id, tenant_id)
    assert account is not None
    start = account.next_start
    events.keep(account, tenant_id)
    await saga.take_step(due)  # From gathering to a draft.
    began_s, began_used_s, began_server_s = time.perf_counter(), own_s(), server_s(stage)
    await saga.take_step(due)
    finalized_s, own_used_s = time.perf_counter() - began_s, own_s() - began_used_s
    server_used_s = server_s(stage) - began_server_s
    invoice = await events.load(Invoice, invoice_id(tenant_id, start), tenant_id)
    if invoice is None or invoice.status != "issued":
        raise BenchFailed("the invoice was not issued")
    forms_s: dict[str, float] = {}
    for name, form in FORMS.items():
        began_s = time.perf_counter()
        form.written(invoice.document)
        forms_s[name] = time.perf_counter() - began_s
    facts = int(cast("Any", invoice.document)["facts"]["count"])
    return Round(facts, finalized_s, own_used_s + server_used_s, server_used_s, forms_s)
