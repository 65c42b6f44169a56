"""Which adapter a model's name leads to, and what importing the router costs."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest

from commands.embedding_port import Embedding
from commands.model_port import ModelFailed, ModelRequest, ModelResponse
from domain.usage import Measured
from infra.models import RoutedModels, build_models


class Recorded:
    """An adapter that answers with its own name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_closed = False

    async def complete(
        self, request: ModelRequest, on_token: Callable[[str], None] | None = None
    ) -> ModelResponse:
        if on_token is not None:
            on_token(self.name)
        return ModelResponse(self.name, "stop", Measured({}), request.model, self.name)

    async def embed(self, request: ModelRequest) -> Embedding:
        del request
        return Embedding([1.0], Measured({}), self.name)

    async def aclose(self) -> None:
        self.is_closed = True


def request(model: str) -> ModelRequest:
    return ModelRequest(model, [{"role": "user", "content": "Hi"}], {}, 1, 5, "k")


def test_a_request_that_is_printed_shows_all_but_the_key() -> None:
    shown = repr(replace(request("openai/x"), api_base="https://x", api_key="sk-secret"))
    assert "sk-secret" not in shown
    assert shown.startswith("ModelRequest(model='openai/x', ")
    assert "api_base='https://x'" in shown


def routed() -> RoutedModels:
    return RoutedModels(openai_protocol=Recorded("openai_protocol"), litellm=Recorded("litellm"))


@pytest.mark.parametrize(
    ("model", "adapter"),
    [
        ("offline/echo", "Hi"),
        ("openai/gpt-5-mini", "openai_protocol"),
        ("groq/llama-3.3-70b-versatile", "openai_protocol"),
        ("ollama/llama3:8b", "openai_protocol"),
        ("openrouter/meta-llama/llama-4", "openai_protocol"),
        ("hosted_vllm/Qwen/Qwen3-8B", "openai_protocol"),
        ("gpt-5-mini", "litellm"),
        ("openai/responses/gpt-5", "litellm"),
        ("openai/o3-pro", "litellm"),
        ("anthropic/claude-sonnet-4-5", "litellm"),
        ("azure/my-deployment", "litellm"),
        ("bedrock/arn:aws:bedrock:us-east-1:1:inference-profile/x", "litellm"),
    ],
)
async def test_a_models_name_leads_to_its_adapter(model: str, adapter: str) -> None:
    assert (await routed().complete(request(model))).text == adapter


@pytest.mark.parametrize(
    ("model", "adapter"),
    [
        ("offline/hash", "offline"),
        ("openai/text-embedding-3-small", "openai_protocol"),
        ("ollama/nomic-embed-text", "openai_protocol"),
        ("cohere/embed-v4.0", "litellm"),
        ("text-embedding-3-small", "litellm"),
    ],
)
async def test_an_embedding_models_name_leads_to_its_adapter(model: str, adapter: str) -> None:
    assert (await routed().embed(request(model))).provider == adapter


@pytest.mark.parametrize(
    "model",
    [
        "",
        " ",
        "a b",
        "openai/../admin",
        "huggingface/http://10.0.0.1/",
        "x/\n",
        "/x",
        "openai/",
        "m" * 201,
        "m" * 500,
    ],
)
async def test_what_cannot_be_a_name_reaches_no_adapter(model: str) -> None:
    with pytest.raises(ModelFailed) as caught:
        await routed().complete(request(model))

    assert (caught.value.code, caught.value.retryable) == ("unknown_model", False)


async def test_tokens_come_through_the_router() -> None:
    tokens: list[str] = []

    await routed().complete(request("offline/echo"), tokens.append)

    assert tokens == ["Hi"]


async def test_closing_the_router_closes_its_adapters() -> None:
    adapters = Recorded("openai_protocol"), Recorded("litellm")

    await RoutedModels(openai_protocol=adapters[0], litellm=adapters[1]).aclose()

    assert all(adapter.is_closed for adapter in adapters)


async def test_the_built_router_answers_and_may_be_closed_unused() -> None:
    models = build_models({})

    assert (await models.complete(request("offline/echo"))).text == "Hi"
    await models.aclose()


OFFLINE_CALL_AND_PRICE = """
import asyncio
from commands.model_port import ModelRequest
from infra.models import build_models, known_model

request = ModelRequest("offline/echo", [], {}, 1, 5, "k")
asyncio.run(build_models({}).complete(request))
assert known_model("gpt-4o").prices
"""


@pytest.mark.parametrize(
    ("program", "absent"),
    [
        ("import infra.models", {"litellm", "openai", "aiohttp", "httpx"}),
        ("from infra.models import build_models; build_models({})", {"litellm", "openai"}),
        (OFFLINE_CALL_AND_PRICE, {"litellm", "openai"}),
    ],
    ids=["import", "build", "offline call and price"],
)
def test_litellm_is_not_imported_before_it_is_needed(program: str, absent: set[str]) -> None:
    """Its import takes seconds and 190 MB: no process pays for it that does not use it."""
    check = f"{program}\nimport sys\nprint(sorted({absent!r} & sys.modules.keys()))"

    ended = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "[]"
