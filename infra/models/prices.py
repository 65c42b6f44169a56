"""The prices that come with the release: those of the map that the litellm wheel carries, read
without importing it, and the offline models' own.

Where the map says that a call costs something that no meter counts (a price by the hour, per
request, per second, per citation or per search), the model has no price here, never a wrong one.
Rates are rounded half-even to whole pico-USD a token, which only undoes float noise in the map:
its decimals are read as such, and never pass through a float.
"""

import asyncio
import hashlib
import importlib.metadata
import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TypeAlias, cast

from domain.money import PICO_PER_USD
from domain.prices import Price, Tier, UnitPrice, Volume

_MAP_FILE = "model_prices_and_context_window_backup.json"
_MODES = frozenset({"chat", "completion", "responses", "embedding"})
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
# What the map calls the price of a meter, where it is more than one with the prompt's length.
_FIELDS: Mapping[str, str] = {
    "input_tokens": "input_cost_per_token",
    "output_tokens": "output_cost_per_token",
    "cached_input_tokens": "cache_read_input_token_cost",
    "cache_write_tokens": "cache_creation_input_token_cost",
    "cache_write_1h_tokens": "cache_creation_input_token_cost_above_1hr",
    "input_audio_tokens": "input_cost_per_audio_token",
    "input_image_tokens": "input_cost_per_image_token",
    "output_audio_tokens": "output_cost_per_audio_token",
    "output_image_tokens": "output_cost_per_image_token",
    "reasoning_tokens": "output_cost_per_reasoning_token",
}

# The map's numbers are Decimals: parsed as such, so that no rate passes through a float.
_Entry: TypeAlias = (
    "Mapping[str, str | int | Decimal | bool | list[object] | dict[str, object] | None]"
)


@dataclass(frozen=True, slots=True)
class KnownModel:
    """What the map says of a model. prices: by meter; None when it cannot be priced by them.
    tokens_out_max: the longest answer; None where the map does not say.
    """

    provider: str
    mode: str
    prices: Mapping[str, Price] | None
    tokens_out_max: int | None = None


# One of each release in a process. Rates are found by it at every call, and no hash is as cheap as
# that of an object that equals none but itself.
@dataclass(frozen=True, slots=True, eq=False)
class PriceList:
    """Implements domain.rating.PriceSource: the end of every search for a price."""

    name: str
    models: Mapping[str, KnownModel]
    margin: Fraction = Fraction(0)

    def price(self, model: str, meter: str) -> Price | None:
        known = self.known(model)
        return None if known is None or known.prices is None else known.prices.get(meter)

    def known(self, model: str) -> KnownModel | None:
        """The entry for a litellm name: the name itself, or without its provider when that
        provider offers it.
        """
        if model in self.models:
            return self.models[model]
        provider, _, name = model.partition("/")
        known = self.models.get(name)
        return known if known is not None and _is_offered_by(known, provider) else None


# Part of the public contract: 1 USD per million input tokens, 2 USD per million output tokens.
_OFFLINE = KnownModel(
    "offline",
    "chat",
    {
        "input_tokens": UnitPrice(PICO_PER_USD // 1_000_000),
        "output_tokens": UnitPrice(2 * PICO_PER_USD // 1_000_000),
    },
)
OFFLINE_PRICES = PriceList("offline/1", dict.fromkeys(("offline/echo", "offline/script"), _OFFLINE))


async def load_prices() -> None:
    """Read the map off the event loop; later calls return at once."""
    if not listed_prices.cache_info().currsize:
        await asyncio.to_thread(listed_prices)


def is_listed(model: str) -> bool:
    """As far as the list was read: nobody waits for it to be told."""
    if model in OFFLINE_PRICES.models:
        return True
    return listed_prices.cache_info().currsize > 0 and known_model(model) is not None


def known_model(model: str) -> KnownModel | None:
    return listed_prices().known(model)


def _is_offered_by(known: KnownModel, provider: str) -> bool:
    """The map names some providers by model family: vertex_ai-mistral_models, bedrock_converse."""
    return known.provider in (provider, f"{provider}_converse") or known.provider.startswith(
        f"{provider}-"
    )


@cache
def listed_prices() -> PriceList:
    """The whole map, once per process. Empty when litellm is not installed."""
    spec = importlib.util.find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        return PriceList("none", {})
    text = Path(spec.submodule_search_locations[0], _MAP_FILE).read_bytes()
    entries = cast("dict[str, _Entry]", json.loads(text, parse_float=Decimal))
    release = importlib.metadata.version("litellm")
    return PriceList(
        f"litellm/{release}-{hashlib.sha256(text).hexdigest()[:12]}",
        {
            name: KnownModel(
                str(entry.get("litellm_provider")),
                str(entry["mode"]),
                _prices(name, entry),
                _tokens(entry.get("max_output_tokens")),
            )
            for name, entry in entries.items()
            if entry.get("mode") in _MODES
        },
    )


def _tokens(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _prices(name: str, entry: _Entry) -> Mapping[str, Price] | None:
    input_pico, output_pico = (
        _pico(entry, "input_cost_per_token"),
        _pico(entry, "output_cost_per_token"),
    )
    if input_pico is None or (output_pico is None and entry["mode"] != "embedding"):
        return None
    if not input_pico and not output_pico and entry.get("litellm_provider") not in _FREE_PROVIDERS:
        return None
    if any(entry.get(field) for field in _UNRATED_FIELDS) or _SEARCHES.search(name):
        return None
    found = {int(match[1]) for field in entry if (match := _THRESHOLD.match(field))}
    thresholds = sorted(found)
    prices = {
        meter: price
        for meter, field in _FIELDS.items()
        if (price := _price(entry, field, thresholds)) is not None
    }
    if entry["mode"] == "embedding":
        prices["embedding_tokens"] = prices["input_tokens"]
    return prices


def _price(entry: _Entry, field: str, thresholds: list[int]) -> Price | None:
    """A rate that is not said to change with the length of the prompt does not."""
    base = _pico(entry, field)
    if base is None:
        return None
    tiers: list[Tier] = []
    rate = base
    for threshold in thresholds:
        above = _pico(entry, f"{field}_above_{threshold}k_tokens")
        if above is not None and above != rate:
            tiers.append(Tier(threshold * 1000, rate))
            rate = above
    return Volume((*tiers, Tier(None, rate)), is_by_prompt=True) if tiers else UnitPrice(rate)


def _pico(entry: _Entry, field: str) -> int | None:
    value = entry.get(field)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return round(value * PICO_PER_USD)
