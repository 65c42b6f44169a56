"""A direct model call. request: {model, messages, parameters}, rendered and recorded before the
call.
"""

from collections.abc import Mapping, Sequence

from commands.model_port import ModelFailed, ModelRequest, ModelResponse
from domain.attempts import Attempt, Usage
from domain.identifiers import Json, JsonObject
from sagas.effects import AttemptFailed, Effects, Outcome, Run


async def run_llm(attempt: Attempt, run: Run, on: Effects) -> Outcome:
    request = attempt.request
    response = await call_model(
        attempt,
        run,
        on,
        model=str(request["model"]),
        messages=_messages(request["messages"]),
        parameters=_object(request.get("parameters")),
    )
    return Outcome(model_output(response), usage_of(response))


async def call_model(
    attempt: Attempt,
    run: Run,
    on: Effects,
    *,
    model: str,
    messages: Sequence[Mapping[str, Json]],
    parameters: Mapping[str, Json],
) -> ModelResponse:
    """Raises AttemptFailed with what was billed all the same. Each token is a sign of life."""

    def beat(_token: str) -> None:
        run.beat()

    try:
        return await on.models.complete(
            ModelRequest(
                model=model,
                messages=messages,
                parameters=parameters,
                attempt=attempt.number,
                timeout_s=attempt.timeout_s,
                idempotency_key=attempt.idempotency_key,
            ),
            None if attempt.heartbeat_s is None else beat,
        )
    except ModelFailed as failed:
        raise AttemptFailed(
            failed.code,
            failed.message,
            is_retryable=failed.retryable,
            retry_after_s=failed.retry_after_s,
            usage=Usage(model, failed.tokens_in, failed.tokens_out, failed.cost_usd_pico),
        ) from failed


def model_output(response: ModelResponse) -> JsonObject:
    """What later nodes see as `nodes.<id>.output`."""
    output: JsonObject = {
        "text": response.text,
        "finish_reason": response.finish_reason,
        "usage": {
            "input_tokens": response.tokens_in,
            "output_tokens": response.tokens_out,
            "cached_tokens": response.tokens_cached,
            "source": response.usage_source,
        },
    }
    if response.tool_calls:
        output["tool_calls"] = [dict(call) for call in response.tool_calls]
    return output


def usage_of(response: ModelResponse) -> Usage:
    return Usage(response.model, response.tokens_in, response.tokens_out, response.cost_usd_pico)


def _messages(value: Json) -> list[JsonObject]:
    assert isinstance(value, list)
    return [message for message in value if isinstance(message, dict)]


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, dict) else {}
