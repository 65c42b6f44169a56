"""Calls of models, timed, counted and in spans, by the names of the conventions for GenAI.

What is asked and answered is in no span, unless the installation says that it may be.
"""

from collections.abc import Awaitable, Callable
from time import perf_counter

import orjson
from prometheus_client import Counter, Histogram

from commands.embedding_port import Embedding
from commands.model_port import ModelFailed, ModelRequest, ModelResponse
from domain.records import record
from domain.usage import Measured
from infra import genai_names as genai
from infra.logs import current_place
from infra.metrics import METRICS
from infra.models import ClosableModels
from infra.models.known_names import OfModels, label_of
from infra.tracing import NO_SPAN, Span, SpanBlock, captures_content, is_on, span


class ObservedModels:
    """Implements ClosableModels."""

    def __init__(self, models: ClosableModels) -> None:
        self._models = models

    def complete(
        self, request: ModelRequest, on_token: Callable[[str], None] | None = None
    ) -> Awaitable[ModelResponse]:
        return self._in_span(request, on_token) if is_on() else self._counted(request, on_token)

    async def _in_span(
        self, request: ModelRequest, on_token: Callable[[str], None] | None
    ) -> ModelResponse:
        with _span_of(request) as made:
            try:
                response = await self._counted(request, on_token)
            except ModelFailed as failed:
                made.fail(failed.code)
                raise
            if made.is_recording:
                _tell_span(made, response)
            return response

    async def _counted(
        self, request: ModelRequest, on_token: Callable[[str], None] | None
    ) -> ModelResponse:
        began_s = perf_counter()
        try:
            response = await self._models.complete(request, on_token)
        except ModelFailed as failed:
            _tell_failure(request, perf_counter() - began_s, failed.code)
            raise
        _SERIES[request.model].tell(perf_counter() - began_s, response.measured)
        return response

    async def embed(self, request: ModelRequest) -> Embedding:
        began_s = perf_counter()
        place = (genai.EMBEDDINGS, *label_of(request.model))
        with _span_of(request, genai.EMBEDDINGS) as made:
            try:
                answer = await self._models.embed(request)
            except ModelFailed as failed:
                made.fail(failed.code)
                seconds = perf_counter() - began_s
                METRICS.models.seconds.labels(*place, failed.code).observe(seconds)
                raise
            METRICS.models.seconds.labels(*place, "").observe(perf_counter() - began_s)
            tokens_in = answer.measured.tokens_in
            METRICS.models.token_usage.labels(*place, "input").observe(tokens_in)
            for meter, count in answer.measured.quantities.items():
                METRICS.models.tokens.labels(*label_of(request.model), meter).inc(count)
            made.set({genai.INPUT_TOKENS: tokens_in})
            return answer

    async def aclose(self) -> None:
        await self._models.aclose()


def _span_of(request: ModelRequest, operation: str = genai.CHAT) -> SpanBlock:
    if not is_on():
        return NO_SPAN
    attributes: dict[str, str] = {
        genai.OPERATION_NAME: operation,
        genai.PROVIDER_NAME: request.model.partition("/")[0],
        genai.REQUEST_MODEL: request.model,
    }
    run = current_place().execution_id
    if run is not None:
        attributes[genai.CONVERSATION_ID] = str(run)
    if captures_content():
        messages = [dict(message) for message in request.messages]
        attributes[genai.INPUT_MESSAGES] = orjson.dumps(messages).decode()
    return span(f"{operation} {request.model}", "client", attributes)


def _tell_span(made: Span, response: ModelResponse) -> None:
    measured = response.measured
    made.set(
        {
            genai.PROVIDER_NAME: response.provider,
            genai.RESPONSE_MODEL: response.model,
            genai.FINISH_REASONS: [response.finish_reason],
            genai.INPUT_TOKENS: measured.tokens_in,
            genai.OUTPUT_TOKENS: measured.tokens_out,
        }
    )
    if captures_content():
        answer = [{"role": "assistant", "content": response.text}]
        made.set({genai.OUTPUT_MESSAGES: orjson.dumps(answer).decode()})


@record
class _Series:
    """What is told of one model's calls. To find a series takes as long as to count in it."""

    label: tuple[str, str]
    seconds: Histogram
    tokens_in: Histogram
    tokens_out: Histogram
    tokens: dict[str, Counter]

    def tell(self, seconds: float, measured: Measured) -> None:
        self.seconds.observe(seconds)
        self.tokens_in.observe(measured.tokens_in)
        self.tokens_out.observe(measured.tokens_out)
        for meter, count in measured.quantities.items():
            if meter in self.tokens:
                self.tokens[meter].inc(count)
            elif meter.endswith("_tokens"):
                counter = METRICS.models.tokens.labels(*self.label, meter)
                self.tokens[meter] = counter
                counter.inc(count)


def _series(label: tuple[str, str]) -> _Series:
    models, place = METRICS.models, (genai.CHAT, *label)
    return _Series(
        label,
        models.seconds.labels(*place, ""),
        models.token_usage.labels(*place, "input"),
        models.token_usage.labels(*place, "output"),
        {},
    )


_SERIES = OfModels(_series)


def _tell_failure(request: ModelRequest, seconds: float, error_type: str) -> None:
    place = (genai.CHAT, *label_of(request.model))
    METRICS.models.seconds.labels(*place, error_type).observe(seconds)
