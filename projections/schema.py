"""Makes the tables of every read model where they are missing."""

from psycopg import AsyncConnection

from infra.crash_points import reach
from projections.attention import CREATE_ATTENTION
from projections.catalogue import PROJECTIONS
from projections.filling import columns_of_tables, fits
from projections.lag import CREATE_LAG, CREATE_REBUILDS
from projections.rows import Tables
from projections.unsettled import CREATE_UNSETTLED
from projections.visibility import close_to_others

SCHEMA_LOCK = 0x6167_6C70  # "aglp": two migrations at once wait for each other.


INDEXED = """
SELECT array_agg(a.attname::text ORDER BY k.place)
  FROM pg_index AS i, unnest(i.indkey) WITH ORDINALITY AS k (number, place)
  JOIN pg_attribute AS a ON a.attnum = k.number
 WHERE i.indrelid = %s::regclass AND a.attrelid = i.indrelid
 GROUP BY i.indexrelid
"""


async def create_missing_tables(conn: AsyncConnection) -> list[str]:
    """The names of the tables made. Idempotent, and safe from several processes at once.

    conn: in autocommit, may take the role agentledger_owner.
    """
    created: list[str] = []
    async with conn.transaction():
        await conn.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
        await conn.execute("SET LOCAL ROLE agentledger_owner")
        await conn.execute(CREATE_REBUILDS)
        await conn.execute(CREATE_LAG)
        present = await columns_of_tables(conn)
        for projection in PROJECTIONS:
            tables = Tables(projection, projection.table)
            if projection.table not in present:
                await tables.create(conn)
                created.append(tables.name)
            elif fits(projection, present):
                # Else it is made anew, with its indexes, when it is filled.
                await _create_missing_indexes(conn, tables)
        await close_to_others(conn, iter(PROJECTIONS))
        await conn.execute(CREATE_ATTENTION)
        await conn.execute(CREATE_UNSETTLED)
        await conn.execute("RESET ROLE")
        reach("schema.before_commit")
    reach("schema.after_commit")
    return created


async def _create_missing_indexes(conn: AsyncConnection, tables: Tables) -> None:
    """Those that are newer than the table: an index changes no row, so no new version is filled."""
    rows = await (await conn.execute(INDEXED, (tables.rows.as_string(None),))).fetchall()
    present = {tuple(columns) for (columns,) in rows}
    for columns, statement in tables.indexes():
        if columns not in present:
            await conn.execute(statement)
