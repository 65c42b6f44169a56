"""An llm node through a provider of a tenant's own: the key that a model repeats is not told."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

from commands.model_port import ModelRequest, ModelResponse
from commands.providers import PutProvider
from domain.attempts import Attempt
from domain.identifiers import Json, JsonObject
from infra.live_text import LiveText
from infra.models.usage import measured_tokens
from sagas.effects import Run
from sagas.nodes.llm import run_llm
from tests.commands.fakes import World
from tests.sagas.steps import ToldHttp, effects_of

KEY = "sk-canary-key"
RUN_ID = UUID(int=7)


class Parrot:
    """Repeats the key it was called with, as a hostile server would."""

    def __init__(self) -> None:
        self.asked: list[ModelRequest] = []
        self.streamed: list[bool] = []

    async def complete(
        self, request: ModelRequest, on_token: Callable[[str], None] | None = None
    ) -> ModelResponse:
        self.asked.append(request)
        self.streamed.append(on_token is not None)
        if on_token is not None:
            for character in f"Your key is {request.api_key}.":
                on_token(character)
        calls: list[JsonObject] = [{"id": "1", "function": {"arguments": f"[{request.api_key}]"}}]
        text = f"Your key is {request.api_key}."
        measured = measured_tokens(1, 1)
        return ModelResponse(text, "tool_calls", measured, request.model, "p", tool_calls=calls)


async def outcome_of(
    world: World, models: Parrot, model: str, live: LiveText | None = None, **parameters: Json
) -> Any:
    request: JsonObject = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
    request["parameters"] = parameters
    attempt = Attempt("ask", "llm", 1, request, 30.0, "key-1")
    run = Run(world.tenant_id, RUN_ID, created_by="api_key:test")
    effects = replace(effects_of(world, models, ToldHttp()), live_text=live or LiveText())
    return await run_llm(attempt, run, effects)


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


async def test_who_follows_a_run_hears_the_answer_as_it_comes_without_the_key() -> None:
    world, models, live = World(), Parrot(), LiveText()
    await world.given(PutProvider("ours", "openai_compatible", "https://a.example/v1", KEY))
    with live.follow(world.tenant_id, RUN_ID) as following:
        await outcome_of(world, models, "ours/llama-4", live)
    heard = ""
    while following.has_waiting:
        heard += (await following.next()).text
    assert heard == "Your key is [secret ours]."


async def test_a_call_streams_only_where_somebody_wants_it() -> None:
    world, models = World(), Parrot()
    await outcome_of(world, models, "openai/gpt-4o-mini")
    await outcome_of(world, models, "openai/gpt-4o-mini", stream=True)
    await outcome_of(world, models, "openai/gpt-4o-mini", stream=False)
    assert models.streamed == [False, True, False]
    # It is ours, and no business of the provider's.
    assert [dict(request.parameters) for request in models.asked] == [{}, {}, {}]
