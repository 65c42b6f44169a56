"""A direct model call. request: {model, messages, parameters}, rendered and recorded before the
call.
"""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from commands.model_port import ModelFailed, ModelRequest, ModelResponse
from commands.provider_port import ProviderAccess
from domain.attempts import Attempt, Reserved, Usage
from domain.identifiers import Json, JsonObject
from domain.records import record
from infra.models.bounds import limited
from sagas.blots import Blots
from sagas.effects import AttemptFailed, Effects, Outcome, Run
from sagas.live_answers import is_heard, live_answer
from sagas.metering import Call, charged, charged_failure


@record
class Asked:
    """What a model is to be asked. agent_id, agent_version: of an agent's turn."""

    model: str
    messages: Sequence[Mapping[str, Json]]
    parameters: Mapping[str, Json]
    agent_id: str | None
    agent_version: int | None


def run_llm(attempt: Attempt, run: Run, on: Effects) -> Coroutine[Any, Any, Outcome]:
    return call_model(attempt, run, on, asked_of_llm(attempt))


def _output_of(asked: Asked, response: ModelResponse, usage: Usage) -> JsonObject:
    """What later nodes see as `nodes.<id>.output`."""
    measured = response.measured
    output: JsonObject = {
        "text": response.text,
        "finish_reason": response.finish_reason,
        "usage": {
            "input_tokens": usage.tokens_in,
            "output_tokens": usage.tokens_out,
            "cached_tokens": measured.quantities.get("cached_input_tokens", 0),
            "source": measured.source,
        },
    }
    if response.tool_calls:
        output["tool_calls"] = [dict(call) for call in response.tool_calls]
    if asked.agent_id is not None:
        output["agent_id"], output["agent_version"] = asked.agent_id, asked.agent_version
    return output


def asked_of_llm(attempt: Attempt) -> Asked:
    """Its request is as domain/nodes/llm.py makes it."""
    request: Any = attempt.request
    parameters: JsonObject = request.get("parameters") or {}
    return Asked(request["model"], request["messages"], parameters, None, None)


async def call_model(attempt: Attempt, run: Run, on: Effects, asked: Asked) -> Outcome:
    """Raises AttemptFailed with what was billed all the same."""
    model, parameters = asked.model, asked.parameters
    is_streamed, hidden = False, None
    made = Call(run.tenant_id, model, model, asked.agent_id, on.clock.now())
    try:
        access = await own_access(model, run, on)
        if access is not None:
            made, hidden = replace(made, asked=access.model), _hidden(access)
        if parameters:
            is_streamed, parameters = _streamed(parameters)
        if attempt.reserved is not None:
            parameters = _as_reserved(attempt.reserved, made.asked, parameters)
        request = ModelRequest(
            made.asked,
            asked.messages,
            parameters,
            attempt.number,
            attempt.timeout_s,
            attempt.idempotency_key,
            None if access is None else access.api_base,
            None if access is None else access.api_key,
        )
        if is_streamed or is_heard(attempt, run, on):
            with live_answer(attempt, run, on, hidden) as on_token:
                response = await on.models.complete(request, on_token)
        else:
            response = await on.models.complete(request)
    except ModelFailed as failed:
        raise AttemptFailed(
            failed.code,
            failed.message,
            is_retryable=failed.retryable,
            retry_after_s=failed.retry_after_s,
            usage=await charged_failure(made, failed, on.prices),
        ) from failed
    usage = await charged(
        made,
        response.measured,
        on.prices,
        provider=response.provider,
        tool_calls_count=len(response.tool_calls),
    )
    if access is not None:
        response = _told_of(hidden, response, model)
    return Outcome(_output_of(asked, response, usage), usage)


def _streamed(parameters: Mapping[str, Json]) -> tuple[bool, Mapping[str, Json]]:
    """Whether the answer is wanted as it comes, and what is left for the provider."""
    wanted = parameters.get("stream")
    if not isinstance(wanted, bool):
        return False, parameters
    return wanted, {name: value for name, value in parameters.items() if name != "stream"}


def _hidden(access: ProviderAccess) -> Blots | None:
    return None if access.api_key is None else Blots({access.name: access.api_key})


def _as_reserved(
    reserved: Reserved, model: str, parameters: Mapping[str, Json]
) -> Mapping[str, Json]:
    """The parameters, for no longer an answer than was paid for. Raises AttemptFailed."""
    if model != reserved.model:
        message = "another model is meant by this name since the call was paid for"
        raise AttemptFailed("model_changed", message, is_retryable=True)
    if reserved.tokens_max is None:
        return parameters
    return limited(model, parameters, reserved.tokens_max)


async def own_access(model: str, run: Run, on: Effects) -> ProviderAccess | None:
    """None: through the platform's own providers."""
    if model.startswith("offline/"):
        return None
    owner_id = await on.owners.owner_of(run.tenant_id, run.created_by)
    return await on.providers.access(run.tenant_id, owner_id, model)


def _told_of(blots: Blots | None, response: ModelResponse, model: str) -> ModelResponse:
    """Under the name that the tenant knows, and without the key if the server repeats it."""
    if blots is None:
        return replace(response, model=model)
    calls = [blots.json(dict(call)) for call in response.tool_calls]
    return replace(response, model=model, text=blots.text(response.text), tool_calls=calls)
