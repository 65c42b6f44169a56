"""The vault: AES-256-GCM under a key of its own for every value, which comes from the tenant's data
key and 32 random bytes.

    master key --scrypt--> key of its version --> wraps the data key of the tenant (data_keys.py)
                                                     └─ HKDF with the salt of the value --> its key

scrypt is paid once in a process and not for each value: what it would stretch is 32 random bytes.
Values are never kept in memory: each use reads and opens the newest. Derived keys are kept with the
data key of the tenant, for minutes.
"""

import os
from base64 import b64decode
from collections.abc import Collection, Mapping, Sequence
from typing import Any, LiteralString
from uuid import UUID

import orjson

from commands.sealing_port import Tampered
from commands.vault_port import OpenedValue, SealedValue, StoredVaultEntry
from domain.errors import Refused
from domain.identifiers import Json, TenantId
from infra.data_keys import DataKeys
from infra.postgres import Database
from infra.sealing import AES_256_GCM, FORMAT_VERSION, HEAD_BYTES, IV_BYTES, TAG_BYTES

SALT_BYTES = 32
ENTRIES_MAX = 1000

# Whether it was used is told to the minute, so that a busy secret is not written at every use.
OPEN: LiteralString = (
    "WITH wanted AS (SELECT jsonb_array_elements_text($1->'ids')::uuid AS entry_id),"
    " used AS (UPDATE vault_entries AS v SET last_used_at = clock_timestamp() FROM wanted AS w"
    " WHERE v.entry_id = w.entry_id AND (v.last_used_at IS NULL"
    " OR v.last_used_at < clock_timestamp() - interval '1 minute'))"
    " SELECT json_agg(json_build_array(entry_id, value_version, allowed_hosts, key_version,"
    " encode(salt, 'base64'), encode(iv, 'base64'), encode(auth_tag, 'base64'),"
    " encode(encrypted_key, 'base64'))) FROM vault_entries JOIN wanted USING (entry_id)"
)
COUNT_OTHERS: LiteralString = (
    "SELECT count(*) FROM (SELECT FROM vault_entries WHERE entry_id <> ($1->>'id')::uuid"
    " LIMIT ($1->>'max')::int) AS others"
)


class VaultFull(Refused):
    """The tenant keeps as many secrets and providers as it may; remove some."""

    code = "vault_full"


class PostgresVault:
    """Implements commands.vault_port.Vault and SecretReader. database: the role api or worker."""

    def __init__(self, database: Database, data_keys: DataKeys) -> None:
        self._database = database
        self._data_keys = data_keys

    async def seal(
        self,
        tenant_id: TenantId,
        entry_id: UUID,
        value: str,
        *,
        value_version: int,
        allowed_hosts: Sequence[str] = (),
    ) -> StoredVaultEntry:
        asked: dict[str, Json] = {"id": str(entry_id), "max": ENTRIES_MAX}
        others = await self._database.tenant_json(tenant_id, COUNT_OTHERS, asked)
        if int(others or 0) >= ENTRIES_MAX:
            raise VaultFull
        salt = os.urandom(SALT_BYTES)
        bound_to = _bound_to(entry_id, value_version, allowed_hosts)
        sealed = await self._data_keys.seal(tenant_id, _purpose(salt), value.encode(), bound_to)
        parts = SealedValue(
            key_version=int.from_bytes(sealed[2:HEAD_BYTES]),
            salt=salt,
            iv=sealed[HEAD_BYTES : HEAD_BYTES + IV_BYTES],
            auth_tag=sealed[-TAG_BYTES:],
            encrypted_key=sealed[HEAD_BYTES + IV_BYTES : -TAG_BYTES],
        )
        return StoredVaultEntry(entry_id, value_version, tuple(allowed_hosts), parts)

    async def open(
        self, tenant_id: TenantId, entry_ids: Collection[UUID]
    ) -> Mapping[UUID, OpenedValue]:
        asked: dict[str, Json] = {"ids": [str(entry_id) for entry_id in entry_ids]}
        text = await self._database.tenant_json(tenant_id, OPEN, asked)
        rows: list[list[Any]] = [] if text is None else orjson.loads(text)
        return {UUID(row[0]): await self._opened(tenant_id, row) for row in rows}

    async def _opened(self, tenant_id: TenantId, row: Sequence[Any]) -> OpenedValue:
        """Raises Tampered."""
        entry_id, value_version, allowed_hosts, key_version, *parts = row
        salt, iv, auth_tag, encrypted_key = (b64decode(part) for part in parts)
        if (len(salt), len(iv), len(auth_tag)) != (SALT_BYTES, IV_BYTES, TAG_BYTES):
            raise Tampered
        sealed = _head(key_version) + iv + encrypted_key + auth_tag
        bound_to = _bound_to(UUID(entry_id), value_version, allowed_hosts)
        value = await self._data_keys.open(tenant_id, _purpose(salt), sealed, bound_to)
        return OpenedValue(value.decode(), value_version, tuple(allowed_hosts))


def _purpose(salt: bytes) -> str:
    """One for each value, so that each has a key of its own."""
    return f"vault:{salt.hex()}"


def _head(key_version: int) -> bytes:
    return bytes([FORMAT_VERSION, AES_256_GCM]) + key_version.to_bytes(4)


def _bound_to(entry_id: UUID, value_version: int, allowed_hosts: Sequence[str]) -> str:
    """All that the row says beside the value: changed, it opens no longer."""
    return orjson.dumps([str(entry_id), value_version, list(allowed_hosts)]).decode()
