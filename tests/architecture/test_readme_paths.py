"""A README that names what does not exist costs its reader more than one that says nothing."""

import re
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

# Decisions tell of their time, and may name what is gone.
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = re.compile(r"```[^\n]*\n(?P<block>.*?)```|`(?P<span>[^`\n]+)`", re.DOTALL)
LIMITS = re.compile(r"(?P<limits>`[A-Z_]+`(?:, `[A-Z_]+`)*)\s+in\s+`(?P<path>[\w/]+\.py)`")
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")
MAKE = re.compile(r"^\s*(?:\$ )?make ([a-z-]+)", re.MULTILINE)
RUN = re.compile(r"python -m ([\w.]+)")
# Paths that a run makes, rather than the repository holds.
MADE = (".venv", ".agentledger")


def code_of(text: str) -> list[str]:
    return [found["block"] or found["span"] for found in CODE.finditer(text)]


def is_path(word: str) -> bool:
    """Whether a code span means a file: a slash inside one of our directories, or a suffix."""
    first, slash, _ = word.partition("/")
    is_ours = bool(slash) and (ROOT / first).is_dir() and bool(first.strip("."))
    is_file = re.fullmatch(r"[\w./-]+\.(py|md|toml|sql|sh|yaml|yml|lock)", word) is not None
    return (is_ours or is_file) and not word.startswith(MADE) and " " not in word


def missing_paths(document: Path) -> list[str]:
    """Links are read from where the document lies, code spans from the root."""
    text = document.read_text("utf-8")
    spans = [found["span"] for found in CODE.finditer(text) if found["span"]]
    links = [link for link in LINK.findall(text) if not (document.parent / link).exists()]
    return links + [span for span in filter(is_path, spans) if not list(ROOT.glob(span))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_named_exists(document: Path) -> None:
    assert missing_paths(document) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_limit_is_in_the_file_that_is_named_with_it(document: Path) -> None:
    named = [
        (limit, found["path"])
        for found in LIMITS.finditer(document.read_text("utf-8"))
        for limit in re.findall(r"[A-Z_]+", found["limits"])
    ]
    sources = {path: (ROOT / path).read_text("utf-8") for _, path in named}
    missing = [
        one for one in named if not re.search(rf"^\s*{one[0]}\b", sources[one[1]], re.MULTILINE)
    ]
    assert missing == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_named_exists(document) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    used = {name for code in code_of(document.read_text("utf-8")) for name in MAKE.findall(code)}
    assert used - targets == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_module_to_run_exists(document) -> None:
    used = {name for code in code_of(document.read_text("utf-8")) for name in RUN.findall(code)}
    missing = {
        name
        for name in used
        if not (ROOT / name.replace(".", "/")).with_suffix(".py").exists()
        and not (ROOT / name.replace(".", "/") / "__main__.py").exists()
    }
    assert missing == set()
