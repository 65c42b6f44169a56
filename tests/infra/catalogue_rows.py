"""Rows that nobody wrote: whatever the catalogue says a table takes, so that a new table is covered
without being listed.
"""

import re
from dataclasses import dataclass
from uuid import UUID

from psycopg import AsyncConnection, sql

from tests.infra.log_steps import IDS

# Columns whose checks a value of their type alone would break, by the literals of the check.
ONE_OF = re.compile(r"\((\w+) = ANY \(ARRAY\[(.+?)\]\)\)")
LITERAL = re.compile(r"'((?:[^']|'')*)'")
LENGTH = re.compile(r"\((?:octet_)?length\((\w+)\) = (\d+)\)")

COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
 WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
   AND attidentity = ''
"""
CHECKS = """
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'c'
"""


class NoValue(Exception):
    """The generator does not know this type: teach it, or the table is tested by nobody."""


@dataclass(frozen=True)
class Shape:
    """What a table takes. name: as the catalogue prints it, with its schema."""

    name: str
    columns: tuple[tuple[str, str], ...]
    checks: tuple[str, ...]

    @property
    def table(self) -> sql.Identifier:
        return sql.Identifier(*self.name.split("."))

    def row(self, tenant_id: UUID) -> dict[str, object]:
        """A new row of the tenant. Raises NoValue."""
        row = {name: _value(kind) for name, kind in self.columns}
        for check in self.checks:
            for name, literals in ONE_OF.findall(check):
                row[name] = LITERAL.findall(literals)[0]
            for name, length in LENGTH.findall(check):
                filler = b"\x01" if isinstance(row[name], bytes) else "x"
                row[name] = filler * int(length)
        return {**row, "tenant_id": tenant_id}

    def insert(self, row: dict[str, object]) -> sql.Composed:
        """With the values in it, for a statement that takes no parameters."""
        names = sql.SQL(", ").join(sql.Identifier(name) for name in row)
        values = sql.SQL(", ").join(sql.Literal(value) for value in row.values())
        return sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(self.table, names, values)


async def shape_of(conn: AsyncConnection, name: str) -> Shape:
    columns = await (await conn.execute(COLUMNS, (name,))).fetchall()
    checks = await (await conn.execute(CHECKS, (name,))).fetchall()
    return Shape(
        name, tuple((str(n), str(t)) for n, t in columns), tuple(str(c) for (c,) in checks)
    )


def _value(kind: str) -> object:
    if kind.endswith("[]"):
        return "{}"
    made: dict[str, object] = {
        "uuid": IDS.new(),
        "text": str(IDS.new()),
        "bytea": IDS.new().bytes,
        "bigint": 1,
        "integer": 1,
        "smallint": 1,
        "double precision": 1.0,
        "numeric": 1,
        "boolean": False,
        "date": "2026-01-01",
        "inet": "192.0.2.1",
        "cidr": "192.0.2.0/24",
        "json": "{}",
        "jsonb": "{}",
        "interval": "1 second",
        "timestamp with time zone": "2026-01-01T00:00:00Z",
        "xid8": "1",
        "vector": "[1,0]",
    }
    if kind not in made:
        raise NoValue(kind)
    return made[kind]
