"""A crash point that nobody passes proves nothing, and one that no test kills at proves no more."""

import ast
from collections import Counter

from infra.crash_points import CRASH_POINTS
from tests.architecture.sources import modules, parse
from tests.faults.crash_chains import (
    OF_BILLING,
    OF_COMMANDS,
    OF_EMBEDDINGS,
    OF_LEAVING,
    OF_LIMITS,
    OF_PAYMENTS,
    OF_TRIGGERS,
    ON_KAFKA,
    ON_POSTGRES,
    chains,
)
from tests.faults.test_crashing_commands import CHAINS


def reached() -> Counter[object]:
    """The arguments of every call of `reach`."""
    return Counter(
        node.args[0].value
        for path in modules("cli", "infra", "projections", "sagas")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "reach"
        and isinstance(node.args[0], ast.Constant)
    )


def test_every_point_is_at_one_place_in_the_code_and_every_place_is_a_point() -> None:
    assert reached() == Counter(CRASH_POINTS)


def test_the_tests_kill_at_every_point() -> None:
    killed_at = {
        link.partition(":")[0]
        for chain in (
            *chains(ON_KAFKA),
            *chains(ON_POSTGRES),
            *CHAINS.values(),
            sorted(OF_LEAVING),
            sorted(OF_BILLING),
            sorted(OF_PAYMENTS),
            sorted(OF_TRIGGERS),
            sorted(OF_EMBEDDINGS),
            sorted(OF_LIMITS),
        )
        for link in chain
    }
    assert killed_at == set(CRASH_POINTS)


def test_a_point_belongs_to_one_log_or_to_both() -> None:
    kinds = Counter([*ON_KAFKA, *ON_POSTGRES, *OF_COMMANDS, *OF_LEAVING])
    assert kinds.keys() <= set(CRASH_POINTS)
    assert max(kinds.values()) == 1
