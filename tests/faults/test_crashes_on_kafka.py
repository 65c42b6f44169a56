"""Killed at every crash point with Kafka as the log, and started again: nothing is lost, and
nothing is done twice.
"""

import pytest

from tests.faults.broken import Broken
from tests.faults.crash_chains import ON_POSTGRES, chains, live_through, name_of

pytestmark = pytest.mark.timeout(600)


@pytest.mark.parametrize("chain", chains(ON_POSTGRES), ids=name_of)
async def test_a_process_that_dies_anywhere_leaves_nothing_undone_and_nothing_done_twice(
    on_kafka: Broken, chain: list[str]
) -> None:
    await live_through(chain, on_kafka)
