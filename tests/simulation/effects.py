"""The world outside: a model server that honours idempotency keys, as Stripe does, and remembers
who asked for what, how often.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from commands.model_port import ModelFailed, ModelRequest, ModelResponse
from infra.models.usage import measured_tokens
from tests.simulation.processes import Environment, Process
from tests.simulation.store import SimulatedStore

WAY_S = 0.3
LATE_S = 4.0
REPEATABLE = "repeatable"


@dataclass(eq=False)
class ModelServer:
    """accepted: by key, when its effect happened. sends: by (key, attempt)."""

    environment: Environment
    store: SimulatedStore
    accepted: dict[str, float] = field(default_factory=dict)
    sends: Counter[tuple[str, int]] = field(default_factory=Counter)
    repeatable: set[str] = field(default_factory=set)
    unannounced: list[str] = field(default_factory=list)

    async def serve(self, request: ModelRequest, answer: "asyncio.Future[ModelResponse]") -> None:
        faults, key = self.environment.faults, request.idempotency_key
        await self.environment.pass_by(WAY_S)
        self._receive(request)
        if faults.happens(faults.effect_fails_before):
            self._fail(answer, "rate_limited", is_retryable=True)
            return
        if faults.happens(faults.effect_fails_for_good):
            self._fail(answer, "invalid", is_retryable=False)
            return
        if key not in self.accepted:
            self.environment.tell("effects", f"does {key[-30:]}")
            self.accepted[key] = self.environment.now_s
        if faults.happens(faults.effect_fails_after):
            self._fail(answer, "unavailable", is_retryable=True)
            return
        if faults.happens(faults.effect_hangs):
            return
        await self.environment.pass_by(LATE_S if faults.happens(faults.delivery_is_slow) else WAY_S)
        if not answer.done():
            answer.set_result(
                ModelResponse(key, "stop", measured_tokens(2, 3), "offline/echo", "sim")
            )

    def _receive(self, request: ModelRequest) -> None:
        key = request.idempotency_key
        self.sends[key, request.attempt] += 1
        if REPEATABLE in str(request.messages):
            self.repeatable.add(key)
        elif (key, request.attempt) not in self.store.intents:
            self.unannounced.append(f"{key} attempt {request.attempt}")

    def _fail(
        self, answer: "asyncio.Future[ModelResponse]", code: str, *, is_retryable: bool
    ) -> None:
        if not answer.done():
            answer.set_exception(ModelFailed(code, "no", retryable=is_retryable))


class ModelClient:
    """One process's way to it. Implements commands.model_port.Models."""

    def __init__(self, server: ModelServer, process: Process) -> None:
        self._server = server
        self._process = process
        self.is_cut_off = False

    async def complete(
        self, request: ModelRequest, on_token: Callable[[str], None] | None = None
    ) -> ModelResponse:
        del on_token
        await self._process.reach()
        if self.is_cut_off:
            await asyncio.sleep(WAY_S)
            raise ModelFailed("unavailable", "no way to it", retryable=True)
        answer: asyncio.Future[ModelResponse] = asyncio.get_running_loop().create_future()
        answer.add_done_callback(lambda one: one.cancelled() or one.exception())
        # What was sent is done, also when its sender is gone.
        self._process.environment.spawn(self._server.serve(request, answer))
        response = await asyncio.shield(answer)
        await self._process.reach()
        return response
