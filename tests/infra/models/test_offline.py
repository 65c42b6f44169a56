"""The models that need nobody: words are tokens, a script decides, mistakes in it are told."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from commands.model_port import ModelFailed, ModelRequest, ModelResponse
from infra.models.offline import OfflineModels
from infra.models.usage import measured_tokens
from tests.prices import cost_of

USER = {"role": "user", "content": "What is  event sourcing?\n"}


def request(
    model: str,
    *,
    messages: Sequence[Mapping[str, Any]] = (USER,),
    attempt: int = 1,
    timeout_s: float = 5,
    **parameters: Any,
) -> ModelRequest:
    return ModelRequest(
        model=model,
        messages=messages,
        parameters=parameters,
        attempt=attempt,
        timeout_s=timeout_s,
        idempotency_key="k",
    )


async def echo(*messages: Mapping[str, Any]) -> ModelResponse:
    return await OfflineModels().complete(request("offline/echo", messages=messages))


async def scripted(*entries: Any, **changes: Any) -> ModelResponse:
    script = list(entries)
    return await OfflineModels().complete(request("offline/script", script=script, **changes))


async def refused(call: Any) -> ModelFailed:
    with pytest.raises(ModelFailed) as caught:
        await call
    return caught.value


async def test_echo_answers_with_the_prompt_as_it_is() -> None:
    response = await echo(USER)

    assert response.text == "What is  event sourcing?\n"
    assert response.provider == "offline"


async def test_echo_counts_words_and_costs_one_and_two_dollars_a_million() -> None:
    response = await echo(USER)

    assert (response.measured.tokens_in, response.measured.tokens_out) == (4, 4)
    assert cost_of("offline/script", response.measured) == 4 * 1_000_000 + 4 * 2_000_000


async def test_the_prompt_is_the_last_message_of_the_user() -> None:
    response = await echo(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "answer"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "sec"}, {"type": "text", "text": "ond"}],
        },
        {"role": "tool", "content": "result"},
    )

    assert response.text == "second"


async def test_without_a_user_message_there_is_nothing_to_echo() -> None:
    response = await echo({"role": "system", "content": "Be brief."})

    assert (
        response.text,
        response.measured.tokens_in,
        cost_of("offline/script", response.measured),
    ) == ("", 0, 0)


@pytest.mark.parametrize(
    "text", ["", " ", "one", "  two words ", "line\nbreak\n", "tab\tand  spaces"]
)
async def test_the_streamed_words_make_up_the_text(text: str) -> None:
    tokens: list[str] = []

    response = await OfflineModels().complete(
        request("offline/script", script=[{"text": text}]), tokens.append
    )

    assert "".join(tokens) == text == response.text
    assert all(len(token.split()) <= 1 for token in tokens)


async def test_a_scripts_usage_is_taken_as_it_is_and_priced() -> None:
    response = await scripted(
        {"text": "a b c", "usage": {"input_tokens": 1000, "output_tokens": 10}}
    )

    assert (response.measured.tokens_in, response.measured.tokens_out) == (1000, 10)
    assert cost_of("offline/script", response.measured) == 1000 * 1_000_000 + 10 * 2_000_000


async def test_without_usage_in_the_script_the_words_are_counted() -> None:
    response = await scripted({"text": "a b c"})

    assert (response.measured.tokens_in, response.measured.tokens_out) == (4, 3)


@pytest.mark.parametrize(
    ("fail", "is_retryable"),
    [("rate_limited", True), ("timeout", True), ("unavailable", True), ("invalid", False)],
)
async def test_a_scripted_failure_fails_with_its_code(fail: str, is_retryable: bool) -> None:
    failure = await refused(scripted({"fail": fail}))

    assert (failure.code, failure.retryable) == (fail, is_retryable)


async def test_a_scripted_failure_with_usage_is_billed() -> None:
    entry = {"fail": "unavailable", "usage": {"input_tokens": 5, "output_tokens": 2}}

    failure = await refused(scripted(entry))

    assert failure.measured == measured_tokens(5, 2)


async def test_a_script_may_fail_first_and_answer_later() -> None:
    script = ({"fail": "rate_limited"}, {"fail": "timeout"}, {"text": "at last"})

    codes = [(await refused(scripted(*script, attempt=attempt))).code for attempt in (1, 2)]

    assert codes == ["rate_limited", "timeout"]
    assert (await scripted(*script, attempt=3)).text == "at last"
    assert (await scripted(*script, attempt=30)).text == "at last"


async def test_a_delay_longer_than_the_calls_time_is_a_timeout() -> None:
    failure = await refused(scripted({"text": "late", "delay_s": 60}, timeout_s=0.05))

    assert (failure.code, failure.measured) == ("timeout", None)


@pytest.mark.parametrize(
    ("script", "place"),
    [
        (None, "must be a list"),
        ([], "at least one"),
        ("text", "must be a list"),
        ([{}] * 1001, "1000"),
        (["text"], "[0]"),
        ([{"text": "ok"}, {"txt": "typo"}], "[1]"),
        ([{"text": 1}], "[0].text"),
        ([{"delay_s": -1}], "[0].delay_s"),
        ([{"delay_s": "1"}], "[0].delay_s"),
        ([{"word_delay_s": -1}], "[0].word_delay_s"),
        ([{"delay_s": True}], "[0].delay_s"),
        ([{"delay_s": float("inf")}], "[0].delay_s"),
        ([{"fail": "exploded"}], "[0].fail"),
        ([{"fail": ["timeout"]}], "[0].fail"),
        ([{"usage": {"input_tokens": -1}}], "[0].usage"),
        ([{"usage": {"output_tokens": 1.5}}], "[0].usage"),
        ([{"usage": {"output_tokens": 10**12}}], "[0].usage"),
        ([{"usage": {"tokens": 1}}], "[0].usage"),
        ([{"tool_calls": {}}], "[0].tool_calls"),
        ([{"tool_calls": ["weather"]}], "[0].tool_calls"),
    ],
)
async def test_a_mistake_in_a_script_is_told_with_its_place(script: Any, place: str) -> None:
    failure = await refused(OfflineModels().complete(request("offline/script", script=script)))

    assert (failure.code, failure.retryable) == ("invalid", False)
    assert failure.message.startswith("parameters.script")
    assert place in failure.message


async def test_there_are_no_other_offline_models() -> None:
    failure = await refused(OfflineModels().complete(request("offline/gpt")))

    assert (failure.code, failure.retryable) == ("unknown_model", False)
