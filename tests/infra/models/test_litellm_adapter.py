"""What litellm may not do here: reach the network by itself, spend the operator's credentials, or
wait for a login.
"""

import importlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from commands.model_port import ModelFailed, ModelRequest
from domain.usage import Measured
from infra.models.litellm_adapter import LitellmModels
from infra.models.usage import reported_usage
from tests.openai_server import Answer, error, openai_server
from tests.prices import cost_of

SILENT_CALL = """
import asyncio, sys

reached = []

def audit(event, arguments):
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        reached.append(arguments[1][0])
    elif event == "socket.getaddrinfo":
        reached.append(arguments[0])

async def main():
    from commands.model_port import ModelRequest
    from infra.models.litellm_adapter import LitellmModels
    from tests.openai_server import USAGE, Answer, openai_server

    models = LitellmModels()
    async with openai_server() as server:
        for model in ("openai/test-model", "hosted_vllm/meta-llama/Llama-3"):
            request = ModelRequest(
                model=model, messages=[{"role": "user", "content": "Hi"}], parameters={}, attempt=1,
                timeout_s=20, idempotency_key="k", api_base=server.api_base, api_key="sk-test",
            )
            for usage in (USAGE, None):
                server.answers(Answer(usage=usage))
                tokens = []
                await models.complete(request, tokens.append)
                assert (await models.complete(request)).text == "".join(tokens) == "Hello there!"
        await models.aclose()

sys.addaudithook(audit)
asyncio.run(main())
assert "litellm" in sys.modules
assert reached, "not even the local server was reached"
print(sorted(set(map(str, reached)) - {"127.0.0.1"}))
"""


def request(model: str, **changes: Any) -> ModelRequest:
    return ModelRequest(
        model=model,
        messages=[{"role": "user", "content": "Hi"}],
        parameters=changes.pop("parameters", {}),
        attempt=1,
        timeout_s=20,
        idempotency_key="k",
        **changes,
    )


@pytest.fixture
async def models() -> AsyncIterator[LitellmModels]:
    adapter = LitellmModels()
    yield adapter
    await adapter.aclose()


async def failure_of(models: LitellmModels, request: ModelRequest) -> ModelFailed:
    with pytest.raises(ModelFailed) as caught:
        await models.complete(request)
    return caught.value


def test_its_import_and_its_calls_reach_nobody_but_the_provider() -> None:
    # The suite's own environment may already have the switches; they must not come from there.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LITELLM_", "HF_"))
    }

    ended = subprocess.run(
        [sys.executable, "-c", SILENT_CALL],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "[]"


async def test_a_name_without_a_known_provider_is_an_unknown_model(models: LitellmModels) -> None:
    failure = await failure_of(models, request("no-such-model"))

    assert (failure.code, failure.retryable, failure.measured) == ("unknown_model", False, None)


@pytest.mark.parametrize("provider", ["chatgpt", "github_copilot", "petals", "vllm"])
async def test_providers_that_need_a_person_or_load_weights_are_refused(
    models: LitellmModels, provider: str
) -> None:
    failure = await failure_of(models, request(f"{provider}/model"))

    assert failure.code == "unknown_model"


async def test_the_operators_key_never_goes_to_an_address_that_the_caller_chose(
    models: LitellmModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-operator")

    failure = await failure_of(
        models, request("anthropic/claude-sonnet-4-5", api_base="http://127.0.0.1:1")
    )

    assert (failure.code, failure.retryable) == ("unauthorized", False)


@pytest.mark.parametrize(
    "model",
    ["bedrock/anthropic.claude-v2", "anthropic.claude-v2:1", "vertex_ai/gemini-2.5-pro"],
)
async def test_what_signs_with_the_machines_credentials_goes_to_no_callers_address(
    models: LitellmModels, model: str
) -> None:
    failure = await failure_of(
        models, request(model, api_base="http://127.0.0.1:1", api_key="sk-tenant")
    )

    assert (failure.code, failure.retryable) == ("invalid", False)


async def test_a_parameter_that_the_model_does_not_know_is_told_as_one(
    models: LitellmModels,
) -> None:
    no_sampling = request(
        "openai/o1", api_key="sk-test", api_base="http://127.0.0.1:1", parameters={"top_p": 0.5}
    )

    failure = await failure_of(models, no_sampling)

    assert (failure.code, failure.retryable) == ("invalid", False)
    assert "parameter" in failure.message


async def test_a_missing_key_is_a_refusal_and_not_an_attempt(
    models: LitellmModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)

    failure = await failure_of(models, request("anthropic/claude-sonnet-4-5"))

    assert (failure.code, failure.retryable) == ("unauthorized", False)


GOLDEN: list[tuple[str, str, str, dict[str, Any]]] = [
    # 400 at 2.50, 600 cached at 1.25 and 10 at 10 USD a million.
    ("cached", "openai/gpt-4o", "0.00185", {"prompt_tokens_details": {"cached_tokens": 600}}),
    # 1,000 at 2 and 10 at 8, however many of them were thought.
    ("thought", "openai/o3", "0.00208", {"completion_tokens_details": {"reasoning_tokens": 8}}),
    ("zeros", "openai/gpt-4o", "0", {"prompt_tokens": 0, "completion_tokens": 0}),
    # 988 at 3, 7 read at 0.30, 5 written at 3.75 and 10 at 15.
    (
        "written",
        "anthropic/claude-sonnet-4-5",
        "0.00313485",
        {
            "cache_read_input_tokens": 7,
            "cache_creation_input_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 7, "cache_creation_tokens": 5},
        },
    ),
    # 985 at 3, 7 at 0.30, 5 at 3.75, 3 for an hour at 6 and 10 at 15.
    (
        "written for an hour",
        "anthropic/claude-sonnet-4-5",
        "0.00314385",
        {
            "cache_read_input_tokens": 7,
            "cache_creation_input_tokens": 8,
            "prompt_tokens_details": {
                "cached_tokens": 7,
                "cache_creation_tokens": 8,
                "cache_creation_token_details": {
                    "ephemeral_5m_input_tokens": 5,
                    "ephemeral_1h_input_tokens": 3,
                },
            },
        },
    ),
    # 1.25 and 10 up to 200,000 tokens of prompt; beyond, 2.50, 0.25 cached, and 15.
    ("short", "gemini/gemini-2.5-pro", "0.2501", {"prompt_tokens": 200_000}),
    ("long", "gemini/gemini-2.5-pro", "0.5001525", {"prompt_tokens": 200_001}),
    (
        "long and cached",
        "gemini/gemini-2.5-pro",
        "0.6229",
        {"prompt_tokens": 250_000, "prompt_tokens_details": {"cached_tokens": 1_000}},
    ),
]


@pytest.mark.parametrize(
    ("model", "usd", "report"), [case[1:] for case in GOLDEN], ids=[case[0] for case in GOLDEN]
)
async def test_what_providers_report_costs_what_litellm_and_a_hand_come_to(
    models: LitellmModels, model: str, usd: str, report: dict[str, Any]
) -> None:
    """Ours is exact; theirs is a float."""
    await failure_of(models, request("no-such-model"))  # Imports it, switched off.
    litellm = importlib.import_module("litellm")
    usage = {"prompt_tokens": 1_000, "completion_tokens": 10, **report}
    answer = litellm.ModelResponse(model=model, usage=litellm.Usage(**usage))
    theirs = litellm.completion_cost(completion_response=answer, model=model)
    ours = cost_of(model, reported_usage(usage))
    assert ours == Decimal(usd) * 10**12
    assert abs(Decimal(str(theirs)) - Decimal(usd)) < Decimal("1e-9")


async def test_it_embeds_by_the_same_rules(models: LitellmModels) -> None:
    """At the address and with the key that came with the request, and named failures."""
    async with openai_server() as server:
        asked = request("openai/test-model", api_base=server.api_base, api_key="sk-test")
        usage = {"prompt_tokens": 7, "total_tokens": 7}
        server.answers(Answer(vector=(0.6, -0.8), usage=usage), error(429))
        embedding = await models.embed(asked)
        assert list(embedding.vector) == [0.6, -0.8]
        assert embedding.measured == Measured({"embedding_tokens": 7})
        (received,) = server.requests
        assert received.path == "/v1/embeddings"
        assert received.headers["Authorization"] == "Bearer sk-test"
        headers = {name.lower(): value for name, value in received.headers.items()}
        assert headers["idempotency-key"] == asked.idempotency_key
        with pytest.raises(ModelFailed) as caught:
            await models.embed(asked)
        assert caught.value.code == "rate_limited"
        assert len(server.requests) == 2
