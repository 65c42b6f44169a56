"""The source files the architecture tests read."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
UNLAYERED = {"bench", "deploy", "tests"}  # Nothing imports them, and they may import everything.


def packages() -> set[str]:
    """Every package directory of the repository."""
    return {path.parent.name for path in ROOT.glob("*/__init__.py")}


def modules(*names: str) -> Iterator[Path]:
    """The Python files of the named packages, or of all."""
    for name in sorted(names or packages()):
        yield from sorted((ROOT / name).rglob("*.py"))


def parse(path: Path) -> ast.Module:
    """Not to be kept: of all files it is a million objects, which the collector looks at again
    and again.
    """
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
