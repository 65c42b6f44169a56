"""Where a call goes and which key goes with it."""

from collections.abc import Mapping
from typing import Any

import pytest

from commands.model_port import ModelFailed, ModelRequest
from infra.models.providers import PROVIDERS, Endpoint, endpoint_of

OPERATOR = {"OPENAI_API_KEY": "sk-operator", "OLLAMA_API_BASE": "http://gpu.example:11434"}


def endpoint(model: str, environment: Mapping[str, str] = OPERATOR, **changes: Any) -> Endpoint:
    request = ModelRequest(
        model=model,
        messages=[],
        parameters={},
        attempt=1,
        timeout_s=1,
        idempotency_key="k",
        **changes,
    )
    return endpoint_of(request, environment)


def refusal(model: str, environment: Mapping[str, str] = OPERATOR, **changes: Any) -> ModelFailed:
    with pytest.raises(ModelFailed) as caught:
        endpoint(model, environment, **changes)
    return caught.value


def test_a_model_goes_to_its_providers_address_with_the_operators_key() -> None:
    found = endpoint("openai/gpt-5-mini")

    assert (found.url, found.model, found.api_key) == (
        "https://api.openai.com/v1/chat/completions",
        "gpt-5-mini",
        "sk-operator",
    )


def test_the_callers_key_comes_before_the_operators() -> None:
    assert endpoint("openai/gpt-5-mini", api_key="sk-tenant").api_key == "sk-tenant"


def test_the_operators_key_never_goes_to_an_address_that_the_caller_chose() -> None:
    assert endpoint("openai/x", api_base="https://collector.example/v1").api_key is None


def test_the_operators_address_gets_the_operators_key() -> None:
    environment = {
        "OPENAI_API_KEY": "sk-operator",
        "OPENAI_BASE_URL": "https://gateway.example/v1/",
    }

    found = endpoint("openai/x", environment)

    assert (found.url, found.api_key) == (
        "https://gateway.example/v1/chat/completions",
        "sk-operator",
    )


def test_a_model_name_may_have_slashes_of_its_own() -> None:
    found = endpoint("openrouter/meta-llama/llama-4", {"OPENROUTER_API_KEY": "k"})

    assert (found.provider, found.model) == ("openrouter", "meta-llama/llama-4")


@pytest.mark.parametrize("base", ["http://gpu.example:11434", "http://gpu.example:11434/v1/"])
def test_ollama_is_found_by_the_address_of_either_protocol(base: str) -> None:
    found = endpoint("ollama/llama3", {"OLLAMA_API_BASE": base})

    assert found.url == "http://gpu.example:11434/v1/chat/completions"
    assert found.api_key is None


def test_a_missing_key_is_told_by_the_name_of_its_variable() -> None:
    failure = refusal("groq/llama")

    assert (failure.code, failure.retryable) == ("unauthorized", False)
    assert "GROQ_API_KEY" in failure.message


def test_a_missing_address_is_told_by_the_name_of_its_variable() -> None:
    failure = refusal("hosted_vllm/qwen")

    assert failure.code == "invalid"
    assert "HOSTED_VLLM_API_BASE" in failure.message


@pytest.mark.parametrize("key", ["sk-\r\nHost: elsewhere", "sk-ключ", "sk-\x00"])
def test_a_key_that_could_not_be_a_header_is_refused_and_not_repeated(key: str) -> None:
    failure = refusal("openai/x", api_key=key)

    assert failure.code == "unauthorized"
    assert "sk-" not in failure.message


def test_max_tokens_is_renamed_only_at_openais_own_address() -> None:
    """Its reasoning models refuse the old name; other servers ignore the new one and go on."""
    assert endpoint("openai/o3").renamed == {"max_tokens": "max_completion_tokens"}
    assert endpoint("openai/o3", api_base="http://127.0.0.1:1/v1").renamed == {}


def test_mistral_is_not_asked_for_usage_because_it_refuses_the_question() -> None:
    assert not endpoint("mistral/mistral-large-latest", {"MISTRAL_API_KEY": "k"}).is_usage_asked
    assert endpoint("openai/x").is_usage_asked


def test_keys_show_in_no_representation() -> None:
    assert "sk-operator" not in repr(endpoint("openai/x"))


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_public_providers_are_called_over_tls(name: str) -> None:
    base = PROVIDERS[name].base
    assert base is None or base.startswith(("https://", "http://localhost:", "http://127.0.0.1:"))
