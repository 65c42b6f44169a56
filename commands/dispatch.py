"""The one way in: authorise, deduplicate, decide, append.

    dispatch ── require(scope)
        │
        ├─ handler(command) ──► Decided ──► EventStore.append ──► Answer
        │        ▲                               │
        │        └──── again, bounded ◄──────────┤ Stale: somebody else wrote first
        │                                        │
        └─ the recorded answer ◄─────────────────┘ DuplicateCommand, or refused when seen again

A fresh idempotency key costs no read: its record is stored with the events, and only a collision
looks it up. A handler may run in vain, which is harmless: nothing it does is visible before the
append. Only what is stored is remembered: a command that was refused, or changed nothing, is
decided anew when it is sent again.
"""

import hashlib
from dataclasses import fields
from functools import cache
from typing import NamedTuple
from uuid import UUID, uuid5

import orjson

from commands.authorization import Caller, require
from commands.budget_port import BudgetsChanged
from commands.catalogue import HANDLERS
from commands.decisions import Command, Decided, Tenancy, VersionMismatch
from commands.ports import CommandRecord, DuplicateCommand, Ports, PositionToken
from commands.run_metering import meter_ended
from domain.envelope import Envelope
from domain.errors import DomainError, Invalid, Refused, Stale, Unavailable
from domain.identifiers import JsonObject, TenantId
from domain.records import record
from domain.tenants import TenantSuspended

ATTEMPTS_MAX = 8
# Never changes: the record of a command is found by an id made in it.
COMMANDS_NAMESPACE = UUID("5d0c6f0e-3c1b-5f3e-9d0a-7f2a4b8c6e11")


class IdempotencyKeyReused(Invalid):
    """This idempotency key was used for another request."""

    code = "idempotency_key_reused"


class CommandInProgress(Refused):
    """A request with this idempotency key is being worked on."""

    code = "in_progress"


class Contended(Unavailable):
    """Others kept changing this at the same time; try again."""

    code = "contended"


@record
class Origin:
    """Where a command comes from. idempotency_key: the caller's; equal keys of one caller mean the
    same command. address, user_agent: of the client, where they are known; the latter is the
    client's own word. cause_id: the event that a consumer sends it for.
    """

    request_id: UUID
    idempotency_key: str | None = None
    traceparent: str | None = None
    address: str = ""
    user_agent: str | None = None
    cause_id: UUID | None = None


@record
class Answer:
    """position: the text of a PositionToken; None when nothing was recorded. is_replayed: decided
    by an earlier request.
    """

    result: JsonObject
    position: str | None
    is_replayed: bool = False


class Dispatcher:
    """Holds the commands that this process is working on; of one idempotency key at most one at a
    time.
    """

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._in_progress: set[UUID] = set()

    async def dispatch(self, command: Command, caller: Caller, origin: Origin) -> Answer:
        """Raises DomainErrors only, for whatever the caller may have sent."""
        require(caller, command.requires)
        await self.require_active(type(command), caller)
        subject = command.subject(caller.tenant_id)
        if origin.idempotency_key is None:
            tenant_id = subject or TenantId(self._ports.ids.new())
            return await self._decide(command, self._on(caller, tenant_id), origin, None)
        command_id = _command_id(caller, origin.idempotency_key)
        if command_id in self._in_progress:
            raise CommandInProgress
        # A tenant that does not exist yet gets an id that a retry finds again: the record lies in
        # that tenant.
        tenant_id = subject or TenantId(uuid5(command_id, "tenant"))
        self._in_progress.add(command_id)
        try:
            keyed = _Keyed(command_id, _fingerprint(command))
            return await self._decide(command, self._on(caller, tenant_id), origin, keyed)
        finally:
            self._in_progress.discard(command_id)

    async def require_active(self, command: type[Command], caller: Caller) -> None:
        """Raises TenantSuspended. The operator belongs to no tenant."""
        if caller.tenant_id is None or command.is_open_to_suspended:
            return
        if await self._ports.standings.of(caller.tenant_id) != "active":
            raise TenantSuspended

    def _on(self, caller: Caller, tenant_id: TenantId) -> Tenancy:
        return Tenancy(self._ports, caller, tenant_id)

    async def _decide(
        self, command: Command, on: Tenancy, origin: Origin, keyed: "_Keyed | None"
    ) -> Answer:
        envelope = Envelope(
            on.tenant_id,
            on.caller.actor,
            origin.request_id if keyed is None else keyed.command_id,
            origin.cause_id,
            origin.request_id,
            origin.traceparent,
        )
        if command.feature is not None:
            await on.require_feature(command.feature)
        for _ in range(ATTEMPTS_MAX):
            try:
                decided = await HANDLERS[type(command)](command, on)
                if self._ports.prices is not None:
                    now = self._ports.clock.now()
                    await meter_ended(decided.aggregates, on.tenant_id, self._ports.prices, now)
                token = await self._ports.events.append(
                    decided.aggregates,
                    envelope,
                    side_rows=decided.side_rows,
                    command=_record(keyed, decided),
                )
            except (DomainError, DuplicateCommand) as refusal:
                first = await self._first_answer(on.tenant_id, keyed)
                if first is not None:
                    return first
                if not isinstance(refusal, Stale) or isinstance(refusal, VersionMismatch):
                    raise
                if isinstance(refusal, BudgetsChanged):
                    self._ports.budgets.forget(on.tenant_id)
            else:
                return Answer({**decided.result, **decided.shown_once}, _text(token))
        raise Contended

    async def _first_answer(self, tenant_id: TenantId, keyed: "_Keyed | None") -> Answer | None:
        """What was answered to this idempotency key. Raises IdempotencyKeyReused when the question
        was another.
        """
        if keyed is None:
            return None
        recorded = await self._ports.events.recorded_answer(tenant_id, keyed.command_id)
        if recorded is None:
            return None
        if recorded.fingerprint != keyed.fingerprint:
            raise IdempotencyKeyReused
        return Answer(recorded.result, _text(recorded.position), is_replayed=True)


class _Keyed(NamedTuple):
    command_id: UUID
    fingerprint: bytes


def _record(keyed: _Keyed | None, decided: Decided) -> CommandRecord | None:
    if keyed is None:
        return None
    return CommandRecord(keyed.command_id, keyed.fingerprint, decided.result)


def _text(token: PositionToken | None) -> str | None:
    return None if token is None else str(token)


def _command_id(caller: Caller, idempotency_key: str) -> UUID:
    """Two callers never share a command, whatever keys they choose."""
    return uuid5(COMMANDS_NAMESPACE, f"{caller.tenant_id}/{caller.actor}/{idempotency_key}")


def _fingerprint(command: Command) -> bytes:
    """SHA-256 of the canonical command without its secret and varying fields: two passwords look
    alike.
    """
    kind = type(command)
    content = {name: getattr(command, name) for name in _told_fields(kind)}
    canonical = orjson.dumps([kind.__name__, content], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(canonical).digest()


@cache
def _told_fields(kind: type[Command]) -> tuple[str, ...]:
    return tuple(
        field.name
        for field in fields(kind)  # pyright: ignore[reportArgumentType] # see test_permissions
        if not field.metadata.keys() & {"is_secret", "is_varying"}
    )
