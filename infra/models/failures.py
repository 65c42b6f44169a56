"""How calls fail: one code per cause, whether another attempt may help, and a message that is safe
to store.

Messages are written here, never copied from a provider: its text may quote the prompt or the key.
Of a provider's error only identifier-shaped fields (`code`, `type`, `param`) are repeated.

What was billed, in the three numbers of ModelFailed: (0, 0, 0) nothing; (0, 0, None) unknown,
because the request left and no answer came back; (n, m, cost) a part was used and is reported or
estimated.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal, TypeAlias

from commands.model_port import ModelFailed
from domain.identifiers import Json
from infra.retry_after import retry_after_s

FailureCode: TypeAlias = Literal[
    "rate_limited",
    "timeout",
    "unavailable",
    "invalid",
    "unauthorized",
    "context_window",
    "content_filtered",
    "unknown_model",
    "interrupted",
    "secret_missing",
    "secret_not_allowed",
    "feature_off",
]

RETRYABLE: frozenset[FailureCode] = frozenset(
    {"rate_limited", "timeout", "unavailable", "interrupted"}
)
MESSAGE_CHARACTERS_MAX = 500

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_.\[\]]{0,63}")
_STATUS_CODES: Mapping[int, FailureCode] = {
    401: "unauthorized",
    402: "unauthorized",  # DeepSeek and OpenRouter: the account has no credit.
    403: "unauthorized",
    404: "unknown_model",
    408: "timeout",
    409: "unavailable",
    425: "unavailable",
    429: "rate_limited",
}
_ABOUT_THE_REQUEST = (400, 413, 422)
_ERROR_CODES: Mapping[str, FailureCode] = {
    "context_length_exceeded": "context_window",
    "content_filter": "content_filtered",
    "content_policy_violation": "content_filtered",
    "model_not_found": "unknown_model",
}
# Servers without an error code (vLLM, llama.cpp, Mistral, Together) say it in words only.
_CONTEXT_WORDS = (
    "context length",
    "context limit",
    "context window",
    "maximum context",
    "context size",
    "current length is",
    "input tokens exceed",
    "maximum input length",
    "too many tokens",
    "prompt is too long",
)
_LASTING_QUOTA = "insufficient_quota"


def failed(
    code: FailureCode,
    message: str,
    *,
    retryable: bool | None = None,
    retry_after_s: float | None = None,
) -> ModelFailed:
    """A failure that billed nothing. retryable: the code's usual answer, unless given."""
    return ModelFailed(
        code,
        message[:MESSAGE_CHARACTERS_MAX],
        retryable=code in RETRYABLE if retryable is None else retryable,
        retry_after_s=retry_after_s,
    )


def failed_unresolved(code: FailureCode, message: str) -> ModelFailed:
    """A failure after the request left: nobody here can know whether it was billed."""
    return ModelFailed(
        code,
        message[:MESSAGE_CHARACTERS_MAX],
        retryable=code in RETRYABLE,
        is_unresolved=True,
    )


def failed_status(
    status: int, body: Json, headers: Mapping[str, str], *, provider: str
) -> ModelFailed:
    """The failure that an HTTP answer other than 200 stands for. body: its JSON, or None if it had
    none.
    """
    error = error_of(body)
    code = _code_of(status, error)
    named = " ".join(
        f"{key}={value}" for key in ("code", "type", "param") if (value := _identifier(error, key))
    )
    return failed(
        code,
        f"{provider} answered {status}" + (f" ({named})" if named else ""),
        # A used-up quota stays used up: waiting does not help, paying does.
        retryable=False if _LASTING_QUOTA in named else None,
        retry_after_s=retry_after_s(headers),
    )


def error_of(body: Json) -> dict[str, Json]:
    """The error object of an OpenAI-shaped body: `{"error": {...}}`, `{"error": "text"}` or the
    body itself.
    """
    if not isinstance(body, dict):
        return {}
    match body.get("error", body):
        case dict() as error:
            return error
        case str() as text:
            return {"message": text}
        case _:
            return {}


def _code_of(status: int, error: Mapping[str, Json]) -> FailureCode:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "unavailable"
    named = error.get("code")
    if isinstance(named, str) and named in _ERROR_CODES:
        return _ERROR_CODES[named]
    if status in _ABOUT_THE_REQUEST:
        message = error.get("message")
        words = message.lower() if isinstance(message, str) else ""
        return "context_window" if any(known in words for known in _CONTEXT_WORDS) else "invalid"
    return _STATUS_CODES.get(status, "invalid")


def _identifier(error: Mapping[str, Json], key: str) -> str | None:
    value = error.get(key)
    return value if isinstance(value, str) and _IDENTIFIER.fullmatch(value) else None
