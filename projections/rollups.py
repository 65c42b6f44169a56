"""Sums beside a read model, kept by triggers of its table: whatever changes the rows (the
projector, a rebuild, an erasure) changes the sums in the same transaction, by the difference.

    <table> ── statement trigger, old and new rows ──► <table>_<suffix>, one row per key

Rows of a rollup are summed over many streams, which rows of a projection are not. Two projectors
may add to the same row; each statement takes its rows in the order of their keys.
"""

from collections.abc import Iterator
from typing import LiteralString

from psycopg import AsyncConnection, sql

from infra.verification import Check
from projections.table import AnyProjection, Rollup


def rollup_name(table: str, rollup: Rollup) -> str:
    return f"{table}_{rollup.suffix}"


def rollup_definitions(table: str, rollup: Rollup, own: LiteralString) -> Iterator[sql.Composed]:
    """The rollup of a table that is there, and the triggers on it. conn: as agentledger_owner."""
    name = sql.Identifier("agentledger", rollup_name(table, rollup))
    columns = [f"{column} NOT NULL" for column in rollup.key]
    columns += [f"{column} numeric NOT NULL" for column in rollup.sums]
    yield sql.SQL("CREATE TABLE {} ({}, PRIMARY KEY ({})) WITH (fillfactor = 80)").format(
        name, _raw(columns), _raw(_names(rollup))
    )
    yield sql.SQL("SELECT agentledger.isolate({}, 'api')").format(sql.Literal(name.as_string(None)))
    yield sql.SQL(
        "CREATE POLICY projector_keeps ON {} FOR ALL"
        " TO agentledger_projector, agentledger_owner USING (true) WITH CHECK (true)"
    ).format(name)
    yield sql.SQL(
        "CREATE POLICY own_only ON {} AS RESTRICTIVE FOR SELECT TO agentledger_api"
        " USING ((SELECT agentledger.current_person()) IS NULL OR ({}))"
    ).format(name, sql.SQL(own))
    yield sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO agentledger_projector").format(
        name
    )
    yield sql.SQL("GRANT SELECT ON {} TO agentledger_api").format(name)
    yield from _triggers(table, rollup)


def _triggers(table: str, rollup: Rollup) -> Iterator[sql.Composed]:
    """A table that is renamed takes its triggers along, and finds its rollup by its own name."""
    rows = sql.Identifier("agentledger", table)
    function = sql.Identifier("agentledger", f"roll_up_{rollup.suffix}")
    yield sql.SQL(
        "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql"
        " SET search_path = pg_catalog AS $rollup$"
        " DECLARE"
        "  sums text := format('agentledger.%I', TG_TABLE_NAME || {suffix});"
        "  facts text := CASE TG_OP"
        "   WHEN 'INSERT' THEN '(SELECT 1 AS sign, * FROM added)'"
        "   WHEN 'DELETE' THEN '(SELECT -1 AS sign, * FROM removed)'"
        "   ELSE '(SELECT 1 AS sign, * FROM added UNION ALL SELECT -1, * FROM removed)' END;"
        "  is_idle boolean;"
        " BEGIN"
        # An upsert calls the triggers of both INSERT and UPDATE, one of them mostly for nothing.
        "  IF TG_OP = 'DELETE' THEN is_idle := NOT EXISTS (SELECT FROM removed);"
        "  ELSE is_idle := NOT EXISTS (SELECT FROM added); END IF;"
        "  IF is_idle THEN RETURN NULL; END IF;"
        "  EXECUTE format({change}, sums, facts);"
        "  IF TG_OP <> 'INSERT' THEN"
        "   EXECUTE format({clear}, sums);"
        "  END IF;"
        "  RETURN NULL;"
        " END $rollup$"
    ).format(
        function=function,
        suffix=sql.Literal(f"_{rollup.suffix}"),
        change=sql.Literal(_change(rollup)),
        clear=sql.Literal(
            f"DELETE FROM %1$s WHERE {rollup.count} = 0"
            " AND tenant_id IN (SELECT tenant_id FROM removed)"
        ),
    )
    for operation, tables in (
        ("INSERT", "NEW TABLE AS added"),
        ("UPDATE", "OLD TABLE AS removed NEW TABLE AS added"),
        ("DELETE", "OLD TABLE AS removed"),
    ):
        yield sql.SQL(
            "CREATE TRIGGER {name} AFTER {operation} ON {rows} REFERENCING {tables}"
            " FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        ).format(
            name=sql.Identifier(f"roll_up_{rollup.suffix}_{operation.lower()}"),
            operation=_raw([operation]),
            rows=rows,
            tables=_raw([tables]),
            function=function,
        )


def _change(rollup: Rollup) -> str:
    """%1$s: the rollup; %2$s: the rows that come (sign 1) and go (sign -1)."""
    select = rollup.select.replace("%", "%%").replace("{facts}", "%2$s")
    key = ", ".join(_names(rollup))
    columns = ", ".join((*_names(rollup), *rollup.sums))
    sums = ", ".join(f"{one} = r.{one} + EXCLUDED.{one}" for one in rollup.sums)
    return (
        f"INSERT INTO %1$s AS r ({columns}) SELECT {columns} FROM ({select}) AS s"
        f" ORDER BY {key} ON CONFLICT ({key}) DO UPDATE SET {sums}"
    )


async def verify_rollup(conn: AsyncConnection, projection: AnyProjection, rollup: Rollup) -> Check:
    """conn: autocommit, sees every tenant."""
    name = rollup_name(projection.table, rollup)
    check = Check(f"{name} is the sum of {projection.table}")
    facts = f"(SELECT 1 AS sign, f.* FROM agentledger.{projection.table} AS f)"
    columns = ", ".join((*_names(rollup), *rollup.sums))
    summed = _select(columns, f"({rollup.select.replace('{facts}', facts)}) AS s")
    kept = _select(columns, f"agentledger.{name}")
    row = await (await conn.execute(_COUNT.format(kept))).fetchone()
    check.checked = int(row[0]) if row else 0
    for sense, one, other in (("is not so", kept, summed), ("is missing", summed, kept)):
        found = await conn.execute(_DIFFERENCE.format(one, other))
        for key in await found.fetchall():
            check.violated(f"{' '.join(map(str, key))} {sense}")
    return check


_COUNT = sql.SQL("SELECT count(*) FROM ({}) AS k")
_DIFFERENCE = sql.SQL("({}) EXCEPT ({}) LIMIT 20")


def _select(columns: str, rows: str) -> sql.Composed:
    return sql.SQL("SELECT {} FROM {}").format(_raw([columns]), _raw([rows]))


def _names(rollup: Rollup) -> list[str]:
    return [column.partition(" ")[0] for column in rollup.key]


def _raw(parts: list[str]) -> sql.SQL:
    """Names and expressions that stand in the source of a projection."""
    return sql.SQL(", ".join(parts))  # pyright: ignore[reportArgumentType] # never from outside
