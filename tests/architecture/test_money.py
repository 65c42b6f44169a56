"""A float rounds where nobody asked it to: 0.1 + 0.2 is not 0.3, and an invoice that is a cent off
is wrong for ever. So nothing that reckons money names one.
"""

import ast
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, parse, shown

WORDS = ("billing", "charge", "credit", "currenc", "invoice", "money", "price", "rating", "usage")
PATHS = sorted(
    path
    for folder in ("domain", "commands")
    for path in (ROOT / folder).glob("*.py")
    if any(word in path.stem for word in WORDS)
)
# The order in which grants burn, and seconds of a lease.
NOT_MONEY = {"domain/credit_grants.py", "commands/billing_port.py"}


def floats(path: Path) -> list[str]:
    return [
        f"{shown(path)}:{node.lineno}"
        for node in ast.walk(parse(path))
        if (isinstance(node, ast.Name) and node.id == "float")
        or (isinstance(node, ast.Constant) and isinstance(node.value, float))
    ]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_nothing_that_reckons_money_names_a_float(path: Path) -> None:
    assert str(shown(path)) in NOT_MONEY or floats(path) == []
