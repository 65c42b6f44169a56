"""What one call used: read from a provider's answer in OpenAI's shape, or estimated when it reports
nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from domain.identifiers import Json
from domain.usage import Measured

# A provider's number beyond this is a defect; the sum of many calls must stay inside a bigint.
TOKENS_MAX = 1_000_000_000
# English prose averages 4.0 to 4.5 UTF-8 bytes a token with today's tokenizers; other scripts use
# more bytes and more tokens. Good enough for a figure that is always marked as an estimate.
_BYTES_PER_TOKEN = 4


def reported_usage(report: Json, *, service_tier: Json = None) -> Measured | None:
    """The usage that a provider reports, or None when `report` is not one.

    Sources: https://platform.openai.com/docs/api-reference/chat/object; DeepSeek names its cache
    hits differently, and litellm what is written to Anthropic's cache. Parts that are reported as
    more than their whole count up to it.
    """
    if not isinstance(report, dict):
        return None
    tokens_in, tokens_out = _count(report, "prompt_tokens"), _count(report, "completion_tokens")
    if tokens_in is None and tokens_out is None:
        return None
    details = _details(report, "completion_tokens_details")
    reasoning = _count(details, "reasoning_tokens") or 0
    whole_in, whole_out = tokens_in or 0, tokens_out or 0
    if reasoning and _count(report, "total_tokens") == whole_in + whole_out + reasoning:
        whole_out += reasoning  # xAI counts them apart from the answer's.
    outputs = {
        "reasoning_tokens": reasoning,
        "output_audio_tokens": _count(details, "audio_tokens") or 0,
        "output_image_tokens": _count(details, "image_tokens") or 0,
    }
    quantities = {
        **_shares("input_tokens", whole_in, _input_parts(report)),
        **_shares("output_tokens", whole_out, outputs),
    }
    is_standard = service_tier in (None, "auto", "default", "standard")
    return Measured(quantities, "provider", is_standard=is_standard)


def measured_tokens(tokens_in: int, tokens_out: int) -> Measured:
    """Of a provider that counts no more than these."""
    quantities: dict[str, int] = {}
    if tokens_in:
        quantities["input_tokens"] = tokens_in
    if tokens_out:
        quantities["output_tokens"] = tokens_out
    return Measured(quantities)


def estimated_usage(messages: Sequence[Mapping[str, Json]], text: str) -> Measured:
    """Tokens by length, for an answer that came without a report and for the part of one that was
    cut.
    """
    prompt_bytes = sum(len(text_of(message.get("content")).encode()) for message in messages)
    tokens_in = -(-prompt_bytes // _BYTES_PER_TOKEN)
    tokens_out = -(-len(text.encode()) // _BYTES_PER_TOKEN)
    return replace(measured_tokens(tokens_in, tokens_out), source="estimated")


def with_output(measured: Measured, tokens_out: int) -> Measured:
    """At least so many output tokens."""
    missing = tokens_out - measured.tokens_out
    if missing <= 0:
        return measured
    counted = measured.quantities.get("output_tokens", 0) + missing
    return replace(measured, quantities={**measured.quantities, "output_tokens": counted})


def text_of(content: Json) -> str:
    """The text of a message's content: a string, or the text parts of a list, in order."""
    match content:
        case str():
            return content
        case list():
            parts = [part for part in content if isinstance(part, dict)]
            texts = [part.get("text") for part in parts if part.get("type") == "text"]
            return "".join(text for text in texts if isinstance(text, str))
        case _:
            return ""


def _input_parts(report: Mapping[str, Json]) -> Mapping[str, int]:
    details = _details(report, "prompt_tokens_details")
    cached = _count(details, "cached_tokens") or _count(report, "prompt_cache_hit_tokens") or 0
    written = (
        _count(details, "cache_write_tokens")
        or _count(details, "cache_creation_tokens")
        or _count(report, "cache_creation_input_tokens")
        or 0
    )
    for_an_hour = _count(
        _details(details, "cache_creation_token_details"), "ephemeral_1h_input_tokens"
    )
    written_1h = min(for_an_hour or 0, written)
    return {
        "cached_input_tokens": cached,
        "cache_write_1h_tokens": written_1h,
        "cache_write_tokens": written - written_1h,
        "input_audio_tokens": _count(details, "audio_tokens") or 0,
        "input_image_tokens": _count(details, "image_tokens") or 0,
    }


def _shares(rest_as: str, whole: int, parts: Mapping[str, int]) -> dict[str, int]:
    """The whole, each token under one meter; nothing is told of what is zero."""
    shares: dict[str, int] = {}
    rest = whole
    for meter, count in parts.items():
        share = min(count, rest)
        if share:
            shares[meter] = share
            rest -= share
    return {rest_as: rest, **shares} if rest else shares


def _details(report: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    details = report.get(name)
    return details if isinstance(details, dict) else {}


def _count(report: Mapping[str, Json], name: str) -> int | None:
    value = report.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return min(value, TOKENS_MAX)
