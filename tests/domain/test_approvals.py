"""The edits of a decision fit the form, and no form or edits take for ever or reach outside."""

import pytest

from domain.approvals import MISTAKES_MAX, STEPS_MAX, require_form
from domain.errors import Invalid
from domain.identifiers import Json, JsonObject
from domain.nodes.approval import FormUnusable

FORM: JsonObject = {
    "type": "object",
    "properties": {"amount": {"type": "number", "maximum": 100}, "code": {"pattern": "^[a-z]+$"}},
    "required": ["amount"],
}


def mistakes(form: JsonObject, edits: Json) -> list[str]:
    with pytest.raises(Invalid) as refusal:
        require_form(form, edits)
    return [mistake.path for mistake in refusal.value.errors]


@pytest.mark.parametrize("edits", [None, {"amount": 90}, {"amount": 1, "code": "abc"}])
def test_edits_that_fit_the_form_are_accepted_and_so_are_none(edits: Json) -> None:
    require_form(FORM, edits)


def test_without_a_form_any_edits_are_accepted() -> None:
    require_form(None, {"anything": [1, 2]})


def test_every_mistake_is_told_with_its_place() -> None:
    assert mistakes(FORM, {"amount": 101, "code": "A/b"}) == ["/edits/amount", "/edits/code"]
    assert mistakes(FORM, {}) == ["/edits"]
    assert mistakes({"properties": {"a/b": {"type": "null"}}}, {"a/b": 1}) == ["/edits/a~1b"]


def test_a_form_may_name_the_draft_it_is_written_in() -> None:
    schema = "https://json-schema.org/draft/2020-12/schema"
    assert mistakes({"$schema": schema, "type": "string"}, 1) == ["/edits"]


def test_a_form_may_refer_to_its_own_definitions() -> None:
    form: JsonObject = {"$defs": {"n": {"type": "number"}}, "items": {"$ref": "#/$defs/n"}}
    assert mistakes(form, [1, "two"]) == ["/edits/1"]


def test_not_more_mistakes_are_told_than_anybody_reads() -> None:
    form: JsonObject = {"items": {"type": "string"}}
    assert len(mistakes(form, list(range(MISTAKES_MAX + 1)))) == MISTAKES_MAX


def doubling(depth: int) -> JsonObject:
    """Each definition refers to the one before it twice: small, and endless to check."""
    one: JsonObject = {"n0": {"type": "number"}}
    for step in range(1, depth):
        before: JsonObject = {"$ref": f"#/$defs/n{step - 1}"}
        one[f"n{step}"] = {"allOf": [before, before]}
    return {"$defs": one, "$ref": f"#/$defs/n{depth - 1}"}


@pytest.mark.parametrize(
    ("form", "edits"),
    [
        ({"$ref": "#"}, 1),
        ({"$ref": "http://127.0.0.1:1/form.json"}, 1),
        ({"$ref": "#/$defs/missing"}, 1),
        ({"pattern": "(?=a)b"}, "ab"),
        ({"patternProperties": {"(a+)+$": {}}}, {"a": 1}),
        ({"items": {"$schema": "http://json-schema.org/draft-07/schema#"}}, [1]),
        ({"items": {"minimum": 0}}, [1] * STEPS_MAX),
        ({"uniqueItems": True}, [{"n": n} for n in range(1000)]),
        (doubling(40), 1),
    ],
    ids=[
        "refers to itself",
        "refers to another host",
        "refers to nothing",
        "a backtracking pattern",
        "patterns of names",
        "another draft inside",
        "many items",
        "many pairs",
        "doubling",
    ],
)
def test_a_form_that_cannot_be_checked_is_refused(form: JsonObject, edits: Json) -> None:
    with pytest.raises(FormUnusable):
        require_form(form, edits)


def test_a_pattern_is_matched_in_linear_time() -> None:
    """Python's engine would try 2 to the 60th ways."""
    assert mistakes({"pattern": "^(a+)+$"}, "a" * 60 + "!") == ["/edits"]
