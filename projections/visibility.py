"""What one person sees of the read models: the functions that row security asks, which have to know
the tables of today.
"""

from collections.abc import Iterator

from psycopg import AsyncConnection, sql

from projections.agents import AGENTS
from projections.executions import EXECUTIONS
from projections.rows import Tables
from projections.table import AnyProjection
from projections.workflows import WORKFLOWS

# With the rights of who asks: they see the row or they do not.
SEES = sql.SQL("""
CREATE OR REPLACE FUNCTION agentledger.{function}(wanted uuid) RETURNS boolean
  LANGUAGE sql STABLE SET search_path = '' AS
$$
  SELECT EXISTS (SELECT FROM agentledger.{table} AS r
                  WHERE r.tenant_id = agentledger.current_tenant() AND r.{column} = wanted)
$$
""")
WITHOUT_POLICY = sql.SQL(
    "SELECT NOT EXISTS (SELECT FROM pg_policies WHERE schemaname = 'agentledger'"
    " AND tablename = {table} AND policyname = 'own_only')"
)


async def close_to_others(conn: AsyncConnection, projections: Iterator[AnyProjection]) -> None:
    """conn: in a transaction as agentledger_owner; all tables are there. Tables that are older than
    their policy get it.
    """
    for function, projection in (
        ("sees_execution", EXECUTIONS),
        ("sees_workflow", WORKFLOWS),
        ("sees_agent", AGENTS),
    ):
        await conn.execute(
            SEES.format(
                function=sql.Identifier(function),
                table=sql.Identifier(projection.table),
                column=sql.Identifier(projection.stream_column),
            )
        )
    for projection in projections:
        tables = Tables(projection, projection.table)
        cursor = await conn.execute(WITHOUT_POLICY.format(table=sql.Literal(tables.name)))
        if await cursor.fetchone() == (True,):
            await conn.execute(tables.own_only)
