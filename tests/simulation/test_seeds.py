"""Five hundred runs with faults of every kind: everything that must hold does.

`python -m tests.simulation --seeds 10000` plays more of them, `--seed N` one of them again.
"""

import pytest

from tests.simulation.runs import play

SEEDS = 500
CHUNK = 25


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_whatever_goes_wrong_everything_comes_to_its_end_and_adds_up(first: int) -> None:
    verdicts = [play(seed) for seed in range(first, first + CHUNK)]
    failed = {one.seed: one.violations for one in verdicts if one.violations}
    assert failed == {}, f"again with: python -m tests.simulation --seed {min(failed)}"
