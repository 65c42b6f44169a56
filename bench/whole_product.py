"""The whole product around the engine: runs over REST, until the read models have them too.

Every round starts its processes and ends them, so that no other contender pays for them.
"""

import time
from dataclasses import dataclass
from typing import LiteralString

import orjson

from bench.engine import FIVE_STEPS, INPUT, QUESTION, RUN_WAIT_S
from bench.load import ClosedLoop, closed_loop
from bench.many_runs import tenant_headers, wait_for_count
from bench.stage import Stage, everything, post
from bench.visible import over_kafka
from infra.settings import Settings

WARM_UP_S = 2.0
SEQUENTIAL_S = 2.0
CATCH_UP_MAX_S = 60
# The newest events that a projection has not come to. 2,000 reach into every partition.
BEHIND: LiteralString = (
    "SELECT count(*) FROM (SELECT era, tx_id::text::bigint AS tx_id, notification_id, shard"
    " FROM agentledger.events AS e ORDER BY e.era DESC, e.tx_id DESC, e.notification_id DESC"
    " LIMIT 2000) AS newest LEFT JOIN agentledger.projection_positions AS place"
    " ON place.partition = newest.shard % place.partitions_count"
    # A projector that has not begun yet has no places.
    " WHERE place.partition IS NULL OR (place.era, place.tx_id, place.notification_id)"
    " < (newest.era, newest.tx_id, newest.notification_id)"
)


@dataclass(frozen=True, slots=True)
class WholeRound:
    """runs_per_s: the time until the read models had the last run is counted.

    caught_up_ms: that time alone. p50_ms, p99_ms: of POST ...?wait_s= one after the other.
    """

    runs_per_s: float
    caught_up_ms: float
    p50_ms: float
    p99_ms: float


async def embedded_round(
    stage: Stage, settings: Settings, *, at_once: int, duration_s: float
) -> WholeRound:
    """`agentledger up`: every role, the log is PostgreSQL."""
    async with everything(stage, settings) as (url, key):
        return await _round(stage, settings, url, key, at_once=at_once, duration_s=duration_s)


async def kafka_round(stage: Stage, name: str, *, at_once: int, duration_s: float) -> WholeRound:
    """A process for each of api, relay, worker and projector, and a real broker."""
    async with over_kafka(stage, name, ("relay", "worker", "projector")) as (settings, url, key):
        return await _round(stage, settings, url, key, at_once=at_once, duration_s=duration_s)


async def _round(
    stage: Stage, settings: Settings, url: str, key: str, *, at_once: int, duration_s: float
) -> WholeRound:
    headers = tenant_headers(key)
    body = {"name": "Five steps", "definition": FIVE_STEPS}
    workflow = await post(url, "/api/v1/workflows", body, headers)
    path = f"/api/v1/workflows/{workflow['workflow_id']}/execute?wait_s={RUN_WAIT_S}"

    def order(connections: int, time_s: float) -> ClosedLoop:
        return ClosedLoop(
            url,
            path,
            headers,
            orjson.dumps({"input": INPUT}).decode(),
            status=200,
            connections=connections,
            duration_s=time_s,
            warm_up_s=0,
            contains=f'"status":"COMPLETED","output":"{QUESTION}"',
        )

    # The first run waits for what comes with a start: partitions that find their owners.
    await post(url, path, {"input": INPUT}, headers)
    await closed_loop(order(at_once, WARM_UP_S))
    await caught_up_s(settings)
    await stage.settle()
    seen = await closed_loop(order(at_once, duration_s))
    late_s = await caught_up_s(settings)
    await stage.settle()
    alone = await closed_loop(order(1, SEQUENTIAL_S))
    return WholeRound(
        seen.count / (seen.elapsed_s + late_s), late_s * 1000, alone.p50_ms, alone.p99_ms
    )


async def caught_up_s(settings: Settings) -> float:
    """Waits until every projection has applied every event of now; returns how long that took."""
    began_at = time.perf_counter()
    await wait_for_count(settings, BEHIND, 0, wait_max_s=CATCH_UP_MAX_S)
    return time.perf_counter() - began_at
