"""A seed is a run: what was found once is found again, in every process."""

import hashlib
import os
import subprocess
import sys

from tests.simulation.runs import play

SEED = 9
TRACE = f"""
from tests.simulation.runs import play
print(chr(10).join(play({SEED}).trace))
"""


def _trace_elsewhere(hash_seed: str) -> bytes:
    """As another process sees it, whose sets have another order."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    ran = subprocess.run(
        [sys.executable, "-c", TRACE], env=environment, capture_output=True, check=False
    )
    assert ran.returncode == 0, ran.stderr.decode()
    return hashlib.sha256(ran.stdout).digest()


def test_the_same_seed_is_the_same_run_to_the_byte() -> None:
    first, second = play(SEED), play(SEED)
    assert first.events_count > 20
    assert first.trace == second.trace


def test_another_process_plays_the_same_run() -> None:
    assert _trace_elsewhere("1") == _trace_elsewhere("2")


def test_another_seed_is_another_run() -> None:
    assert play(SEED).trace != play(SEED + 1).trace
