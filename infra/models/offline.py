"""Models without a provider: `offline/echo` and `offline/script`, deterministic, priced, streaming
word by word.

They are the default of the demo, the tests and the benchmarks. A word counts as one token.
"""

import asyncio
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from commands.model_port import ModelFailed, ModelRequest, ModelResponse
from domain.identifiers import Json
from domain.records import record
from domain.usage import Measured
from infra.models.failures import RETRYABLE, FailureCode, failed
from infra.models.parameters import answer_limit
from infra.models.usage import TOKENS_MAX, measured_tokens, text_of

ECHO = "offline/echo"
SCRIPT = "offline/script"
ENTRIES_MAX = 1000

_FAILURES: Mapping[str, FailureCode] = {
    "rate_limited": "rate_limited",
    "timeout": "timeout",
    "unavailable": "unavailable",
    "invalid": "invalid",
}
_ENTRY_FIELDS = frozenset({"text", "delay_s", "word_delay_s", "fail", "usage", "tool_calls"})
_USAGE_FIELDS = frozenset({"input_tokens", "output_tokens"})
_WORD_WITH_SPACE = re.compile(r"\s*\S+|\s+$")


@record
class _Entry:
    """What one attempt is answered with. Counts are None where the words are to be counted.
    is_cut: whether a limit left something out.
    """

    text: str = ""
    is_cut: bool = False
    delay_s: float = 0.0
    word_delay_s: float = 0.0
    failure: FailureCode | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    tool_calls: tuple[Mapping[str, Json], ...] = ()


class OfflineModels:
    """The port Models for names that begin with `offline/`."""

    async def complete(
        self, request: ModelRequest, on_token: Callable[[str], None] | None = None
    ) -> ModelResponse:
        """Raises ModelFailed as scripted, and with code `invalid` for a script that is not one."""
        prompt = prompt_text(request.messages)
        entry = _entry_for(request, prompt)
        if request.parameters:
            entry = _cut(entry, request.parameters)
        # Most answers take no time at all, and are not worth a timer.
        if entry.delay_s or entry.word_delay_s or on_token is not None:
            try:
                async with asyncio.timeout(request.timeout_s):
                    await asyncio.sleep(entry.delay_s)
                    await _stream(entry, on_token or _to_nobody)
            except TimeoutError:
                raise failed("timeout", f"no answer within {request.timeout_s:g} s") from None
        if entry.failure is not None:
            raise _scripted_failure(entry, entry.failure)
        return ModelResponse(
            entry.text,
            "tool_calls" if entry.tool_calls else "length" if entry.is_cut else "stop",
            _measured(entry, prompt),
            request.model,
            "offline",
            entry.tool_calls,
        )


def prompt_text(messages: Sequence[Mapping[str, Json]]) -> str:
    """The text of the last user message; empty when there is none."""
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content")
            return content if isinstance(content, str) else text_of(content)
    return ""


def _cut(entry: _Entry, parameters: Mapping[str, Json]) -> _Entry:
    """An answer is no longer than it may be. What a script says it used, it used all the same."""
    limit = answer_limit(parameters)
    if limit is None or entry.tokens_out is not None:
        return entry
    # No text has more words than characters.
    if len(entry.text) <= limit or len(entry.text.split()) <= limit:
        return entry
    words = _WORD_WITH_SPACE.findall(entry.text)
    return replace(entry, text="".join(words[:limit]), is_cut=True)


async def _stream(entry: _Entry, on_token: Callable[[str], None]) -> None:
    for word in _WORD_WITH_SPACE.findall(entry.text):
        on_token(word)
        # Others must see the words arrive one after the other.
        await asyncio.sleep(entry.word_delay_s)


def _to_nobody(_text: str) -> None:
    """Nobody wants the words before the whole."""


def _measured(entry: _Entry, prompt: str) -> Measured:
    tokens_in, tokens_out = entry.tokens_in, entry.tokens_out
    if tokens_in is None:
        tokens_in = len(prompt.split())
    if tokens_out is None:
        is_echo = entry.text is prompt and entry.tokens_in is None
        tokens_out = tokens_in if is_echo else len(entry.text.split())
    return measured_tokens(tokens_in, tokens_out)


def _scripted_failure(entry: _Entry, code: FailureCode) -> ModelFailed:
    """A failure bills what the entry says it used, and nothing when it says nothing."""
    is_billed = entry.tokens_in is not None or entry.tokens_out is not None
    measured = measured_tokens(entry.tokens_in or 0, entry.tokens_out or 0)
    return ModelFailed(
        code,
        "the script says so",
        retryable=code in RETRYABLE,
        measured=measured if is_billed else None,
    )


def _entry_for(request: ModelRequest, prompt: str) -> _Entry:
    match request.model:
        case "offline/echo":
            return _Entry(prompt)
        case "offline/script":
            entries = _script_of(request.parameters.get("script"))
            return entries[min(max(request.attempt, 1), len(entries)) - 1]
        case _:
            raise failed("unknown_model", "the offline models are offline/echo and offline/script")


def _script_of(script: Json) -> list[_Entry]:
    """Every entry is checked, not only this attempt's: a mistake must show before it is reached."""
    if not isinstance(script, list) or not script:
        raise _bad("must be a list with at least one entry")
    if len(script) > ENTRIES_MAX:
        raise _bad(f"has more than {ENTRIES_MAX} entries")
    return [_checked_entry(entry, f"[{index}]") for index, entry in enumerate(script)]


def _checked_entry(entry: Json, place: str) -> _Entry:
    if not isinstance(entry, dict):
        raise _bad(f"{place} must be an object")
    if not entry.keys() <= _ENTRY_FIELDS:
        raise _bad(f"{place} may only have {', '.join(sorted(_ENTRY_FIELDS))}")
    text = entry.get("text", "")
    if not isinstance(text, str):
        raise _bad(f"{place}.text must be a string")
    fail = entry.get("fail")
    if fail is not None and (not isinstance(fail, str) or fail not in _FAILURES):
        raise _bad(f"{place}.fail must be one of {', '.join(_FAILURES)}")
    tokens_in, tokens_out = _checked_usage(entry.get("usage"), place)
    return _Entry(
        text=text,
        delay_s=_checked_delay_s(entry.get("delay_s", 0), f"{place}.delay_s"),
        word_delay_s=_checked_delay_s(entry.get("word_delay_s", 0), f"{place}.word_delay_s"),
        failure=None if fail is None else _FAILURES[fail],
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        tool_calls=_checked_tool_calls(entry.get("tool_calls"), place),
    )


def _checked_delay_s(delay_s: Json, place: str) -> float:
    if isinstance(delay_s, bool) or not isinstance(delay_s, int | float):
        raise _bad(f"{place} must be a number")
    if not math.isfinite(delay_s) or delay_s < 0:
        raise _bad(f"{place} must not be negative")
    return float(delay_s)


def _checked_usage(usage: Json, place: str) -> tuple[int | None, int | None]:
    if usage is None:
        return None, None
    if not isinstance(usage, dict) or not usage.keys() <= _USAGE_FIELDS:
        raise _bad(f"{place}.usage must be an object with input_tokens and output_tokens")
    for count in usage.values():
        is_whole = isinstance(count, int) and not isinstance(count, bool)
        if not is_whole or not 0 <= cast("int", count) <= TOKENS_MAX:
            raise _bad(f"{place}.usage must count tokens from 0 to {TOKENS_MAX}")
    return cast("int | None", usage.get("input_tokens")), cast(
        "int | None", usage.get("output_tokens")
    )


def _checked_tool_calls(tool_calls: Json, place: str) -> tuple[Mapping[str, Json], ...]:
    if tool_calls is None:
        return ()
    if not isinstance(tool_calls, list):
        raise _bad(f"{place}.tool_calls must be a list")
    calls = tuple(call for call in tool_calls if isinstance(call, dict))
    if len(calls) != len(tool_calls):
        raise _bad(f"{place}.tool_calls must hold objects")
    return calls


def _bad(mistake: str) -> ModelFailed:
    return failed("invalid", f"parameters.script {mistake}")
