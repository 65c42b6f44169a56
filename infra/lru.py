"""Bytes that are kept for tenants in this process: the ones longest unused go first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

from domain.identifiers import TenantId

Key = TypeVar("Key", bound=Hashable)


class _Kept(NamedTuple):
    value: bytes
    until_s: float


class Lru(Generic[Key]):
    """Bounded in entries, in bytes and in age. monotonic_s: a clock that never jumps.

    Every entry is a tenant's: none is ever found under another.
    """

    def __init__(
        self,
        *,
        count_max: int,
        bytes_max: int,
        age_s_max: float,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._age_s_max = age_s_max
        self._monotonic_s = monotonic_s
        self._kept: OrderedDict[tuple[TenantId, Key], _Kept] = OrderedDict()
        self._keys: dict[TenantId, set[Key]] = {}
        self.bytes_count = 0

    def get(self, tenant_id: TenantId, key: Key) -> bytes | None:
        kept = self._kept.get((tenant_id, key))
        if kept is None:
            return None
        if self._monotonic_s() >= kept.until_s:
            self.forget(tenant_id, key)
            return None
        self._kept.move_to_end((tenant_id, key))
        return kept.value

    def put(self, tenant_id: TenantId, key: Key, value: bytes) -> None:
        """In place of what was kept. A value larger than everything is not kept."""
        self.forget(tenant_id, key)
        if len(value) > self._bytes_max:
            return
        self._kept[tenant_id, key] = _Kept(value, self._monotonic_s() + self._age_s_max)
        self._keys.setdefault(tenant_id, set()).add(key)
        self.bytes_count += len(value)
        while self.bytes_count > self._bytes_max or len(self._kept) > self._count_max:
            self.forget(*next(iter(self._kept)))

    def forget(self, tenant_id: TenantId, key: Key) -> None:
        kept = self._kept.pop((tenant_id, key), None)
        if kept is None:
            return
        self.bytes_count -= len(kept.value)
        keys = self._keys[tenant_id]
        keys.discard(key)
        if not keys:
            del self._keys[tenant_id]

    def forget_tenant(self, tenant_id: TenantId) -> None:
        for key in list(self._keys.get(tenant_id, ())):
            self.forget(tenant_id, key)
