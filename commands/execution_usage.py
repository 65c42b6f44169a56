"""What an attempt used of which nobody knew, as the operator finds out from a provider's report."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy
from domain.attempts import Usage
from domain.execution_usage import record_resolved, unresolved_since
from domain.executions import Execution, ExecutionNotFound
from domain.identifiers import TenantId
from domain.rating import rate
from domain.usage import Measured, Metered, UsageLine


@dataclass(frozen=True, slots=True)
class ResolveUsage(Command):
    """path, attempt: of the run. quantities: by meter; none say that nothing was billed. Priced as
    when the attempt ended.
    """

    requires: ClassVar[str] = "usage:resolve"

    of_tenant: UUID
    execution_id: UUID
    path: str
    attempt: int
    model: str
    quantities: Mapping[str, int]
    reason: str

    def subject(self, own: TenantId | None) -> TenantId:
        """The operator belongs to no tenant."""
        del own
        return TenantId(self.of_tenant)


async def resolve_usage(command: ResolveUsage, on: Tenancy) -> Decided:
    """Raises ExecutionNotFound, UsageNotUnresolved."""
    execution = await on.load(Execution, command.execution_id, ExecutionNotFound)
    usage = await _usage(command, execution, on)
    record_resolved(execution, command.path, command.attempt, usage, reason=command.reason)
    return Decided(
        result={
            "execution_id": str(execution.id),
            "path": command.path,
            "attempt": command.attempt,
            "is_priced": usage.cost_usd_pico is not None,
        },
        aggregates=(execution,),
    )


async def _usage(command: ResolveUsage, execution: Execution, on: Tenancy) -> Usage:
    model, provider = command.model, command.model.partition("/")[0]
    measured = Measured({"requests": 1, **command.quantities}, "resolved")
    if not command.quantities:
        free = (UsageLine("requests", 1, 0),)
        return Usage(model, metered=Metered(model, provider, None, "resolved", "", free))
    assert on.ports.prices is not None
    since = unresolved_since(execution, command.path, command.attempt)
    sources = await on.ports.prices.sources(on.tenant_id, model, since)
    rated = rate(measured, model, sources)
    metered = Metered(model, provider, None, "resolved", rated.prices, rated.lines)
    return Usage(model, measured.tokens_in, measured.tokens_out, metered.cost_usd_pico, metered)
