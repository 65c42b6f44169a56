"""The vault on a real database: what is kept, who may open it, and what a changed byte does."""

from collections.abc import Mapping
from uuid import UUID

import psycopg
import pytest

from commands.sealing_port import KeyDestroyed, Tampered
from commands.vault_port import OpenedValue, RemovedVaultEntry, StoredVaultEntry
from domain.envelope import Envelope
from domain.identifiers import TenantId
from domain.secrets import Secret
from infra import vault as vault_module
from infra.data_keys import DataKeys
from infra.key_encryption import (
    KeyEncryption,
    Scope,
    WrappedKey,
    WrongMasterKey,
    new_derivation,
    scrypt_key,
    unwrap,
    wrap,
)
from infra.postgres import Role
from infra.vault import PostgresVault, VaultFull
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS

MASTER_KEY = "a master key of the tests, thirty-two bytes or more"
VALUE = "s3cret-value of the vault"
HOSTS = ("https://api.github.com:443",)
SEALED_COLUMNS = ("encrypted_key", "salt", "iv", "auth_tag")


def a_tenant() -> TenantId:
    return TenantId(IDS.new())


async def vault_of(
    parts: Parts, role: Role = "worker", master_key: str = MASTER_KEY
) -> PostgresVault:
    """As another process has it."""
    database = await parts.database(role)
    keys = DataKeys(
        database, KeyEncryption(database, [master_key], scrypt_n=16), monotonic_s=lambda: 0.0
    )
    return PostgresVault(database, keys)


async def kept(
    parts: Parts, tenant: TenantId, entry_id: UUID, value: str = VALUE, value_version: int = 1
) -> StoredVaultEntry:
    """Sealed by the API and stored with the events of the secret."""
    vault = await vault_of(parts, "api")
    row = await vault.seal(
        tenant, entry_id, value, value_version=value_version, allowed_hosts=HOSTS
    )
    await append(parts, tenant, row)
    return row


async def append(parts: Parts, tenant: TenantId, row: StoredVaultEntry | RemovedVaultEntry) -> None:
    secret = Secret(id=IDS.new(), name="a", user_id=None)
    await parts.store.append([secret], Envelope(tenant, "api_key:test"), side_rows=[row])


async def opened(parts: Parts, tenant: TenantId, *ids: UUID) -> Mapping[UUID, OpenedValue]:
    return await (await vault_of(parts)).open(tenant, ids)


async def execute(database_url: str, query: str, *params: object) -> list[tuple[object, ...]]:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as conn:
        cursor = await conn.execute(query.encode(), params)
        return [] if cursor.description is None else await cursor.fetchall()


async def test_a_worker_opens_what_the_api_sealed(parts: Parts) -> None:
    tenant, entry_id = a_tenant(), IDS.new()
    await kept(parts, tenant, entry_id)
    found = await opened(parts, tenant, entry_id, IDS.new())
    assert found == {entry_id: OpenedValue(VALUE, 1, HOSTS)}
    assert VALUE not in repr(found)


async def test_what_is_stored_has_the_sizes_that_were_asked_for_and_not_the_value(
    parts: Parts, database_url: str
) -> None:
    tenant, entry_id = a_tenant(), IDS.new()
    await kept(parts, tenant, entry_id)
    columns = ", ".join(SEALED_COLUMNS)
    query = f"SELECT {columns}, v::text FROM agentledger.vault_entries AS v WHERE entry_id = %s"
    (row,) = await execute(database_url, query, entry_id)
    *sealed, text = row
    assert [len(part) for part in sealed] == [len(VALUE), 32, 16, 16]  # pyright: ignore[reportArgumentType] # bytes
    assert VALUE.encode().hex() not in str(text)
    assert VALUE not in str(text)


async def test_equal_values_look_different(parts: Parts) -> None:
    tenant = a_tenant()
    rows = [await kept(parts, tenant, IDS.new()) for _ in range(3)]
    for part in ("salt", "iv", "auth_tag", "encrypted_key"):
        assert len({getattr(row.sealed, part) for row in rows}) == 3


async def test_a_new_value_takes_the_place_of_the_old_one(parts: Parts, database_url: str) -> None:
    tenant, entry_id = a_tenant(), IDS.new()
    await kept(parts, tenant, entry_id)
    await kept(parts, tenant, entry_id, "another", value_version=2)
    assert (await opened(parts, tenant, entry_id))[entry_id].value == "another"
    query = "SELECT count(*) FROM agentledger.vault_entries WHERE tenant_id = %s"
    assert await execute(database_url, query, tenant) == [(1,)]


async def test_a_removed_value_is_gone(parts: Parts, database_url: str) -> None:
    tenant, entry_id = a_tenant(), IDS.new()
    await kept(parts, tenant, entry_id)
    await append(parts, tenant, RemovedVaultEntry(entry_id))
    assert await opened(parts, tenant, entry_id) == {}
    query = "SELECT count(*) FROM agentledger.vault_entries WHERE tenant_id = %s"
    assert await execute(database_url, query, tenant) == [(0,)]


@pytest.mark.parametrize("column", SEALED_COLUMNS)
@pytest.mark.parametrize("place", ["0", "octet_length({c}) - 1"])
async def test_a_flipped_bit_is_noticed(
    parts: Parts, database_url: str, column: str, place: str
) -> None:
    tenant, entry_id = a_tenant(), IDS.new()
    await kept(parts, tenant, entry_id)
    at = place.format(c=column)
    flip = f"{column} = set_byte({column}, {at}, get_byte({column}, {at}) # 1)"
    await execute(
        database_url, f"UPDATE agentledger.vault_entries SET {flip} WHERE entry_id = %s", entry_id
    )
    with pytest.raises(Tampered):
        await opened(parts, tenant, entry_id)


@pytest.mark.parametrize(
    "change",
    [
        "allowed_hosts = '{*}'",
        "allowed_hosts = '{}'",
        "value_version = 2",
        "key_version = 2",
        "auth_tag = substr(auth_tag, 1, 12)",
        "iv = iv || '\\x00'",
        "encrypted_key = ''",
    ],
)
async def test_whoever_can_write_the_table_cannot_widen_where_a_secret_goes(
    parts: Parts, database_url: str, change: str
) -> None:
    tenant, entry_id = a_tenant(), IDS.new()
    await kept(parts, tenant, entry_id)
    await execute(
        database_url, f"UPDATE agentledger.vault_entries SET {change} WHERE entry_id = %s", entry_id
    )
    with pytest.raises(Tampered):
        await opened(parts, tenant, entry_id)


async def test_a_row_opens_only_for_its_tenant_and_at_its_place(
    parts: Parts, database_url: str
) -> None:
    ours, theirs, entry_id, other_id = a_tenant(), a_tenant(), IDS.new(), IDS.new()
    await kept(parts, ours, entry_id)
    await kept(parts, theirs, other_id)
    assert await opened(parts, theirs, entry_id) == {}
    copy = (
        "INSERT INTO agentledger.vault_entries SELECT %s, %s, value_version, allowed_hosts,"
        " key_version, encrypted_key, salt, iv, auth_tag FROM agentledger.vault_entries"
        " WHERE entry_id = %s LIMIT 1"
    )
    moved = IDS.new()
    await execute(database_url, copy, theirs, entry_id, entry_id)
    await execute(database_url, copy, ours, moved, entry_id)
    for tenant, place in ((theirs, entry_id), (ours, moved)):
        with pytest.raises(Tampered):
            await opened(parts, tenant, place)


async def test_after_its_tenants_key_is_destroyed_nothing_opens(
    parts: Parts, database_url: str
) -> None:
    tenant, entry_id = a_tenant(), IDS.new()
    await kept(parts, tenant, entry_id)
    await execute(
        database_url,
        "INSERT INTO agentledger.destroyed_keys (tenant_id, subject_id) VALUES (%s, %s)",
        tenant,
        UUID(int=0),
    )
    with pytest.raises(KeyDestroyed):
        await opened(parts, tenant, entry_id)


async def test_a_use_is_noted_to_the_minute(parts: Parts, database_url: str) -> None:
    tenant, entry_id = a_tenant(), IDS.new()
    await kept(parts, tenant, entry_id)
    query = "SELECT last_used_at FROM agentledger.vault_entries WHERE entry_id = %s"
    assert await execute(database_url, query, entry_id) == [(None,)]
    await opened(parts, tenant, entry_id)
    (first,) = await execute(database_url, query, entry_id)
    await opened(parts, tenant, entry_id)
    assert await execute(database_url, query, entry_id) == [first]
    assert first[0] is not None
    await execute(
        database_url,
        "UPDATE agentledger.vault_entries SET last_used_at = now() - interval '2 minutes'"
        " WHERE entry_id = %s",
        entry_id,
    )
    await opened(parts, tenant, entry_id)
    (later,) = await execute(database_url, query, entry_id)
    assert later[0] >= first[0]  # pyright: ignore[reportOperatorIssue] # instants


async def test_a_tenant_keeps_a_bounded_number_of_them(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vault_module, "ENTRIES_MAX", 2)
    tenant, ids = a_tenant(), [IDS.new(), IDS.new()]
    for entry_id in ids:
        await kept(parts, tenant, entry_id)
    with pytest.raises(VaultFull):
        await kept(parts, tenant, IDS.new())
    await kept(parts, tenant, ids[0], "replaced", value_version=2)
    await kept(parts, a_tenant(), IDS.new())


async def test_a_value_stays_readable_when_the_master_key_changes(
    parts: Parts, database_url: str
) -> None:
    """As who changes it does: the data key is wrapped again, and no value is touched."""
    tenant, entry_id, changed = a_tenant(), IDS.new(), "another master key, thirty-two bytes long"
    row = await kept(parts, tenant, entry_id)
    ((version, *_), *_) = await execute(
        database_url, "SELECT max(key_version) FROM agentledger.key_encryption_keys"
    )
    assert isinstance(version, int)
    database = await parts.database("worker")
    old = await KeyEncryption(database, [MASTER_KEY], scrypt_n=16).key(1)
    made = new_derivation(changed, version + 1, scrypt_n=16)
    columns = "encrypted_key, iv, auth_tag, key_version"
    (found,) = await execute(
        database_url, f"SELECT {columns} FROM agentledger.data_keys WHERE tenant_id = %s", tenant
    )
    data_key = unwrap(old, WrappedKey(*found), Scope(tenant))  # pyright: ignore[reportArgumentType] # its columns
    new = scrypt_key(changed, made.salt, n=made.scrypt_n, r=made.scrypt_r, p=made.scrypt_p)
    await execute(
        database_url,
        "INSERT INTO agentledger.key_encryption_keys VALUES (%s, %s, %s, %s, %s, %s, %s)",
        *(made.key_version, made.salt, made.scrypt_n, made.scrypt_r, made.scrypt_p),
        *(made.iv, made.auth_tag),
    )
    await execute(
        database_url,
        f"UPDATE agentledger.data_keys SET ({columns}) = (%s, %s, %s, %s) WHERE tenant_id = %s",
        *wrap(new, data_key, Scope(tenant), made.key_version),
        tenant,
    )
    after = await (await vault_of(parts, master_key=changed)).open(tenant, [entry_id])
    assert after[entry_id].value == VALUE
    query = "SELECT encrypted_key FROM agentledger.vault_entries WHERE entry_id = %s"
    assert await execute(database_url, query, entry_id) == [(row.sealed.encrypted_key,)]
    with pytest.raises(WrongMasterKey):
        await opened(parts, tenant, entry_id)
