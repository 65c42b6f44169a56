"""What docs/security.md names as evidence is there."""

import re

import pytest

from tests.architecture.sources import ROOT

PATH = re.compile(r"`((?:tests|infra|commands|domain|sagas|write_api|read_api|projections)/[^`]+)`")
DOCUMENTS = ("docs/security.md", "docs/gdpr.md")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_file_that_is_named_exists(name: str) -> None:
    named = PATH.findall((ROOT / name).read_text("utf-8"))
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_promise_names_a_test() -> None:
    """A promise without one belongs under what is out of scope, or weak."""
    text = (ROOT / "docs/security.md").read_text("utf-8")
    promised = text.partition("## What is promised")[2].partition("## ASVS")[0]
    rows = [line for line in promised.splitlines() if line.startswith("|")]
    is_head = re.compile(r"\| (promise|attack) \||\|---")
    assert [row for row in rows if not is_head.match(row) and "`tests/" not in row] == []
