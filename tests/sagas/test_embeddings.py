"""Texts are embedded through whose provider it is; what may be paid for is held of hard budgets
before the call and settled after it. Numbers are worked by hand.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from commands.budget_port import (
    BudgetExceeded,
    BudgetsChanged,
    KnownBudgets,
    NobodyBudgeted,
    TenantBudgets,
)
from commands.call_limit_port import CallPlaces, NothingLimited
from commands.deadline_port import StoredDeadline
from commands.embedding_port import (
    Embedding,
    EmbeddingFailed,
    EmbeddingHeldUp,
    EmbeddingRefused,
    EmbeddingUnpriced,
)
from commands.model_port import ModelFailed, ModelRequest
from commands.plan_port import NobodyLimited
from commands.price_books import PublishPrices
from commands.providers import PutProvider
from domain.budget_rules import BudgetRule, counters_from
from domain.embedding_calls import EmbeddingCall
from domain.envelope import Envelope
from domain.identifiers import PLATFORM, Json, JsonObject, TenantId
from domain.reservations import Standing
from domain.usage import Measured
from infra.models.offline_embeddings import HASH, OfflineEmbeddings
from infra.models.tenant_providers import TenantProviders
from infra.price_books import StoredPrices
from sagas.embedding_intents import UNRESOLVED_AFTER_S, EmbeddingIntents
from sagas.embeddings import MeteredEmbeddings
from sagas.run_owners import RunOwners
from tests.commands.fakes import World

MODEL = "acme/embedder"
# 20 millionths of a dollar for a thousand tokens.
PRICES: JsonObject = {
    MODEL: {"embedding_tokens": {"kind": "unit", "usd_pico": 20_000_000, "per": 1_000}}
}
BUDGET_ID = UUID(int=77)
CREATED, COMPLETED = "embedding_call.created", "embedding_call.completed"
FAILED, UNRESOLVED = "embedding_call.failed", "embedding_call.usage_unresolved"


@dataclass
class ToldEmbeddings:
    """Answers with one vector and seven tokens, or fails. may_answer: not before."""

    failure: ModelFailed | None = None
    asked: list[ModelRequest] = field(default_factory=list)
    may_answer: asyncio.Event | None = None

    async def embed(self, request: ModelRequest) -> Embedding:
        self.asked.append(request)
        if self.may_answer is not None:
            await self.may_answer.wait()
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
        self.standing = standing
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


def refusing(world: World, standing: Standing) -> None:
    """Its store is one where a budget stands so (infra/budget_moves.py is the real one)."""
    append = world.store.append

    async def paid(aggregates: Sequence[Any], *rest: Any, **told: Any) -> Any:
        for one in aggregates:
            for event in one.pending_events:
                held: Any = getattr(event, "reserved", None)
                used = standing.spent + standing.reserved
                if held and used + held["usd_pico"] > standing.limit:
                    counters = counters_from(held["counters"])
                    raise BudgetExceeded(dict.fromkeys(counters, standing))
        return await append(aggregates, *rest, **told)

    world.store.append = paid


async def embeddings_of(
    world: World,
    models: Any,
    *,
    model: str = MODEL,
    budgets: NobodyBudgeted | None = None,
    plans: NobodyLimited | None = None,
    places: CallPlaces | None = None,
) -> MeteredEmbeddings:
    await world.when(PublishPrices(None, PRICES), caller=world.operator)
    if isinstance(budgets, OneBudget):
        refusing(world, budgets.standing)
    prices = StoredPrices(world.store, NobodyLimited())
    intents = EmbeddingIntents(
        prices,
        budgets or NobodyBudgeted(),
        RunOwners(world.store),
        world.store,
        world.clock,
        world.ids,
    )
    return MeteredEmbeddings(
        model,
        models,
        TenantProviders(world.vault),
        prices,
        intents,
        plans or NobodyLimited(),
        places or NothingLimited(),
        world.store,
        world.clock,
        world.ids,
    )


def told(world: World, *topics: str) -> list[dict[str, Any]]:
    """What the events of calls say, in order; all of them, or those of some topics."""
    found = zip(world.store.topics, world.store.states, strict=True)
    return [
        cast("Any", state)
        for topic, state in found
        if topic.startswith("embedding_call.") and (not topics or topic in topics)
    ]


async def test_a_call_is_intent_and_outcome_with_its_tokens_and_their_price() -> None:
    world, models = World(), ToldEmbeddings()
    embeddings = await embeddings_of(world, models)
    assert await embeddings.search(world.tenant_id, "seven words", "user:ada") == [0.6, 0.8]
    intent, outcome = told(world)
    assert (intent["purpose"], intent["model"], intent["reserved"]) == ("search", MODEL, None)
    usage = outcome["usage"]
    assert usage["lines"] == [["requests", 1, 0], ["embedding_tokens", 7, 140_000]]
    assert (outcome["cost_usd_pico"], usage["created_by"]) == (140_000, "user:ada")
    assert "seven words" not in str(world.store.states)
    envelope = world.store.envelopes[-1]
    assert (envelope.tenant_id, envelope.actor) == (world.tenant_id, "user:ada")
    call_id = world.store.events[-1].originator_id
    assert models.asked[0].idempotency_key == f"{call_id}:search:1"


async def test_the_deadline_of_an_intent_goes_with_its_outcome() -> None:
    world = World()
    embeddings = await embeddings_of(world, ToldEmbeddings())
    await embeddings.search(world.tenant_id, "text", "user:ada")
    call_id = world.store.events[-1].originator_id
    due_at = world.clock.now() + timedelta(seconds=UNRESOLVED_AFTER_S)
    rows = [row for row in world.store.side_rows if isinstance(row, StoredDeadline)]
    assert rows == [
        StoredDeadline("embedding", cast("UUID", call_id), due_at),
        StoredDeadline("embedding", cast("UUID", call_id), None),
    ]


async def test_the_offline_model_is_free_and_leaves_no_trace() -> None:
    world = World()
    embeddings = await embeddings_of(world, OfflineEmbeddings(), model=HASH)
    assert len(await embeddings.search(world.tenant_id, "text", "user:ada")) == 256
    assert told(world) == []


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
    assert told(world) == []


async def test_it_is_held_of_the_budgets_of_the_tenant_before_it_is_made() -> None:
    """Four bytes and eight marks around them are twelve tokens at most, of 20,000 pico-USD each."""
    world = World()
    budgets = OneBudget(Standing(10**9, 0, 0))
    embeddings = await embeddings_of(world, ToldEmbeddings(), budgets=budgets)
    await embeddings.search(world.tenant_id, "text", "user:ada")
    (intent,) = told(world, CREATED)
    counters = [[str(BUDGET_ID), None, None]]
    assert intent["reserved"] == {"usd_pico": 240_000, "tokens_max": 0, "counters": counters}
    assert KnownBudgets(3, {}) in world.store.side_rows


async def test_a_search_counts_in_the_budget_of_the_person_who_searches() -> None:
    world, ada = World(), UUID(int=11)
    budgets = OneBudget(Standing(10**9, 0, 0), of_user=ada)
    embeddings = await embeddings_of(world, ToldEmbeddings(), budgets=budgets)
    for actor in (f"user:{ada}", f"user:{UUID(int=12)}", "worker:1"):
        await embeddings.search(world.tenant_id, "text", actor)
    assert [call["reserved"] is not None for call in told(world, CREATED)] == [True, False, False]


@pytest.mark.parametrize(
    ("standing", "refusal"),
    [
        (Standing(1_239_999, 1_000_000, 0), EmbeddingRefused),
        (Standing(1_239_999, 900_000, 100_000), EmbeddingHeldUp),
        (Standing(1_240_000, 900_000, 100_000), None),
    ],
    ids=["spent", "held by others", "enough"],
)
async def test_a_hard_budget_pays_for_the_most_that_it_can_cost_or_it_is_not_made(
    standing: Standing, refusal: type[EmbeddingRefused] | None
) -> None:
    world, models = World(), ToldEmbeddings()
    embeddings = await embeddings_of(world, models, budgets=OneBudget(standing))
    if refusal is None:
        await embeddings.search(world.tenant_id, "text", "user:ada")
    else:
        with pytest.raises(EmbeddingRefused) as refused:
            await embeddings.search(world.tenant_id, "text", "user:ada")
        assert type(refused.value) is refusal
    assert len(models.asked) == len(told(world, CREATED)) == (refusal is None)


async def test_budgets_that_change_meanwhile_are_asked_for_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, models = World(), ToldEmbeddings()
    budgets = OneBudget(Standing(10**9, 0, 0))
    embeddings = await embeddings_of(world, models, budgets=budgets)
    append = world.store.append

    async def changed_first(*asked: Any, side_rows: Sequence[Any]) -> Any:
        if KnownBudgets(3, {}) in side_rows:
            raise BudgetsChanged
        return await append(*asked, side_rows=side_rows)

    monkeypatch.setattr(world.store, "append", changed_first)
    await embeddings.search(world.tenant_id, "text", "user:ada")
    assert (len(told(world, CREATED)), len(models.asked), budgets.forgotten) == (1, 1, 1)


@pytest.mark.parametrize("allows_unpriced", [False, True])
async def test_what_nobody_knows_the_price_of_is_not_made_under_a_hard_budget(
    allows_unpriced: bool,
) -> None:
    world, models = World(), ToldEmbeddings()
    budgets = OneBudget(Standing(10**9, 0, 0), allows_unpriced=allows_unpriced)
    embeddings = await embeddings_of(world, models, model="acme/other", budgets=budgets)
    if allows_unpriced:
        await embeddings.search(world.tenant_id, "text", "user:ada")
        intent, outcome = told(world)
        assert intent["reserved"]["usd_pico"] == 0
        assert outcome["usage"]["lines"][1] == ["embedding_tokens", 7, None]
    else:
        with pytest.raises(EmbeddingUnpriced):
            await embeddings.search(world.tenant_id, "text", "user:ada")
        assert (models.asked, told(world)) == ([], [])


async def test_a_call_that_fails_says_why_and_gives_back_what_it_held() -> None:
    world = World()
    failure = ModelFailed("rate_limited", "acme answered 429", retryable=True)
    embeddings = await embeddings_of(world, ToldEmbeddings(failure))
    with pytest.raises(EmbeddingFailed, match="acme answered 429"):
        await embeddings.search(world.tenant_id, "text", "user:ada")
    (outcome,) = told(world, FAILED)
    assert (outcome["cost_usd_pico"], outcome["usage"]) == (0, None)
    assert (outcome["code"], outcome["message"]) == ("rate_limited", "acme answered 429")


async def test_a_call_without_an_answer_may_have_been_billed() -> None:
    world = World()
    failure = ModelFailed("timeout", "acme: no answer", retryable=True, is_unresolved=True)
    embeddings = await embeddings_of(world, ToldEmbeddings(failure))
    with pytest.raises(EmbeddingFailed):
        await embeddings.search(world.tenant_id, "text", "user:ada")
    _, unresolved = told(world)
    assert (unresolved["code"], unresolved["created_by"]) == ("timeout", "user:ada")
    assert world.store.topics[-1] == UNRESOLVED


async def test_who_searches_may_go_away_and_what_is_paid_for_is_recorded() -> None:
    world, models = World(), ToldEmbeddings(may_answer=asyncio.Event())
    embeddings = await embeddings_of(world, models)
    searching = asyncio.create_task(embeddings.search(world.tenant_id, "text", "user:ada"))
    while not models.asked:
        await asyncio.sleep(0)
    searching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await searching
    assert models.may_answer is not None
    models.may_answer.set()
    while not told(world, COMPLETED):
        await asyncio.sleep(0)


async def test_an_answer_that_comes_when_it_was_given_up_says_what_it_used() -> None:
    world, models = World(), ToldEmbeddings(may_answer=asyncio.Event())
    embeddings = await embeddings_of(world, models)
    searching = asyncio.create_task(embeddings.search(world.tenant_id, "text", "user:ada"))
    while not models.asked:
        await asyncio.sleep(0)
    call_id = cast("UUID", world.store.events[-1].originator_id)
    call = await world.store.load(EmbeddingCall, call_id, world.tenant_id)
    assert call is not None
    call.leave_unresolved("interrupted", "nobody told")
    await world.store.append([call], Envelope(world.tenant_id, "worker:1"))
    assert models.may_answer is not None
    models.may_answer.set()
    assert await searching == [0.6, 0.8]
    topics: list[Json] = [*world.store.topics[-3:]]
    assert topics == [CREATED, UNRESOLVED, "embedding_call.usage_resolved"]
    assert told(world)[-1]["cost_usd_pico"] == 140_000
