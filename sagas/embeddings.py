"""Embeddings for tenants: through whose provider, within which budgets, and on record.

    offline/...    ──► free, of no provider, and leaves no trace
    anything else  ──► do hard budgets pay for it? ──► the call ──► an event, a usage fact

A call costs some millionths of a dollar, and nothing is reserved for it: what several cost that are
made at once may be beyond a hard budget, by that much. The next one is refused then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from commands.budget_port import Budgets, KnownBudgets, TenantBudgets
from commands.embedding_port import (
    Embedding,
    EmbeddingFailed,
    EmbeddingRefused,
    Embeddings,
)
from commands.model_port import ModelFailed, ModelRequest
from commands.ports import Clock, EventStore, Ids
from commands.price_port import Prices
from commands.provider_port import ProviderAccess, Providers
from domain.budget_rules import Spender, applies, counter_of
from domain.embedding_calls import EmbeddingCall, Purpose
from domain.envelope import Envelope
from domain.errors import Stale
from domain.identifiers import PLATFORM, Json, TenantId
from domain.usage import Measured, Metered
from sagas.metering import Call, charged
from sagas.run_owners import RunOwners, uuid_or_none

TIMEOUT_S = 20.0
# Somebody changes the budgets of the tenant meanwhile.
RECORDED_TRIES_MAX = 5


class Asked(NamedTuple):
    """One text to embed. spender: whose budgets it counts in; it is of no run and no agent."""

    call: Call
    purpose: Purpose
    actor: str
    spender: Spender


@dataclass(frozen=True, slots=True)
class MeteredEmbeddings:
    """model: the one of this installation, as tenants know it."""

    model: str
    models: Embeddings
    providers: Providers
    prices: Prices
    budgets: Budgets
    owners: RunOwners
    events: EventStore
    clock: Clock
    ids: Ids

    async def embed(
        self, tenant_id: TenantId, text: str, *, purpose: Purpose, actor: str
    ) -> Sequence[float]:
        """Raises EmbeddingFailed, EmbeddingRefused, Unavailable."""
        try:
            return await self._embed(tenant_id, text, purpose=purpose, actor=actor)
        except ModelFailed as failed:
            raise EmbeddingFailed(f"{self.model}: {failed.message}", cause=failed.code) from None

    async def search(self, tenant_id: TenantId, text: str, actor: str) -> Sequence[float]:
        """Of what somebody looks for. Raises as `embed` does."""
        return await self.embed(tenant_id, text, purpose="search", actor=actor)

    async def _embed(
        self, tenant_id: TenantId, text: str, *, purpose: Purpose, actor: str
    ) -> Sequence[float]:
        if self.model.startswith("offline/"):
            return (await self.models.embed(self._request(text, None))).vector
        access = await self.providers.access(tenant_id, None, self.model)
        call = Call(
            tenant_id,
            self.model if access is None else access.model,
            self.model,
            None,
            self.clock.now(),
        )
        asked = Asked(call, purpose, actor, await self._spender(tenant_id, actor))
        await self._require_affordable(asked, text)
        answer = await self.models.embed(self._request(text, access))
        if tenant_id != PLATFORM:  # Nobody is charged for what is offered to everybody.
            await self._record(asked, answer)
        return answer.vector

    async def _spender(self, tenant_id: TenantId, actor: str) -> Spender:
        kind, _, name = actor.partition(":")
        return Spender(
            user_id=await self.owners.owner_of(tenant_id, actor),
            api_key_id=uuid_or_none(name) if kind == "api_key" else None,
        )

    def _request(self, text: str, access: ProviderAccess | None) -> ModelRequest:
        return ModelRequest(
            model=self.model if access is None else access.model,
            messages=[{"role": "user", "content": text}],
            parameters={},
            attempt=1,
            timeout_s=TIMEOUT_S,
            idempotency_key=str(self.ids.new()),
            api_base=None if access is None else access.api_base,
            api_key=None if access is None else access.api_key,
        )

    async def _require_affordable(self, asked: Asked, text: str) -> None:
        """By what it costs at most: no tokenizer makes more tokens of a text than it has bytes.
        Raises EmbeddingRefused.
        """
        call, spender = asked.call, asked.spender
        # Nothing is stored before the call that would find out that a budget is new.
        self.budgets.forget(call.tenant_id)
        budgets = await self.budgets.of(call.tenant_id)
        hard = [rule for rule in budgets.rules if rule.is_hard and applies(rule, spender)]
        if not hard:
            return
        most = Measured({"embedding_tokens": max(len(text.encode()), 1)}, "estimated")
        worst = await self._charged(call, most, provider="")
        cost = worst.cost_usd_pico
        if cost is None and not all(rule.allows_unpriced for rule in hard):
            raise EmbeddingRefused(f"Nobody knows what {call.told} costs, and a hard budget holds.")
        counters = [counter_of(rule, spender, call.made_at) for rule in hard]
        standings = await self.budgets.standings(call.tenant_id, counters, {})
        for standing in standings.values():
            if standing.spent + standing.reserved + (cost or 0) > standing.limit:
                raise EmbeddingRefused

    async def _record(self, asked: Asked, answer: Embedding) -> None:
        call, actor = asked.call, asked.actor
        metered = await self._charged(call, answer.measured, provider=answer.provider)
        usage = metered.fact(workflow_id=None, created_by=actor)
        call_id = self.ids.new()
        for left in reversed(range(RECORDED_TRIES_MAX)):
            budgets = await self.budgets.of(call.tenant_id)
            made = EmbeddingCall(
                id=call_id,
                purpose=asked.purpose,
                model=call.told,
                happened_at=call.made_at.isoformat(),
                usage=usage,
                counters=_counters(budgets, asked),
            )
            known = KnownBudgets(budgets.revision, {})
            try:
                await self.events.append([made], Envelope(call.tenant_id, actor), side_rows=[known])
            except Stale:
                self.budgets.forget(call.tenant_id)
                if not left:
                    raise
            else:
                return

    async def _charged(self, call: Call, measured: Measured, *, provider: str) -> Metered:
        metered = (await charged(call, measured, self.prices, provider=provider)).metered
        assert metered is not None
        return metered


def _counters(budgets: TenantBudgets, asked: Asked) -> list[Json]:
    return [
        counter_of(rule, asked.spender, asked.call.made_at).told()
        for rule in budgets.rules
        if applies(rule, asked.spender)
    ]
