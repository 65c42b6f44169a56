"""Embeddings for tenants: through whose provider, within which budgets, and on record.

    offline/...    ──► free, of no provider, and leaves no trace
    anything else  ──► do hard budgets pay for it? ──► the call ──► an event, a usage fact

A call costs some millionths of a dollar, and nothing is reserved for it: what several cost that are
made at once may be beyond a hard budget, by that much. The next one is refused then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from commands.budget_port import Budgets, KnownBudgets, TenantBudgets
from commands.embedding_port import Embedding, EmbeddingFailed, Embeddings
from commands.model_port import ModelFailed, ModelRequest
from commands.ports import Clock, EventStore, Ids
from commands.price_port import Prices
from commands.provider_port import ProviderAccess, Providers
from domain.budget_rules import BudgetRule, Spender, applies, counter_of
from domain.embedding_calls import EmbeddingCall, Purpose
from domain.envelope import Envelope
from domain.errors import Stale
from domain.identifiers import PLATFORM, Json, TenantId
from domain.usage import Measured, Metered
from sagas.metering import Call, charged

TIMEOUT_S = 20.0
# Somebody changes the budgets of the tenant meanwhile.
RECORDED_TRIES_MAX = 5
NOBODY_IN_PARTICULAR = Spender()


@dataclass(frozen=True, slots=True)
class MeteredEmbeddings:
    """model: the one of this installation, as tenants know it."""

    model: str
    models: Embeddings
    providers: Providers
    prices: Prices
    budgets: Budgets
    events: EventStore
    clock: Clock
    ids: Ids

    async def embed(
        self, tenant_id: TenantId, text: str, *, purpose: Purpose, actor: str
    ) -> Sequence[float]:
        """Raises EmbeddingFailed, Unavailable."""
        try:
            return await self._embed(tenant_id, text, purpose=purpose, actor=actor)
        except ModelFailed as failed:
            raise EmbeddingFailed(f"{self.model}: {failed.message}", cause=failed.code) from None

    async def search(self, tenant_id: TenantId, text: str, actor: str) -> Sequence[float]:
        """Of what somebody looks for. Raises EmbeddingFailed, Unavailable."""
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
        await self._require_affordable(call, text)
        answer = await self.models.embed(self._request(text, access))
        if tenant_id != PLATFORM:  # Nobody is charged for what is offered to everybody.
            await self._record(call, answer, purpose, actor)
        return answer.vector

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

    async def _require_affordable(self, call: Call, text: str) -> None:
        """By what it costs at most: no tokenizer makes more tokens of a text than it has bytes.
        Raises EmbeddingFailed.
        """
        budgets = await self.budgets.of(call.tenant_id)
        hard = [rule for rule in budgets.rules if rule.is_hard and _counts_in(rule)]
        if not hard:
            return
        most = Measured({"embedding_tokens": max(len(text.encode()), 1)}, "estimated")
        worst = await self._charged(call, most, provider="")
        cost = worst.cost_usd_pico
        if cost is None and not all(rule.allows_unpriced for rule in hard):
            raise EmbeddingFailed(f"Nobody knows what {call.told} costs, and a hard budget holds.")
        counters = [counter_of(rule, NOBODY_IN_PARTICULAR, call.made_at) for rule in hard]
        standings = await self.budgets.standings(call.tenant_id, counters, {})
        for standing in standings.values():
            if standing.spent + standing.reserved + (cost or 0) > standing.limit:
                raise EmbeddingFailed("A hard budget of the tenant does not pay for it.")

    async def _record(self, call: Call, answer: Embedding, purpose: Purpose, actor: str) -> None:
        metered = await self._charged(call, answer.measured, provider=answer.provider)
        usage = metered.fact(workflow_id=None, created_by=actor)
        call_id = self.ids.new()
        for left in reversed(range(RECORDED_TRIES_MAX)):
            budgets = await self.budgets.of(call.tenant_id)
            made = EmbeddingCall(
                id=call_id,
                purpose=purpose,
                model=call.told,
                happened_at=call.made_at.isoformat(),
                usage=usage,
                counters=_counters(budgets, call.made_at),
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


def _counts_in(rule: BudgetRule) -> bool:
    """It is of no run and of nobody in particular, so it counts in those of the whole tenant."""
    return applies(rule, NOBODY_IN_PARTICULAR)


def _counters(budgets: TenantBudgets, at: datetime) -> list[Json]:
    return [
        counter_of(rule, NOBODY_IN_PARTICULAR, at).told()
        for rule in budgets.rules
        if _counts_in(rule)
    ]
