"""Texts are embedded through whose provider it is, within hard budgets, and each call that is paid
for is a usage fact. Numbers are worked by hand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import pytest

from commands.budget_port import BudgetsChanged, KnownBudgets, NobodyBudgeted, TenantBudgets
from commands.embedding_port import Embedding, EmbeddingFailed, EmbeddingRefused
from commands.model_port import ModelFailed, ModelRequest
from commands.plan_port import NobodyLimited
from commands.price_books import PublishPrices
from commands.providers import PutProvider
from domain.budget_rules import BudgetRule, Counter
from domain.identifiers import PLATFORM, JsonObject, TenantId
from domain.reservations import Standing
from domain.usage import Measured
from infra.models.offline_embeddings import HASH, OfflineEmbeddings
from infra.models.tenant_providers import TenantProviders
from infra.price_books import StoredPrices
from sagas.embeddings import MeteredEmbeddings
from sagas.run_owners import RunOwners
from tests.commands.fakes import World

MODEL = "acme/embedder"
# 20 millionths of a dollar for a thousand tokens.
PRICES: JsonObject = {
    MODEL: {"embedding_tokens": {"kind": "unit", "usd_pico": 20_000_000, "per": 1_000}}
}
BUDGET_ID = UUID(int=77)


@dataclass
class ToldEmbeddings:
    """Answers with one vector and seven tokens, or fails."""

    failure: ModelFailed | None = None
    asked: list[ModelRequest] = field(default_factory=list)

    async def embed(self, request: ModelRequest) -> Embedding:
        self.asked.append(request)
        if self.failure is not None:
            raise self.failure
        return Embedding([0.6, 0.8], Measured({"embedding_tokens": 7}), "acme")


class OneBudget(NobodyBudgeted):
    """For all time, of the whole tenant or of one person. forgotten: how often it was to be asked
    for anew.
    """

    def __init__(
        self, standing: Standing, *, of_user: UUID | None = None, allows_unpriced: bool = False
    ) -> None:
        self.forgotten = 0
        self._standing = standing
        self._rule = BudgetRule(
            BUDGET_ID,
            "tenant" if of_user is None else "user",
            of_user,
            "total",
            None,
            "UTC",
            standing.limit,
            is_hard=True,
            allows_unpriced=allows_unpriced,
        )

    def known(self, tenant_id: TenantId) -> TenantBudgets:
        del tenant_id
        return TenantBudgets(3 + self.forgotten, (self._rule,))

    def forget(self, tenant_id: TenantId) -> None:
        del tenant_id
        self.forgotten += 1

    async def standings(
        self, tenant_id: TenantId, counters: Sequence[Counter], caps: Mapping[str, int]
    ) -> Mapping[Counter, Standing]:
        del tenant_id, caps
        return dict.fromkeys(counters, self._standing)


async def embeddings_of(
    world: World, models: Any, *, model: str = MODEL, budgets: NobodyBudgeted | None = None
) -> MeteredEmbeddings:
    await world.when(PublishPrices(None, PRICES), caller=world.operator)
    return MeteredEmbeddings(
        model,
        models,
        TenantProviders(world.vault),
        StoredPrices(world.store, NobodyLimited()),
        budgets or NobodyBudgeted(),
        RunOwners(world.store),
        world.store,
        world.clock,
        world.ids,
    )


def calls(world: World) -> list[dict[str, Any]]:
    told = zip(world.store.topics, world.store.states, strict=True)
    return [cast("Any", state) for topic, state in told if topic == "embedding_call.created"]


async def test_a_call_is_a_fact_of_the_tenant_with_its_tokens_and_their_price() -> None:
    world = World()
    embeddings = await embeddings_of(world, ToldEmbeddings())
    assert await embeddings.search(world.tenant_id, "seven words", "user:ada") == [0.6, 0.8]
    (call,) = calls(world)
    assert (call["purpose"], call["model"], call["counters"]) == ("search", MODEL, [])
    assert call["usage"]["lines"] == [["requests", 1, 0], ["embedding_tokens", 7, 140_000]]
    assert call["usage"]["created_by"] == "user:ada"
    assert "seven words" not in str(world.store.states)
    envelope = world.store.envelopes[-1]
    assert (envelope.tenant_id, envelope.actor) == (world.tenant_id, "user:ada")


async def test_the_offline_model_is_free_and_leaves_no_trace() -> None:
    world = World()
    embeddings = await embeddings_of(world, OfflineEmbeddings(), model=HASH)
    assert len(await embeddings.search(world.tenant_id, "text", "user:ada")) == 256
    assert calls(world) == []


async def test_the_tenants_own_provider_is_asked_with_its_key() -> None:
    world, models = World(), ToldEmbeddings()
    await world.given(PutProvider("acme", "openai_compatible", "https://a.example/v1", "sk-ours"))
    embeddings = await embeddings_of(world, models)
    await embeddings.search(world.tenant_id, "text", "user:ada")
    (asked,) = models.asked
    assert (asked.model, asked.api_base, asked.api_key) == (
        "hosted_vllm/embedder",
        "https://a.example/v1",
        "sk-ours",
    )
    other = TenantId(world.ids.new())
    await embeddings.search(other, "text", "user:bob")
    assert (models.asked[1].model, models.asked[1].api_key) == (MODEL, None)


async def test_nobody_is_charged_for_what_the_platform_offers() -> None:
    world = World()
    embeddings = await embeddings_of(world, ToldEmbeddings())
    await embeddings.embed(PLATFORM, "text", purpose="template", actor="worker:1")
    assert calls(world) == []


async def test_it_counts_in_the_budgets_of_the_tenant() -> None:
    world = World()
    budgets = OneBudget(Standing(10**9, 0, 0))
    embeddings = await embeddings_of(world, ToldEmbeddings(), budgets=budgets)
    await embeddings.search(world.tenant_id, "text", "user:ada")
    (call,) = calls(world)
    assert call["counters"] == [[str(BUDGET_ID), None, None]]
    assert world.store.side_rows[-1] == KnownBudgets(4, {})


async def test_a_search_counts_in_the_budget_of_the_person_who_searches() -> None:
    world, ada = World(), UUID(int=11)
    budgets = OneBudget(Standing(10**9, 0, 0), of_user=ada)
    embeddings = await embeddings_of(world, ToldEmbeddings(), budgets=budgets)
    for actor in (f"user:{ada}", f"user:{UUID(int=12)}", "worker:1"):
        await embeddings.search(world.tenant_id, "text", actor)
    assert [len(call["counters"]) for call in calls(world)] == [1, 0, 0]


@pytest.mark.parametrize(
    ("limit", "is_paid"), [(1_079_999, False), (1_080_000, True)], ids=["too little", "enough"]
)
async def test_a_hard_budget_pays_for_the_most_that_it_can_cost_or_it_is_not_made(
    limit: int, is_paid: bool
) -> None:
    """Four bytes are at most four tokens, of 20,000 pico-USD each, and a million is gone."""
    world, models = World(), ToldEmbeddings()
    budgets = OneBudget(Standing(limit, 900_000, 100_000))
    embeddings = await embeddings_of(world, models, budgets=budgets)
    if is_paid:
        await embeddings.search(world.tenant_id, "text", "user:ada")
    else:
        with pytest.raises(EmbeddingRefused):
            await embeddings.search(world.tenant_id, "text", "user:ada")
    assert len(models.asked) == len(calls(world)) == is_paid


class BudgetOfNow(OneBudget):
    """Made since this process asked for the budgets last."""

    def known(self, tenant_id: TenantId) -> TenantBudgets:
        return super().known(tenant_id) if self.forgotten else TenantBudgets(3, ())


async def test_a_budget_that_was_made_a_moment_ago_counts_for_the_next_call() -> None:
    world, models = World(), ToldEmbeddings()
    embeddings = await embeddings_of(world, models, budgets=BudgetOfNow(Standing(1, 0, 0)))
    with pytest.raises(EmbeddingRefused):
        await embeddings.search(world.tenant_id, "text", "user:ada")
    assert models.asked == []


@pytest.mark.parametrize("allows_unpriced", [False, True])
async def test_what_nobody_knows_the_price_of_is_not_made_under_a_hard_budget(
    allows_unpriced: bool,
) -> None:
    world, models = World(), ToldEmbeddings()
    budgets = OneBudget(Standing(10**9, 0, 0), allows_unpriced=allows_unpriced)
    embeddings = await embeddings_of(world, models, model="acme/other", budgets=budgets)
    if allows_unpriced:
        await embeddings.search(world.tenant_id, "text", "user:ada")
        assert calls(world)[0]["usage"]["lines"][1] == ["embedding_tokens", 7, None]
    else:
        with pytest.raises(EmbeddingRefused):
            await embeddings.search(world.tenant_id, "text", "user:ada")
        assert models.asked == []


async def test_budgets_that_change_meanwhile_count_it_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    budgets = OneBudget(Standing(10**9, 0, 0))
    embeddings = await embeddings_of(world, ToldEmbeddings(), budgets=budgets)
    append = world.store.append

    async def changed_first(*asked: Any, side_rows: Sequence[Any]) -> Any:
        if side_rows == [KnownBudgets(4, {})]:
            raise BudgetsChanged
        return await append(*asked, side_rows=side_rows)

    monkeypatch.setattr(world.store, "append", changed_first)
    await embeddings.search(world.tenant_id, "text", "user:ada")
    assert (len(calls(world)), budgets.forgotten) == (1, 2)


async def test_a_call_that_fails_says_why_and_is_no_fact() -> None:
    world = World()
    failure = ModelFailed("rate_limited", "acme answered 429", retryable=True)
    embeddings = await embeddings_of(world, ToldEmbeddings(failure))
    with pytest.raises(EmbeddingFailed, match="acme answered 429"):
        await embeddings.search(world.tenant_id, "text", "user:ada")
    assert calls(world) == []
