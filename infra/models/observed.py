"""Calls of models, timed, counted and in spans, by the names of the conventions for GenAI.

What is asked and answered is in no span, unless the installation says that it may be.
"""

from collections.abc import Callable
from time import perf_counter

import orjson

from commands.model_port import ModelFailed, ModelRequest, ModelResponse
from infra import genai_names as genai
from infra.logs import current_place
from infra.metrics import METRICS
from infra.models import ClosableModels
from infra.models.known_names import label_of
from infra.tracing import NO_SPAN, Span, SpanBlock, captures_content, is_on, span


class ObservedModels:
    """Implements ClosableModels."""

    def __init__(self, models: ClosableModels) -> None:
        self._models = models

    async def complete(
        self, request: ModelRequest, on_token: Callable[[str], None] | None = None
    ) -> ModelResponse:
        began_s = perf_counter()
        with _span_of(request) as made:
            try:
                response = await self._models.complete(request, on_token)
            except ModelFailed as failed:
                made.fail(failed.code)
                _tell_time(request, perf_counter() - began_s, failed.code)
                raise
            _tell_time(request, perf_counter() - began_s, "")
            _tell_tokens(request, response)
            if made.is_recording:
                _tell_span(made, response)
            return response

    async def aclose(self) -> None:
        await self._models.aclose()


def _span_of(request: ModelRequest) -> SpanBlock:
    if not is_on():
        return NO_SPAN
    attributes: dict[str, str] = {
        genai.OPERATION_NAME: genai.CHAT,
        genai.PROVIDER_NAME: request.model.partition("/")[0],
        genai.REQUEST_MODEL: request.model,
    }
    run = current_place().execution_id
    if run is not None:
        attributes[genai.CONVERSATION_ID] = str(run)
    if captures_content():
        messages = [dict(message) for message in request.messages]
        attributes[genai.INPUT_MESSAGES] = orjson.dumps(messages).decode()
    return span(f"{genai.CHAT} {request.model}", "client", attributes)


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


def _tell_time(request: ModelRequest, seconds: float, error_type: str) -> None:
    place = (genai.CHAT, *label_of(request.model))
    METRICS.models.seconds.labels(*place, error_type).observe(seconds)


def _tell_tokens(request: ModelRequest, response: ModelResponse) -> None:
    label = label_of(request.model)
    for meter, count in response.measured.quantities.items():
        if meter.endswith("_tokens"):
            METRICS.models.tokens.labels(*label, meter).inc(count)
    usage, place = METRICS.models.token_usage, (genai.CHAT, *label)
    usage.labels(*place, "input").observe(response.measured.tokens_in)
    usage.labels(*place, "output").observe(response.measured.tokens_out)
