"""The port of language models: a request, an answer, one way to fail. Adapters: infra/models."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field
from typing import Protocol

from domain.identifiers import Json
from domain.records import record
from domain.usage import Measured


@record
class ModelRequest:
    """model: `offline/echo`, `offline/script`, or a litellm name. messages: OpenAI chat format.

    attempt: 1-based attempt of the node run. timeout_s: the whole call. idempotency_key: sent to
    HTTP providers. api_base: an address that a tenant chose; it is guarded.
    """

    model: str
    messages: Sequence[Mapping[str, Json]]
    parameters: Mapping[str, Json]
    attempt: int
    timeout_s: float
    idempotency_key: str
    api_base: str | None = None
    # Nothing that is printed may show it.
    api_key: str | None = field(default=None, repr=False)


@record
class ModelResponse:
    """finish_reason: stop | length | tool_calls | content_filter. measured: what is to be paid."""

    text: str
    finish_reason: str
    measured: Measured
    model: str
    provider: str
    tool_calls: Sequence[Mapping[str, Json]] = ()


class ModelFailed(Exception):
    """A call that brought no answer. message is safe to store: no key, no prompt, at most 500
    characters.

    code: rate_limited | timeout | unavailable | invalid | unauthorized | context_window |
    content_filtered | unknown_model | interrupted | secret_missing |
    secret_not_allowed | feature_off.

    measured: what was billed all the same; None is nothing. is_unresolved: it may have been billed,
    and nobody here can know.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool,
        retry_after_s: float | None = None,
        measured: Measured | None = None,
        is_unresolved: bool = False,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.measured = measured
        self.is_unresolved = is_unresolved


class Models(Protocol):
    def complete(
        self, request: ModelRequest, on_token: Callable[[str], None] | None = None
    ) -> Awaitable[ModelResponse]: ...
