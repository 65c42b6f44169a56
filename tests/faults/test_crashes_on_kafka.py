"""Killed at every crash point with Kafka as the log, and started again: nothing is lost, and
nothing is done twice. Chains that pass nothing of Kafka's are slow: `make test` has them with
PostgreSQL as the log.
"""

import pytest

from tests.faults.broken import Broken
from tests.faults.crash_chains import ON_KAFKA, ON_POSTGRES, chains, live_through, name_of

pytestmark = pytest.mark.timeout(600)


def marked(chain: list[str]) -> object:
    is_of_kafka = any(stop.partition(":")[0] in ON_KAFKA for stop in chain)
    return pytest.param(chain, marks=() if is_of_kafka else pytest.mark.slow)


@pytest.mark.parametrize("chain", [marked(chain) for chain in chains(ON_POSTGRES)], ids=name_of)
async def test_a_process_that_dies_anywhere_leaves_nothing_undone_and_nothing_done_twice(
    on_kafka: Broken, chain: list[str]
) -> None:
    await live_through(chain, on_kafka)
