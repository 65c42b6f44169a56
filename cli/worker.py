"""Assembles the role `worker` from the runtime's parts. Apart from the other roles, which need
little of what it loads.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping

from cli.billing import build_billing
from cli.deadlines import build_deadlines, deadline_ports
from cli.embeddings import build_templates
from cli.leaving import build_data_subjects, build_offboarding
from cli.storage import build_storage
from cli.triggers import build_triggers
from commands.dispatch import Dispatcher
from commands.http_port import Http
from commands.model_port import Models
from commands.plan_port import Plans
from commands.ports import Log, Ports
from domain.executions import Execution
from infra.budget_alerts import PostgresBudgetAlerts
from infra.call_limits import PostgresCallLimits
from infra.clock_watch import ClockWatch
from infra.consumer import keep_running
from infra.http_client import GuardedHttp
from infra.login_cleaning import LoginCleaning
from infra.mail import SmtpMailServer, SmtpSettings
from infra.mail_outbox import PostgresMailOutbox
from infra.models import build_models
from infra.models.observed import ObservedModels
from infra.models.tenant_providers import TenantProviders
from infra.observed_http import ObservedHttp
from infra.open_bulk_operations import PostgresOpenBulkOperations
from infra.parts import PostgresPartRights
from infra.price_books import PriceBooks, StoredPrices
from infra.retention import PostgresRetentions
from infra.runtime import Runtime
from infra.secrets_source import SecretsSource
from infra.standings import HeldTenants
from projections.execution_search import PostgresExecutionSearch
from sagas.attempt_watch import tell_ended
from sagas.budget_alerts import BudgetAlertSaga
from sagas.bulk_operations import BulkOperationSaga
from sagas.call_slots import CallSlots
from sagas.drive import DriveParts
from sagas.effects import Effects, Runner
from sagas.executions import GROUP as EXECUTIONS_GROUP
from sagas.executions import TOPICS, ExecutionSaga
from sagas.fairness import ClaimLimits, FairSlots
from sagas.mail import MailSaga
from sagas.nodes import RUNNERS
from sagas.retention import RetentionSaga
from sagas.run_owners import RunOwners
from sagas.start_queue import StartLimits, StartQueue
from sagas.step_turns import StepLimits, StepTurns
from sagas.turns import WeightOf, weights


async def run_worker(runtime: Runtime, runners: Mapping[str, Runner] = RUNNERS) -> None:
    log = await runtime.log("worker")
    models = ObservedModels(build_models(os.environ, allowed=runtime.settings.http_allow))
    http = GuardedHttp(
        allowed=runtime.settings.http_allow,
        connections_max=runtime.settings.worker_attempts_max,
    )
    held = HeldTenants(await runtime.database("worker"))
    prices = PriceBooks(
        await runtime.database("worker"),
        await runtime.event_store("worker"),
        await runtime.plans("worker"),
    )
    saga = await _executions(runtime, log, models, ObservedHttp(http), prices=prices)
    saga.parts.runners, saga.parts.is_held = runners, held.is_held
    runtime.neighbours.execution_stored = saga.offer
    runtime.neighbours.worker_began(saga.counts)
    bulk = await _bulk_operations(runtime)
    erasure = await runtime.erasure()
    retention = RetentionSaga(
        PostgresRetentions(await runtime.database("worker")),
        await runtime.event_store("worker"),
        runtime.clock,
        f"worker:{runtime.name}",
        poll_s=runtime.settings.worker_retention_poll_s,
    )
    storage = await build_storage(runtime, prices)
    templates = await build_templates(runtime, models, prices)
    offboarding = await build_offboarding(runtime)
    ports = await deadline_ports(runtime)
    deadlines = await build_deadlines(runtime, ports)
    data_subjects = await build_data_subjects(runtime)
    billing = await build_billing(runtime)
    pause_max_s = runtime.settings.consumer_restart_max_s
    try:
        async with asyncio.TaskGroup() as tasks:
            for name, part in {
                **await _mail(runtime),
                "login cleaning": LoginCleaning(await runtime.database("worker")).run,
                "worker": lambda: _consume(log, saga, held, prices),
                "suspended tenants": lambda: held.run(saga.released),
                "prices": prices.run,
                "clock": (await _clock_watch(runtime)).run,
                "worker sweep": saga.sweep,
                "worker timers": saga.wake_due,
                "limits of calls": saga.parts.call_slots.run,
                "calls in line": saga.parts.call_slots.tell_lines,
                "bulk operations": bulk.run,
                "triggers": (await build_triggers(runtime)).run,
                "budget alerts": (await _budget_alerts(runtime, ports)).run,
                "retention": retention.run,
                "storage": storage.run,
                "templates": templates.run,
                "offboarding": offboarding.run,
                "billing": billing.run,
                "deadlines": deadlines.run,
                "erasure": erasure.run,
                "erasure of data subjects": data_subjects.run,
            }.items():
                tasks.create_task(keep_running(name, part, pause_max_s=pause_max_s))
    finally:
        await models.aclose()
        await http.aclose()


async def _clock_watch(runtime: Runtime) -> ClockWatch:
    watch = ClockWatch(await runtime.database("worker"), runtime.clock)
    runtime.scrape.ask(watch.tell)
    return watch


async def _mail(runtime: Runtime) -> dict[str, Callable[[], Awaitable[None]]]:
    """Nothing where no server is set: mail waits."""
    settings = runtime.settings
    if settings.smtp_host is None:
        return {}
    saga = MailSaga(
        PostgresMailOutbox(await runtime.database("worker"), await runtime.data_keys("worker")),
        SmtpMailServer(
            SmtpSettings(
                host=settings.smtp_host,
                port=settings.smtp_port,
                tls=settings.smtp_tls,
                sender=settings.mail_from,
                user=settings.smtp_user,
                password=settings.smtp_password,
            )
        ),
        runtime.clock,
        poll_s=settings.worker_mail_poll_s,
    )
    return {"mail": saga.run}


async def _consume(log: Log, saga: ExecutionSaga, held: HeldTenants, prices: PriceBooks) -> None:
    """Not before it is known whose runs stand still, and what calls cost."""
    await held.refresh()
    await prices.refresh()
    await log.consume(EXECUTIONS_GROUP, saga, topics=TOPICS)


async def _executions(
    runtime: Runtime, log: Log, models: Models, http: Http, *, prices: PriceBooks
) -> ExecutionSaga:
    settings = runtime.settings
    store = await runtime.event_store("worker")
    vault = await runtime.vault("worker")
    plans = await runtime.plans("worker")
    weight_of = _weights(runtime, plans)
    return ExecutionSaga(
        log=log,
        open_executions=await runtime.open_executions(),
        parts=DriveParts(
            actor=f"worker:{runtime.name}",
            events=store,
            effects=Effects(
                events=store,
                models=models,
                http=http,
                secrets=vault,
                owners=RunOwners(store),
                providers=TenantProviders(vault, await runtime.features("worker")),
                prices=prices,
                clock=runtime.clock,
                parts=PostgresPartRights(await runtime.database("worker")),
                live_text=runtime.live_text,
            ),
            runners=RUNNERS,
            clock=runtime.clock,
            ids=runtime.ids,
            webhook_path=runtime.webhook_keys.path,
            on_ended=_ended(runtime),
            attempts=FairSlots(
                ClaimLimits(
                    settings.worker_attempts_max,
                    per_tenant_max=settings.worker_attempts_per_tenant_max or None,
                    per_workflow_max=settings.worker_attempts_per_workflow_max or None,
                    per_node_type_max=settings.worker_attempts_per_node_type,
                    own_max_of=lambda tenant_id: plans.known(tenant_id).concurrent_steps,
                ),
                weight_of,
            ),
            steps=StepTurns(
                StepLimits(
                    quiet_max=settings.worker_steps_quiet_max,
                    own_max=settings.worker_steps_own_max,
                    spare_max=settings.worker_steps_spare_max,
                ),
                asyncio.get_running_loop().time,
                weight_of,
            ),
            plans=plans,
            admission=await runtime.admission(),
            budgets=await runtime.budgets("worker"),
            call_slots=CallSlots(PostgresCallLimits(await runtime.database("worker"))),
        ),
        clock=runtime.clock,
        sweep_s=settings.worker_sweep_s,
        handover_s=settings.worker_handover_s,
        starts=StartQueue(
            StartLimits(
                drives_max=settings.worker_drives_max,
                queued_max=settings.worker_starts_queued_max,
                per_tenant_max=settings.worker_drives_per_tenant_max or None,
            ),
            weight_of,
        ),
    )


def _ended(runtime: Runtime) -> Callable[[Execution], None]:
    def ended(execution: Execution) -> None:
        tell_ended(execution)
        runtime.neighbours.ended(execution)

    return ended


def _weights(runtime: Runtime, plans: Plans) -> WeightOf:
    """As the plan says; where it says nothing, as the settings have it."""
    by_settings = weights(runtime.settings.tenant_weights)
    return lambda tenant_id: plans.known(tenant_id).step_weight or by_settings(tenant_id)


async def _bulk_operations(runtime: Runtime) -> BulkOperationSaga:
    """Its commands take the way of all commands, so it holds what an API process holds."""
    store = await runtime.event_store("api")
    search = PostgresExecutionSearch(await runtime.database("api"))
    secrets = SecretsSource(bcrypt_cost=runtime.settings.bcrypt_cost)
    ports = Ports(
        store,
        runtime.clock,
        runtime.ids,
        secrets,
        await runtime.admission(),
        search,
        plans=await runtime.plans("api"),
        prices=StoredPrices(store, await runtime.plans("api")),
    )
    return BulkOperationSaga(
        PostgresOpenBulkOperations(await runtime.database("worker")),
        search,
        store,
        Dispatcher(ports),
        runtime.clock,
        runtime.ids,
        f"worker:{runtime.name}",
        poll_s=runtime.settings.worker_bulk_poll_s,
    )


async def _budget_alerts(runtime: Runtime, ports: Ports) -> BudgetAlertSaga:
    return BudgetAlertSaga(
        PostgresBudgetAlerts(await runtime.database("worker")),
        ports,
        f"worker:{runtime.name}",
        poll_s=runtime.settings.worker_budget_alerts_poll_s,
    )
