"""Payloads that lie beside the log: reading them, and how many bytes of them a tenant has.

They are written with the events that refer to them (infra/blob_statement.py), and never change, but
may be removed: what was read is kept for a while, up to a number of bytes.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import LiteralString
from uuid import UUID

from commands.plan_port import Plans
from domain.errors import OverLimit
from domain.identifiers import Json, JsonObject, TenantId
from infra.data_keys import DataKeys, SubjectErased, TenantKey, sealed_for
from infra.lru import Lru
from infra.payload_offloading import Blob, hash_in, whole
from infra.postgres import Database
from infra.sealing import is_sealed

# How long a tenant's total is taken for true. What other processes store meanwhile may overshoot
# the quota; what this process stores is counted at once.
TOTAL_FRESH_S = 5.0
TOTALS_MAX = 10_000
# A payload that another process removed may still be loaded here for so long.
CACHED_S = 60.0
CACHED_MAX = 100_000
RETRY_AFTER_S = 60.0
# What they are sealed as.
BLOBS = "blobs"

IS_SEEN: LiteralString = (
    "SELECT to_json(EXISTS (SELECT FROM blobs WHERE sha256 = decode($1->>'sha256', 'hex')))"
)
READ: LiteralString = "SELECT sha256, content FROM blobs WHERE sha256 = ANY(%b)"
TOTAL: LiteralString = "SELECT bytes FROM blob_totals"


class BlobQuotaUsedUp(OverLimit):
    """The tenant has stored as many bytes of large payloads as it may."""

    code = "blob_quota"


@dataclass(slots=True)
class _Total:
    bytes: int
    read_at: float


def sealed_blob(blob: Blob, key: TenantKey, subject_key: TenantKey | None = None) -> Blob:
    """As it is stored. Raises KeyDestroyed."""
    content = sealed_for(key, subject_key, BLOBS, blob.content, bound_to=blob.sha256)
    return blob._replace(content=content)


class Blobs:
    """database: a role that reads one tenant at a time. tenant_bytes_max: of tenants whose plan
    says nothing of payloads. Raises KeyDestroyed, Tampered.
    """

    def __init__(
        self,
        database: Database,
        keys: DataKeys,
        *,
        cache_bytes_max: int,
        tenant_bytes_max: int,
        plans: Plans,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._database = database
        self._keys = keys
        self._tenant_bytes_max = tenant_bytes_max
        self._plans = plans
        self._monotonic_s = monotonic_s
        self.cache = Lru[bytes](
            count_max=CACHED_MAX,
            bytes_max=cache_bytes_max,
            age_s_max=CACHED_S,
            monotonic_s=monotonic_s,
        )
        # By the number of the tenant: to hash a UUID is a function of Python's.
        self._totals: OrderedDict[int, _Total] = OrderedDict()

    async def read(self, tenant_id: TenantId, hashes: Collection[bytes]) -> dict[bytes, bytes]:
        """The contents, by hash, of those that the tenant has."""
        found = {sha256: self.cache.get(tenant_id, sha256) for sha256 in hashes}
        contents = {sha256: content for sha256, content in found.items() if content is not None}
        missing = [sha256 for sha256, content in found.items() if content is None]
        if missing:
            for sha256, content in (await self._read(tenant_id, missing)).items():
                contents[sha256] = content
                self.cache.put(tenant_id, sha256, content)
        return contents

    async def _read(self, tenant_id: TenantId, hashes: list[bytes]) -> dict[bytes, bytes]:
        async with self._database.tenant_transaction(tenant_id) as conn:
            cursor = conn.cursor(binary=True)
            await cursor.execute(READ, (hashes,))
            rows: Sequence[tuple[bytes, bytes]] = await cursor.fetchall()
        contents: dict[bytes, bytes] = {}
        for address, content in rows:
            # Those that are not sealed were stored before there were seals. Those of a data subject
            # who is erased are gone.
            with suppress(SubjectErased):
                contents[address] = (
                    await self._keys.opened(tenant_id, BLOBS, content, address)
                    if is_sealed(content)
                    else content
                )
        return contents

    async def content(
        self, tenant_id: TenantId, sha256: bytes, *, person: UUID | None = None
    ) -> bytes | None:
        """As it is now, for it may have been removed since it was read. person: who sees only what
        is theirs.
        """
        if person is not None:
            asked: JsonObject = {"sha256": sha256.hex()}
            seen = await self._database.tenant_json(tenant_id, IS_SEEN, asked, person=person)
            if seen != b"true":
                return None
        return (await self._read(tenant_id, [sha256])).get(sha256)

    async def whole(self, tenant_id: TenantId, value: Json) -> Json:
        """The value that a member of a stored event stands for."""
        sha256 = hash_in(value)
        contents = {} if sha256 is None else await self.read(tenant_id, (sha256,))
        return whole(value, contents)

    def keep(self, tenant_id: TenantId, sha256: bytes, content: bytes) -> None:
        """It is stored, and may be read soon."""
        self.cache.put(tenant_id, sha256, content)

    def forget(self, tenant_id: TenantId) -> None:
        """Some of its blobs were removed."""
        self.cache.forget_tenant(tenant_id)

    async def require_room(self, tenant_id: TenantId, bytes_count: int) -> None:
        """Raises BlobQuotaUsedUp when the tenant may not store so many more."""
        total = await self._total(tenant_id)
        bytes_max = self._bytes_max(tenant_id)
        if total.bytes + bytes_count > bytes_max:
            plan = self._plans.known(tenant_id).name
            detail = f"The plan {plan} allows {bytes_max} payload_bytes; {total.bytes} are used."
            raise BlobQuotaUsedUp(detail, retry_after_s=RETRY_AFTER_S)

    def has_room(self, tenant_id: TenantId) -> bool:
        """As far as was found out lately, by `note_stored` or `require_room`."""
        known = self._totals.get(tenant_id.int)
        if known is None or not self._is_fresh(known):
            return True
        return known.bytes < self._bytes_max(tenant_id)

    def _bytes_max(self, tenant_id: TenantId) -> int:
        """Of the plan; where it says nothing, of the installation."""
        of_plan = self._plans.known(tenant_id).whole("payload_bytes")
        return self._tenant_bytes_max if of_plan is None else of_plan

    async def note_stored(self, tenant_id: TenantId, bytes_count: int) -> None:
        """So many more were stored, as far as none of them was there already."""
        total = await self._total(tenant_id)
        total.bytes += bytes_count

    async def _total(self, tenant_id: TenantId) -> _Total:
        known = self._totals.get(tenant_id.int)
        if known is not None and self._is_fresh(known):
            return known
        async with self._database.tenant_transaction(tenant_id) as conn:
            row = await (await conn.execute(TOTAL)).fetchone()
        known = _Total(0 if row is None else int(row[0]), self._monotonic_s())
        self._totals[tenant_id.int] = known
        if len(self._totals) > TOTALS_MAX:
            self._totals.popitem(last=False)
        return known

    def _is_fresh(self, total: _Total) -> bool:
        return self._monotonic_s() - total.read_at < TOTAL_FRESH_S
