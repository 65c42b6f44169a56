"""llm asks for a model call, as the worker will find it recorded."""

from typing import Any

import pytest
from pydantic import ValidationError

from domain.identifiers import Json
from domain.nodes.llm import Llm
from tests.domain.given import Run, a_run, advance, an_llm, given

INPUT: Json = {"q": "Why?", "chat": [{"role": "user", "content": "Hi"}], "t": 0.5}


def asking(**config: Json) -> Run:
    nodes = [an_llm("ask", config={"model": "offline/echo", **config})]
    return given(a_run(nodes, ["start -> ask", "ask -> end"], INPUT), advance())


def test_a_prompt_is_a_message_of_the_user_behind_the_system_text() -> None:
    run = asking(prompt="Answer: {{ input.q }}", system="Be brief.")
    assert run.answer[0].request == {
        "model": "offline/echo",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Answer: Why?"},
        ],
    }


def test_a_prompt_is_text_whatever_its_value() -> None:
    (attempt,) = asking(prompt="{{ input.chat }}").answer
    assert attempt.request["messages"][0]["content"] == '[{"role":"user","content":"Hi"}]'


def test_messages_are_rendered_and_parameters_keep_their_types() -> None:
    messages: Json = [{"role": "user", "content": "{{ input.q }}"}]
    run = asking(messages=messages, parameters={"temperature": "{{ input.t }}", "seed": 1})
    assert run.answer[0].request == {
        "model": "offline/echo",
        "messages": [{"role": "user", "content": "Why?"}],
        "parameters": {"temperature": 0.5, "seed": 1},
    }


def test_a_whole_conversation_may_come_from_an_expression() -> None:
    run = asking(messages="{{ input.chat }}", prompt=None)
    assert run.answer[0].request["messages"] == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ({"messages": "{{ input.q }}"}, "/messages"),
        ({"messages": [{"role": "{{ input.q }}", "content": ""}]}, "/messages"),
        ({"prompt": "x", "parameters": "{{ input.q }}"}, "/parameters"),
        ({"prompt": "{{ input.nope }}"}, "/prompt"),
        ({"prompt": "x", "system": "{{ input.nope }}"}, "/system"),
        ({"prompt": "x", "model": "{{ input.nope }}"}, "/model"),
    ],
)
def test_what_cannot_be_rendered_fails_with_its_place(config: dict[str, Json], place: str) -> None:
    error: Any = asking(**config).aggregate.nodes["ask"].error
    assert error["code"] == "expression_failed"
    assert error["message"].startswith(f"{place}: ")


MODELS: list[Json] = [{"model": "offline/echo", "weight": 3}, {"model": "offline/{{ input.q }}"}]


def test_one_of_several_models_is_drawn_and_the_request_says_how_likely_it_was() -> None:
    nodes = [an_llm("ask", config={"models": MODELS, "prompt": "x"})]
    run = given(a_run(nodes, ["start -> ask", "ask -> end"], INPUT), advance())
    request = run.answer[0].request
    told = request["routing"]
    assert told["candidates"] == [
        {"model": "offline/echo", "weight": 3},
        {"model": "offline/Why?", "weight": 1},
    ]
    assert told["propensity"] == {"offline/echo": 0.75, "offline/Why?": 0.25}[request["model"]]


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"model": "offline/echo", "models": MODELS}, "missing_model"),
        ({}, "missing_model"),
        ({"models": MODELS[:1]}, "too_short"),
        ({"models": [{"model": "", "weight": 1}, {"model": "offline/echo"}]}, "missing_model"),
        ({"models": [{"model": "offline/a", "weight": 0}, {"model": "b"}]}, "greater_than_equal"),
    ],
)
def test_a_choice_of_models_that_is_none_is_refused(config: dict[str, Json], code: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Llm.model_validate({**config, "prompt": "x"})
    assert [error["type"] for error in refusal.value.errors()] == [code]


def test_who_chooses_among_offline_models_may_repeat_a_call_and_nobody_else() -> None:
    def may(*models: str) -> bool:
        told = [{"model": model} for model in models]
        return Llm.model_validate({"models": told, "prompt": "x"}).may_be_repeatable()

    assert may("offline/echo", "offline/script")
    assert not may("offline/echo", "openai/gpt-4o")
