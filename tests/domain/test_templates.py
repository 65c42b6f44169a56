"""Placeholders in configs: what keeps its type, what becomes text, and where a mistake is."""

import pytest

from domain.expressions import ExpressionFailed
from domain.identifiers import Json
from domain.templates import JsonTemplate, TemplateRefused, TextTemplate

ROOTS: dict[str, Json] = {
    "input": {"n": 3, "name": "Ada", "list": [1, "two"], "none": None, "big": "x" * 60_000},
    "nodes": {},
    "execution": {"id": "e1"},
}


def rendered(raw: Json) -> Json:
    return JsonTemplate(raw).render(ROOTS)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("no placeholder", "no placeholder"),
        ("{{ input.n }}", 3),
        ("{{input.list}}", [1, "two"]),
        ("{{ input.none }}", None),
        (" {{ input.n }}", " 3"),
        ("Hello {{ input.name }}!", "Hello Ada!"),
        ("{{ input.name }}{{ input.n }}", "Ada3"),
        ("{{ input.list }} {{ input.none }} {{ 1 < 2 }}", '[1,"two"] null true'),
        (
            {"a": ["{{ input.n }}", {"b": "{{ input.name }}"}], "c": 1},
            {"a": [3, {"b": "Ada"}], "c": 1},
        ),
        ('{{ {"a": {"b": input.n}} }}', {"a": {"b": 3}}),
        ('{{ "}}" + input.name }}', "}}Ada"),
        ('{{ "{{" }} stays', "{{ stays"),
        ("}} alone and { alone", "}} alone and { alone"),
        ("two\nlines: {{ input.n +\n 1 }}", "two\nlines: 4"),
        (5, 5),
        (None, None),
    ],
)
def test_placeholders_are_rendered(raw: Json, expected: Json) -> None:
    assert rendered(raw) == expected


@pytest.mark.parametrize(("raw", "expected"), [("{{ input.n }}", "3"), ("{{ input.name }}", "Ada")])
def test_where_text_is_wanted_values_become_text(raw: str, expected: str) -> None:
    assert TextTemplate(raw).text(ROOTS) == expected


def test_every_mistake_is_told_with_its_place() -> None:
    raw: Json = {
        "fine": "{{ input.n }}",
        "a/b": ["{{ 1 + }}", "{{ open"],
        "{{ key }}": 1,
        "text": "Hi {{ inputs.n }}",
    }
    with pytest.raises(TemplateRefused) as refusal:
        JsonTemplate(raw)
    told = {mistake.place: mistake.reason for mistake in refusal.value.mistakes}
    assert told == {
        "/a~1b/0": "`1 +`: line 1, column 4: unexpected end",
        "/a~1b/1": '`{{ open`: `{{` is never closed; for the braces themselves write {{ "{{" }}',
        "": "the key `{{ key }}` cannot be an expression",
        "/text": "`inputs.n`: line 1, column 1: "
        "`inputs` is unknown; there are execution, input, nodes",
    }


@pytest.mark.parametrize("raw", ["{{", "{{ }", "{{ {'a': 1 }}", "{{ 'a }}", "{{ a } }", "{{}}"])
def test_a_placeholder_must_be_closed_and_say_something(raw: str) -> None:
    with pytest.raises(TemplateRefused):
        JsonTemplate(raw)


def test_a_value_that_fails_names_the_expression() -> None:
    with pytest.raises(ExpressionFailed, match="there is no `nope` in `input`"):
        rendered({"a": "{{ input.nope }}"})


def test_expressions_are_told_with_their_places() -> None:
    template = JsonTemplate({"a": ["x {{ input.n }} {{ input.name }}"], "b": 1})
    assert [(place, expression.text) for place, expression in template.expressions] == [
        ("/a/0", "input.n"),
        ("/a/0", "input.name"),
    ]
    assert JsonTemplate({"b": 1}).is_constant


def test_what_does_not_change_is_not_copied() -> None:
    raw: Json = {"constant": {"deep": [1, 2]}, "n": "{{ input.n }}"}
    assert rendered(raw)["constant"] is raw["constant"]  # pyright: ignore[reportArgumentType, reportCallIssue, reportIndexIssue, reportOptionalSubscript]


@pytest.mark.parametrize("raw", ["{{ input.big }} " * 100, ["{{ input.big }}"] * 100])
def test_a_value_repeated_without_measure_is_not_built(raw: Json) -> None:
    with pytest.raises(ExpressionFailed, match="larger than"):
        rendered(raw)
