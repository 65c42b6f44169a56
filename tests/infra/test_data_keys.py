"""The key hierarchy on a real database: who agrees with whom on a key, and what opens where."""

import asyncio
from collections.abc import Sequence

import psycopg
import pytest

from commands.sealing_port import KeyDestroyed, Tampered
from domain.identifiers import TenantId
from infra.data_keys import KEYS_KEPT_MAX, KEYS_KEPT_S, DataKeys
from infra.key_encryption import KeyEncryption, Scope, WrongMasterKey
from infra.sealing import HEAD_BYTES, IV_BYTES, OVERHEAD_BYTES, TAG_BYTES, is_sealed
from tests.infra.conftest import Parts
from tests.infra.keys import MASTER_KEY, SCRYPT_N
from tests.infra.log_steps import IDS


def a_tenant() -> TenantId:
    return TenantId(IDS.new())


async def keys_of(
    parts: Parts, *, master_keys: Sequence[str] = (MASTER_KEY,), time_s: Sequence[float] = (0.0,)
) -> DataKeys:
    """As another process has them."""
    database = await parts.database("api")
    encryption = KeyEncryption(database, master_keys, scrypt_n=SCRYPT_N)
    return DataKeys(database, encryption, monotonic_s=lambda: time_s[0])


async def execute(database_url: str, query: str, *params: object) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as conn:
        await conn.execute(query.encode(), params)


async def test_what_one_process_sealed_another_opens(parts: Parts) -> None:
    tenant = a_tenant()
    sealed = await (await keys_of(parts)).seal(tenant, "secret", b"of the tenant", "row 1")
    assert b"of the tenant" not in sealed
    assert is_sealed(sealed)
    assert len(sealed) == len(b"of the tenant") + OVERHEAD_BYTES
    other = await keys_of(parts)
    assert await other.open(tenant, "secret", sealed, "row 1") == b"of the tenant"


async def test_processes_that_begin_with_a_tenant_at_once_agree_on_its_key(parts: Parts) -> None:
    tenant = a_tenant()
    processes = [await keys_of(parts) for _ in range(6)]
    sealed = await asyncio.gather(*(keys.seal(tenant, "p", b"x", "1") for keys in processes))
    opened = [await keys.open(tenant, "p", one, "1") for keys in processes for one in sealed]
    assert opened == [b"x"] * 36


async def test_sealed_bytes_open_only_where_they_were_sealed_for(parts: Parts) -> None:
    keys = await keys_of(parts)
    ours, theirs = a_tenant(), a_tenant()
    sealed = await keys.seal(ours, "secret", b"content", "row 1")
    await keys.seal(theirs, "secret", b"content", "row 1")
    for tenant, purpose, bound_to in [
        (theirs, "secret", "row 1"),
        (ours, "secret", "row 2"),
        (ours, "secretrow", " 1"),
        (ours, "event", "row 1"),
    ]:
        with pytest.raises(Tampered):
            await keys.open(tenant, purpose, sealed, bound_to)


@pytest.mark.parametrize("content", [b"", b"c", b"content" * 100])
async def test_no_byte_can_be_changed_and_none_left_out(parts: Parts, content: bytes) -> None:
    keys = await keys_of(parts)
    tenant = a_tenant()
    sealed = await keys.seal(tenant, "p", content, "1")
    regions = [0, 1, 2, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + IV_BYTES - 1]
    regions += [HEAD_BYTES + IV_BYTES, len(sealed) - TAG_BYTES, len(sealed) - 1]
    for place in regions:
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(Tampered):
            await keys.open(tenant, "p", bytes(changed), "1")
    for cut in (b"", sealed[:1], sealed[:HEAD_BYTES], sealed[:-1], sealed[1:], sealed + b"x"):
        with pytest.raises(Tampered):
            await keys.open(tenant, "p", cut, "1")
    assert await keys.open(tenant, "p", sealed, "1") == content


async def test_a_key_opens_whatever_byte_it_begins_with(parts: Parts) -> None:
    """One in 256 begins as what is nested does, and was taken for it."""
    keys, tenant = await keys_of(parts), a_tenant()
    for first in range(256):
        raw = bytes([first, *range(31)])
        assert await keys.open(tenant, "p", await keys.seal(tenant, "p", raw, "1"), "1") == raw


async def test_every_seal_has_an_iv_of_its_own(parts: Parts) -> None:
    cipher = await (await keys_of(parts)).cipher(a_tenant(), "p")
    ivs = {cipher.seal(b"", b"")[HEAD_BYTES : HEAD_BYTES + IV_BYTES] for _ in range(20_000)}
    assert len(ivs) == 20_000


async def test_a_wrapped_key_opens_for_its_tenant_only(parts: Parts, database_url: str) -> None:
    keys = await keys_of(parts)
    ours, theirs = a_tenant(), a_tenant()
    for tenant in (ours, theirs):
        await keys.seal(tenant, "p", b"", "1")
    await execute(
        database_url,
        "UPDATE agentledger.data_keys AS mine SET encrypted_key = k.encrypted_key, iv = k.iv,"
        " auth_tag = k.auth_tag FROM agentledger.data_keys AS k"
        " WHERE mine.tenant_id = %s AND k.tenant_id = %s",
        ours,
        theirs,
    )
    with pytest.raises(Tampered):
        await (await keys_of(parts)).seal(ours, "p", b"", "1")


@pytest.mark.parametrize("column", ["encrypted_key", "iv", "auth_tag"])
async def test_no_byte_of_a_wrapped_key_can_be_changed(
    parts: Parts, database_url: str, column: str
) -> None:
    tenant = a_tenant()
    await (await keys_of(parts)).seal(tenant, "p", b"", "1")
    change = f"set_byte({column}, 3, get_byte({column}, 3) # 1)"
    await execute(
        database_url,
        f"UPDATE agentledger.data_keys SET {column} = {change} WHERE tenant_id = %s",
        tenant,
    )
    with pytest.raises(Tampered):
        await (await keys_of(parts)).seal(tenant, "p", b"", "1")


async def test_another_master_key_is_told_and_opens_nothing(parts: Parts) -> None:
    tenant = a_tenant()
    await (await keys_of(parts)).seal(tenant, "p", b"", "1")
    wrong = await keys_of(parts, master_keys=["another master key, also of thirty-two bytes"])
    with pytest.raises(WrongMasterKey):
        await wrong.seal(tenant, "p", b"", "1")
    with pytest.raises(WrongMasterKey):
        await wrong.seal(a_tenant(), "p", b"", "1")


async def test_the_previous_master_key_is_enough(parts: Parts) -> None:
    tenant = a_tenant()
    sealed = await (await keys_of(parts)).seal(tenant, "p", b"kept", "1")
    both = await keys_of(
        parts, master_keys=["the next master key, of thirty-two bytes", MASTER_KEY]
    )
    assert await both.open(tenant, "p", sealed, "1") == b"kept"


async def test_a_key_whose_version_is_gone_is_told(parts: Parts, database_url: str) -> None:
    tenant = a_tenant()
    await (await keys_of(parts)).seal(tenant, "p", b"", "1")
    await execute(
        database_url,
        "UPDATE agentledger.data_keys SET key_version = 99 WHERE tenant_id = %s",
        tenant,
    )
    with pytest.raises(WrongMasterKey, match="version 99"):
        await (await keys_of(parts)).seal(tenant, "p", b"", "1")


async def test_a_destroyed_key_is_forgotten_when_that_is_told_and_after_a_while_anyway(
    parts: Parts, database_url: str
) -> None:
    time_s = [0.0]
    told, untold = await keys_of(parts), await keys_of(parts, time_s=time_s)
    tenant, other = a_tenant(), a_tenant()
    sealed = await told.seal(tenant, "p", b"content", "1")
    sealed_of_other = await untold.seal(other, "p", b"theirs", "1")
    assert await untold.open(tenant, "p", sealed, "1") == b"content"
    # The key itself comes back, as from a backup: the ledger outlives it.
    await execute(
        database_url,
        "INSERT INTO agentledger.destroyed_keys (tenant_id, subject_id)"
        " VALUES (%s, '00000000-0000-0000-0000-000000000000')",
        tenant,
    )
    assert await untold.open(tenant, "p", sealed, "1") == b"content"
    told.forget(tenant)
    time_s[0] += KEYS_KEPT_S
    for keys in (told, untold):
        with pytest.raises(KeyDestroyed):
            await keys.open(tenant, "p", sealed, "1")
        with pytest.raises(KeyDestroyed):
            await keys.seal(tenant, "p", b"", "1")
        both = await keys.of_all([Scope(tenant), Scope(other)])
        assert (both[Scope(tenant)].is_destroyed, both[Scope(other)].is_destroyed) == (True, False)
        assert await keys.open(other, "p", sealed_of_other, "1") == b"theirs"


async def test_the_keys_of_many_tenants_are_read_together_and_kept_up_to_a_bound(
    parts: Parts,
) -> None:
    keys = await keys_of(parts)
    tenants = [a_tenant() for _ in range(50)]
    read = await keys.of_all([Scope(tenant) for tenant in tenants])
    assert {scope.tenant_id for scope in read} == set(tenants)
    assert all(keys.kept(tenant) is read[Scope(tenant)] for tenant in tenants)
    assert KEYS_KEPT_MAX >= 1000, "a batch of the log may be of as many tenants as events"


async def test_what_belongs_to_no_tenant_is_sealed_too(parts: Parts) -> None:
    sealed = await (await keys_of(parts)).seal_for_platform("jwt", b"a private key", "kid 1")
    keys = await keys_of(parts)
    assert await keys.open_for_platform("jwt", sealed, "kid 1") == b"a private key"
    with pytest.raises(Tampered):
        await keys.open_for_platform("jwt", sealed, "kid 2")


async def test_no_login_role_reads_the_tables_of_keys(parts: Parts) -> None:
    for role in ("api", "worker", "projector", "writer", "relay", "tail"):
        async with (await parts.database(role)).connection() as conn:
            for table in ("key_encryption_keys", "data_keys", "destroyed_keys"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    await conn.execute(f"SELECT * FROM {table}".encode())
