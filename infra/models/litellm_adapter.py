"""The long tail of providers, through litellm: twenty times the CPU of our own client, but it
speaks to all of them.

litellm only carries the call. Retries, prices, usage records and the choice of model stay with us;
keys go with the call, never into its module globals. Unlike our own client, it follows redirects
and reads answers of any size: whoever lets tenants choose an `api_base` must check the address.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import cast

import httpx
import orjson

from commands.embedding_port import Embedding
from commands.model_port import ModelFailed, ModelRequest, ModelResponse
from domain.identifiers import Json, JsonObject
from domain.usage import Measured
from infra.models.embeddings import embedding_of
from infra.models.failures import FailureCode, failed, failed_status
from infra.models.litellm_sdk import Dumped, Sdk, Stream, import_sdk
from infra.models.offline import prompt_text
from infra.models.openai_answers import Answer, AnswerBrokenOff, MalformedAnswer
from infra.models.parameters import checked_messages, checked_parameters
from infra.models.providers import check_api_base
from infra.models.usage import reported_usage

# They wait for a person to log in, or load the weights into this process.
REFUSED_PROVIDERS = frozenset({"chatgpt", "github_copilot", "petals", "vllm"})
# They sign with whatever credentials the machine has, also when a key is given: never towards a
# caller's address.
AMBIENT_PROVIDERS = frozenset(
    {
        "bedrock",
        "bedrock_mantle",
        "databricks",
        "gdc",
        "oci",
        "sagemaker",
        "sagemaker_chat",
        "sagemaker_nova",
        "sap",
        "snowflake",
        "vertex_ai",
        "vertex_ai_beta",
        "watsonx",
        "watsonx_text",
    }
)
# Names of litellm's exceptions, which it finds in many providers' own words.
_NAMED_FAILURES: Mapping[str, tuple[FailureCode, str]] = {
    "ContentPolicyViolationError": ("content_filtered", "the messages were refused as they are"),
    "ContextWindowExceededError": ("context_window", "the messages are longer than it allows"),
    "UnsupportedParamsError": ("invalid", "the model does not know one of the parameters"),
}
_TIMEOUTS = frozenset({"ReadTimeout", "WriteTimeout", "PoolTimeout", "Timeout"})
_CAUSES_MAX = 20


class LitellmModels:
    """The ports Models and Embeddings for every name that litellm knows."""

    def __init__(self) -> None:
        self._sdk: Sdk | None = None

    async def complete(
        self, request: ModelRequest, on_token: Callable[[str], None] | None = None
    ) -> ModelResponse:
        """Streams when `on_token` is given. Raises ModelFailed. The first call also waits for the
        import.
        """
        arguments = _arguments(request, is_streaming=on_token is not None)
        if self._sdk is None:
            self._sdk = await asyncio.to_thread(import_sdk)
        provider = _checked_provider(self._sdk, request)
        answer = Answer()
        async with (
            _failures_named(self._sdk, request, provider, answer),
            asyncio.timeout(request.timeout_s),
        ):
            answered = await self._sdk.complete(**arguments)
            if on_token is None:
                answer.add_whole(_whole_body(cast("Dumped", answered)))
            else:
                async with aclosing(cast("Stream", answered)) as stream:
                    await _read_stream(stream, answer, on_token)
        return answer.response(request, provider)

    async def embed(self, request: ModelRequest) -> Embedding:
        """Raises ModelFailed. The first call also waits for the import."""
        arguments = _addressed(request) | {
            "input": [prompt_text(request.messages)],
            "extra_headers": {"Idempotency-Key": request.idempotency_key},
        }
        if self._sdk is None:
            self._sdk = await asyncio.to_thread(import_sdk)
        provider = _checked_provider(self._sdk, request)
        async with (
            _failures_named(self._sdk, request, provider, Answer()),
            asyncio.timeout(request.timeout_s),
        ):
            answered = cast("Dumped", await self._sdk.embed(**arguments))
            return embedding_of(answered.model_dump(), request, provider)

    async def aclose(self) -> None:
        if self._sdk is not None:
            await self._sdk.close()
            self._sdk = None


def _arguments(request: ModelRequest, *, is_streaming: bool) -> dict[str, object]:
    """Raises ModelFailed for parameters or an address that may not go out."""
    arguments: dict[str, object] = {
        **checked_parameters(request.parameters),
        **_addressed(request),
        "messages": checked_messages(request.messages),
        "extra_headers": {"Idempotency-Key": request.idempotency_key},
    }
    if is_streaming:
        arguments |= {"stream": True, "stream_options": {"include_usage": True}}
    return arguments


def _addressed(request: ModelRequest) -> dict[str, object]:
    """Where a call goes, for how long, once. Raises ModelFailed."""
    if request.api_base is not None:
        check_api_base(request.api_base)
        if request.api_key is None:
            # Without one litellm would take the operator's from the environment and send it to that
            # address.
            raise failed("unauthorized", "an api_base needs an api_key of its own")
    arguments: dict[str, object] = {
        "model": request.model,
        "timeout": request.timeout_s,
        "num_retries": 0,
        "max_retries": 0,
        "no-log": True,
    }
    if request.api_base is not None:
        arguments["api_base"] = request.api_base
    if request.api_key is not None:
        arguments["api_key"] = request.api_key
    return arguments


def _checked_provider(sdk: Sdk, request: ModelRequest) -> str:
    if request.model.partition("/")[0] in REFUSED_PROVIDERS:
        raise failed("unknown_model", "this provider cannot be used by a server")
    try:
        provider = sdk.provider_of(request.model)
    except sdk.failure:
        raise failed("unknown_model", "no provider is known for this model") from None
    if request.api_base is not None and provider in AMBIENT_PROVIDERS:
        raise failed("invalid", f"{provider} cannot be used with an api_base")
    return provider


def _whole_body(answered: Dumped) -> JsonObject:
    """It reports 0 and 0 tokens where the provider reported none."""
    body = answered.model_dump()
    usage = reported_usage(body.get("usage"))
    if usage is not None and not usage.tokens_in and not usage.tokens_out:
        del body["usage"]
    return body


async def _read_stream(stream: Stream, answer: Answer, on_token: Callable[[str], None]) -> None:
    """It completes what providers leave out: it invents a finish reason and estimates usage;
    we take neither.
    """
    combined: Measured | None = None
    try:
        async for chunk in stream:
            body = chunk.model_dump()
            combined = reported_usage(body.pop("usage", None)) or combined
            if text := answer.add_chunk(body):
                on_token(text)
    finally:
        answer.usage = _reported_by_provider(stream)
    if stream.received_finish_reason is None and stream.intermittent_finish_reason is None:
        answer.is_begun = bool(stream.chunks)
        raise AnswerBrokenOff
    if answer.usage is not None:
        answer.usage = combined or answer.usage


def _reported_by_provider(stream: Stream) -> Measured | None:
    """The fullest report so far: some send the prompt's tokens first and the answer's last."""
    reports = [
        usage
        for chunk in stream.chunks
        if (dumped := getattr(chunk, "usage", None)) is not None
        and (usage := reported_usage(cast("Dumped", dumped).model_dump())) is not None
    ]
    return max(reports, key=lambda usage: (usage.tokens_in, usage.tokens_out), default=None)


@asynccontextmanager
async def _failures_named(
    sdk: Sdk, request: ModelRequest, provider: str, answer: Answer
) -> AsyncGenerator[None]:
    """Turns what litellm raises into ModelFailed, with the usage known until then."""
    try:
        yield
    except (AnswerBrokenOff, MalformedAnswer, TimeoutError) as error:
        raise answer.failed(error, request, provider) from None
    except sdk.failure as error:
        raise _named(error, request, provider, answer) from None


def _named(error: Exception, request: ModelRequest, provider: str, answer: Answer) -> ModelFailed:
    """It wraps errors several times and turns unknown ones into 500; the causes tell what
    happened.
    """
    causes = list(_causes(error))
    names = {type(cause).__name__ for cause in causes}
    answered = next((cause for cause in causes if isinstance(cause, httpx.HTTPStatusError)), None)
    for name, (code, message) in _NAMED_FAILURES.items():
        if name in names:
            return failed(code, f"{provider}: {message}")
    if any(isinstance(cause, httpx.ConnectError | httpx.ConnectTimeout) for cause in causes):
        return failed("unavailable", f"no connection to {provider}")
    if answered is None and names & _TIMEOUTS:
        return answer.failed(TimeoutError(), request, provider)
    if answered is not None and not answer.is_begun:
        response = answered.response
        return failed_status(
            response.status_code, _body(causes), response.headers, provider=provider
        )
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and 400 <= status < 500:  # noqa: PLR2004  Refused by litellm itself.
        return failed_status(status, _body(causes), {}, provider=provider)
    return answer.failed(error, request, provider)


def _body(causes: Sequence[BaseException]) -> Json:
    """The error's JSON. The OpenAI SDK parses it; litellm's own HTTP handler keeps its text."""
    for cause in causes:
        body = getattr(cause, "body", None)
        if isinstance(body, dict):
            return cast("JsonObject", body)
        text = getattr(cause, "text", None)
        if isinstance(text, str):
            try:
                return cast("Json", orjson.loads(text))
            except orjson.JSONDecodeError:
                continue
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    for _ in range(_CAUSES_MAX):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or cause.__context__
