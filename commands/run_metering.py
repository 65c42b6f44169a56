"""The time of runs, told with their end, in the append that ends them."""

from collections.abc import Iterable
from datetime import datetime

from commands.price_port import Prices
from domain.aggregates import Aggregate
from domain.executions import Execution
from domain.identifiers import TenantId
from domain.rating import OWN_METERS
from domain.run_metering import has_ended_now, meter_run


async def meter_ended(
    aggregates: Iterable[Aggregate], tenant_id: TenantId, prices: Prices, now: datetime
) -> None:
    """aggregates: that are about to be stored, all of one tenant."""
    for aggregate in aggregates:
        if isinstance(aggregate, Execution) and has_ended_now(aggregate):
            sources = await prices.sources(tenant_id, OWN_METERS, now)
            meter_run(aggregate, sources)
