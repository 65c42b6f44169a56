"""What is left of a tenant whose key is destroyed, and what a restored backup must not bring
back.
"""

from collections.abc import AsyncIterator

import pytest
from psycopg import AsyncConnection

from commands.ports import OpenedExecution, StoredDefinition
from commands.sealing_port import DestroyedTenantKey, KeyDestroyed
from domain.envelope import Envelope
from domain.identifiers import TenantId
from domain.tenants import Tenant
from infra.data_keys import PLATFORM
from infra.erasure import Erasure, destroyed_keys, replay_ledger
from tests.infra.conftest import Parts
from tests.infra.keys import data_keys_on
from tests.infra.log_steps import IDS, a_key


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[AsyncConnection]:
    async with await AsyncConnection.connect(
        database_url, autocommit=True, options="-c search_path=agentledger,pg_catalog"
    ) as conn:
        yield conn


async def a_tenant(parts: Parts) -> Tenant:
    tenant = Tenant(id=IDS.new(), name="canary", region="here", time_zone="UTC", reseller_id=None)
    execution_id = IDS.new()
    await parts.store.append(
        [tenant, a_key()],
        Envelope(TenantId(tenant.id), "test"),
        side_rows=[OpenedExecution(execution_id), StoredDefinition("hash", {"a": "canary"})],
    )
    return tenant


async def erase(parts: Parts, tenant: Tenant) -> None:
    tenant.destroy_key()
    envelope = Envelope(TenantId(tenant.id), "operator")
    await parts.store.append([tenant], envelope, side_rows=[DestroyedTenantKey()])


async def count(owner: AsyncConnection, table: str, tenant: Tenant) -> int:
    query = f"SELECT count(*) FROM {table} WHERE tenant_id = %s"
    row = await (await owner.execute(query.encode(), (tenant.id,))).fetchone()
    assert row is not None
    return row[0]


async def test_the_key_ends_with_the_proof_and_at_once_in_this_process(
    parts: Parts, owner: AsyncConnection
) -> None:
    tenant, neighbour = await a_tenant(parts), await a_tenant(parts)
    await erase(parts, tenant)
    assert await count(owner, "data_keys", tenant) == 0
    assert parts.keys.kept(TenantId(tenant.id)) is None
    with pytest.raises(KeyDestroyed):
        await parts.store.load(Tenant, tenant.id, TenantId(tenant.id))
    assert await parts.store.load(Tenant, neighbour.id, TenantId(neighbour.id)) is not None
    cursor = await owner.execute(
        "SELECT topic, state FROM events WHERE originator_id = %s ORDER BY originator_version",
        (tenant.id,),
    )
    rows = await cursor.fetchall()
    assert [row[0] for row in rows] == ["tenant.created", "tenant.key_destroyed"]
    assert str(tenant.id).encode() in rows[-1][1]


async def test_what_lies_beside_the_log_is_removed_and_looked_for_once_more(
    parts: Parts, owner: AsyncConnection
) -> None:
    tenant, neighbour = await a_tenant(parts), await a_tenant(parts)
    erasure = Erasure(await parts.database("worker"))
    await erase(parts, tenant)
    while await erasure.sweep_once():
        pass
    for table in ("definitions", "open_executions"):
        assert await count(owner, table, tenant) == 0
        assert await count(owner, table, neighbour) == 1
    assert await count(owner, "events", tenant) == 3
    # A process that had the key in memory has written after the first sweep.
    await owner.execute(
        "INSERT INTO definitions (tenant_id, definition_hash, definition) VALUES (%s, 'late', '')",
        (tenant.id,),
    )
    assert not await erasure.sweep_once(), "the second sweep comes after a while"
    await owner.execute("UPDATE destroyed_keys SET sweep_at = now() WHERE sweep_at IS NOT NULL")
    while await erasure.sweep_once():
        pass
    assert await count(owner, "definitions", tenant) == 0
    cursor = await owner.execute("SELECT count(*) FROM destroyed_keys WHERE sweep_at IS NOT NULL")
    assert await cursor.fetchone() == (0,)


async def test_nothing_is_removed_of_a_tenant_that_has_its_key(
    parts: Parts, owner: AsyncConnection
) -> None:
    tenant = await a_tenant(parts)
    assert await Erasure(await parts.database("worker")).sweep(TenantId(tenant.id)) == 0
    assert await count(owner, "definitions", tenant) == 1


async def test_a_backup_that_brings_a_key_back_is_robbed_of_it_by_the_ledger(
    parts: Parts, owner: AsyncConnection
) -> None:
    tenant = await a_tenant(parts)
    tenant_id = TenantId(tenant.id)
    await owner.execute("CREATE TEMP TABLE backup AS SELECT * FROM data_keys")
    await erase(parts, tenant)
    ledger = [one for one in await destroyed_keys(owner) if one.tenant_id == tenant_id]
    await owner.execute("DELETE FROM destroyed_keys WHERE tenant_id = %s", (tenant_id,))
    await owner.execute("INSERT INTO data_keys SELECT * FROM backup ON CONFLICT DO NOTHING")
    assert not (await data_keys_on(await parts.database("api")).of(tenant_id)).is_destroyed
    assert await replay_ledger(owner, ledger) == 1
    assert (await data_keys_on(await parts.database("api")).of(tenant_id)).is_destroyed
    assert await count(owner, "data_keys", tenant) == 0
    assert await replay_ledger(owner, ledger) == 0


async def test_the_key_of_the_platform_cannot_be_destroyed(
    parts: Parts, owner: AsyncConnection
) -> None:
    sealed = await parts.keys.seal_for_platform("p", b"kept", "1")
    await owner.execute("SELECT destroy_tenant_key(%s)", (PLATFORM,))
    keys = data_keys_on(await parts.database("api"))
    assert await keys.open_for_platform("p", sealed, "1") == b"kept"
