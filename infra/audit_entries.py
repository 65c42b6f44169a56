"""The table of audit entries: stored in batches, read a page at a time, newest first.

Where a request came from is personal data, and what it asked for may be: both are sealed with the
tenant's key, so they go with it, and what was done stays.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

import orjson
from psycopg.errors import UniqueViolation

from commands.sealing_port import KeyDestroyed, Tampered
from domain.errors import FieldError, Invalid, OverLimit
from domain.identifiers import TenantId
from infra.audit_trail import AuditEntry, Outcome, Source
from infra.data_keys import DataKeys
from infra.postgres import Database
from infra.sealing import Cipher

PURPOSE = "audit"
SEALED_MAX = 10_000
# Addresses are sealed: whoever asks for one has entries opened until a page is full, or this many.
SCANNED_MAX = 20_000
SCAN_PAGE = 1_000
EXPORTS_MAX = 4
EXPORT_RETRY_AFTER_S = 10.0

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


class TooManyExports(OverLimit):
    """As many exports as this process makes at a time are under way."""

    code = "too_many_exports"


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """All that is given must hold. begin: inclusive, end: exclusive, to the millisecond."""

    actor: str | None = None
    action: str | None = None
    outcome: Outcome | None = None
    address: str | None = None
    begin: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """next_before: what the next page begins before, None when there is none."""

    entries: Sequence[AuditEntry]
    next_before: UUID | None


class _Opened(NamedTuple):
    """What lies sealed in an entry; nothing when its key is destroyed."""

    source: Source | None
    target: str | None
    reason: str | None


NOTHING = _Opened(None, None, None)


class AuditEntries:
    """writer: may append for any tenant. reader: a role that reads one tenant at a time."""

    def __init__(self, writer: Database, reader: Database, data_keys: DataKeys) -> None:
        self._writer = writer
        self._reader = reader
        self._data_keys = data_keys
        # Sealing the same source again for each request would be most of what an entry costs.
        self._sealed: OrderedDict[tuple[object, ...], bytes] = OrderedDict()
        self._exports_count = 0

    async def store(self, entries: Sequence[AuditEntry]) -> None:
        """All or none; again is no error. Raises Unavailable."""
        tenants = {entry.tenant_id for entry in entries if _is_sealed(entry)}
        ciphers = await self._data_keys.ciphers(tenants, PURPOSE)
        rows = [self._row(entry, ciphers) for entry in entries]
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

    async def pages(
        self, tenant_id: TenantId, wanted: AuditFilter, *, before: UUID | None, entries_max: int
    ) -> AsyncGenerator[AuditPage]:
        """Of at most entries_max entries together, at least one page. Raises TooManyExports."""
        if self._exports_count >= EXPORTS_MAX:
            raise TooManyExports(retry_after_s=EXPORT_RETRY_AFTER_S)
        self._exports_count += 1
        try:
            left = entries_max
            while left > 0:
                page = await self.page(tenant_id, wanted, before=before, limit=min(left, SCAN_PAGE))
                yield page
                before = page.next_before
                if before is None:
                    return
                left -= max(len(page.entries), 1)
        finally:
            self._exports_count -= 1

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
        try:
            cipher = await self._data_keys.cipher(tenant_id, PURPOSE)
        except KeyDestroyed:
            cipher = None
        opened: dict[bytes, _Opened] = {}
        return [_entry(row, cipher, opened) for row in rows]

    def _row(
        self, entry: AuditEntry, ciphers: Mapping[TenantId, Cipher | None]
    ) -> tuple[object, ...]:
        cipher = ciphers.get(entry.tenant_id) if _is_sealed(entry) else None
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
            None if cipher is None else self._seal(entry, cipher),
        )

    def _seal(self, entry: AuditEntry, cipher: Cipher) -> bytes:
        source = entry.source or Source()
        key = (entry.tenant_id, source, entry.target, entry.reason)
        known = self._sealed.get(key)
        if known is None:
            told = [source.address, source.user_agent, entry.target, entry.reason]
            content = orjson.dumps(told)
            known = cipher.seal(content, PURPOSE.encode())
            self._sealed[key] = known
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


def _entry(
    row: tuple[object, ...], cipher: Cipher | None, opened: dict[bytes, _Opened]
) -> AuditEntry:
    *told, times, sealed = row
    found = NOTHING
    if isinstance(sealed, bytes) and cipher is not None:
        if sealed not in opened:
            opened[sealed] = _open(sealed, cipher)
        found = opened[sealed]
    return AuditEntry(*told, times=times, **found._asdict())  # pyright: ignore[reportArgumentType] # as READ lists them


def _open(sealed: bytes, cipher: Cipher) -> _Opened:
    try:
        # Entries of before have no reason.
        address, user_agent, target, *reason = orjson.loads(cipher.open(sealed, PURPOSE.encode()))
    except Tampered:
        return NOTHING
    return _Opened(Source(address, user_agent), target, reason[0] if reason else None)
