"""What Prometheus is told from the database: of all tenants, as of a scrape, numbers only."""

from infra.metrics import Metrics
from infra.platform_numbers import tell_platform_numbers
from infra.postgres import Database
from projections.attention import needing_attention_count
from projections.catalogue import PROJECTIONS
from projections.lag import projection_statuses, tell_lags
from projections.unsettled import unsettled_usage


async def tell_database_numbers(database: Database, metrics: Metrics) -> None:
    """database: of the role api. Raises Unavailable; then everything stays as it was."""
    async with database.connection() as conn:
        tell_lags(await projection_statuses(conn, PROJECTIONS), metrics)
        metrics.executions_needing_attention.set(await needing_attention_count(conn))
        unsettled = await unsettled_usage(conn)
        metrics.usage_unpriced.set(unsettled.unpriced)
        metrics.usage_unresolved.set(unsettled.unresolved)
        await tell_platform_numbers(conn, metrics)
