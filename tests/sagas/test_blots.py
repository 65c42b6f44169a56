"""A secret that comes back is blotted out, however the server writes it."""

import json
from base64 import b64encode
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagas.blots import Blots

VALUE = 'tok&n "1/é\\'


@pytest.mark.parametrize(
    "written",
    [
        VALUE,
        VALUE.upper(),
        f"Bearer {VALUE}",
        json.dumps({"a": VALUE}),
        json.dumps({"a": VALUE}, ensure_ascii=False),
        quote(VALUE),
        quote(VALUE, safe=""),
        quote_plus(VALUE),
        quote_plus(VALUE).lower(),
        escape(VALUE),
        b64encode(VALUE.encode()).decode(),
    ],
)
def test_every_way_to_write_it_is_found(written: str) -> None:
    blotted = Blots({"github": VALUE}).text(f"before {written} after")
    assert "[secret github]" in blotted
    assert VALUE.lower() not in blotted.lower()
    assert blotted.startswith("before ")
    assert blotted.endswith(" after")


def test_values_names_and_digits_of_json_are_looked_at() -> None:
    blots = Blots({"a": "12345", "b": "token"})
    answer: dict[str, Any] = {"my token": [{"n": 123456, "t": True, "none": None}], "x": "12345"}
    assert blots.json(answer) == {
        "my [secret b]": [{"n": "[secret a]6", "t": True, "none": None}],
        "x": "[secret a]",
    }


def test_of_two_secrets_one_inside_the_other_nothing_is_left() -> None:
    blots = Blots({"short": "token", "long": "my-token-is-long"})
    assert blots.text("my-token-is-long token") == "[secret long] [secret short]"


def test_without_secrets_an_answer_is_passed_on_as_it_is() -> None:
    answer: dict[str, Any] = {"a": ["b"]}
    assert Blots({}).json(answer)["a"] is answer["a"]


@given(st.text(min_size=4, max_size=60), st.text(max_size=40), st.text(max_size=40))
def test_whatever_surrounds_a_secret_it_is_gone(value: str, before: str, after: str) -> None:
    blotted = Blots({"n": value}).text(before + value + after)
    assert value not in blotted.replace("[secret n]", "")
