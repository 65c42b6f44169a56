"""Assembles what compares texts: for searches in the API, and for templates in a worker."""

import os

from commands.embedding_port import Embeddings
from commands.price_port import Prices
from infra.models import build_models
from infra.models.observed import ObservedModels
from infra.models.tenant_providers import TenantProviders
from infra.price_books import StoredPrices
from infra.runtime import Runtime
from infra.workflow_templates import PostgresTemplates
from sagas.embeddings import MeteredEmbeddings
from sagas.run_owners import RunOwners
from sagas.workflow_templates import TemplateSaga


async def build_searches(runtime: Runtime) -> MeteredEmbeddings:
    """Of the role api."""
    models = ObservedModels(build_models(os.environ, allowed=runtime.settings.http_allow))
    runtime.at_close(models.aclose)
    store = await runtime.event_store("api")
    return MeteredEmbeddings(
        runtime.settings.embedding_model,
        models,
        TenantProviders(await runtime.vault("api"), await runtime.features("api")),
        StoredPrices(store, await runtime.plans("api")),
        await runtime.budgets("api"),
        RunOwners(store),
        store,
        runtime.clock,
        runtime.ids,
    )


async def build_templates(runtime: Runtime, models: Embeddings, prices: Prices) -> TemplateSaga:
    """Of the role worker."""
    store = await runtime.event_store("worker")
    embeddings = MeteredEmbeddings(
        runtime.settings.embedding_model,
        models,
        TenantProviders(await runtime.vault("worker"), await runtime.features("worker")),
        prices,
        await runtime.budgets("worker"),
        RunOwners(store),
        store,
        runtime.clock,
        runtime.ids,
    )
    return TemplateSaga(
        PostgresTemplates(await runtime.database("worker")),
        embeddings,
        store,
        f"worker:{runtime.name}",
        poll_s=runtime.settings.worker_templates_poll_s,
    )
