"""Row-level security, walked from the catalogue: a table that is added is covered without being
listed here.
"""

from collections.abc import AsyncIterator
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection, sql

from domain.tenants import Tenant
from infra.postgres import Role, role_conninfo
from tests.infra.catalogue_rows import shape_of
from tests.infra.log_steps import IDS

ROLES: tuple[Role, ...] = ("api", "writer", "tail", "relay", "projector", "worker")

TENANT_TABLES = """
SELECT c.oid::regclass::text AS name, c.relrowsecurity, c.relforcerowsecurity
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname = 'agentledger' AND c.relkind IN ('r', 'p')
   AND EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id'
                  AND NOT a.attisdropped)
 ORDER BY name
"""
# Functions that act as their owner, whoever calls them.
DEFINERS = {
    "access_of",
    "access_of_principals",
    "begun_by_person",
    "grantees_of",
    "is_viewed_by_person",
    "person_of",
    "principals",
    "public_runs",
    "run_sources",
    "runnable_by",
    "sees_execution",
    "shared_with_person",
    "shows_run",
    "viewed_by_person",
    "own_actors",
    "own_runs",
    "admission_sample",
    "agent_limits_of",
    "own_call_limits_of",
    "tell_lines",
    "api_key_secret",
    "note_api_key_uses",
    "claim_erasure",
    "renew_calls",
    "settle_calls",
    "settle_rate_limits",
    "forget_rate_limits",
    "claim_subject_erasure",
    "data_keys_of",
    "destroy_subject_key",
    "end_subject_sweep",
    "erase_person_rows",
    "forget_subject_stream",
    "destroy_tenant_key",
    "end_sweep",
    "erase_rows",
    "executions_needing_attention",
    "features_of",
    "usage_unsettled",
    "keep_data_key",
    "keep_first_key_encryption_key",
    "known_key_encryption_keys",
    "login_accounts",
    "managed_tenants",
    "own_quotas",
    "plan_of",
    "platform_numbers",
    "trigger_numbers",
    "quota_used",
    "require_quota",
    "projection_lag",
    "roles_seen",
    "see_roles",
    "event_stored_with",
    "take_call",
    "take_own_call",
    "settle_own_call",
}


@pytest.fixture
async def owner(database_url: str) -> AsyncIterator[AsyncConnection]:
    async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
        yield conn


async def connect(database_url: str, role: Role, master_key: str) -> AsyncConnection:
    conninfo = role_conninfo(database_url, role, master_key=master_key, statement_timeout_s=10)
    return await AsyncConnection.connect(conninfo, autocommit=True)


def named(table: str) -> sql.Identifier:
    """table: as the catalogue prints it, with its schema."""
    return sql.Identifier(*table.split("."))


async def tenant_tables(owner: AsyncConnection) -> list[str]:
    return [row[0] for row in await (await owner.execute(TENANT_TABLES)).fetchall()]


async def test_every_tenant_table_forces_row_security(owner: AsyncConnection) -> None:
    rows = await (await owner.execute(TENANT_TABLES)).fetchall()
    assert len(rows) >= 8
    assert [row[0] for row in rows if not (row[1] and row[2])] == []


async def test_a_table_without_a_tenant_holds_no_tenants_data(owner: AsyncConnection) -> None:
    tables = {name.split(".")[-1] for name in await tenant_tables(owner)}
    cursor = await owner.execute(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = 'agentledger' AND table_type = 'BASE TABLE'"
    )
    without = {row[0] for row in await cursor.fetchall()} - tables
    assert without <= {
        "group_members",
        "key_encryption_keys",
        "log_seals",
        "login_attempts",
        "partition_leases",
        "projection_positions",
        "rate_limit_buckets",
        "relay_positions",
        "roles_seen",
        "seal_head_tiles",
        "seal_keys",
        "signing_keys",
    } | {name for name in without if name.startswith("projection_")}


async def test_the_login_roles_own_nothing_and_bypass_nothing(owner: AsyncConnection) -> None:
    cursor = await owner.execute(
        "SELECT rolname FROM pg_roles WHERE rolname LIKE 'agentledger\\_%'"
        " AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)"
    )
    assert await cursor.fetchall() == []
    cursor = await owner.execute(
        "SELECT c.relname, r.rolname FROM pg_class AS c JOIN pg_roles AS r ON r.oid = c.relowner"
        " WHERE r.rolname LIKE 'agentledger\\_%' AND r.rolname <> 'agentledger_owner'"
    )
    assert await cursor.fetchall() == []


async def test_nobody_may_change_or_empty_the_log(owner: AsyncConnection) -> None:
    cursor = await owner.execute(
        "SELECT grantee, privilege_type FROM information_schema.role_table_grants"
        " WHERE table_schema = 'agentledger' AND table_name = 'events'"
        " AND grantee <> 'agentledger_owner' AND privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE')"
    )
    assert await cursor.fetchall() == []


async def test_nobody_holds_truncate(owner: AsyncConnection) -> None:
    cursor = await owner.execute(
        "SELECT grantee, table_name FROM information_schema.role_table_grants"
        " WHERE table_schema = 'agentledger' AND privilege_type = 'TRUNCATE'"
        " AND grantee <> 'agentledger_owner'"
    )
    assert await cursor.fetchall() == []


async def test_open_policies_exist_only_for_the_roles_that_serve_all_tenants(
    owner: AsyncConnection,
) -> None:
    cursor = await owner.execute(
        "SELECT tablename, policyname, roles::text[] FROM pg_policies"
        " WHERE schemaname = 'agentledger' AND (qual = 'true' OR with_check = 'true')"
    )
    open_roles = {role for _, _, roles in await cursor.fetchall() for role in roles}
    assert open_roles <= {
        "agentledger_owner",
        "agentledger_projector",
        "agentledger_relay",
        "agentledger_tail",
        "agentledger_worker",
        "agentledger_writer",
    }
    cursor = await owner.execute(
        "SELECT tablename FROM pg_policies WHERE schemaname = 'agentledger'"
        " AND (qual = 'true' OR with_check = 'true') AND 'agentledger_worker' = ANY(roles)"
    )
    tables = {row[0] for row in await cursor.fetchall()}
    assert tables == {
        "budget_alerts",
        "mail_outbox",
        "open_bulk_operations",
        "billing_timers",
        "deadlines",
        "due_triggers",
        "open_offboardings",
        "open_executions",
        "price_books",
        "refresh_tokens",
        "reset_tokens",
        "retention",
        "sessions",
        "subject_streams",
        "templates",
        "tenant_standings",
    }


async def fill(owner: AsyncConnection, table: str, tenant_id: UUID) -> None:
    """One row of the tenant, every column filled by its type."""
    shape = await shape_of(owner, table)
    await owner.execute(shape.insert(shape.row(tenant_id)))


async def test_every_table_read_as_another_tenant_or_as_none_is_empty(
    owner: AsyncConnection, database_url: str, master_key: str
) -> None:
    ours, theirs = IDS.new(), IDS.new()
    tables = await tenant_tables(owner)
    for table in tables:
        await fill(owner, table, ours)
    async with await connect(database_url, "api", master_key) as api:
        readable = 0
        for table in tables:
            query = sql.SQL("SELECT count(*) FROM {} WHERE tenant_id = %s").format(named(table))
            counts: dict[str, int | str] = {}
            for name, tenant in (("own", ours), ("other", theirs), ("none", None)):
                try:
                    async with api.transaction():
                        await api.execute(
                            "SELECT set_config('app.tenant_id', %s, true)", (str(tenant or ""),)
                        )
                        row = await (await api.execute(query, (ours,))).fetchone()
                        counts[name] = row[0] if row else -1
                except psycopg.errors.InsufficientPrivilege:
                    counts[name] = "denied"
            assert counts["other"] in {0, "denied"}, table
            assert counts["none"] in {0, "denied"}, table
            readable += counts["own"] == 1
        assert readable >= 8, "the test must have seen the rows it says others cannot see"


async def test_a_row_cannot_be_written_for_another_tenant(
    owner: AsyncConnection, database_url: str, master_key: str
) -> None:
    del owner
    async with await connect(database_url, "api", master_key) as api:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await api.execute(
                "INSERT INTO events (originator_id, originator_version, topic, state, tenant_id)"
                " VALUES (%s, 1, %s, '', %s)",
                (IDS.new(), Tenant.Created.TOPIC, IDS.new()),
            )


async def test_the_tail_sees_places_but_no_payload(database_url: str, master_key: str) -> None:
    async with await connect(database_url, "tail", master_key) as tail:
        await tail.execute("SELECT originator_id, originator_version FROM events LIMIT 1")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await tail.execute("SELECT state FROM events LIMIT 1")


@pytest.mark.parametrize("role", ROLES)
async def test_no_login_role_can_become_the_owner(
    database_url: str, master_key: str, role: Role
) -> None:
    async with await connect(database_url, role, master_key) as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await conn.execute("SET ROLE agentledger_owner")


async def test_the_definer_functions_are_a_known_few_with_a_fixed_search_path(
    owner: AsyncConnection,
) -> None:
    cursor = await owner.execute(
        "SELECT p.proname, r.rolsuper, p.proconfig FROM pg_proc AS p"
        " JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_roles AS r ON r.oid = p.proowner"
        " WHERE n.nspname = 'agentledger' AND p.prosecdef"
    )
    functions = {name: (is_super, config) for name, is_super, config in await cursor.fetchall()}
    assert set(functions) == DEFINERS
    for is_super, config in functions.values():
        assert not is_super
        assert any(setting.startswith("search_path=") for setting in config)
