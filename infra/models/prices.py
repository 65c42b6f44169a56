"""What a call costs: integer pico-USD, from the price map that the litellm wheel carries, read
without importing it.

Considered: input, cached input and output tokens at the standard rate. Everything else that the map
can price makes the answer None ("no price known"), never a wrong number: prompts beyond a
long-context threshold, lists of tiers, prices by the hour, per request, per second or per citation,
reasoning tokens with a rate of their own, cached tokens without a rate, and (through
Usage.is_rateable) audio, images, cache writes and service tiers other than the standard. Rates are
rounded half-even to whole pico-USD a token, which only undoes float noise in the map.
"""

import asyncio
import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TypeAlias, cast

from domain.money import PICO_PER_USD
from infra.models.usage import Usage

_MAP_FILE = "model_prices_and_context_window_backup.json"
_MODES = frozenset({"chat", "completion", "responses"})
# Providers that run on the caller's own machine: their zeros mean free. Any other zero means
# unknown: subscriptions, reserved capacity and previews are listed with 0 too.
_FREE_PROVIDERS = frozenset({"ollama", "lemonade"})
# Charged on every call beside tokens, or instead of them.
_UNRATED_FIELDS = frozenset(
    {
        "citation_cost_per_token",
        "input_cost_per_request",
        "input_cost_per_second",
        "off_peak_pricing",
        "output_cost_per_second",
        "tiered_pricing",
    }
)
# Models that search the web on every call, at a price per search.
_SEARCHES = re.compile(r"^perplexity/|search-preview|search-api")
_THRESHOLD = re.compile(r"^(?:input|output)_cost_per_token_above_(\d+)k_tokens$")

# The map's numbers are Decimals: parsed as such, so that no rate passes through a float.
_Entry: TypeAlias = (
    "Mapping[str, str | int | Decimal | bool | list[object] | dict[str, object] | None]"
)


@dataclass(frozen=True, slots=True)
class Rates:
    """Pico-USD per token. tokens_in_max: the largest prompt these rates hold for; None: any."""

    input_pico: int
    output_pico: int
    cached_pico: int | None
    tokens_in_max: int | None = None


# Part of the public contract: 1 USD per million input tokens, 2 USD per million output tokens.
_OFFLINE_RATES = Rates(
    input_pico=PICO_PER_USD // 1_000_000,
    output_pico=2 * PICO_PER_USD // 1_000_000,
    cached_pico=None,
)


@dataclass(frozen=True, slots=True)
class KnownModel:
    """What the map says of a model. rates: None when it cannot be priced by tokens alone."""

    provider: str
    mode: str
    rates: Rates | None


async def load_prices() -> None:
    """Read the map off the event loop; later calls return at once."""
    if not known_models.cache_info().currsize:
        await asyncio.to_thread(known_models)


def cost_usd_pico(model: str, usage: Usage) -> int | None:
    """The price of one call, exact; None when no price is known for this model and this usage."""
    rates = rates_of(model)
    if rates is None or not usage.is_rateable:
        return None
    if rates.tokens_in_max is not None and usage.tokens_in > rates.tokens_in_max:
        return None
    if usage.tokens_cached and rates.cached_pico is None:
        return None
    return (
        (usage.tokens_in - usage.tokens_cached) * rates.input_pico
        + usage.tokens_cached * (rates.cached_pico or 0)
        + usage.tokens_out * rates.output_pico
    )


def rates_of(model: str) -> Rates | None:
    if model.startswith("offline/"):
        return _OFFLINE_RATES
    known = known_model(model)
    return known.rates if known else None


def known_model(model: str) -> KnownModel | None:
    """The map's entry for a litellm name: the name itself, or without its provider when that
    provider offers it.
    """
    models = known_models()
    if model in models:
        return models[model]
    provider, _, name = model.partition("/")
    known = models.get(name)
    return known if known is not None and _is_offered_by(known, provider) else None


def _is_offered_by(known: KnownModel, provider: str) -> bool:
    """The map names some providers by model family: vertex_ai-mistral_models, bedrock_converse."""
    return known.provider in (provider, f"{provider}_converse") or known.provider.startswith(
        f"{provider}-"
    )


@cache
def known_models() -> Mapping[str, KnownModel]:
    """The whole map, once per process. Empty when litellm is not installed."""
    spec = importlib.util.find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        return {}
    text = Path(spec.submodule_search_locations[0], _MAP_FILE).read_text(encoding="utf-8")
    entries = cast("dict[str, _Entry]", json.loads(text, parse_float=Decimal))
    return {
        name: KnownModel(
            str(entry.get("litellm_provider")), str(entry["mode"]), _rates(name, entry)
        )
        for name, entry in entries.items()
        if entry.get("mode") in _MODES
    }


def _rates(name: str, entry: _Entry) -> Rates | None:
    input_pico, output_pico = (
        _pico(entry, "input_cost_per_token"),
        _pico(entry, "output_cost_per_token"),
    )
    if input_pico is None or output_pico is None:
        return None
    if not input_pico and not output_pico and entry.get("litellm_provider") not in _FREE_PROVIDERS:
        return None
    if any(entry.get(field) for field in _UNRATED_FIELDS) or _SEARCHES.search(name):
        return None
    if _pico(entry, "output_cost_per_reasoning_token") not in (None, output_pico):
        return None
    thresholds = [int(match[1]) for field in entry if (match := _THRESHOLD.match(field))]
    return Rates(
        input_pico=input_pico,
        output_pico=output_pico,
        cached_pico=_pico(entry, "cache_read_input_token_cost"),
        tokens_in_max=min(thresholds) * 1000 if thresholds else None,
    )


def _pico(entry: _Entry, field: str) -> int | None:
    value = entry.get(field)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return round(value * PICO_PER_USD)
