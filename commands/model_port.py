"""The port of language models: a request, an answer, one way to fail. Adapters: infra/models."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from domain.identifiers import Json


@dataclass(frozen=True, slots=True)
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
    api_key: str | None = field(default=None, repr=False)


class ModelResponse(NamedTuple):
    """finish_reason: stop | length | tool_calls | content_filter. tokens_cached is part of
    tokens_in.

    cost_usd_pico: None when no price is known for this model and call (never silently 0).
    """

    text: str
    finish_reason: str
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    cost_usd_pico: int | None
    model: str
    provider: str
    usage_source: Literal["provider", "estimated", "none"]
    tool_calls: Sequence[Mapping[str, Json]] = ()


class ModelFailed(Exception):
    """A call that brought no answer. message is safe to store: no key, no prompt, at most 500
    characters.

    code: rate_limited | timeout | unavailable | invalid | unauthorized | context_window |
    content_filtered | unknown_model | interrupted | secret_missing | secret_not_allowed. The token
    counts are what was billed all the same.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool,
        retry_after_s: float | None = None,
        tokens_in: int = 0,
        tokens_out: int = 0,
        cost_usd_pico: int | None = 0,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after_s = retry_after_s
        self.tokens_in = tokens_in
        self.tokens_out = tokens_out
        self.cost_usd_pico = cost_usd_pico


class Models(Protocol):
    async def complete(
        self, request: ModelRequest, on_token: Callable[[str], None] | None = None
    ) -> ModelResponse: ...
