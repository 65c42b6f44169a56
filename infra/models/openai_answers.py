"""Reads answers in OpenAI's chat format, whole or as the chunks of a stream, into one Answer.

Source: https://platform.openai.com/docs/api-reference/chat. Lenient in what servers are known to
vary (missing indexes, usage in the finish chunk, content as a list of parts), strict in that a
choice must be there.
"""

from dataclasses import dataclass, field

from commands.model_port import ModelFailed, ModelRequest, ModelResponse
from domain.identifiers import Json, JsonObject
from domain.usage import Measured
from infra.models.failures import RETRYABLE, FailureCode, failed_unresolved
from infra.models.usage import estimated_usage, reported_usage, text_of, with_output

TOOL_CALLS_MAX = 128
TEXT_CHARACTERS_MAX = 8 * 1024 * 1024

_FINISH_REASONS = {
    "content_filter": "content_filter",
    "function_call": "tool_calls",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
}


class MalformedAnswer(Exception):
    """The provider's answer is not in the format it should be in."""


class AnswerTooLarge(MalformedAnswer):
    """The provider's answer is larger than any answer may be; another attempt would be too."""


class AnswerBrokenOff(Exception):
    """A stream ended without its end, or with an error object."""


@dataclass(slots=True)
class _ToolCall:
    """arguments: fragments of JSON text, in order."""

    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])

    def public(self) -> JsonObject:
        function: JsonObject = {"name": self.name, "arguments": "".join(self.arguments)}
        return {"id": self.id, "type": "function", "function": function}


@dataclass(slots=True)
class Answer:
    """What has arrived so far. is_begun: something has, so the provider is at work and bills."""

    usage: Measured | None = None
    finish_reason: str | None = None
    is_begun: bool = False
    _texts: list[str] = field(default_factory=list[str])
    _characters: int = 0
    _tool_calls: list[_ToolCall] = field(default_factory=list[_ToolCall])

    @property
    def text(self) -> str:
        return "".join(self._texts)

    def add_whole(self, body: Json) -> None:
        """The body of an answer that was not streamed."""
        if not isinstance(body, dict) or not _choice_of(body):
            raise MalformedAnswer("no choice in the answer")
        self._add(body, "message")

    def add_chunk(self, chunk: Json) -> str:
        """One chunk of a stream; answers with the text that it added."""
        if not isinstance(chunk, dict):
            raise MalformedAnswer("a chunk that is not an object")
        if chunk.get("error"):
            raise AnswerBrokenOff
        return self._add(chunk, "delta")

    def response(self, request: ModelRequest, provider: str) -> ModelResponse:
        """The answer as it stands; usage is estimated when the provider reported none."""
        return ModelResponse(
            text=self.text,
            finish_reason=_FINISH_REASONS.get(self.finish_reason or "", "stop"),
            measured=self.usage or self._estimate(request),
            model=request.model,
            provider=provider,
            tool_calls=tuple(call.public() for call in self._tool_calls),
        )

    def failed(self, error: Exception, request: ModelRequest, provider: str) -> ModelFailed:
        """The failure that `error` made of this answer: billed for what arrived, unresolved when
        nothing did.
        """
        code, message = self._reason(error, request.timeout_s)
        if not self.is_begun:
            return failed_unresolved(code, f"{provider}: {message}")
        return ModelFailed(
            code,
            f"{provider}: {message}",
            retryable=code in RETRYABLE,
            measured=self._usage_until_now(request),
        )

    def _reason(self, error: Exception, timeout_s: float) -> tuple[FailureCode, str]:
        broken_off: FailureCode = "interrupted" if self.is_begun else "unavailable"
        match error:
            case TimeoutError():
                return "timeout", f"no complete answer within {timeout_s:g} s"
            case AnswerTooLarge():
                return "invalid", f"an answer of {error}"
            case MalformedAnswer():
                return broken_off, f"an answer that cannot be used: {error}"
            case _:
                return broken_off, "the connection ended before the answer did"

    def _usage_until_now(self, request: ModelRequest) -> Measured:
        """A report from the middle of a stream may count only what had been sent by then, or a
        placeholder: Anthropic's begins with 1 or 8 output tokens.
        """
        estimate = self._estimate(request)
        if self.usage is None:
            return estimate
        return with_output(self.usage, estimate.tokens_out)

    def _estimate(self, request: ModelRequest) -> Measured:
        called = [part for call in self._tool_calls for part in (call.name, *call.arguments)]
        return estimated_usage(request.messages, "".join((self.text, *called)))

    def _add(self, body: JsonObject, part: str) -> str:
        self.is_begun = True
        usage = reported_usage(body.get("usage"), service_tier=body.get("service_tier"))
        self.usage = usage or self.usage
        choice = _choice_of(body)
        reason = choice.get("finish_reason")
        if isinstance(reason, str):
            self.finish_reason = reason
        message = choice.get(part)
        if not isinstance(message, dict):
            return ""
        self._add_tool_calls(message.get("tool_calls"))
        return self._add_text(text_of(message.get("content")))

    def _add_text(self, text: str) -> str:
        self._characters += len(text)
        if self._characters > TEXT_CHARACTERS_MAX:
            raise AnswerTooLarge(f"more than {TEXT_CHARACTERS_MAX} characters of text")
        if text:
            self._texts.append(text)
        return text

    def _add_tool_calls(self, deltas: Json) -> None:
        """Fragments belong together by index; servers without one send each call with an id."""
        for delta in deltas if isinstance(deltas, list) else []:
            if not isinstance(delta, dict):
                continue
            index = delta.get("index")
            if not isinstance(index, int):
                has_id = bool(delta.get("id")) or not self._tool_calls
                index = len(self._tool_calls) - (0 if has_id else 1)
            if not 0 <= index < TOOL_CALLS_MAX:
                raise AnswerTooLarge(f"more than {TOOL_CALLS_MAX} tool calls")
            while len(self._tool_calls) <= index:
                self._tool_calls.append(_ToolCall())
            self._extend_call(self._tool_calls[index], delta)

    def _extend_call(self, call: _ToolCall, delta: JsonObject) -> None:
        function = delta.get("function")
        named = function if isinstance(function, dict) else {}
        call.id = call.id or _string(delta.get("id"))
        call.name = call.name or _string(named.get("name"))
        arguments = _string(named.get("arguments"))
        self._characters += len(arguments)
        if self._characters > TEXT_CHARACTERS_MAX:
            raise AnswerTooLarge(f"more than {TEXT_CHARACTERS_MAX} characters of arguments")
        call.arguments.append(arguments)


def _choice_of(body: JsonObject) -> JsonObject:
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def _string(value: Json) -> str:
    return value if isinstance(value, str) else ""
