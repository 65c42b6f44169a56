"""How far each projection is behind the log, what it has parked, how far its rebuild is.

The numbers span all tenants, so they come from a function with the owner's rights that hands out
nothing but numbers. Its work is bounded: it looks at the newest events of the log, and only for a
partition that has none applied among those also at the events right after its position. Beyond that
it says "at least".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString

from psycopg import AsyncConnection

from infra.metrics import Metrics
from infra.readiness import Check
from projections.table import AnyProjection

WINDOW_EVENTS = 5000

CREATE_REBUILDS: LiteralString = """
CREATE TABLE IF NOT EXISTS agentledger.projection_rebuilds (
  projection   text        NOT NULL PRIMARY KEY,
  events_done  bigint      NOT NULL,
  events_total bigint      NOT NULL,
  started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at   timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50)
"""
CREATE_LAG: LiteralString = """
CREATE OR REPLACE FUNCTION agentledger.projection_lag(wanted text[], window_events integer)
  RETURNS TABLE (projection text, events_behind bigint, is_exact boolean,
                 seconds_behind double precision, parked_count bigint,
                 rebuild_done bigint, rebuild_total bigint, rebuild_s double precision)
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS
$$
  -- Another number of partitions is another numbering; the one that moved last is in use.
  WITH numbering AS (
    SELECT w.projection, coalesce(p.partitions_count, 1) AS partitions_count
      FROM unnest(wanted) AS w(projection)
      LEFT JOIN LATERAL (
        SELECT partitions_count FROM agentledger.projection_positions AS p
         WHERE p.projection = w.projection ORDER BY applied_at DESC LIMIT 1) AS p ON true),
  places AS (
    SELECT n.projection, n.partitions_count, partition, coalesce(p.era, 0) AS era,
           coalesce(p.tx_id, 0)::text::xid8 AS tx_id,
           coalesce(p.notification_id, 0) AS notification_id
      FROM numbering AS n CROSS JOIN generate_series(0, n.partitions_count - 1) AS partition
      LEFT JOIN agentledger.projection_positions AS p
          USING (projection, partitions_count, partition)),
  newest AS MATERIALIZED (
    SELECT era, tx_id, notification_id, shard, recorded_at FROM agentledger.events
     ORDER BY era DESC, tx_id DESC, notification_id DESC LIMIT window_events),
  -- Most projections stand at the same places: each place is looked at once.
  seen AS (
    SELECT s.*, n.events, n.oldest_at,
           n.reaches_back OR (SELECT count(*) FROM newest) < window_events AS is_exact
      FROM (SELECT DISTINCT partitions_count, partition, era, tx_id, notification_id
              FROM places) AS s
      CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE later.it) AS events,
               min(recorded_at) FILTER (WHERE later.it) AS oldest_at,
               coalesce(bool_or(NOT later.it), false) AS reaches_back
          FROM newest AS n
          CROSS JOIN LATERAL (
            SELECT (n.era, n.tx_id, n.notification_id)
                 > (s.era, s.tx_id, s.notification_id) AS it) AS later
         WHERE n.shard % s.partitions_count = s.partition) AS n),
  behind AS (
    SELECT s.partitions_count, s.partition, s.era, s.tx_id, s.notification_id, s.is_exact,
           greatest(s.events, f.events) AS events, least(s.oldest_at, f.oldest_at) AS oldest_at
      FROM seen AS s LEFT JOIN LATERAL (
        SELECT count(*) AS events, min(recorded_at) AS oldest_at
          FROM (SELECT shard, recorded_at FROM agentledger.events AS e
                 WHERE (e.era, e.tx_id, e.notification_id)
                     > (s.era, s.tx_id, s.notification_id)
                 ORDER BY e.era, e.tx_id, e.notification_id LIMIT window_events) AS e
         WHERE e.shard % s.partitions_count = s.partition) AS f ON NOT s.is_exact),
  lag AS (
    SELECT p.projection, sum(b.events)::bigint AS events, bool_and(b.is_exact) AS is_exact,
           min(b.oldest_at) AS oldest_at
      FROM places AS p
      JOIN behind AS b USING (partitions_count, partition, era, tx_id, notification_id)
     GROUP BY p.projection)
  SELECT l.projection, l.events, l.is_exact,
         greatest(0, coalesce(extract(epoch FROM clock_timestamp() - l.oldest_at), 0)),
         (SELECT count(*) FROM agentledger.dead_letters AS d WHERE d.projection = l.projection),
         r.events_done, r.events_total, extract(epoch FROM r.updated_at - r.started_at)
    FROM lag AS l
    -- A rebuild reports every second; one that is silent was killed.
    LEFT JOIN agentledger.projection_rebuilds AS r
           ON r.projection = l.projection
          AND r.updated_at > clock_timestamp() - interval '1 minute'
$$;
REVOKE EXECUTE ON FUNCTION agentledger.projection_lag FROM PUBLIC;
GRANT EXECUTE ON FUNCTION agentledger.projection_lag TO agentledger_api, agentledger_projector
"""
LAG: LiteralString = (
    "SELECT projection, events_behind, is_exact, seconds_behind, parked_count,"
    " rebuild_done, rebuild_total, rebuild_s FROM agentledger.projection_lag(%s, %s)"
)


@dataclass(frozen=True, slots=True)
class RebuildStatus:
    """remaining_s: an estimate, None before the first event."""

    events_done: int
    events_total: int
    remaining_s: float | None


@dataclass(frozen=True, slots=True)
class ProjectionStatus:
    """events_behind: stored but not applied, of any kind; at least so many when not is_exact.

    seconds_behind: the age of the oldest of them, 0 when there is none. parked_count: streams.
    """

    name: str
    version: int
    events_behind: int
    is_exact: bool
    seconds_behind: float
    parked_count: int
    rebuild: RebuildStatus | None


async def projection_statuses(
    conn: AsyncConnection, projections: Sequence[AnyProjection]
) -> list[ProjectionStatus]:
    """In the order asked. conn: the role api or projector, or the owner."""
    asked = {projection.table: projection for projection in projections}
    cursor = await conn.execute(LAG, (list(asked), WINDOW_EVENTS), prepare=True)
    found: dict[str, ProjectionStatus] = {}
    for table, events, is_exact, seconds, parked, *rebuild in await cursor.fetchall():
        name, version = asked[table].name, asked[table].version
        status = _rebuild_status(*rebuild)
        found[table] = ProjectionStatus(name, version, events, is_exact, seconds, parked, status)
    return [found[table] for table in asked]


def lag_checks(statuses: Sequence[ProjectionStatus], lag_s_max: float) -> list[Check]:
    return [
        Check(
            f"projection {status.name}",
            is_ok=status.seconds_behind <= lag_s_max,
            detail=f"{status.seconds_behind:.1f} s behind, {lag_s_max:g} s allowed",
        )
        for status in statuses
    ]


def tell_lags(statuses: Sequence[ProjectionStatus], metrics: Metrics) -> None:
    told = metrics.projections
    for status in statuses:
        told.lag_events.labels(status.name).set(status.events_behind)
        told.lag_seconds.labels(status.name).set(status.seconds_behind)
        told.parked.labels(status.name).set(status.parked_count)
        rebuild = status.rebuild
        is_running = rebuild is not None and rebuild.events_total > 0
        progress = rebuild.events_done / rebuild.events_total if rebuild and is_running else 1.0
        told.rebuild_progress.labels(status.name).set(progress)


def _rebuild_status(done: int | None, total: int | None, elapsed_s: float) -> RebuildStatus | None:
    if done is None or total is None:
        return None
    return RebuildStatus(done, total, elapsed_s * max(0, total - done) / done if done else None)
