"""Embeddings for tenants: through whose provider, within which budgets, and on record.

    offline/...    ──► free, of no provider, and leaves no trace
    anything else  ──► the intent is stored, which holds what it may cost (embedding_intents.py)
                           └──► the call ──► its outcome is stored, which settles what it cost

Of whoever dies after the intent, a deadline that was stored with it says that nobody knows what the
call used (commands/execution_usage.py): then it holds on to that until somebody does.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from commands.deadline_port import StoredDeadline
from commands.embedding_port import EmbeddingFailed, Embeddings
from commands.model_port import ModelFailed, ModelRequest
from commands.ports import Clock, EventStore, Ids
from commands.price_port import Prices
from commands.provider_port import ProviderAccess, Providers
from domain.embedding_calls import EmbeddingCall, Purpose
from domain.envelope import Envelope
from domain.errors import Stale
from domain.identifiers import PLATFORM, TenantId
from infra.crash_points import reach
from infra.models.bounds import embedding_tokens_max
from sagas.embedding_intents import Asked, EmbeddingIntents
from sagas.metering import Call, charged, charged_failure

TIMEOUT_S = 20.0
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
    events: EventStore
    clock: Clock
    ids: Ids
    _under_way: set[asyncio.Task[Sequence[float]]] = field(
        default_factory=set[asyncio.Task[Sequence[float]]]
    )

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
            return await self._answered(text, None, str(self.ids.new()))
        if len(self._under_way) >= UNDER_WAY_MAX:
            raise EmbeddingFailed("too many texts are embedded at this moment")
        access = await self.providers.access(tenant_id, None, self.model)
        if tenant_id == PLATFORM:  # Nobody is charged for what is offered to everybody.
            return await self._answered(text, access, str(self.ids.new()))
        asked_model = self.model if access is None else access.model
        call = Call(tenant_id, asked_model, self.model, None, self.clock.now())
        asked = Asked(call, purpose, actor, embedding_tokens_max(text))
        made = await self.intents.stored(asked)
        # Who asked may go away; what is paid for comes to its end, and is recorded.
        task = asyncio.create_task(self._made(asked, made, text, access))
        self._under_way.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Sequence[float]]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # Whoever waits for it hears it; perhaps nobody does.

    async def _made(
        self, asked: Asked, made: EmbeddingCall, text: str, access: ProviderAccess | None
    ) -> Sequence[float]:
        """Raises ModelFailed, Unavailable."""
        reach("embeddings.before_call")
        call, call_id, request_id = asked.call, made.id, made.request_id
        try:
            answer = await self.models.embed(self._request(text, access, request_id))
        except ModelFailed as failed:
            code, message = failed.code, failed.message
            used = await charged_failure(call, failed, self.prices)
            await self._record(asked, call_id, lambda one: one.fail(code, message, used))
            raise
        reach("embeddings.after_call")
        usage = await charged(call, answer.measured, self.prices, provider=answer.provider)
        await self._record(asked, call_id, lambda one: one.complete(usage))
        reach("embeddings.after_outcome")
        return answer.vector

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
