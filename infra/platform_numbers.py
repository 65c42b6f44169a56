"""What operators watch of the whole installation, as of a scrape: the size of the log, what is
behind it, what is begun and not ended.
"""

from typing import LiteralString

from psycopg import AsyncConnection

from infra.metrics import Metrics

# Of anything; a number that is as high says "at least".
COUNTED_MAX = 100_000
NUMBERS: LiteralString = (
    "SELECT name, value FROM agentledger.platform_numbers(%s)"
    " UNION ALL SELECT name, value FROM agentledger.trigger_numbers(%s)"
)
ACTIVE = ("execution", "sleeping_execution", "bulk_operation", "mail", "trigger")


async def lags_behind_log(conn: AsyncConnection) -> dict[str, tuple[int, float]]:
    """By what reads it (relay, seal): the events before it, and the age in seconds of the oldest.
    The relay is not among them where there is none. conn: the role api, or the owner.
    """
    told = await _numbers(conn)
    return {
        reader: (int(told[f"{reader}_lag_events"]), told[f"{reader}_lag_seconds"])
        for reader in ("relay", "seal")
        if f"{reader}_lag_events" in told
    }


async def tell_platform_numbers(conn: AsyncConnection, metrics: Metrics) -> None:
    """conn: the role api, or the owner. What has no number (a relay without Kafka) is 0."""
    told = await _numbers(conn)
    store = metrics.store
    for gauge, name in (
        (store.size_events, "events"),
        (store.size_bytes, "bytes"),
        (store.unreadable_seconds, "unreadable_seconds"),
        (store.relay_lag_events, "relay_lag_events"),
        (store.relay_oldest_seconds, "relay_lag_seconds"),
        (store.seal_lag_events, "seal_lag_events"),
        (store.seal_lag_seconds, "seal_lag_seconds"),
        (metrics.sagas.trigger_lag_seconds, "trigger_lag_seconds"),
    ):
        gauge.set(told.get(name, 0.0))
    for kind in ACTIVE:
        metrics.sagas.active.labels(kind).set(told.get(kind, 0.0))


async def _numbers(conn: AsyncConnection) -> dict[str, float]:
    cursor = await conn.execute(NUMBERS, (COUNTED_MAX, COUNTED_MAX), prepare=True)
    return {str(name): float(value) for name, value in await cursor.fetchall()}
