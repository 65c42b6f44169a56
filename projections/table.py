"""What a read model declares: its table and version, and how events become its rows.

A row belongs to one stream: the events of two streams never touch the same row. That is what lets a
stream be parked, refolded and compared alone. A change of columns or of meaning is a new version: a
new table, rebuilt beside the old one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from types import NoneType
from typing import (
    Annotated,
    Any,
    Generic,
    LiteralString,
    NamedTuple,
    TypeAlias,
    TypeVar,
    get_args,
    get_type_hints,
)
from uuid import UUID

import orjson
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.utils import get_topic

from commands.ports import LoggedEvent
from domain.aggregates import Aggregate
from domain.identifiers import Json

# The types of columns: what a row holds in Python, and the SQL type.
Uuid = Annotated[UUID, "uuid"]
Text = Annotated[str, "text"]
Texts = Annotated[list[str], "text[]"]
Integer = Annotated[int, "integer"]
BigInt = Annotated[int, "bigint"]
Boolean = Annotated[bool, "boolean"]
Instant = Annotated[datetime, "timestamptz"]
# A JSON document as its text: it passes from event to row to reader without being taken apart.
JsonText = Annotated[str, "json"]

Key: TypeAlias = tuple[UUID | str | int, ...]
RowT = TypeVar("RowT", bound=Mapping[str, object])


# For `own`: rows that this person began.
BEGUN_BY_PERSON: LiteralString = "created_by = ANY ((SELECT agentledger.own_actors())::text[])"
# Of a workflow or an agent with this id, that it is shared with them, whatever for.
SHARED_WITH_PERSON: LiteralString = " IN (SELECT agentledger.shared_with_person())"


class RowMissing(Exception):
    """The event changes a row that no earlier event has made."""


class UnexpectedEvent(Exception):
    """The projection lists this event but does not say what becomes of it."""


class Decoded(NamedTuple):
    """A stored event and the domain event in it."""

    logged: LoggedEvent
    fact: DomainEventProtocol[UUID]


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    sql_type: str
    is_nullable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollup:
    """Sums over the rows of many streams, kept beside a projection (projections/rollups.py).

    key: columns with their types, tenant_id first. sums: numeric columns. count: the one that is 0
    when nothing is left. select: all of these from `{facts}`, whose rows have a sign.
    """

    suffix: LiteralString
    key: tuple[LiteralString, ...]
    sums: tuple[LiteralString, ...]
    count: LiteralString
    select: LiteralString


@dataclass(frozen=True, eq=False, kw_only=True)
class Projection(Generic[RowT]):
    """row: a TypedDict of the column types above. key: the primary key, tenant_id first.

    stream_column: the column that holds the stream's id. aggregate, also: whose streams are
    followed.
    events: the event classes that change rows; the others only move the stream's version on.
    overwrites: those of them that say all of their rows, so that what was there is not read.
    sparse_indexes: only of the rows that have something in the second column.
    own: the condition under which a row is seen by whoever sees only what is theirs; see
    infra/migrations/0024_own_rows.sql.
    keys, evolve: pure. keys names the rows an event touches; evolve makes each of them anew, from
    None when there is none. What they raise parks the stream.
    """

    name: str
    version: int
    row: type[RowT]
    key: tuple[str, ...]
    stream_column: str
    aggregate: type[Aggregate]
    events: tuple[type[DomainEventProtocol[UUID]], ...]
    keys: Callable[[Decoded], Sequence[Key]]
    evolve: Callable[[RowT | None, Decoded, Key], RowT]
    own: LiteralString
    indexes: tuple[tuple[str, ...], ...] = ()
    sparse_indexes: tuple[tuple[str, ...], ...] = ()
    rollups: tuple[Rollup, ...] = ()
    overwrites: tuple[type[DomainEventProtocol[UUID]], ...] = ()
    also: tuple[type[Aggregate], ...] = ()

    @cached_property
    def table(self) -> str:
        """The table's name, and the projection's in positions and dead letters."""
        return f"{self.name}_v{self.version}"

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The key first, whatever the row inherits."""
        hints = get_type_hints(self.row, include_extras=True)
        columns = [_column(name, hint) for name, hint in hints.items()]
        return tuple(sorted(columns, key=lambda column: column.name not in self.key))

    @cached_property
    def topics(self) -> frozenset[str]:
        """The topics that change rows."""
        return frozenset(get_topic(event) for event in self.events)

    @cached_property
    def reading_topics(self) -> frozenset[str]:
        """The topics that change what their rows said before."""
        return self.topics - {get_topic(event) for event in self.overwrites}

    @cached_property
    def stream_topics(self) -> frozenset[str]:
        """Every topic of the streams followed."""
        kinds = (self.aggregate, *self.also)
        members = (member for kind in kinds for member in vars(kind).values())
        events = (m for m in members if isinstance(m, type) and hasattr(m, "TOPIC"))
        return frozenset(get_topic(event) for event in events)

    def key_of(self, row: RowT) -> Key:
        return tuple(row[column] for column in self.key)  # pyright: ignore[reportReturnType] # key columns


AnyProjection: TypeAlias = "Projection[Any]"  # What a row holds is known to its own file only.


def stream_key(event: Decoded) -> Sequence[Key]:
    """For read models of one row per stream."""
    return ((event.logged.tenant_id, event.logged.stream_id),)


def present(row: RowT | None) -> RowT:
    """The row that an event changes. Raises RowMissing."""
    if row is None:
        raise RowMissing
    return row


def json_text(value: Json) -> str:
    return orjson.dumps(value).decode()


def uuid_or_none(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)


def instant_or_none(text: str | None) -> datetime | None:
    """Of RFC 3339."""
    return None if text is None else datetime.fromisoformat(text)


def _column(name: str, hint: Any) -> Column:
    parts = get_args(hint)
    if NoneType not in parts:
        return Column(name, str(parts[1]), is_nullable=False)
    (annotated,) = (part for part in parts if part is not NoneType)
    return Column(name, str(get_args(annotated)[1]), is_nullable=True)
