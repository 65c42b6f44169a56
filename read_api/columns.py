"""What a GraphQL field is in SQL: declared beside the field, so that types, schema and statements
are one list.

Every type has a fixed table alias, and the expressions of its fields use it: `e.status` is
Execution's status.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, LiteralString

import strawberry

SQL = "agentledger.sql"


@dataclass(frozen=True, slots=True)
class Column:
    """sql: an expression whose JSON is the field's value."""

    sql: LiteralString


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """Rows of another type that belong to a row of this one.

    outer, key: the outer row's alias and the column of it that rows are found by.
    rows: what follows FROM, joined to the outer row. alias: what it calls them.
    rows_past: the same for time travel, where rows come from $1; None: the tables' present rows are
    meant.
    order: None when it is at most one row. count_max: of a list.
    """

    outer: LiteralString
    key: LiteralString
    alias: LiteralString
    rows: LiteralString
    rows_past: LiteralString | None = None
    order: LiteralString | None = None
    count_max: LiteralString = "1"


Source = Column | Relation


def column(sql: LiteralString, description: str | None = None) -> Any:
    """A field that PostgreSQL computes; to a type checker a default, as strawberry.field is."""
    return strawberry.field(metadata={SQL: Column(sql)}, description=description)


def relation(to: Relation, description: str | None = None) -> Callable[[Callable[..., Any]], Any]:
    """For the resolver that answers when the rows were not shaped by PostgreSQL."""

    def decorate(resolver: Callable[..., Any]) -> Any:
        return strawberry.field(resolver, metadata={SQL: to}, description=description)

    return decorate


def source_of(metadata: Mapping[Any, Any]) -> Source | None:
    return metadata.get(SQL)


def money(pico: LiteralString) -> LiteralString:
    """The exact decimal string in USD of an integer count of pico-USD: 1500000000000 -> "1.5"."""
    return "trim_scale(" + pico + " * 0.000000000001)::text"


def usd_text(usd: Decimal) -> str:
    """As `money` writes it."""
    return f"{usd.normalize():f}" if usd else "0"
