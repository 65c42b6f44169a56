"""What attempts used of which nobody knew, as the operator finds out from a provider's report: of
one, or of all that a report has by the key that each call carried. Calls of embedding models are
named as attempts are, and found by the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, NamedTuple, TypeAlias
from uuid import UUID

from commands.deadline_port import StoredDeadline
from commands.decisions import Command, Decided, Tenancy
from domain.attempts import Usage
from domain.embedding_calls import EmbeddingCall
from domain.errors import NotFound
from domain.execution_usage import record_resolved, unresolved_since
from domain.executions import Execution, ExecutionNotFound
from domain.identifiers import Json, TenantId
from domain.rating import rate
from domain.usage import Measured, Metered, UsageNotUnresolved

# What an attempt is of.
Stream: TypeAlias = Execution | EmbeddingCall


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
    """request_id: `<execution>:<path>:<attempt>`, as the call carried it; of a text that was
    embedded `<call>:<purpose>:1`.
    """

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
    known: dict[UUID, Stream | None] = {}
    missed: list[Json] = []
    for entry in command.entries:
        code = await _resolve_entry(entry, command.reason, known, on)
        if code is not None:
            missed.append({"request_id": entry.request_id, "code": code})
    resolved = [one for one in known.values() if one is not None and one.pending_events]
    for stream in known.values():
        if stream is not None and not stream.pending_events:
            on.keep(stream)
    return Decided(
        result={"resolved": len(command.entries) - len(missed), "not_matched": missed},
        aggregates=tuple(resolved),
    )


async def _resolve_entry(
    entry: ReportedUsage, reason: str, known: dict[UUID, Stream | None], on: Tenancy
) -> str | None:
    """Why it does not match, as a code. known: what other entries were of."""
    stream_text, _, rest = entry.request_id.partition(":")
    path, _, attempt_text = rest.rpartition(":")
    try:
        stream_id, attempt = UUID(stream_text), int(attempt_text)
    except ValueError:
        return "bad_request_id"
    if stream_id not in known:
        known[stream_id] = await _found(stream_id, on)
    stream = known[stream_id]
    if stream is None:
        return ExecutionNotFound.code
    try:
        used = AttemptUsage(path, attempt, entry.model, entry.quantities)
        await _resolve(stream, used, reason, on)
    except UsageNotUnresolved:
        return UsageNotUnresolved.code
    return None


async def resolve_usage(command: ResolveUsage, on: Tenancy) -> Decided:
    """Raises ExecutionNotFound, UsageNotUnresolved."""
    stream = await stream_of_attempt(command.execution_id, on)
    used = AttemptUsage(command.path, command.attempt, command.model, command.quantities)
    usage = await _resolve(stream, used, command.reason, on)
    return Decided(
        result={
            "execution_id": str(stream.id),
            "path": command.path,
            "attempt": command.attempt,
            "is_priced": usage.cost_usd_pico is not None,
        },
        aggregates=(stream,),
    )


class EmbeddingCallNotFound(NotFound):
    """There is no such call of an embedding model."""


@dataclass(frozen=True, slots=True)
class LeaveEmbeddingUnresolved(Command):
    """Whoever made the call would have told its end by now. By the platform alone."""

    requires: ClassVar[str] = "deadlines:meet"

    call_id: UUID


async def leave_embedding_unresolved(command: LeaveEmbeddingUnresolved, on: Tenancy) -> Decided:
    """Raises EmbeddingCallNotFound."""
    call = await on.load(EmbeddingCall, command.call_id, EmbeddingCallNotFound)
    call.leave_unresolved("interrupted", "whoever made the call did not tell how it ended")
    row = StoredDeadline("embedding", call.id, None)
    return Decided({"call_id": str(call.id)}, aggregates=(call,), side_rows=(row,))


async def stream_of_attempt(stream_id: UUID, on: Tenancy) -> Stream:
    """Raises ExecutionNotFound, also for a stream of another tenant."""
    found = await _found(stream_id, on)
    if found is None:
        raise ExecutionNotFound
    return found


def is_unresolved_since(stream: Stream, path: str, attempt: int) -> datetime:
    """Raises UsageNotUnresolved."""
    if isinstance(stream, EmbeddingCall):
        return stream.require_unresolved(path, attempt)
    return unresolved_since(stream, path, attempt)


async def _found(stream_id: UUID, on: Tenancy) -> Stream | None:
    events = on.ports.events
    run = await events.load(Execution, stream_id, on.tenant_id)
    return run or await events.load(EmbeddingCall, stream_id, on.tenant_id)


async def _resolve(stream: Stream, used: AttemptUsage, reason: str, on: Tenancy) -> Usage:
    """Raises UsageNotUnresolved."""
    since = is_unresolved_since(stream, used.path, used.attempt)
    usage = await _usage(used, since, on)
    if isinstance(stream, EmbeddingCall):
        stream.resolve(usage, reason=reason)
    else:
        record_resolved(stream, used.path, used.attempt, usage, reason=reason)
    return usage


async def _usage(used: AttemptUsage, since: datetime, on: Tenancy) -> Usage:
    model, provider = used.model, used.model.partition("/")[0]
    measured = Measured({"requests": 1, **used.quantities}, "resolved")
    if not used.quantities:
        free = Metered(model, provider, None, "resolved", "", [["requests", 1, 0]])
        return Usage(model, metered=free)
    assert on.ports.prices is not None
    sources = await on.ports.prices.sources(on.tenant_id, model, since)
    rated = rate(measured.quantities, model, sources)
    metered = Metered(model, provider, None, "resolved", rated.prices, rated.lines)
    return Usage(model, measured.tokens_in, measured.tokens_out, rated.cost_usd_pico, metered)
