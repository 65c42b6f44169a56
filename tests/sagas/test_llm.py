"""An llm node through a provider of a tenant's own: the key that a model repeats is not told."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from commands.model_port import ModelRequest, ModelResponse
from commands.providers import PutProvider
from domain.attempts import Attempt
from domain.identifiers import JsonObject
from infra.models.usage import measured_tokens
from sagas.effects import Run
from sagas.nodes.llm import run_llm
from tests.commands.fakes import World
from tests.sagas.steps import ToldHttp, effects_of

KEY = "sk-canary-key"


class Parrot:
    """Repeats the key it was called with, as a hostile server would."""

    def __init__(self) -> None:
        self.asked: list[ModelRequest] = []

    async def complete(
        self, request: ModelRequest, on_token: Callable[[str], None] | None = None
    ) -> ModelResponse:
        del on_token
        self.asked.append(request)
        calls: list[JsonObject] = [{"id": "1", "function": {"arguments": f"[{request.api_key}]"}}]
        text = f"Your key is {request.api_key}."
        measured = measured_tokens(1, 1)
        return ModelResponse(text, "tool_calls", measured, request.model, "p", tool_calls=calls)


async def outcome_of(world: World, models: Parrot, model: str) -> Any:
    request: JsonObject = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
    attempt = Attempt("ask", "llm", 1, request, 30.0, "key-1")
    run = Run(world.tenant_id, UUID(int=7), created_by="api_key:test")
    return await run_llm(attempt, run, effects_of(world, models, ToldHttp()))


async def test_a_key_that_the_server_repeats_is_blotted_out() -> None:
    world, models = World(), Parrot()
    await world.given(PutProvider("ours", "openai_compatible", "https://a.example/v1", KEY))
    outcome = await outcome_of(world, models, "ours/llama-4")
    (asked,) = models.asked
    assert (asked.model, asked.api_key) == ("hosted_vllm/llama-4", KEY)
    assert KEY not in str(outcome)
    assert outcome.output["text"] == "Your key is [secret ours]."
    assert outcome.usage.model == "ours/llama-4"


async def test_without_a_provider_of_its_own_a_tenant_calls_the_platforms() -> None:
    world, models = World(), Parrot()
    await outcome_of(world, models, "openai/gpt-4o-mini")
    (asked,) = models.asked
    assert (asked.model, asked.api_base, asked.api_key) == ("openai/gpt-4o-mini", None, None)
