"""What one call used: read from a provider's answer in OpenAI's shape, or estimated when it reports
nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from domain.identifiers import Json

# A provider's number beyond this is a defect; the sum of many calls must stay inside a bigint.
TOKENS_MAX = 1_000_000_000
# English prose averages 4.0 to 4.5 UTF-8 bytes a token with today's tokenizers; other scripts use
# more bytes and more tokens. Good enough for a figure that is always marked as an estimate.
_BYTES_PER_TOKEN = 4
_UNRATED_IN = ("audio_tokens", "image_tokens", "cache_write_tokens", "cache_creation_tokens")
_UNRATED_OUT = ("audio_tokens", "image_tokens")


class Usage(NamedTuple):
    """tokens_cached is part of tokens_in; reasoning tokens are part of tokens_out.

    is_rateable: false when some of it has a price of its own that prices.py does not know.
    """

    tokens_in: int
    tokens_out: int
    tokens_cached: int
    source: Literal["provider", "estimated"]
    is_rateable: bool = True


def reported_usage(report: Json, *, service_tier: Json = None) -> Usage | None:
    """The usage that a provider reports, or None when `report` is not one.

    Source: https://platform.openai.com/docs/api-reference/chat/object; DeepSeek names its cache
    hits differently.
    """
    if not isinstance(report, dict):
        return None
    tokens_in, tokens_out = _count(report, "prompt_tokens"), _count(report, "completion_tokens")
    if tokens_in is None and tokens_out is None:
        return None
    details_in = _details(report, "prompt_tokens_details")
    details_out = _details(report, "completion_tokens_details")
    cached = _count(details_in, "cached_tokens") or _count(report, "prompt_cache_hit_tokens") or 0
    has_unrated = (
        any(_count(details_in, name) for name in _UNRATED_IN)
        or any(_count(details_out, name) for name in _UNRATED_OUT)
        or bool(_count(report, "cache_creation_input_tokens"))
    )
    return Usage(
        tokens_in=tokens_in or 0,
        tokens_out=tokens_out or 0,
        tokens_cached=min(cached, tokens_in or 0),
        source="provider",
        is_rateable=not has_unrated and service_tier in (None, "auto", "default", "standard"),
    )


def estimated_usage(messages: Sequence[Mapping[str, Json]], text: str) -> Usage:
    """Tokens by length, for an answer that came without a report and for the part of one that was
    cut.
    """
    prompt_bytes = sum(len(text_of(message.get("content")).encode()) for message in messages)
    return Usage(
        tokens_in=-(-prompt_bytes // _BYTES_PER_TOKEN),
        tokens_out=-(-len(text.encode()) // _BYTES_PER_TOKEN),
        tokens_cached=0,
        source="estimated",
    )


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


def _details(report: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    details = report.get(name)
    return details if isinstance(details, dict) else {}


def _count(report: Mapping[str, Json], name: str) -> int | None:
    value = report.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return min(value, TOKENS_MAX)
