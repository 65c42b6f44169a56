"""Events that come twice, late, and in another order; events that nobody can apply; clocks that
jump.
"""

from uuid import UUID, uuid4

import pytest

from domain.agents import Agent
from domain.identifiers import shard_of
from infra.event_codec import encoded
from tests.faults.broken import Broken
from tests.faults.conftest import use_kafka

pytestmark = pytest.mark.timeout(600)

JUMP_S = 600
SLOW_S = 0.25
INSERT = """
INSERT INTO events (originator_id, shard, originator_version, topic, state, event_id, tenant_id,
                    actor)
SELECT %s, %s, %s, %s, %s, %s, tenant_id, 'test' FROM events LIMIT 1
"""
PARKED = "SELECT stream_id FROM dead_letters ORDER BY stream_id"


@pytest.fixture(params=["postgres", "kafka"])
def on_both(request: pytest.FixtureRequest, on_postgres: Broken) -> Broken:
    """An installation on each of the two logs."""
    if request.param == "kafka":
        use_kafka(on_postgres, request.getfixturevalue("kafka_bootstrap"))
    return on_postgres


async def test_events_that_come_again_and_between_others_change_nothing(on_both: Broken) -> None:
    on_both.installation.start("all", FAULT_SHUFFLE="1")
    on_both.installation.start("serve", "worker", FAULT_SHUFFLE="2")
    for _ in range(4):
        on_both.begin_runs()
    await on_both.require_everything_holds()


async def test_a_consumer_that_is_slow_comes_to_the_end_all_the_same(on_both: Broken) -> None:
    on_both.installation.start("all", FAULT_SHUFFLE="3", FAULT_HANDLING_S=str(SLOW_S))
    for _ in range(4):
        on_both.begin_runs()
    await on_both.require_everything_holds()


# What cannot be applied, in place of an event that says that an agent was revised: (topic, state).
POISON = [
    ("agent.revised", b"{"),
    ("agent.revised", b"[" * 100_000),
    ("agent.unheard_of", b"{}"),
    ("agent.revised", b'{"timestamp": 17}'),
]


async def test_events_that_cannot_be_applied_hold_up_nobody_and_are_applied_once_mended(
    on_both: Broken,
) -> None:
    on_both.installation.start("all")
    on_both.begin_runs()
    await on_both.all_runs_begun()
    good = [await append_an_agent(on_both, topic, state) for topic, state in POISON]
    on_both.begin_runs()
    await on_both.require_ended()

    async with on_both.owner() as conn:
        parked = [row[0] for row in await (await conn.execute(PARKED)).fetchall()]
        assert set(parked) == {stream_id for stream_id, _, _ in good}
        for mended in good:
            await conn.execute(MEND, mended)
    replayed = await on_both.installation.run("replay")
    assert replayed.exit_code == 0, replayed.said()
    await on_both.require_everything_holds()


PROFILE = {
    "name": "Writer",
    "role": None,
    "model": "offline/echo",
    "instructions": "",
    "tools": [],
    "parameters": {},
}
MEND = """
WITH mended AS (SELECT %s::uuid AS stream_id, %s::text AS topic, %s::bytea AS state)
UPDATE events SET topic = mended.topic, state = mended.state FROM mended
 WHERE originator_id = mended.stream_id AND originator_version = 2
"""


async def append_an_agent(broken: Broken, topic: str, state: bytes) -> tuple[UUID, str, bytes]:
    """Three events, the second spoilt; what it should have been."""
    agent = Agent._create(Agent.Created, id=uuid4(), profile=PROFILE)
    agent.revise({"role": "spoilt"})
    agent.revise({"role": "good again"})
    events = agent.collect_events()
    forms = [encoded(event) for event in events]
    async with broken.owner() as conn:
        for version, form in enumerate((forms[0], (topic, state), forms[2]), start=1):
            await conn.execute(INSERT, (agent.id, shard_of(agent.id), version, *form, uuid4()))
    return agent.id, *forms[1]


async def test_clocks_that_jump_change_when_things_happen_and_not_what(on_both: Broken) -> None:
    """Back, then far ahead under load, then back again at rest."""
    for skew_s in (-JUMP_S, JUMP_S):
        on_both.begin_runs()
        process = on_both.installation.start("all", FAULT_CLOCK_SKEW_S=str(skew_s))
        await on_both.all_runs_begun()
        if skew_s > 0:
            await on_both.require_ended()
        process.kill()
    on_both.begin_runs()
    on_both.installation.start("all", FAULT_CLOCK_SKEW_S=str(-JUMP_S))
    on_both.installation.start("serve", "worker", FAULT_CLOCK_SKEW_S=str(-JUMP_S))
    await on_both.require_everything_holds()
