"""llm asks for a model call, as the worker will find it recorded."""

from typing import Any

import pytest

from domain.identifiers import Json
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
