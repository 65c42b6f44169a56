"""Changing the master key while processes that know both serve."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from psycopg import AsyncConnection

from domain.identifiers import TenantId
from infra import master_key_rotation
from infra.data_keys import DataKeys
from infra.key_encryption import WrongMasterKey
from infra.master_key_rotation import LOCK_KEY, RotationRunning, rotate
from tests.infra.conftest import Parts
from tests.infra.keys import MASTER_KEY, SCRYPT_N, data_keys_on
from tests.infra.log_steps import IDS

NEW = "the next master key, of thirty-two bytes or more"
LATER = "the master key after that, of thirty-two bytes"
TENANTS = 7


@pytest.fixture
async def owner(parts: Parts, database_url: str) -> AsyncIterator[AsyncConnection]:
    """Of a database that begins with the first master key, whatever a test before has left."""
    del parts
    async with await AsyncConnection.connect(
        database_url, autocommit=True, options="-c search_path=agentledger,pg_catalog"
    ) as conn:
        await conn.execute("DELETE FROM data_keys")
        await conn.execute("DELETE FROM key_encryption_keys")
        yield conn


async def keys_of(parts: Parts, *master_keys: str) -> DataKeys:
    """Of a process that was started just now."""
    return data_keys_on(await parts.database("api"), master_keys=master_keys or (MASTER_KEY,))


async def rotated(owner: AsyncConnection, new: str = NEW, old: str = MASTER_KEY) -> int:
    return await rotate(owner, new, old, scrypt_n=SCRYPT_N, on_progress=lambda _: None)


async def versions(owner: AsyncConnection, table: str) -> set[int]:
    cursor = await owner.execute(f"SELECT key_version FROM {table}".encode())
    return {row[0] for row in await cursor.fetchall()}


async def sealed_of(keys: DataKeys, count: int = TENANTS) -> Sequence[tuple[TenantId, bytes]]:
    tenants = [TenantId(IDS.new()) for _ in range(count)]
    return [(tenant, await keys.seal(tenant, "p", tenant.bytes, "1")) for tenant in tenants]


async def require_opened(keys: DataKeys, sealed: Sequence[tuple[TenantId, bytes]]) -> None:
    for tenant, one in sealed:
        assert await keys.open(tenant, "p", one, "1") == tenant.bytes


async def test_after_it_the_new_master_key_is_enough_and_the_old_one_opens_nothing(
    parts: Parts, owner: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master_key_rotation, "BATCH_KEYS", 2)
    sealed = await sealed_of(await keys_of(parts))
    assert await rotated(owner) == TENANTS
    assert await versions(owner, "data_keys") == await versions(owner, "key_encryption_keys")
    assert await versions(owner, "data_keys") == {2}
    await require_opened(await keys_of(parts, NEW), sealed)
    with pytest.raises(WrongMasterKey):
        await require_opened(await keys_of(parts), sealed)
    assert await rotated(owner, LATER, NEW) == TENANTS
    assert await versions(owner, "data_keys") == {3}
    await require_opened(await keys_of(parts, LATER), sealed)


async def test_the_keys_of_data_subjects_are_wrapped_again_too(
    parts: Parts, owner: AsyncConnection
) -> None:
    keys = await keys_of(parts)
    tenant, subject = TenantId(IDS.new()), IDS.new()
    sealed = (await keys.of(tenant, subject)).cipher("p").seal(b"theirs", b"1")
    assert await rotated(owner) == 1
    again = await (await keys_of(parts, NEW)).of(tenant, subject)
    assert again.cipher("p").open(sealed, b"1") == b"theirs"


async def test_it_goes_on_where_an_earlier_try_ended(
    parts: Parts, owner: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master_key_rotation, "BATCH_KEYS", 3)
    sealed = await sealed_of(await keys_of(parts))

    class Killed(Exception):
        pass

    def die(_count: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        await rotate(owner, NEW, MASTER_KEY, scrypt_n=SCRYPT_N, on_progress=die)
    assert await versions(owner, "data_keys") == {1, 2}
    await require_opened(await keys_of(parts, NEW, MASTER_KEY), sealed)
    assert await rotated(owner) == TENANTS - 3
    assert await versions(owner, "key_encryption_keys") == {2}


async def test_processes_that_know_both_keys_serve_meanwhile(
    parts: Parts, owner: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master_key_rotation, "BATCH_KEYS", 1)
    before = await sealed_of(await keys_of(parts))
    serving = await keys_of(parts, NEW, MASTER_KEY)
    rotating = asyncio.create_task(rotated(owner))
    meanwhile: list[tuple[TenantId, bytes]] = []
    while not rotating.done():
        meanwhile += await sealed_of(serving, 1)
        await require_opened(serving, before)
        serving.forget(before[0][0])
    assert await rotating >= TENANTS
    assert await versions(owner, "key_encryption_keys") == {2}
    await require_opened(await keys_of(parts, NEW), [*before, *meanwhile])


async def test_a_wrong_previous_key_changes_nothing(parts: Parts, owner: AsyncConnection) -> None:
    sealed = await sealed_of(await keys_of(parts))
    with pytest.raises(WrongMasterKey, match="PREVIOUS"):
        await rotated(owner, NEW, LATER)
    assert await versions(owner, "key_encryption_keys") == {1}
    await require_opened(await keys_of(parts), sealed)


async def test_only_one_runs_at_a_time(owner: AsyncConnection, database_url: str) -> None:
    async with await AsyncConnection.connect(database_url, autocommit=True) as other:
        await other.execute("SELECT pg_advisory_lock(%s)", (LOCK_KEY,))
        with pytest.raises(RotationRunning):
            await rotated(owner)
