"""Read models that a release brings new, or in another shape: which of them are still to be filled
from the log. A rebuild fills them, and says so by leaving what is looked for here; so whoever was
stopped half way finds them again.
"""

from collections.abc import Mapping
from typing import LiteralString

from psycopg import AsyncConnection

from projections.catalogue import PROJECTIONS
from projections.rollups import rollup_columns, rollup_name
from projections.table import AnyProjection

# fmt: off
BEGUN: LiteralString = (
    "SELECT DISTINCT projection FROM agentledger.projection_positions WHERE cursor <> ''"
)
COLUMNS: LiteralString = (
    "SELECT c.relname::text, array_agg(a.attname::text) FROM pg_class AS c"
    " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
    " WHERE c.relnamespace = 'agentledger'::regnamespace AND c.relkind = 'r' GROUP BY c.oid"
)
# fmt: on


async def unfilled(conn: AsyncConnection) -> list[AnyProjection]:
    """Those whose tables were made of another declaration than they have now, and those that have
    applied nothing where others have. conn: sees the catalogue and the positions.
    """
    begun = {str(name) for (name,) in await (await conn.execute(BEGUN)).fetchall()}
    tables = await columns_of_tables(conn)
    return [
        projection
        for projection in PROJECTIONS
        if (begun and projection.table not in begun) or not fits(projection, tables)
    ]


async def columns_of_tables(conn: AsyncConnection) -> dict[str, frozenset[str]]:
    """Of every table there is, by its name."""
    found = await (await conn.execute(COLUMNS)).fetchall()
    return {name: frozenset(columns) for name, columns in found}


def fits(projection: AnyProjection, tables: Mapping[str, frozenset[str]]) -> bool:
    """Whether its tables have the columns that it declares."""
    declared = {projection.table: frozenset(column.name for column in projection.columns)}
    for rollup in projection.rollups:
        declared[rollup_name(projection.table, rollup)] = frozenset(rollup_columns(rollup))
    return all(tables.get(name) == columns for name, columns in declared.items())
