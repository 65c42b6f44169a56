"""A direct model call. request: {model, messages, parameters}, rendered and recorded before the
call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from commands.model_port import ModelFailed, ModelRequest, ModelResponse
from commands.provider_port import ProviderAccess
from domain.attempts import Attempt, Usage
from domain.identifiers import Json, JsonObject
from sagas.blots import Blots
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

    request = ModelRequest(
        model=model,
        messages=messages,
        parameters=parameters,
        attempt=attempt.number,
        timeout_s=attempt.timeout_s,
        idempotency_key=attempt.idempotency_key,
    )
    try:
        access = await _own_access(model, run, on)
        response = await on.models.complete(
            request if access is None else _through(access, request),
            None if attempt.heartbeat_s is None else beat,
        )
        return response if access is None else _told_of(access, response, model)
    except ModelFailed as failed:
        raise AttemptFailed(
            failed.code,
            failed.message,
            is_retryable=failed.retryable,
            retry_after_s=failed.retry_after_s,
            usage=Usage(model, failed.tokens_in, failed.tokens_out, failed.cost_usd_pico),
        ) from failed


async def _own_access(model: str, run: Run, on: Effects) -> ProviderAccess | None:
    """None: through the platform's own providers."""
    if model.startswith("offline/"):
        return None
    owner_id = await on.owners.owner_of(run.tenant_id, run.created_by)
    return await on.providers.access(run.tenant_id, owner_id, model)


def _through(access: ProviderAccess, request: ModelRequest) -> ModelRequest:
    return replace(request, model=access.model, api_base=access.api_base, api_key=access.api_key)


def _told_of(access: ProviderAccess, response: ModelResponse, model: str) -> ModelResponse:
    """Under the name that the tenant knows, and without the key if the server repeats it."""
    if access.api_key is None:
        return response._replace(model=model)
    blots = Blots({access.name: access.api_key})
    calls = [blots.json(dict(call)) for call in response.tool_calls]
    return response._replace(model=model, text=blots.text(response.text), tool_calls=calls)


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
