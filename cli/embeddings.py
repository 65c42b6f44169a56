"""Assembles what compares texts: for searches in the API, and for templates in a worker."""

import os
from typing import Literal

from commands.embedding_port import Embeddings
from commands.price_port import Prices
from infra.call_limits import OwnCallPlaces, PostgresCallLimits
from infra.models import build_models
from infra.models.observed import ObservedModels
from infra.models.tenant_providers import TenantProviders
from infra.price_books import StoredPrices
from infra.runtime import Runtime
from infra.workflow_templates import PostgresTemplates
from sagas.embedding_intents import EmbeddingIntents
from sagas.embeddings import MeteredEmbeddings
from sagas.run_owners import RunOwners
from sagas.workflow_templates import TemplateSaga


async def build_searches(runtime: Runtime) -> MeteredEmbeddings:
    """Of the role api."""
    models = ObservedModels(build_models(os.environ, allowed=runtime.settings.http_allow))
    runtime.at_close(models.aclose)
    prices = StoredPrices(await runtime.event_store("api"), await runtime.plans("api"))
    return await _metered(runtime, "api", models, prices)


async def build_templates(runtime: Runtime, models: Embeddings, prices: Prices) -> TemplateSaga:
    """Of the role worker."""
    return TemplateSaga(
        PostgresTemplates(await runtime.database("worker")),
        await _metered(runtime, "worker", models, prices),
        await runtime.event_store("worker"),
        f"worker:{runtime.name}",
        poll_s=runtime.settings.worker_templates_poll_s,
    )


async def _metered(
    runtime: Runtime, role: Literal["api", "worker"], models: Embeddings, prices: Prices
) -> MeteredEmbeddings:
    store, clock, ids = await runtime.event_store(role), runtime.clock, runtime.ids
    database = await runtime.database(role)
    places = OwnCallPlaces(database) if role == "api" else PostgresCallLimits(database)
    return MeteredEmbeddings(
        runtime.settings.embedding_model,
        models,
        TenantProviders(await runtime.vault(role), await runtime.features(role)),
        prices,
        EmbeddingIntents(prices, await runtime.budgets(role), RunOwners(store), store, clock, ids),
        await runtime.plans(role),
        places,
        store,
        clock,
        ids,
    )
