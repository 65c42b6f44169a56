"""One adapter of the port Models with a provider that answers by script, the same way for all."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from commands.model_port import ModelFailed, ModelRequest, ModelResponse, Models
from tests.openai_server import Answer, OpenAiServer

KEY = "sk-test-3f9a"
PROMPT = "walnut-prompt that nobody may repeat"
# litellm goes by two ways of its own: the OpenAI SDK, and its HTTP handler.
HTTP = ("openai_protocol", "litellm_openai", "litellm_hosted_vllm")
EVERYWHERE = ("offline", *HTTP)


@dataclass(frozen=True, slots=True)
class Subject:
    """One adapter and its provider. server None: the script travels in the request."""

    models: Models
    request: ModelRequest
    server: OpenAiServer | None

    def given(self, *answers: Answer, **changes: Any) -> "Subject":
        if self.server is not None:
            self.server.answers(*answers)
            return replace(self, request=replace(self.request, **changes))
        script = [_script_entry(answer) for answer in answers]
        parameters = {"script": script, **changes.pop("parameters", {})}
        return replace(self, request=replace(self.request, parameters=parameters, **changes))

    async def completes(self, *, attempt: int = 1) -> ModelResponse:
        return await self.models.complete(replace(self.request, attempt=attempt))

    async def streams(self) -> tuple[list[str], ModelResponse]:
        tokens: list[str] = []
        return tokens, await self.models.complete(self.request, tokens.append)

    async def fails(self, *, tokens: list[str] | None = None) -> ModelFailed:
        with pytest.raises(ModelFailed) as caught:
            await self.models.complete(self.request, None if tokens is None else tokens.append)
        return caught.value


def _script_entry(answer: Answer) -> dict[str, Any]:
    codes = {429: "rate_limited", 503: "unavailable", 400: "invalid"}
    entry: dict[str, Any] = {"delay_s": 3600 if answer.hangs else 0}
    if answer.status in codes:
        return entry | {"fail": codes[answer.status]}
    entry |= {"text": "".join(answer.words), "tool_calls": list(answer.tool_calls)}
    if answer.usage is not None:
        entry["usage"] = {
            "input_tokens": answer.usage["prompt_tokens"],
            "output_tokens": answer.usage["completion_tokens"],
        }
    return entry


def request_for(model: str, api_base: str | None) -> ModelRequest:
    return ModelRequest(
        model=model,
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": PROMPT},
        ],
        parameters={},
        attempt=1,
        timeout_s=20,
        idempotency_key="run-7/draft/1",
        api_base=api_base,
        api_key=KEY,
    )


def only(*adapters: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("subject", adapters, indirect=True)
