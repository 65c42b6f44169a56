"""What calls cost, against the price map that litellm carries: exact, or not at all."""

import importlib.util
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from infra.models.prices import cost_usd_pico, known_model, rates_of
from infra.models.usage import Usage, reported_usage


def used(
    tokens_in: int, tokens_out: int = 0, *, cached: int = 0, is_rateable: bool = True
) -> Usage:
    return Usage(tokens_in, tokens_out, cached, "provider", is_rateable)


@pytest.fixture(scope="module")
def price_map() -> dict[str, dict[str, Any]]:
    spec = importlib.util.find_spec("litellm")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    path = Path(spec.submodule_search_locations[0], "model_prices_and_context_window_backup.json")
    return json.loads(path.read_text(), parse_float=Decimal)


def test_offline_models_cost_one_and_two_dollars_a_million_tokens() -> None:
    assert cost_usd_pico("offline/echo", used(1_000_000)) == 10**12
    assert cost_usd_pico("offline/script", used(0, 1_000_000)) == 2 * 10**12


def test_a_price_is_exact_and_cached_tokens_have_their_own() -> None:
    # gpt-4o: 2.50, 1.25 and 10 USD per million input, cached and output tokens.
    cost = cost_usd_pico("openai/gpt-4o", used(1000, 10, cached=600))

    assert cost == 400 * 2_500_000 + 600 * 1_250_000 + 10 * 10_000_000


def test_a_model_costs_the_same_with_and_without_its_providers_name() -> None:
    assert cost_usd_pico("gpt-4o", used(7, 3)) == cost_usd_pico("openai/gpt-4o", used(7, 3))


@pytest.mark.parametrize("model", ["openai/no-such-model", "hosted_vllm/gpt-4o", "groq/gpt-4o", ""])
def test_a_model_that_the_provider_does_not_list_has_no_price(model: str) -> None:
    assert cost_usd_pico(model, used(7, 3)) is None


def test_a_prompt_beyond_a_long_context_threshold_has_no_price_here() -> None:
    assert cost_usd_pico("gemini/gemini-2.5-pro", used(200_000)) == 200_000 * 1_250_000
    assert cost_usd_pico("gemini/gemini-2.5-pro", used(200_001)) is None


def test_usage_with_prices_of_its_own_has_no_price_here() -> None:
    assert cost_usd_pico("openai/gpt-4o", used(7, 3, is_rateable=False)) is None


@pytest.mark.parametrize(
    "report",
    [
        {"prompt_tokens_details": {"audio_tokens": 4}},
        {"prompt_tokens_details": {"cache_creation_tokens": 4}},
        {"completion_tokens_details": {"audio_tokens": 4}},
        {"cache_creation_input_tokens": 4},
    ],
)
def test_audio_and_cache_writes_are_not_rated(report: dict[str, Any]) -> None:
    usage = reported_usage({"prompt_tokens": 7, "completion_tokens": 3} | report)

    assert usage is not None
    assert not usage.is_rateable


@pytest.mark.parametrize(
    ("tier", "is_rateable"), [("default", True), (None, True), ("flex", False)]
)
def test_only_the_standard_service_tier_is_rated(tier: str | None, is_rateable: bool) -> None:
    usage = reported_usage({"prompt_tokens": 7, "completion_tokens": 3}, service_tier=tier)

    assert usage is not None
    assert usage.is_rateable is is_rateable


def test_models_priced_by_more_than_tokens_have_no_price(price_map: dict[str, Any]) -> None:
    """One model of each kind that the map can price and we cannot yet."""
    extra = (
        "tiered_pricing",
        "citation_cost_per_token",
        "input_cost_per_second",
        "off_peak_pricing",
    )
    for field in extra:
        models = [
            name
            for name, entry in price_map.items()
            if entry.get(field) and entry.get("mode") == "chat"
        ]
        assert models, field
        assert [name for name in models if rates_of(name) is not None] == []


@pytest.mark.parametrize("model", ["openai/gpt-4o-search-preview", "perplexity/sonar"])
def test_models_that_search_at_every_call_have_no_price(
    model: str, price_map: dict[str, Any]
) -> None:
    name = model.removeprefix("openai/")
    assert price_map[name]["search_context_cost_per_query"]
    assert cost_usd_pico(model, used(7, 3)) is None


def test_reasoning_with_a_rate_of_its_own_has_no_price(price_map: dict[str, Any]) -> None:
    field = "output_cost_per_reasoning_token"
    different = [
        name
        for name, entry in price_map.items()
        if field in entry and entry[field] != entry.get("output_cost_per_token")
    ]
    assert different
    assert [name for name in different if rates_of(name) is not None] == []


def test_a_zero_means_free_only_on_ones_own_machine(price_map: dict[str, Any]) -> None:
    free = {
        price_map[name]["litellm_provider"]
        for name in price_map
        if (rates := rates_of(name)) and not rates.input_pico and not rates.output_pico
    }

    assert free == {"ollama", "lemonade"}


def test_every_rate_is_the_maps_to_the_pico_dollar(price_map: dict[str, Any]) -> None:
    compared = 0
    for name, entry in price_map.items():
        rates = rates_of(name)
        if rates is None:
            continue
        compared += 1
        exact = Decimal(entry["input_cost_per_token"]) * 10**12
        assert abs(rates.input_pico - exact) <= Decimal("0.5"), name
        assert known_model(name) is not None
    assert compared > 2000
