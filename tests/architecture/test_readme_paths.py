"""A README that names what does not exist costs its reader more than one that says nothing."""

import re

import pytest

from tests.architecture.sources import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
CODE = re.compile(r"```[^\n]*\n(?P<block>.*?)```|`(?P<span>[^`\n]+)`", re.DOTALL)
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


def named_paths(text: str) -> list[str]:
    spans = [found["span"] for found in CODE.finditer(text) if found["span"]]
    return [*LINK.findall(text), *filter(is_path, spans)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_named_exists(document) -> None:
    missing = [
        path for path in named_paths(document.read_text("utf-8")) if not list(ROOT.glob(path))
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
