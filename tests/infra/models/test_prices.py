"""What calls cost, against the price map that litellm carries: exact, or not at all."""

import importlib.util
import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from domain.usage import Measured
from infra.models.prices import known_model, listed_prices
from infra.models.usage import reported_usage
from tests.prices import cost_of


def used(tokens_in: int, tokens_out: int = 0, **others: int) -> Measured:
    counts = {"input_tokens": tokens_in, "output_tokens": tokens_out, **others}
    return Measured({meter: count for meter, count in counts.items() if count})


@pytest.fixture(scope="module")
def price_map() -> dict[str, dict[str, Any]]:
    spec = importlib.util.find_spec("litellm")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    path = Path(spec.submodule_search_locations[0], "model_prices_and_context_window_backup.json")
    return json.loads(path.read_text(), parse_float=Decimal)


def test_offline_models_cost_one_and_two_dollars_a_million_tokens() -> None:
    assert cost_of("offline/echo", used(1_000_000)) == 10**12
    assert cost_of("offline/script", used(0, 1_000_000)) == 2 * 10**12


def test_a_price_is_exact_and_cached_tokens_have_their_own() -> None:
    # gpt-4o: 2.50, 1.25 and 10 USD per million input, cached and output tokens.
    cost = cost_of("openai/gpt-4o", used(400, 10, cached_input_tokens=600))

    assert cost == 400 * 2_500_000 + 600 * 1_250_000 + 10 * 10_000_000


def test_a_model_costs_the_same_with_and_without_its_providers_name() -> None:
    assert cost_of("gpt-4o", used(7, 3)) == cost_of("openai/gpt-4o", used(7, 3))


@pytest.mark.parametrize("model", ["openai/no-such-model", "hosted_vllm/gpt-4o", "groq/gpt-4o", ""])
def test_a_model_that_the_provider_does_not_list_has_no_price(model: str) -> None:
    assert cost_of(model, used(7, 3)) is None


def test_all_of_a_call_is_priced_by_the_length_of_its_prompt() -> None:
    # gemini-2.5-pro: 1.25 and 10 USD a million, and 2.50 and 15 beyond 200,000 tokens of prompt.
    short, long = used(200_000, 10), used(200_000, 10, cached_input_tokens=1)

    assert cost_of("gemini/gemini-2.5-pro", short) == 200_000 * 1_250_000 + 10 * 10_000_000
    cost = cost_of("gemini/gemini-2.5-pro", long)
    assert cost == 200_000 * 2_500_000 + 10 * 15_000_000 + 250_000


def test_what_is_written_to_a_cache_and_how_long_it_is_kept_is_priced() -> None:
    # claude-sonnet-4-5: 3 and 15 USD a million; to write 3.75, for an hour 6; to read 0.30.
    used_up = used(100, 10, cached_input_tokens=7, cache_write_tokens=5, cache_write_1h_tokens=3)

    cost = cost_of("anthropic/claude-sonnet-4-5", used_up)

    assert cost == 100 * 3_000_000 + 10 * 15_000_000 + 7 * 300_000 + 5 * 3_750_000 + 3 * 6_000_000


def test_a_meter_without_a_price_leaves_the_call_without_one() -> None:
    assert cost_of("openai/gpt-4o", used(7, 3, input_audio_tokens=1)) is None


def test_reasoning_is_charged_as_output_where_it_has_no_price_of_its_own() -> None:
    assert cost_of("openai/o3", used(0, 3, reasoning_tokens=4)) == 7 * 8_000_000


def test_a_call_in_another_tier_of_service_has_no_price_here() -> None:
    assert cost_of("openai/gpt-4o", replace(used(7, 3), is_standard=False)) is None


@pytest.mark.parametrize(
    ("report", "quantities"),
    [
        ({}, {"input_tokens": 7, "output_tokens": 3}),
        (
            {"prompt_tokens_details": {"audio_tokens": 4}},
            {"input_tokens": 3, "input_audio_tokens": 4, "output_tokens": 3},
        ),
        (
            {"prompt_tokens_details": {"cached_tokens": 2, "cache_creation_tokens": 4}},
            {
                "input_tokens": 1,
                "cached_input_tokens": 2,
                "cache_write_tokens": 4,
                "output_tokens": 3,
            },
        ),
        (
            {
                "cache_creation_input_tokens": 4,
                "prompt_tokens_details": {
                    "cache_creation_token_details": {"ephemeral_1h_input_tokens": 3}
                },
            },
            {
                "input_tokens": 3,
                "cache_write_tokens": 1,
                "cache_write_1h_tokens": 3,
                "output_tokens": 3,
            },
        ),
        (
            {"completion_tokens_details": {"reasoning_tokens": 2}},
            {"input_tokens": 7, "output_tokens": 1, "reasoning_tokens": 2},
        ),
        (
            {"total_tokens": 15, "completion_tokens_details": {"reasoning_tokens": 5}},
            {"input_tokens": 7, "output_tokens": 3, "reasoning_tokens": 5},
        ),
        ({"prompt_tokens": 0, "completion_tokens": 0}, {}),
        (
            {"prompt_tokens_details": {"cached_tokens": 9}},
            {"cached_input_tokens": 7, "output_tokens": 3},
        ),
    ],
    ids=[
        *("plain", "audio", "cached and written", "written for an hour", "reasoning within"),
        *("reasoning apart", "zeros", "more cached than there is"),
    ],
)
def test_every_token_is_counted_under_one_meter(
    report: dict[str, Any], quantities: dict[str, int]
) -> None:
    usage = reported_usage({"prompt_tokens": 7, "completion_tokens": 3} | report)

    assert usage == Measured(quantities)


@pytest.mark.parametrize(
    ("tier", "is_standard"), [("default", True), (None, True), ("flex", False)]
)
def test_only_the_standard_service_tier_is_rated(tier: str | None, is_standard: bool) -> None:
    usage = reported_usage({"prompt_tokens": 7, "completion_tokens": 3}, service_tier=tier)

    assert usage is not None
    assert usage.is_standard is is_standard


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
        assert [name for name in models if is_priced(name)] == []


@pytest.mark.parametrize("model", ["openai/gpt-4o-search-preview", "perplexity/sonar"])
def test_models_that_search_at_every_call_have_no_price(
    model: str, price_map: dict[str, Any]
) -> None:
    name = model.removeprefix("openai/")
    assert price_map[name]["search_context_cost_per_query"]
    assert cost_of(model, used(7, 3)) is None


def test_a_zero_means_free_only_on_ones_own_machine(price_map: dict[str, Any]) -> None:
    free = {
        price_map[name]["litellm_provider"]
        for name in price_map
        if is_priced(name) and cost_of(name, used(1, 1)) == 0
    }

    assert free == {"ollama", "lemonade"}


def test_every_rate_is_the_maps_to_the_pico_dollar(price_map: dict[str, Any]) -> None:
    compared = 0
    for name, entry in price_map.items():
        if not is_priced(name) or entry["mode"] == "embedding":
            continue
        compared += 1
        exact = Decimal(entry["input_cost_per_token"]) * 10**12
        cost = cost_of(name, used(1))
        assert cost is not None
        assert abs(cost - exact) <= Decimal("0.5"), name
        assert known_model(name) is not None
    assert compared > 2000


def is_priced(name: str) -> bool:
    return listed_prices().price(name, "input_tokens") is not None


def test_embeddings_are_priced_by_their_tokens_and_nothing_for_the_call() -> None:
    """0.02 USD for a million tokens."""
    measured = Measured({"requests": 1, "embedding_tokens": 1_000})
    assert cost_of("openai/text-embedding-3-small", measured) == 20_000_000
