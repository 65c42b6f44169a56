"""A check that never fails proves nothing: each planted mistake is found."""

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.runs import play

SEEDS_MAX = 400


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    found = (play(seed, BUGS[name]()).violations for seed in range(SEEDS_MAX))
    assert any(found), f"{SEEDS_MAX} seeds do not notice that {name}"
