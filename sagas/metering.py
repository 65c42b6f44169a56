"""From what a call used to what it is charged, under the prices of the moment it was made."""

from datetime import datetime

from commands.model_port import ModelFailed
from commands.price_port import Prices
from domain.attempts import Usage
from domain.identifiers import TenantId
from domain.price_books import sources_told
from domain.rating import rate
from domain.records import record
from domain.usage import Measured, Metered


@record
class Call:
    """One call of a model. asked: the model as prices name it; told: as its tenant does."""

    tenant_id: TenantId
    asked: str
    told: str
    agent_id: str | None
    made_at: datetime


async def charged(
    call: Call, measured: Measured, prices: Prices, *, provider: str, tool_calls_count: int = 0
) -> Usage:
    """provider: who answered. The call itself counts too, though most prices ask nothing for it."""
    quantities = {"requests": 1, **measured.quantities}
    if tool_calls_count:
        quantities["tool_calls"] = tool_calls_count
    sources = await prices.sources(call.tenant_id, call.asked, call.made_at)
    if call.told != call.asked:
        sources = sources_told(sources, call.asked, call.told)
    rated = rate(quantities, call.asked, sources, is_standard=measured.is_standard)
    metered = Metered(
        call.told, provider, call.agent_id, measured.source, rated.prices, rated.lines
    )
    return Usage(call.told, measured.tokens_in, measured.tokens_out, rated.cost_usd_pico, metered)


async def charged_failure(call: Call, failed: ModelFailed, prices: Prices) -> Usage:
    """What a call is charged all the same that brought no answer; unknown where nobody knows."""
    if failed.measured is None:
        return Usage(call.told, cost_usd_pico=None if failed.is_unresolved else 0)
    return await charged(call, failed.measured, prices, provider=call.told.partition("/")[0])
