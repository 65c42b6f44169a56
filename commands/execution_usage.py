"""What attempts used of which nobody knew, as the operator finds out from a provider's report: of
one, or of all that a report has by the key that each call carried.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple
from uuid import UUID

from commands.decisions import Command, Decided, Tenancy
from domain.attempts import Usage
from domain.execution_usage import UsageNotUnresolved, record_resolved, unresolved_since
from domain.executions import Execution, ExecutionNotFound
from domain.identifiers import Json, TenantId
from domain.rating import rate
from domain.usage import Measured, Metered


class AttemptUsage(NamedTuple):
    """path, attempt: of the run. quantities: by meter; none say that nothing was billed. Priced as
    when the attempt ended.
    """

    path: str
    attempt: int
    model: str
    quantities: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ResolveUsage(Command):
    """The fields of AttemptUsage, of one run."""

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


@dataclass(frozen=True, slots=True)
class ReportedUsage:
    """request_id: `<execution>:<path>:<attempt>`, as the call carried it."""

    request_id: str
    model: str
    quantities: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ImportUsageReport(Command):
    """entries: what a provider's report says; it may have requests of others too."""

    requires: ClassVar[str] = "usage:resolve"

    of_tenant: UUID
    entries: Sequence[ReportedUsage]
    reason: str

    def subject(self, own: TenantId | None) -> TenantId:
        """The operator belongs to no tenant."""
        del own
        return TenantId(self.of_tenant)


async def import_usage_report(command: ImportUsageReport, on: Tenancy) -> Decided:
    """What does not match is told with the reason, and keeps nothing else from being resolved. So a
    report that is sent again resolves nothing twice.
    """
    known: dict[UUID, Execution | None] = {}
    missed: list[Json] = []
    for entry in command.entries:
        code = await _resolve_entry(entry, command.reason, known, on)
        if code is not None:
            missed.append({"request_id": entry.request_id, "code": code})
    resolved = [one for one in known.values() if one is not None and one.pending_events]
    for execution in known.values():
        if execution is not None and not execution.pending_events:
            on.keep(execution)
    return Decided(
        result={"resolved": len(command.entries) - len(missed), "not_matched": missed},
        aggregates=tuple(resolved),
    )


async def _resolve_entry(
    entry: ReportedUsage, reason: str, known: dict[UUID, Execution | None], on: Tenancy
) -> str | None:
    """Why it does not match, as a code. known: runs that other entries were of."""
    execution_text, _, rest = entry.request_id.partition(":")
    path, _, attempt_text = rest.rpartition(":")
    try:
        execution_id, attempt = UUID(execution_text), int(attempt_text)
    except ValueError:
        return "bad_request_id"
    if execution_id not in known:
        known[execution_id] = await on.ports.events.load(Execution, execution_id, on.tenant_id)
    execution = known[execution_id]
    if execution is None:
        return ExecutionNotFound.code
    try:
        used = AttemptUsage(path, attempt, entry.model, entry.quantities)
        usage = await _usage(used, execution, on)
        record_resolved(execution, path, attempt, usage, reason=reason)
    except UsageNotUnresolved:
        return UsageNotUnresolved.code
    return None


async def resolve_usage(command: ResolveUsage, on: Tenancy) -> Decided:
    """Raises ExecutionNotFound, UsageNotUnresolved."""
    execution = await on.load(Execution, command.execution_id, ExecutionNotFound)
    used = AttemptUsage(command.path, command.attempt, command.model, command.quantities)
    usage = await _usage(used, execution, on)
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


async def _usage(used: AttemptUsage, execution: Execution, on: Tenancy) -> Usage:
    """Raises UsageNotUnresolved."""
    model, provider = used.model, used.model.partition("/")[0]
    measured = Measured({"requests": 1, **used.quantities}, "resolved")
    if not used.quantities:
        free = Metered(model, provider, None, "resolved", "", [["requests", 1, 0]])
        return Usage(model, metered=free)
    assert on.ports.prices is not None
    since = unresolved_since(execution, used.path, used.attempt)
    sources = await on.ports.prices.sources(on.tenant_id, model, since)
    rated = rate(measured.quantities, model, sources)
    metered = Metered(model, provider, None, "resolved", rated.prices, rated.lines)
    return Usage(model, measured.tokens_in, measured.tokens_out, rated.cost_usd_pico, metered)
