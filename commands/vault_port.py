"""The vault: values that are sealed where they arrive, and opened where they are used.

    PUT ──► Vault.seal ──► a row beside the events ──► SecretReader, in the worker ──► the effect

Implemented by infra/vault.py.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from domain.identifiers import TenantId


@dataclass(frozen=True, slots=True)
class SealedValue:
    """AES-256-GCM under a key that is derived from the tenant's with this salt. Of fixed sizes:
    salt 32 bytes, iv 16, auth_tag 16.
    """

    key_version: int
    salt: bytes
    iv: bytes
    auth_tag: bytes
    encrypted_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredVaultEntry:
    """The newest value of a secret or provider; the one before it is gone. entry_id: of its stream.
    value_version and allowed_hosts are authenticated with the value.
    """

    entry_id: UUID
    value_version: int
    allowed_hosts: Sequence[str]
    sealed: SealedValue


@dataclass(frozen=True, slots=True)
class RemovedVaultEntry:
    entry_id: UUID


VaultRow = StoredVaultEntry | RemovedVaultEntry


@dataclass(frozen=True, slots=True)
class OpenedValue:
    value: str = field(repr=False)
    value_version: int
    allowed_hosts: Sequence[str]


class SecretReader(Protocol):
    async def open(
        self, tenant_id: TenantId, entry_ids: Collection[UUID]
    ) -> Mapping[UUID, OpenedValue]:
        """The newest values, of those that are there. Raises Unavailable, Tampered."""
        ...


class Vault(SecretReader, Protocol):
    async def seal(
        self,
        tenant_id: TenantId,
        entry_id: UUID,
        value: str,
        *,
        value_version: int,
        allowed_hosts: Sequence[str] = (),
    ) -> StoredVaultEntry:
        """The row of the value. Raises VaultFull when the tenant keeps as many as it may."""
        ...
