"""Embeddings for tenants: through whose provider, within which budgets, and on record.

    offline/...    ──► free, of no provider, and leaves no trace
    anything else  ──► a place under the limits of the tenant's calls, or it is refused
                           └──► the intent is stored, which holds what it may cost
                                (embedding_intents.py)
                                    └──► the call ──► its outcome is stored, which settles it

Of whoever dies after the intent, a deadline that was stored with it says that nobody knows what the
call used (commands/execution_usage.py): then it holds on to that until somebody does.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from commands.call_limit_port import CallPlaces, EndedCall, HeldCall
from commands.deadline_port import StoredDeadline
from commands.embedding_port import Embedding, EmbeddingFailed, EmbeddingRateLimited, Embeddings
from commands.model_port import ModelFailed, ModelRequest
from commands.plan_port import Plans
from commands.ports import Clock, EventStore, Ids
from commands.price_port import Prices
from commands.provider_port import ProviderAccess, Providers
from domain.embedding_calls import EmbeddingCall, Purpose
from domain.envelope import Envelope
from domain.errors import Stale, Unavailable
from domain.identifiers import PLATFORM, TenantId
from domain.node_types import FREE, UNBILLED, Usage
from infra.crash_points import reach
from infra.metrics import METRICS
from sagas.embedding_intents import Asked, EmbeddingIntents
from sagas.metering import Call, charged, charged_failure

log = logging.getLogger(__name__)

# Less than what a place is held for (infra/call_limits.py).
TIMEOUT_S = 20.0
# Of those that a limit can be for (domain/call_limits.py); it is a model's.
NODE_TYPE = "embedding"
# Where only another call that ends makes room.
AGAIN_S = 1.0
# Of this process, with those whose searcher has gone.
UNDER_WAY_MAX = 1_000
# Somebody else says meanwhile that nobody knows what it used, or that they do.
RECORDED_TRIES_MAX = 5


@dataclass(frozen=True, slots=True)
class MeteredEmbeddings:
    """model: the one of this installation, as tenants know it."""

    model: str
    models: Embeddings
    providers: Providers
    prices: Prices
    intents: EmbeddingIntents
    plans: Plans
    places: CallPlaces
    events: EventStore
    clock: Clock
    ids: Ids
    _under_way: set[asyncio.Task[Sequence[float]]] = field(
        default_factory=set[asyncio.Task[Sequence[float]]]
    )

    async def embed(
        self, tenant_id: TenantId, text: str, *, purpose: Purpose, actor: str
    ) -> Sequence[float]:
        """Raises EmbeddingFailed, EmbeddingRefused, EmbeddingRateLimited, Unavailable."""
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
            return await self._answered(text, None, str(self.ids.new()))
        access = await self.providers.access(tenant_id, None, self.model)
        if tenant_id == PLATFORM:  # Nobody is charged for what is offered to everybody.
            return await self._answered(text, access, str(self.ids.new()))
        asked_model = self.model if access is None else access.model
        call = Call(tenant_id, asked_model, self.model, None, self.clock.now())
        asked = await self.intents.asked(call, text, purpose=purpose, actor=actor)
        if len(self._under_way) >= UNDER_WAY_MAX:
            raise EmbeddingFailed("too many texts are embedded at this moment")
        # Who asked may go away; what was begun comes to its end, and is recorded.
        task = asyncio.create_task(self._placed(asked, text, access))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Sequence[float]]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # Whoever waits for it hears it; perhaps nobody does.

    async def _placed(
        self, asked: Asked, text: str, access: ProviderAccess | None
    ) -> Sequence[float]:
        """Under the limits of the tenant. Raises as `embed` does, and ModelFailed."""
        held = await self._taken(asked)
        used = FREE
        try:
            made = await self.intents.stored(asked)
            used = UNBILLED
            answer, used = await self._made(asked, made, text, access)
        finally:
            if held is not None:
                await self._give_back(held, used)
        if isinstance(answer, ModelFailed):
            raise answer
        return answer.vector

    async def _taken(self, asked: Asked) -> HeldCall | None:
        """None: nothing limits it. Raises EmbeddingRateLimited, Unavailable."""
        tenant_id = asked.call.tenant_id
        limits = (await self.plans.of(tenant_id)).call_limits(tenant_id, NODE_TYPE, None)
        if not limits:
            return None
        held = HeldCall(tenant_id, self.ids.new())
        most = {"tokens": asked.tokens_max, "usd_pico": asked.usd_pico}
        full = await self.places.take(held, limits, **most)
        if full is None:
            return held
        METRICS.sagas.call_limit_refusals.labels(full.limit).inc()
        raise EmbeddingRateLimited(limit=full.limit, retry_after_s=full.wait_s or AGAIN_S)

    async def _give_back(self, held: HeldCall, used: Usage) -> None:
        """What was used counts; if nobody knows, what was held."""
        tokens = None if used.is_unknown else used.tokens_in
        cost = None if used.is_unknown else used.cost_usd_pico or 0
        try:
            await self.places.settle([EndedCall(held, tokens, cost)])
        except Unavailable as error:
            log.warning("a place of a text is free when its time has run out: %s", error)

    async def _made(
        self, asked: Asked, made: EmbeddingCall, text: str, access: ProviderAccess | None
    ) -> tuple[Embedding | ModelFailed, Usage]:
        """With what it was charged. Raises Unavailable."""
        reach("embeddings.before_call")
        call, call_id, request_id = asked.call, made.id, made.request_id
        try:
            answer = await self.models.embed(self._request(text, access, request_id))
        except ModelFailed as failed:
            code, message = failed.code, failed.message
            used = await charged_failure(call, failed, self.prices)
            await self._record(asked, call_id, lambda one: one.fail(code, message, used))
            return failed, used
        reach("embeddings.after_call")
        usage = await charged(call, answer.measured, self.prices, provider=answer.provider)
        await self._record(asked, call_id, lambda one: one.complete(usage))
        reach("embeddings.after_outcome")
        return answer, usage

    async def _record(
        self, asked: Asked, call_id: UUID, tell: Callable[[EmbeddingCall], None]
    ) -> None:
        """Raises Unavailable: then it is said later that nobody knows."""
        tenant_id = asked.call.tenant_id
        for left in reversed(range(RECORDED_TRIES_MAX)):
            call = await self.events.load(EmbeddingCall, call_id, tenant_id)
            if call is None:
                return  # With its tenant.
            tell(call)
            row = StoredDeadline("embedding", call_id, None)
            try:
                await self.events.append([call], Envelope(tenant_id, asked.actor), side_rows=[row])
            except Stale:
                if not left:
                    raise
            else:
                return

    async def _answered(
        self, text: str, access: ProviderAccess | None, key: str
    ) -> Sequence[float]:
        return (await self.models.embed(self._request(text, access, key))).vector

    def _request(self, text: str, access: ProviderAccess | None, key: str) -> ModelRequest:
        return ModelRequest(
            model=self.model if access is None else access.model,
            messages=[{"role": "user", "content": text}],
            parameters={},
            attempt=1,
            timeout_s=TIMEOUT_S,
            idempotency_key=key,
            api_base=None if access is None else access.api_base,
            api_key=None if access is None else access.api_key,
        )
