"""A check that never fails proves nothing: each planted mistake is found."""

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.runs import play

SEEDS_MAX = 400
# The rare ones are looked for first where they were found last; a change of the program may move
# them.
FOUND_LAST = {
    "stale_counts_as_stored": 52,
    "undoing_forgets_the_unanswered": 43,
    "a_refusal_answers_for_all": 175,
    "early_signals_are_dropped": 32,
    "paused_runs_turn_in_a_circle": 293,
}


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str) -> None:
    seeds = (FOUND_LAST.get(name, 0), *range(SEEDS_MAX))
    found = (play(seed, BUGS[name]()).violations for seed in seeds)
    assert any(found), f"{SEEDS_MAX} seeds do not notice that {name}"
