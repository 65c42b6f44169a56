"""Texts that a paid model embeds come under the limits of their tenant's calls."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from commands.call_limit_port import EndedCall, Full, HeldCall, NothingLimited
from commands.embedding_port import EmbeddingFailed, EmbeddingRateLimited, EmbeddingRefused
from commands.model_port import ModelFailed
from commands.plan_port import STANDARD, NobodyLimited, TenantPlan
from domain.call_limits import CallLimit
from domain.identifiers import Json, TenantId
from domain.reservations import Standing
from tests.commands.fakes import World
from tests.sagas.test_embeddings import OneBudget, ToldEmbeddings, embeddings_of, told


class OneAtOnce(NobodyLimited):
    """A plan for one call at once, and so many tokens a minute."""

    def known(self, tenant_id: TenantId) -> TenantPlan:
        del tenant_id
        limits: dict[str, Json] = {"concurrent_calls": 1, "tokens_per_min": 100}
        return replace(STANDARD, limits=limits)


@dataclass
class Places(NothingLimited):
    """full: none is free."""

    full: bool = False
    taken: list[tuple[int, int]] = field(default_factory=list)
    settled: list[tuple[int | None, int | None]] = field(default_factory=list)

    async def take(
        self, held: HeldCall, limits: Sequence[CallLimit], *, tokens: int, usd_pico: int
    ) -> Full | None:
        assert [limit.scope_id for limit in limits] == [held.tenant_id]
        if self.full:
            return Full(held.tenant_id, "concurrent_calls", None)
        self.taken.append((tokens, usd_pico))
        return None

    async def settle(self, ended: Sequence[EndedCall]) -> None:
        self.settled += [(one.tokens, one.usd_pico) for one in ended]


@pytest.mark.parametrize(
    ("failure", "used"),
    [
        (None, (7, 140_000)),
        (ModelFailed("rate_limited", "429", retryable=True), (0, 0)),
        (ModelFailed("timeout", "no", retryable=True, is_unresolved=True), (None, None)),
    ],
    ids=["answered", "refused", "unanswered"],
)
async def test_a_call_has_a_place_under_the_limits_of_its_tenant(
    failure: ModelFailed | None, used: tuple[int | None, int | None]
) -> None:
    world, places = World(), Places()
    models = ToldEmbeddings(failure)
    embeddings = await embeddings_of(world, models, plans=OneAtOnce(), places=places)
    with contextlib.suppress(EmbeddingFailed):
        await embeddings.search(world.tenant_id, "text", "user:ada")
    assert (places.taken, places.settled) == ([(12, 240_000)], [used])


async def test_a_call_that_the_limits_do_not_allow_now_is_refused_before_its_intent() -> None:
    world, models = World(), ToldEmbeddings()
    places = Places(full=True)
    embeddings = await embeddings_of(world, models, plans=OneAtOnce(), places=places)
    with pytest.raises(EmbeddingRateLimited) as refused:
        await embeddings.search(world.tenant_id, "text", "user:ada")
    assert refused.value.retry_after_s == 1
    assert (models.asked, told(world), places.settled) == ([], [], [])


async def test_a_call_that_no_budget_pays_for_gives_its_place_back() -> None:
    world, places = World(), Places()
    nothing = OneBudget(Standing(0, 0, 0))
    embeddings = await embeddings_of(
        world, ToldEmbeddings(), budgets=nothing, plans=OneAtOnce(), places=places
    )
    with pytest.raises(EmbeddingRefused):
        await embeddings.search(world.tenant_id, "text", "user:ada")
    assert places.settled == [(0, 0)]


async def test_so_many_texts_are_embedded_at_once_in_a_process_and_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sagas.embeddings.UNDER_WAY_MAX", 1)
    world, models = World(), ToldEmbeddings(may_answer=asyncio.Event())
    embeddings = await embeddings_of(world, models)
    first = asyncio.create_task(embeddings.search(world.tenant_id, "text", "user:ada"))
    while not models.asked:
        await asyncio.sleep(0)
    with pytest.raises(EmbeddingFailed, match="at this moment"):
        await embeddings.search(world.tenant_id, "text", "user:bob")
    assert models.may_answer is not None
    models.may_answer.set()
    await first
    await embeddings.search(world.tenant_id, "text", "user:bob")
