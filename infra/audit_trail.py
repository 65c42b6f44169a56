"""Who asked what, from where, and what came of it: one entry per command and per read of something
sensitive, allowed or not.

    refused, of a caller we know ──┐ answered when the entry is stored
    a sensitive read             ──┤ answered when the entry is stored, else not at all
    an accepted command          ──┤ stored within GATHER_S: the log holds the command itself
    refused, of a stranger,      ──┘ counted, one entry for all alike within COUNT_S
    or over a limit                            │
                                               ▼
                                 a bounded queue, batches, one INSERT

After a crash, what is missing: where the commands of the last GATHER_S came from, and how often
strangers were refused in the last COUNT_S.
"""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, cast
from uuid import UUID

from commands.authorization import Caller, Whose
from commands.ports import Ids
from domain.errors import DomainError, Forbidden, OverLimit, Unauthenticated, Unavailable
from domain.identifiers import TenantId
from infra.data_keys import PLATFORM

log = logging.getLogger(__name__)

Outcome: TypeAlias = Literal["allowed", "denied", "failed"]

GATHER_S = 0.25
COUNT_S = 10.0
BATCH_MAX = 500
QUEUE_MAX = 20_000
# Kinds of refusals that are counted at once; addresses beyond them are counted as one.
COUNTED_MAX = 5_000
KEEP_TIMEOUT_S = 3.0
CLOSE_TIMEOUT_S = 5.0
RETRY_MIN_S = 0.05
RETRY_MAX_S = 2.0
STRANGER = "stranger"
NO_REQUEST = UUID(int=0)
INTERNAL = "internal"
# In the data of an error that refuses somebody: whose credential it was, where that is known
# (commands.authorization.Whose), and why, which nobody was told.
WHOSE = "whose"
REASON = "reason"
# Sources of counted refusals that one tenant's trail tells apart within COUNT_S; further ones are
# one, so that nobody fills it by asking from everywhere.
COUNTED_OF_TENANT_MAX = 100
TEXT_CHARACTERS_MAX = 200
TARGET_CHARACTERS_MAX = 300


class AuditUnavailable(Unavailable):
    """What is read here is put on record first, and that cannot be done now; try again."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a request came from. address: "" when it is unknown."""

    address: str = ""
    user_agent: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """caller: None for a stranger. action: the name of the operation. target: ids, no content."""

    caller: Caller | None
    action: str
    request_id: UUID
    source: Source
    target: str | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """entry_id: of version 7, so it has the time. times: how many alike this one stands for; then
    request_id is the first one's. reason: more than the answer told, in our words.
    """

    entry_id: UUID
    tenant_id: TenantId
    actor: str
    user_id: UUID | None
    credential: str
    action: str
    outcome: Outcome
    code: str | None
    request_id: UUID
    position: str | None
    source: Source | None = None
    target: str | None = None
    times: int = 1
    reason: str | None = None


Store: TypeAlias = Callable[[Sequence[AuditEntry]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    entry: AuditEntry
    stored: "asyncio.Future[bool] | None"


class AuditTrail:
    """store: all of them or none; storing the same ones again is no error. lost: told how many
    could not be kept.
    """

    def __init__(
        self,
        store: Store,
        ids: Ids,
        *,
        lost: Callable[[int], None],
        gather_s: float = GATHER_S,
        count_s: float = COUNT_S,
    ) -> None:
        self._store = store
        self._ids = ids
        self._lost = lost
        self._gather_s = gather_s
        self._count_s = count_s
        self._queue: deque[_Waiting] = deque()
        self._counted: OrderedDict[tuple[object, ...], AuditEntry] = OrderedDict()
        self._counted_of: dict[TenantId, int] = {}
        self._writing: asyncio.Task[None] | None = None
        self._gathering: asyncio.TimerHandle | None = None
        self._counting: asyncio.TimerHandle | None = None

    def accepted(self, asked: Asked, position: str | None) -> None:
        """A command was; position: of its events, None when it changed nothing."""
        self._put(self._entry(asked, "allowed", None, position))

    async def read(self, asked: Asked) -> None:
        """Something sensitive is about to be. Raises AuditUnavailable when that cannot be put on
        record.
        """
        if not await self._kept(self._entry(asked, "allowed", None)):
            raise AuditUnavailable

    async def refused(self, asked: Asked, error: Exception) -> None:
        """Returns when it is on record, or when that takes too long."""
        code = error.code if isinstance(error, DomainError) else INTERNAL
        entry = replace(self._entry(asked, outcome_of(error), code), reason=_reason_of(error))
        if asked.caller is None:
            for each in _of_whom(entry, error):
                self._count(each)
        else:
            await self._keep_or_count(entry, code)

    async def refused_with(self, asked: Asked, code: str, outcome: Outcome) -> None:
        """The same, of a caller we know."""
        await self._keep_or_count(self._entry(asked, outcome, code), code)

    async def _keep_or_count(self, entry: AuditEntry, code: str) -> None:
        if entry.actor == STRANGER or code_is_of_limits(code):
            self._count(entry)
        else:
            await self._kept(entry)

    async def close(self) -> None:
        """Stores what is left, within CLOSE_TIMEOUT_S."""
        self._write_counted()
        self._write_now()
        if self._writing is not None:
            await asyncio.wait({self._writing}, timeout=CLOSE_TIMEOUT_S)
            self._writing.cancel()
        self._lose(len(self._queue))

    def _entry(
        self, asked: Asked, outcome: Outcome, code: str | None, position: str | None = None
    ) -> AuditEntry:
        caller = asked.caller
        actor = STRANGER if caller is None else caller.actor[:TEXT_CHARACTERS_MAX]
        return AuditEntry(
            entry_id=self._ids.new(),
            tenant_id=(caller and caller.tenant_id) or PLATFORM,
            actor=actor,
            user_id=None if caller is None else caller.user_id,
            credential=actor.partition(":")[0],
            action=asked.action,
            target=None if asked.target is None else _told(asked.target),
            outcome=outcome,
            code=code,
            request_id=asked.request_id,
            position=position,
            source=asked.source,
        )

    async def _kept(self, entry: AuditEntry) -> bool:
        stored = asyncio.get_running_loop().create_future()
        if not self._put(entry, stored):
            return False
        try:
            async with asyncio.timeout(KEEP_TIMEOUT_S):
                return await stored
        except TimeoutError:
            return False

    def _put(self, entry: AuditEntry, stored: "asyncio.Future[bool] | None" = None) -> bool:
        if len(self._queue) >= QUEUE_MAX:
            self._lose(1)
            return False
        self._queue.append(_Waiting(entry, stored))
        if stored is not None or len(self._queue) >= BATCH_MAX:
            self._write_now()
        elif self._gathering is None:
            loop = asyncio.get_running_loop()
            self._gathering = loop.call_later(self._gather_s, self._write_now)
        return True

    def _count(self, entry: AuditEntry) -> None:
        of_tenant = self._counted_of.get(entry.tenant_id, 0)
        is_full = len(self._counted) >= COUNTED_MAX or (
            entry.tenant_id != PLATFORM and of_tenant >= COUNTED_OF_TENANT_MAX
        )
        source = None if is_full or entry.source is None else Source(entry.source.address)
        why = (entry.code, entry.reason)
        key = (entry.tenant_id, entry.actor, entry.action, *why, source)
        known = self._counted.get(key)
        if known is None:
            # A few beyond the maximum: one for each action and code, without an address.
            self._counted[key] = replace(entry, source=source, target=None)
            self._counted_of[entry.tenant_id] = of_tenant + 1
        else:
            self._counted[key] = replace(known, times=known.times + 1)
        if self._counting is None:
            loop = asyncio.get_running_loop()
            self._counting = loop.call_later(self._count_s, self._write_counted)

    def _write_counted(self) -> None:
        self._counting = None
        self._counted_of.clear()
        while self._counted:
            _, entry = self._counted.popitem(last=False)
            self._put(entry)

    def _write_now(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        if self._queue and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        while self._queue:
            size = min(len(self._queue), BATCH_MAX)
            batch = [self._queue.popleft() for _ in range(size)]
            try:
                await self._write_batch(batch)
            except BaseException:
                self._lose(len(batch))
                raise

    async def _write_batch(self, batch: Sequence[_Waiting]) -> None:
        """A database that is away is waited for, and the queue is what bounds the waiting."""
        pause_s = RETRY_MIN_S
        while True:
            try:
                await self._store([waiting.entry for waiting in batch])
            except Unavailable:
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, RETRY_MAX_S)
            except Exception as error:  # noqa: BLE001 # whatever it is, the others go on
                await self._without_the_bad_one(batch, error)
                return
            else:
                _tell(batch, is_stored=True)
                return

    async def _without_the_bad_one(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """An entry that the database refuses takes no other with it."""
        if len(batch) == 1:
            log.error("an audit entry of %s is refused", batch[0].entry.action, exc_info=error)
            self._lose(1)
            _tell(batch, is_stored=False)
            return
        middle = len(batch) // 2
        await self._write_batch(batch[:middle])
        await self._write_batch(batch[middle:])

    def _lose(self, count: int) -> None:
        if count:
            log.error("%d audit entries were lost", count)
            self._lost(count)


def _of_whom(entry: AuditEntry, error: Exception) -> Sequence[AuditEntry]:
    """A credential that counts no more, or a wrong password, is refused like any other. But whose
    it is, that tenant should see (several: an address with accounts in each): the error knows, and
    no answer tells.
    """
    told = error.data.get(WHOSE) if isinstance(error, DomainError) else None
    if not isinstance(told, Sequence) or not told:
        return [entry]
    whose = cast("Sequence[Whose]", told)
    return [
        replace(
            entry,
            tenant_id=one.tenant_id,
            actor=one.actor,
            credential=one.actor.partition(":")[0],
            user_id=_person(one.actor),
        )
        for one in whose
    ]


def _person(actor: str) -> UUID | None:
    kind, _, name = actor.partition(":")
    return UUID(name) if kind == "user" else None


def _reason_of(error: Exception) -> str | None:
    told = error.data.get(REASON) if isinstance(error, DomainError) else None
    return told[:TEXT_CHARACTERS_MAX] if isinstance(told, str) else None


def outcome_of(error: Exception) -> Outcome:
    is_denied = isinstance(error, Unauthenticated | Forbidden | OverLimit)
    return "denied" if is_denied else "failed"


def code_is_of_limits(code: str) -> bool:
    """Whoever is over a limit is likely to go on asking."""
    return code in {OverLimit.code, *_codes_below(OverLimit)}


def _codes_below(kind: type[DomainError]) -> set[str]:
    return {code for below in kind.__subclasses__() for code in (below.code, *_codes_below(below))}


def _told(target: str) -> str:
    return target.replace("\x00", "?")[:TARGET_CHARACTERS_MAX]


def _tell(batch: Sequence[_Waiting], *, is_stored: bool) -> None:
    for waiting in batch:
        if waiting.stored is not None and not waiting.stored.done():
            waiting.stored.set_result(is_stored)
