"""Paying for a text before it is embedded: what it may cost at most, held of every budget that it
counts in, in the append of its intent.

    priced ──► the append ──► held, and the call may be made
                  ├──► somebody changed the budgets: decided anew
                  └──► a hard budget does not pay for it: refused, and nothing is stored

Nobody waits here for others to give something back: who searches looks at a page meanwhile, and a
template comes again by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from commands.budget_port import BudgetExceeded, Budgets, BudgetsChanged, KnownBudgets
from commands.deadline_port import StoredDeadline
from commands.embedding_port import EmbeddingHeldUp, EmbeddingRefused, EmbeddingUnpriced
from commands.ports import Clock, EventStore, Ids
from commands.price_port import Prices
from domain.budget_rules import BudgetRule, Counter, Spender
from domain.embedding_calls import EmbeddingCall, Purpose
from domain.envelope import Envelope
from domain.price_books import sources_told
from domain.reservations import Admitted, Exhausted, decide, reservation
from domain.worst_cases import WorstCase, worst_embedding
from infra.metrics import METRICS
from infra.models.bounds import embedding_tokens_max
from sagas.budget_payers import payer
from sagas.metering import Call
from sagas.run_owners import RunOwners, uuid_or_none

# After its intent. A call takes a third of it at most (sagas/embeddings.py); who tells its end
# later still is heard.
UNRESOLVED_AFTER_S = 60.0
# Somebody changes the budgets of the tenant meanwhile.
DECIDED_TRIES_MAX = 5


class Asked(NamedTuple):
    """One text to embed. tokens_max: it has no more. worst: what it costs at most; None for a model
    without a price.
    """

    call: Call
    purpose: Purpose
    actor: str
    tokens_max: int
    worst: WorstCase | None

    @property
    def usd_pico(self) -> int:
        """At most. What has no price counts as nothing."""
        return 0 if self.worst is None else self.worst.at(0)


class _Decided(NamedTuple):
    """counters: of all budgets that it counts in."""

    known: KnownBudgets
    counters: Sequence[Counter]


@dataclass(frozen=True, slots=True)
class EmbeddingIntents:
    prices: Prices
    budgets: Budgets
    owners: RunOwners
    events: EventStore
    clock: Clock
    ids: Ids

    async def asked(self, call: Call, text: str, *, purpose: Purpose, actor: str) -> Asked:
        """Raises Unavailable."""
        sources = await self.prices.sources(call.tenant_id, call.asked, call.made_at)
        told, tokens_max = sources_told(sources, call.asked, call.told), embedding_tokens_max(text)
        worst = worst_embedding(call.asked, told, tokens_in=tokens_max)
        return Asked(call, purpose, actor, tokens_max, worst)

    async def stored(self, asked: Asked) -> EmbeddingCall:
        """Raises EmbeddingRefused, Unavailable."""
        call, worst = asked.call, asked.worst
        call_id = self.ids.new()
        spender = await self._spender(asked)
        for left in reversed(range(DECIDED_TRIES_MAX)):
            try:
                decided = await self._decided(call, spender, worst)
                return await self._appended(asked, call_id, decided)
            except BudgetsChanged:
                self.budgets.forget(call.tenant_id)
                if not left:
                    raise
            except BudgetExceeded as exceeded:
                raise _counted(_refusal(worst, exceeded)) from None
        raise AssertionError

    async def _spender(self, asked: Asked) -> Spender:
        """It is of no run and no agent."""
        kind, _, name = asked.actor.partition(":")
        return Spender(
            user_id=await self.owners.owner_of(asked.call.tenant_id, asked.actor),
            api_key_id=uuid_or_none(name) if kind == "api_key" else None,
        )

    async def _decided(self, call: Call, spender: Spender, worst: WorstCase | None) -> _Decided:
        """Raises EmbeddingUnpriced."""
        budgets = await self.budgets.of(call.tenant_id)
        paying = payer(spender, budgets.rules)
        if worst is None and _must_be_priced(paying.rules):
            # What is known may be old, and no append will say so.
            self.budgets.forget(call.tenant_id)
            budgets = await self.budgets.of(call.tenant_id)
            paying = payer(spender, budgets.rules)
            if _must_be_priced(paying.rules):
                raise _counted(EmbeddingUnpriced())
        known = KnownBudgets(budgets.revision, {})
        return _Decided(known, paying.counters(call.made_at))

    async def _appended(self, asked: Asked, call_id: UUID, decided: _Decided) -> EmbeddingCall:
        """Raises BudgetExceeded, BudgetsChanged, Unavailable."""
        call, admitted = asked.call, Admitted(asked.usd_pico, 0)
        made = EmbeddingCall(
            id=call_id,
            purpose=asked.purpose,
            model=call.told,
            happened_at=call.made_at.isoformat(),
            created_by=asked.actor,
            reserved=reservation(admitted, [one.told() for one in decided.counters])
            if decided.counters
            else None,
            usage=None,
            counters=[],
        )
        due_at = self.clock.now() + timedelta(seconds=UNRESOLVED_AFTER_S)
        rows = (decided.known, StoredDeadline("embedding", call_id, due_at))
        await self.events.append([made], Envelope(call.tenant_id, asked.actor), side_rows=rows)
        return made


def _must_be_priced(rules: Sequence[BudgetRule]) -> bool:
    return any(rule.is_hard and not rule.allows_unpriced for rule in rules)


def _refusal(worst: WorstCase | None, exceeded: BudgetExceeded) -> EmbeddingRefused:
    decision = decide(worst or WorstCase(0, 0), 0, exceeded.standings)
    return EmbeddingRefused() if isinstance(decision, Exhausted) else EmbeddingHeldUp()


def _counted(refusal: EmbeddingRefused) -> EmbeddingRefused:
    METRICS.sagas.budget_refusals.labels(refusal.code).inc()
    return refusal
