"""Every table, as every role, with every verb, in every context: made from the catalogue, so that a
table that is added tomorrow is tested tomorrow.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from psycopg import AsyncConnection, sql

from infra.migrations import LOGIN_ROLES, role_password
from infra.postgres import role_conninfo
from tests.infra.catalogue_rows import Shape, shape_of
from tests.infra.isolation import (
    ATTEMPT,
    CONTEXTS,
    NO_PRIVILEGE,
    OPEN_FOR,
    PRIMARY_KEY,
    SCHEMA,
    VERBS,
    Cell,
    answers_of,
    command_of,
    is_apart,
    tenant_tables,
    violations,
)
from tests.infra.log_steps import IDS

OURS, THEIRS, NOBODY = IDS.new(), IDS.new(), IDS.new()
TENANTS: dict[str, str | None] = {
    "own": str(OURS),
    "other": str(THEIRS),
    "unset": None,
    "empty": "",
    "random": str(NOBODY),
    "garbage": "' OR true --",
}
STRANGER = "isolation_stranger"


@pytest.fixture
async def _filled(database_url: str) -> None:
    """One row of each of two tenants in every table, once for all tests."""
    async with superuser(database_url) as conn:
        if await (
            await conn.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'attempts'")
        ).fetchone():
            return
        await conn.execute(ATTEMPT.encode())
        for table in await tenant_tables(conn):
            shape = await shape_of(conn, f"{SCHEMA}.{table}")
            for tenant_id in (OURS, THEIRS):
                await conn.execute(shape.insert(shape.row(tenant_id)))


@asynccontextmanager
async def superuser(url: str) -> AsyncIterator[AsyncConnection]:
    async with await AsyncConnection.connect(url, autocommit=True) as conn:
        yield conn


@asynccontextmanager
async def logged_in(url: str, role: str, master_key: str) -> AsyncIterator[AsyncConnection]:
    assert role_password(master_key, role)
    conninfo = role_conninfo(url, role, master_key=master_key, statement_timeout_s=20)  # pyright: ignore[reportArgumentType]
    async with await AsyncConnection.connect(conninfo, autocommit=True) as conn:
        yield conn


async def cells_of(conn: AsyncConnection) -> list[Cell]:
    """By the superuser, who sees the rows that others must not."""
    cells: list[Cell] = []
    for table in await tenant_tables(conn):
        shape = await shape_of(conn, f"{SCHEMA}.{table}")
        key = await (await conn.execute(PRIMARY_KEY, (shape.name,))).fetchone()
        assert key is not None, f"{table} has no primary key"
        for context in CONTEXTS:
            for verb, statement in statements(shape, str(key[0])).items():
                cells.append(Cell(table, verb, context, statement.as_string(conn)))
    # While no tenant was ever set on the connection, it is really unset.
    return sorted(
        cells, key=lambda cell: CONTEXTS.index(cell.context) if cell.context != "unset" else -1
    )


def statements(shape: Shape, key: str) -> dict[str, sql.Composed]:
    table, ours, theirs = shape.table, sql.Literal(OURS), sql.Literal(THEIRS)
    name = sql.Identifier(key)
    made = {
        "select": sql.SQL("SELECT FROM {} WHERE tenant_id = {}").format(table, theirs),
        "insert own": shape.insert(shape.row(OURS)),
        "insert foreign": shape.insert(shape.row(THEIRS)),
        "update foreign": sql.SQL(
            "UPDATE {} SET tenant_id = tenant_id WHERE tenant_id = {}"
        ).format(table, theirs),
        "update own to foreign": sql.SQL(
            "UPDATE {} SET tenant_id = {} WHERE tenant_id = {}"
        ).format(table, theirs, ours),
        "delete foreign": sql.SQL("DELETE FROM {} WHERE tenant_id = {}").format(table, theirs),
        "upsert foreign": sql.SQL(
            "{} ON CONFLICT ON CONSTRAINT {} DO UPDATE SET tenant_id = EXCLUDED.tenant_id"
        ).format(shape.insert(shape.row(THEIRS)), name),
        "merge foreign": sql.SQL(
            "MERGE INTO {} AS t USING (VALUES ({})) AS v(id) ON t.tenant_id = v.id"
            " WHEN MATCHED THEN DELETE"
        ).format(table, theirs),
        "truncate": sql.SQL("TRUNCATE {}").format(table),
    }
    assert set(made) == set(VERBS)
    return made


async def broken_cells(
    url: str, role: str, master_key: str, *, tables: frozenset[str] | None = None
) -> list[str]:
    """Where a role that is bound to one tenant reaches another."""
    async with superuser(url) as owner:
        cells = [cell for cell in await cells_of(owner) if not tables or cell.table in tables]
        opened = await (await owner.execute(OPEN_FOR, (f"agentledger_{role}",))).fetchall()
    # A role that serves all tenants is not bound, where a policy says so (test_tenant_isolation.py
    # and isolation.py say which may).
    is_open = {(table, command) for table, command in opened} if role != "api" else set()
    async with logged_in(url, role, master_key) as conn:
        answers = await answers_of(conn, cells, TENANTS)
    return [
        f"{role} {cell.verb} {cell.table} as {cell.context}: {answer}"
        for cell, answer in zip(cells, answers, strict=True)
        if not is_apart(cell.verb, cell.context, answer)
        and (
            cell.verb == "truncate"
            or not {(cell.table, command_of(cell.verb)), (cell.table, "ALL")} & is_open
        )
    ]


async def test_the_catalogue_keeps_tenants_apart(database_url: str) -> None:
    async with superuser(database_url) as conn:
        assert len(await tenant_tables(conn)) >= 20
        assert await violations(conn) == []


@pytest.mark.usefixtures("_filled")
@pytest.mark.parametrize("role", LOGIN_ROLES)
async def test_no_role_reaches_another_tenants_rows(
    database_url: str, master_key: str, role: str
) -> None:
    assert await broken_cells(database_url, role, master_key) == []


@pytest.mark.usefixtures("_filled")
async def test_the_matrix_saw_the_rows_that_it_says_others_cannot_see(
    database_url: str, master_key: str
) -> None:
    async with superuser(database_url) as owner:
        cells = [c for c in await cells_of(owner) if (c.verb, c.context) == ("select", "other")]
    async with logged_in(database_url, "api", master_key) as conn:
        answers = await answers_of(conn, cells, TENANTS)
    # More than the one that was put there, where triggers keep sums of other tables.
    seen = {
        cell.table
        for cell, answer in zip(cells, answers, strict=True)
        if answer.isdigit() and int(answer) >= 1
    }
    denied = {
        cell.table for cell, answer in zip(cells, answers, strict=True) if answer == NO_PRIVILEGE
    }
    assert seen | denied == {cell.table for cell in cells}
    assert len(seen) >= 15


@pytest.mark.usefixtures("_filled")
async def test_a_role_without_grants_reaches_nothing(database_url: str) -> None:
    """PUBLIC has no rights."""
    async with superuser(database_url) as conn:
        cells = await cells_of(conn)
        await conn.execute(f"CREATE ROLE {STRANGER}".encode())
        try:
            await conn.execute(f"SET ROLE {STRANGER}".encode())
            answers = await answers_of(conn, cells, TENANTS)
        finally:
            await conn.execute("RESET ROLE")
            await conn.execute(f"DROP ROLE {STRANGER}".encode())
    assert set(answers) == {NO_PRIVILEGE}


@pytest.mark.usefixtures("_filled")
@pytest.mark.parametrize("tenant", [str(OURS), "", None], ids=["own", "empty", "unset"])
async def test_copying_a_table_out_copies_the_own_tenant(
    database_url: str, master_key: str, tenant: str | None
) -> None:
    async with superuser(database_url) as owner:
        tables = await tenant_tables(owner)
    copied = 0
    async with logged_in(database_url, "api", master_key) as conn:
        for table in tables:
            async with conn.transaction(force_rollback=True):
                if tenant is not None:
                    await conn.execute("SELECT set_config('app.tenant_id', %s, true)", (tenant,))
                text = await copy_of(conn, table)
            assert str(THEIRS) not in text, table
            copied += str(OURS) in text
    assert (copied >= 15) is (tenant == str(OURS))


async def copy_of(conn: AsyncConnection, table: str) -> str:
    statement = sql.SQL("COPY (SELECT * FROM {}) TO STDOUT").format(sql.Identifier(SCHEMA, table))
    granted = await conn.execute("SELECT has_table_privilege(%s, 'SELECT')", (f"{SCHEMA}.{table}",))
    if not (await granted.fetchone() or [False])[0]:
        return ""
    async with conn.cursor().copy(statement) as copy:
        return "".join([bytes(block).decode() async for block in copy])


# Mistakes that somebody may make, and whether the checks above would say so.

MISTAKES = {
    "a table that does not force": "ALTER TABLE agentledger.blobs NO FORCE ROW LEVEL SECURITY",
    "a table without row security": "ALTER TABLE agentledger.blobs DISABLE ROW LEVEL SECURITY",
    "a new table that nobody isolated": "CREATE TABLE agentledger.fresh (tenant_id uuid NOT NULL)",
    "a tenant that may be null": """
        ALTER TABLE agentledger.retention DROP CONSTRAINT retention_pkey;
        ALTER TABLE agentledger.retention ALTER tenant_id DROP NOT NULL""",
    "a key across tenants": "CREATE UNIQUE INDEX oracle ON agentledger.blobs (sha256)",
    "an open policy": "CREATE POLICY oops ON agentledger.blobs TO agentledger_api USING (true)",
    "an open policy in disguise": """
        CREATE POLICY oops ON agentledger.blobs TO agentledger_api
          USING (tenant_id IS NOT NULL)""",
    "a policy for everybody": "CREATE POLICY oops ON agentledger.blobs USING (true)",
    "no floor": "DROP POLICY tenant_floor ON agentledger.blobs",
    "a view with its owner's rights": """
        CREATE VIEW agentledger.all_blobs AS SELECT * FROM agentledger.blobs""",
    "a materialised view": """
        CREATE MATERIALIZED VIEW agentledger.all_blobs AS SELECT * FROM agentledger.blobs""",
    "a definer's function with a free search path": """
        CREATE FUNCTION agentledger.leak() RETURNS bigint LANGUAGE sql SECURITY DEFINER
          AS 'SELECT count(*) FROM agentledger.events';
        REVOKE EXECUTE ON FUNCTION agentledger.leak FROM PUBLIC""",
    "a definer's function for everybody": """
        CREATE FUNCTION agentledger.leak() RETURNS bigint LANGUAGE sql SECURITY DEFINER
          SET search_path = '' AS 'SELECT count(*) FROM agentledger.events'""",
    "a role that bypasses": "RESET ROLE; ALTER ROLE agentledger_api BYPASSRLS",
    "a role that may become another": "RESET ROLE; GRANT agentledger_writer TO agentledger_api",
    "truncating": "GRANT TRUNCATE ON agentledger.events TO agentledger_writer",
    "a grant to everybody": "GRANT SELECT ON agentledger.events TO PUBLIC",
    "a role that creates": "GRANT CREATE ON SCHEMA agentledger TO agentledger_api",
    "a role that owns": "RESET ROLE; ALTER TABLE agentledger.blobs OWNER TO agentledger_writer",
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_the_catalogues_check_finds(database_url: str, mistake: str) -> None:
    async with superuser(database_url) as conn, conn.transaction(force_rollback=True):
        await conn.execute("SET LOCAL ROLE agentledger_owner")
        await conn.execute(MISTAKES[mistake].encode())
        await conn.execute("RESET ROLE")
        assert len(await violations(conn)) >= 1


BREAKS = {
    "row security that is off": (
        "ALTER TABLE agentledger.definitions DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE agentledger.definitions ENABLE ROW LEVEL SECURITY",
    ),
    "an open policy without a floor": (
        """
        DROP POLICY tenant_floor ON agentledger.definitions;
        ALTER POLICY tenant_only ON agentledger.definitions USING (true)""",
        """
        ALTER POLICY tenant_only ON agentledger.definitions
          USING (tenant_id = (SELECT agentledger.current_tenant()));
        CREATE POLICY tenant_floor ON agentledger.definitions AS RESTRICTIVE
          TO agentledger_api, agentledger_worker
          USING (tenant_id = (SELECT agentledger.current_tenant()))""",
    ),
    "a tenant for whoever has none": (
        f"""
        CREATE OR REPLACE FUNCTION agentledger.current_tenant() RETURNS uuid LANGUAGE sql STABLE
          PARALLEL SAFE AS $$ SELECT '{THEIRS}'::pg_catalog.uuid $$""",
        """
        CREATE OR REPLACE FUNCTION agentledger.current_tenant() RETURNS uuid LANGUAGE sql STABLE
          PARALLEL SAFE AS
        $$ SELECT nullif(pg_catalog.current_setting('app.tenant_id', true), '')::pg_catalog.uuid $$
        """,
    ),
}


@pytest.mark.usefixtures("_filled")
@pytest.mark.parametrize("name", BREAKS)
async def test_the_matrix_finds(database_url: str, master_key: str, name: str) -> None:
    breaks, mends = BREAKS[name]
    tables = frozenset({"definitions"})
    assert await broken_cells(database_url, "api", master_key, tables=tables) == []
    async with superuser(database_url) as conn:
        try:
            await conn.execute(breaks.encode())
            found = await broken_cells(database_url, "api", master_key, tables=tables)
        finally:
            await conn.execute(mends.encode())
    assert found != []
    assert await broken_cells(database_url, "api", master_key, tables=tables) == []
