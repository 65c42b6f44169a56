"""Whoever reads the clock or draws a number cannot be replayed, so only infra may.

ruff's banned-api says the same where the name is spelt out; this also finds other spellings and
`# noqa` comments.
"""

import ast
from pathlib import Path

import pytest

from tests.architecture.sources import UNLAYERED, modules, packages, parse, shown

UNREPEATABLE_CALLS = {"now", "today", "utcnow", "uuid1", "uuid4", "uuid7"}
UNREPEATABLE_MODULES = {"random", "uuid_utils"}
# The Clock and Ids ports are called `clock.now()` and `ids.new()`.
PORTS = {"clock"}


def unrepeatable(path: Path) -> list[str]:
    nodes = ast.walk(parse(path))
    return [f"{shown(path)}: {ast.unparse(node)}" for node in nodes if _is_bad(node)]


def _is_bad(node: ast.AST) -> bool:
    match node:
        case ast.Import(names=names):
            return any(alias.name.split(".")[0] in UNREPEATABLE_MODULES for alias in names)
        case ast.ImportFrom(module=str(module), names=names):
            drawn = UNREPEATABLE_CALLS & {alias.name for alias in names}
            return module.split(".")[0] in UNREPEATABLE_MODULES or bool(drawn)
        case ast.Attribute(value=owner, attr=attr):
            name = getattr(owner, "attr", getattr(owner, "id", "")).lstrip("_")
            return attr in UNREPEATABLE_CALLS and name not in PORTS
        case _:
            return False


@pytest.mark.parametrize("package", sorted(packages() - UNLAYERED - {"infra"}))
def test_only_infra_reads_the_clock_or_draws_numbers(package: str) -> None:
    assert [found for path in modules(package) for found in unrepeatable(path)] == []
