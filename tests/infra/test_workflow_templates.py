"""Templates in the database: rows that follow the events, worked off by one worker at a time, and
compared under the row security of who asks.
"""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection, sql
from psycopg.conninfo import make_conninfo

from commands.sealing_port import DestroyedTenantKey
from commands.template_port import DueTemplate, OfferedTemplate, WithdrawnTemplate
from domain.envelope import Envelope
from domain.identifiers import TenantId
from domain.tenants import Tenant
from infra.erasure import Erasure
from infra.migrations import ExtensionMissing, migrate
from infra.workflow_templates import PostgresTemplates, vector_text
from tests.conftest import database_url_of
from tests.infra.conftest import Conninfo, Parts
from tests.infra.log_steps import IDS, a_key

LEASE_S = 60.0
MODEL = "offline/hash"
SIMILAR = (
    "SELECT similarity(embedding, vector_of(%s)) FROM templates"
    " WHERE model = %s ORDER BY 1 DESC NULLS LAST"
)


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[AsyncConnection]:
    """Workers see the templates of all tests of the module."""
    async with await AsyncConnection.connect(
        database_url, autocommit=True, options="-c search_path=agentledger,pg_catalog"
    ) as conn:
        await conn.execute("DELETE FROM templates")
        yield conn


@pytest.fixture
async def templates(parts: Parts, owner: AsyncConnection) -> PostgresTemplates:
    del owner
    return PostgresTemplates(await parts.database("worker"))


async def offer(
    parts: Parts, tenant_id: TenantId | None = None, *, workflow_id: UUID | None = None, at: int = 1
) -> DueTemplate:
    """As it is claimed the first time."""
    owner, offered = tenant_id or TenantId(IDS.new()), workflow_id or IDS.new()
    row = OfferedTemplate(offered, at)
    await parts.store.append([a_key()], Envelope(owner, "user:ada"), side_rows=[row])
    return DueTemplate(owner, offered, at, 1)


async def withdraw(parts: Parts, due: DueTemplate) -> None:
    row = WithdrawnTemplate(due.workflow_id)
    await parts.store.append([a_key()], Envelope(due.tenant_id, "user:ada"), side_rows=[row])


async def similar(parts: Parts, tenant_id: TenantId, vector: Sequence[float]) -> list[float | None]:
    database = await parts.database("api")
    async with database.tenant_transaction(tenant_id) as conn:
        cursor = await conn.execute(SIMILAR, (vector_text(vector), MODEL))
        return [row[0] for row in await cursor.fetchall()]


async def test_a_template_is_one_workers_until_it_has_its_embedding(
    parts: Parts, templates: PostgresTemplates
) -> None:
    due = await offer(parts)
    assert await templates.claim(LEASE_S) == due
    assert await templates.claim(LEASE_S) is None
    await templates.embedded(due, MODEL, [0.6, 0.8])
    assert await similar(parts, due.tenant_id, [0.6, 0.8]) == pytest.approx([1.0])
    assert await templates.claim(LEASE_S) is None


async def test_a_worker_that_went_away_leaves_it_to_the_next(
    parts: Parts, templates: PostgresTemplates
) -> None:
    due = await offer(parts)
    assert await templates.claim(0) == due
    assert await templates.claim(LEASE_S) == due._replace(attempts_count=2)


async def test_a_version_that_comes_meanwhile_is_embedded_too(
    parts: Parts, templates: PostgresTemplates
) -> None:
    first = await offer(parts)
    assert await templates.claim(LEASE_S) == first
    second = await offer(parts, first.tenant_id, workflow_id=first.workflow_id, at=2)
    await templates.embedded(first, MODEL, [1.0, 0.0])
    assert await templates.claim(LEASE_S) == second
    await templates.forget(first)
    await templates.embedded(second, MODEL, [0.0, 1.0])
    assert await similar(parts, first.tenant_id, [0.0, 1.0]) == pytest.approx([1.0])


async def test_another_model_makes_all_of_them_due_once(
    parts: Parts, templates: PostgresTemplates
) -> None:
    due = await offer(parts)
    await templates.claim(LEASE_S)
    await templates.embedded(due, "acme/old", [1.0])
    assert await templates.renew("acme/old") == 0
    assert await templates.renew(MODEL) == 1
    assert await templates.claim(LEASE_S) == due
    await templates.embedded(due, MODEL, [0.6, 0.8])
    assert await templates.renew(MODEL) == 0


async def test_a_tenant_whose_provider_fails_lets_others_go_first(
    parts: Parts, templates: PostgresTemplates
) -> None:
    failing = await offer(parts)
    await offer(parts, failing.tenant_id)
    other = await offer(parts)
    assert await templates.claim(LEASE_S) == failing
    await templates.failed(failing, retry_in_s=900, others_in_s=300)
    assert await templates.claim(LEASE_S) == other
    assert await templates.claim(LEASE_S) is None


async def test_what_is_withdrawn_or_forgotten_is_not_compared(
    parts: Parts, templates: PostgresTemplates
) -> None:
    due = await offer(parts)
    other = await offer(parts, due.tenant_id)
    for _ in range(2):
        await templates.claim(LEASE_S)
    for one in (due, other):
        await templates.embedded(one, MODEL, [0.6, 0.8])
    await withdraw(parts, due)
    assert len(await similar(parts, due.tenant_id, [1.0, 0.0])) == 1
    await templates.forget(other)
    assert await similar(parts, due.tenant_id, [1.0, 0.0]) == []
    # Whoever had claimed it before finds nothing to write to.
    await templates.embedded(due, MODEL, [0.6, 0.8])
    assert await similar(parts, due.tenant_id, [1.0, 0.0]) == []


async def test_a_tenant_compares_with_nothing_of_another(
    parts: Parts, templates: PostgresTemplates
) -> None:
    ours, theirs = await offer(parts), await offer(parts)
    for vector in ([1.0, 0.0], [0.0, 1.0]):
        due = await templates.claim(LEASE_S)
        assert due is not None
        await templates.embedded(due, MODEL, vector)
    assert await similar(parts, ours.tenant_id, [0.0, 1.0]) == pytest.approx([0.0])
    assert await similar(parts, theirs.tenant_id, [0.0, 1.0]) == pytest.approx([1.0])
    database = await parts.database("api")
    async with database.connection() as conn:
        cursor = await conn.execute("SELECT count(*) FROM templates")
        assert await cursor.fetchone() == (0,)


@pytest.mark.parametrize("vector", [[1.0], [0.0, 0.0]], ids=["other dimensions", "no direction"])
async def test_what_cannot_be_compared_is_null_and_no_error(
    parts: Parts, templates: PostgresTemplates, vector: list[float]
) -> None:
    due = await offer(parts)
    await templates.claim(LEASE_S)
    await templates.embedded(due, MODEL, vector)
    assert await similar(parts, due.tenant_id, [0.6, 0.8]) == [None]


async def test_embeddings_go_with_their_tenant(parts: Parts, templates: PostgresTemplates) -> None:
    tenant = Tenant(id=IDS.new(), name="t", region="here", time_zone="UTC", reseller_id=None)
    tenant_id = TenantId(tenant.id)
    await parts.store.append([tenant], Envelope(tenant_id, "operator"))
    due = await offer(parts, tenant_id)
    await templates.claim(LEASE_S)
    await templates.embedded(due, MODEL, [0.6, 0.8])
    tenant.destroy_key()
    erasing = Envelope(tenant_id, "operator")
    await parts.store.append([tenant], erasing, side_rows=[DestroyedTenantKey()])
    await Erasure(await parts.database("worker")).sweep(tenant_id)
    assert await similar(parts, tenant_id, [0.6, 0.8]) == []


async def test_a_database_without_the_extension_is_told_what_it_needs(
    postgres_url: str, conninfo: Conninfo, master_key: str
) -> None:
    """Somebody who may create neither it nor anything else migrates."""
    name = f"bare_{IDS.new().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as superuser:
        superuser.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            own = database_url_of(postgres_url, name)
            with psycopg.connect(own, autocommit=True) as conn:
                conn.execute("GRANT CREATE ON SCHEMA public TO agentledger_worker")
            bare = make_conninfo(conninfo("worker"), dbname=name, options="")
            with pytest.raises(ExtensionMissing, match="install pgvector"):
                await migrate(bare, master_key=master_key)
        finally:
            superuser.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
