"""The table of audit entries: stored in batches, read a page at a time, newest first.

Where a request came from is personal data, and what it asked for may be: both are sealed with the
tenant's key, and with that of the person who asked, so they go with either; what was done stays.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import LiteralString, NamedTuple, TypeAlias
from uuid import UUID

import orjson
from psycopg.errors import UniqueViolation

from commands.sealing_port import KeyDestroyed, Tampered
from domain.errors import FieldError, Invalid
from domain.identifiers import TenantId
from infra.audit_trail import AuditEntry, Outcome, Source
from infra.data_keys import DataKeys, TenantKey, sealed_for
from infra.export_pages import Exports, Page
from infra.key_encryption import Scope
from infra.postgres import Database

PURPOSE = "audit"
SEALED_MAX = 10_000
# Addresses are sealed: whoever asks for one has entries opened until a page is full, or this many.
SCANNED_MAX = 20_000
SCAN_PAGE = 1_000
EXPORTS_MAX = 4

STORE: LiteralString = """
INSERT INTO audit_entries (entry_id, tenant_id, at, actor, user_id, credential, action,
                           outcome, code, request_id, position, times, sealed)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::timestamptz[], %s::text[], %s::uuid[],
                     %s::text[], %s::text[], %s::text[], %s::text[], %s::uuid[],
                     %s::text[], %s::integer[], %s::bytea[])
"""
READ: LiteralString = """
SELECT entry_id, tenant_id, actor, user_id, credential, action, outcome, code, request_id, position,
       times, sealed
  FROM audit_entries
 WHERE tenant_id = %(tenant_id)s AND entry_id < %(before)s AND entry_id >= %(begin)s
   AND (%(actor)s::text IS NULL OR actor = %(actor)s)
   AND (%(action)s::text IS NULL OR action = %(action)s)
   AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
 ORDER BY entry_id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """All that is given must hold. begin: inclusive, end: exclusive, to the millisecond."""

    actor: str | None = None
    action: str | None = None
    outcome: Outcome | None = None
    address: str | None = None
    begin: datetime | None = None
    end: datetime | None = None


class _Opened(NamedTuple):
    """What lies sealed in an entry; nothing when its key is destroyed."""

    source: Source | None
    target: str | None
    reason: str | None


NOTHING = _Opened(None, None, None)
# Of an entry that has nothing sealed.
NO_SEAL = b""


AuditPage: TypeAlias = Page[AuditEntry, UUID]


class AuditEntries:
    """writer: may append for any tenant. reader: a role that reads one tenant at a time."""

    def __init__(self, writer: Database, reader: Database, data_keys: DataKeys) -> None:
        self._writer = writer
        self._reader = reader
        self._data_keys = data_keys
        # Sealing the same source again for each request would be most of what an entry costs.
        self._sealed: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._exports = Exports(EXPORTS_MAX, SCAN_PAGE)

    async def store(self, entries: Sequence[AuditEntry]) -> None:
        """All or none; again is no error. Raises Unavailable."""
        scopes = {scope for entry in entries if _is_sealed(entry) for scope in _scopes(entry)}
        keys = await self._data_keys.of_all(scopes)
        rows = [self._row(entry, keys) for entry in entries]
        async with self._writer.connection() as conn:
            try:
                await conn.execute(STORE, [list(column) for column in zip(*rows, strict=True)])
            except UniqueViolation:
                # Ids are drawn once: an earlier try was stored and its answer got lost.
                return

    async def page(
        self, tenant_id: TenantId, wanted: AuditFilter, *, before: UUID | None, limit: int
    ) -> AuditPage:
        found: list[AuditEntry] = []
        scanned = 0
        size = limit + 1 if wanted.address is None else SCAN_PAGE
        while True:
            entries = await self._entries(tenant_id, wanted, before, size)
            scanned += len(entries)
            for entry in entries:
                if wanted.address is None or _address(entry) == wanted.address:
                    if len(found) == limit:
                        return AuditPage(found, found[-1].entry_id)
                    found.append(entry)
                before = entry.entry_id
            if len(entries) < size:
                return AuditPage(found, None)
            if scanned >= SCANNED_MAX:
                return AuditPage(found, before)

    def pages(
        self, tenant_id: TenantId, wanted: AuditFilter, *, before: UUID | None, entries_max: int
    ) -> AsyncGenerator[AuditPage]:
        """Of at most entries_max entries together, at least one page. Raises TooManyExports."""
        return self._exports.pages(
            lambda place, limit: self.page(tenant_id, wanted, before=place, limit=limit),
            before,
            entries_max,
        )

    async def _entries(
        self, tenant_id: TenantId, wanted: AuditFilter, before: UUID | None, limit: int
    ) -> list[AuditEntry]:
        params: dict[str, object] = {
            "tenant_id": tenant_id,
            "before": min(before or LAST_ID, LAST_ID if wanted.end is None else id_at(wanted.end)),
            "begin": FIRST_ID if wanted.begin is None else id_at(wanted.begin),
            "actor": _searchable(wanted.actor),
            "action": _searchable(wanted.action),
            "outcome": wanted.outcome,
            "limit": limit,
        }
        async with self._reader.tenant_transaction(tenant_id) as conn:
            rows = await (await conn.execute(READ, params)).fetchall()
        opened: dict[bytes, _Opened] = {NO_SEAL: NOTHING}
        for row in rows:
            sealed = _sealed_in(row)
            if sealed not in opened:
                opened[sealed] = await self._open(tenant_id, sealed)
        return [_entry(row, opened[_sealed_in(row)]) for row in rows]

    async def _open(self, tenant_id: TenantId, sealed: bytes) -> _Opened:
        try:
            content = await self._data_keys.opened(tenant_id, PURPOSE, sealed, PURPOSE.encode())
        except (KeyDestroyed, Tampered):
            return NOTHING
        # Entries of before have no reason.
        address, user_agent, target, *reason = orjson.loads(content)
        return _Opened(Source(address, user_agent), target, reason[0] if reason else None)

    def _row(self, entry: AuditEntry, keys: Mapping[Scope, TenantKey]) -> tuple[object, ...]:
        own = [keys[scope] for scope in _scopes(entry)] if _is_sealed(entry) else []
        is_told = bool(own) and not any(key.is_destroyed for key in own)
        return (
            entry.entry_id,
            entry.tenant_id,
            instant_of(entry.entry_id),
            entry.actor,
            entry.user_id,
            entry.credential,
            entry.action,
            entry.outcome,
            entry.code,
            entry.request_id,
            entry.position,
            entry.times,
            self._seal(entry, *own) if is_told else None,
        )

    def _seal(
        self, entry: AuditEntry, key: TenantKey, person_key: TenantKey | None = None
    ) -> bytes:
        source = entry.source or Source()
        sealed_as = (_scopes(entry)[-1], source, entry.target, entry.reason)
        known = self._sealed.get(sealed_as)
        if known is None:
            told = [source.address, source.user_agent, entry.target, entry.reason]
            content = orjson.dumps(told)
            known = sealed_for(key, person_key, PURPOSE, content, bound_to=PURPOSE.encode())
            self._sealed[sealed_as] = known
            if len(self._sealed) > SEALED_MAX:
                self._sealed.popitem(last=False)
        return known


FIRST_ID = UUID(int=0)
LAST_ID = UUID(int=(1 << 128) - 1)


def instant_of(entry_id: UUID) -> datetime:
    """The time in an id of version 7."""
    return datetime.fromtimestamp((entry_id.int >> 80) / 1000, UTC)


def id_at(instant: datetime) -> UUID:
    """Not above any id made at that millisecond or later. Raises Invalid."""
    milliseconds = int(instant.timestamp() * 1000)
    if not 0 <= milliseconds < 1 << 48:
        reason = "no entry can be of this time"
        raise Invalid(errors=[FieldError("query:from", "out_of_range", reason)])
    return UUID(int=milliseconds << 80)


def _is_sealed(entry: AuditEntry) -> bool:
    return entry.source is not None or entry.reason is not None


def _searchable(text: str | None) -> str | None:
    """PostgreSQL takes no NUL in a text, and no entry has one."""
    return None if text is None else text.replace("\x00", "\ufffd")


def _address(entry: AuditEntry) -> str | None:
    return None if entry.source is None else entry.source.address


def _scopes(entry: AuditEntry) -> list[Scope]:
    """The tenant, and the person who asked where one did."""
    scopes = [Scope(TenantId(entry.tenant_id))]
    if entry.user_id is not None:
        scopes.append(Scope(TenantId(entry.tenant_id), entry.user_id))
    return scopes


def _sealed_in(row: tuple[object, ...]) -> bytes:
    sealed = row[-1]
    return sealed if isinstance(sealed, bytes) else NO_SEAL


def _entry(row: tuple[object, ...], found: _Opened) -> AuditEntry:
    *told, times, _ = row
    return AuditEntry(*told, times=times, **found._asdict())  # pyright: ignore[reportArgumentType] # as READ lists them
