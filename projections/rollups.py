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


def rollup_columns(rollup: Rollup) -> tuple[str, ...]:
    return (*_names(rollup), *rollup.sums)


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
    yield from rollup_triggers(table, rollup)


def rollup_triggers(table: str, rollup: Rollup) -> Iterator[sql.Composed]:
    """Make them, or make them anew. Their statements name the tables, so that they are planned
    once for a session; a table that gets another name needs them again.
    """
    rows = sql.Identifier("agentledger", table)
    function = _function(table, rollup)
    yield sql.SQL(
        "CREATE OR REPLACE FUNCTION {}() RETURNS trigger LANGUAGE plpgsql"
        " SET search_path = pg_catalog AS {}"
    ).format(function, sql.Literal(_body(table, rollup)))
    for operation, tables in (
        ("INSERT", "NEW TABLE AS added"),
        ("UPDATE", "OLD TABLE AS removed NEW TABLE AS added"),
        ("DELETE", "OLD TABLE AS removed"),
    ):
        yield sql.SQL(
            "CREATE OR REPLACE TRIGGER {name} AFTER {operation} ON {rows} REFERENCING {tables}"
            " FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
        ).format(
            name=sql.Identifier(f"roll_up_{rollup.suffix}_{operation.lower()}"),
            operation=_raw([operation]),
            rows=rows,
            tables=_raw([tables]),
            function=function,
        )


def without_rollup(table: str, rollup: Rollup) -> sql.Composed:
    """Once the table is gone, or has other triggers."""
    return sql.SQL("DROP FUNCTION IF EXISTS {}").format(_function(table, rollup))


def _function(table: str, rollup: Rollup) -> sql.Identifier:
    return sql.Identifier("agentledger", f"roll_up_{rollup_name(table, rollup)}")


def _body(table: str, rollup: Rollup) -> str:
    sums = f"agentledger.{rollup_name(table, rollup)}"
    added, removed = "SELECT 1 AS sign, * FROM added", "SELECT -1 AS sign, * FROM removed"
    same_key = " AND ".join(f"r.{name} = changed.{name}" for name in _names(rollup))

    def without_empty(facts: str) -> str:
        return (
            f"  FOR changed IN {_change(rollup, sums, facts)} RETURNING r.* LOOP\n"
            f"   IF changed.{rollup.count} = 0 THEN\n"
            f"    DELETE FROM {sums} AS r WHERE {same_key};\n"
            "   END IF;\n"
            "  END LOOP;\n"
        )

    return (
        "DECLARE changed record;\n"
        "BEGIN\n"
        " IF TG_OP = 'INSERT' THEN\n"
        f"  {_change(rollup, sums, added)};\n"
        " ELSIF TG_OP = 'UPDATE' THEN\n"
        f"{without_empty(f'{added} UNION ALL {removed}')}"
        " ELSE\n"
        f"{without_empty(removed)}"
        " END IF;\n"
        " RETURN NULL;\n"
        "END"
    )


def _change(rollup: Rollup, sums: str, facts: str) -> str:
    """facts: the rows that come (sign 1) and go (sign -1)."""
    select = rollup.select.replace("{facts}", f"({facts})")
    key = ", ".join(_names(rollup))
    columns = ", ".join(rollup_columns(rollup))
    added = ", ".join(f"{one} = r.{one} + EXCLUDED.{one}" for one in rollup.sums)
    return (
        f"INSERT INTO {sums} AS r ({columns}) SELECT {columns} FROM ({select}) AS s"
        f" ORDER BY {key} ON CONFLICT ({key}) DO UPDATE SET {added}"
    )


async def verify_rollup(conn: AsyncConnection, projection: AnyProjection, rollup: Rollup) -> Check:
    """conn: autocommit, sees every tenant."""
    name = rollup_name(projection.table, rollup)
    check = Check(f"{name} is the sum of {projection.table}")
    facts = f"(SELECT 1 AS sign, f.* FROM agentledger.{projection.table} AS f)"
    columns = ", ".join(rollup_columns(rollup))
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
