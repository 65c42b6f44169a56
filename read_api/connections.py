"""Relay connections, newest first: ids are UUIDv7, so their order is the order of creation."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, LiteralString, TypeVar, cast
from uuid import UUID

import orjson
import strawberry

from read_api.context import ReadInfo, Row
from read_api.errors import refuse
from read_api.limits import PAGE_SIZE_DEFAULT, ReadLimits
from read_api.shaping import PageShape

Node = TypeVar("Node")
CURSOR_BYTES = 16


@strawberry.type
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@strawberry.type
class Edge(Generic[Node]):
    cursor: str
    node: Node


@strawberry.type
class Connection(Generic[Node]):
    edges: list[Edge[Node]]
    page_info: PageInfo


@dataclass(frozen=True, slots=True)
class OneOf:
    """A condition that a column is one of a few values, of which each is looked for by itself: an
    index on it then gives the order too, where all at once would walk through every row to find
    rare ones. values: a query of them.
    """

    column: LiteralString
    values: LiteralString


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows that can be found one by one and listed. table: `name AS alias`. key: the id's column.

    condition: what every visible row fulfils. own: what the rows of a page fulfil for who sees only
    their own, where nothing else is asked of them: row security decides what is seen, and this lets
    an index find it.
    """

    type_name: str
    alias: LiteralString
    table: LiteralString
    key: LiteralString
    condition: LiteralString = "true"
    own: LiteralString | None = None

    @property
    def place(self) -> LiteralString:
        return self.alias + "." + self.key

    @property
    def page_shape(self) -> PageShape:
        bytes_of_id = "encode(uuid_send(" + self.place + "), 'base64')"
        cursor = "translate(rtrim(" + bytes_of_id + ", '='), '+/', '-_')"
        return PageShape(self.alias, cursor)


async def read_one(
    info: ReadInfo, listing: Listing, id_text: str, make: Callable[..., Node]
) -> Node | None:
    """One row by its id, as the client selected it; None when there is none, or it is another
    tenant's.
    """
    row_id = uuid_or_none(id_text)
    if row_id is None:
        return None
    rows = (
        " FROM " + listing.table + " WHERE " + listing.place + " = ($1->>'id')::uuid"
        " AND " + listing.condition
    )
    return await read_row(info, listing.type_name, rows, {"id": str(row_id)}, make=make)


async def read_row(
    info: ReadInfo,
    type_name: str,
    rows: LiteralString,
    params: Mapping[str, object],
    *,
    make: Callable[..., Node],
    is_past: bool = False,
) -> Node | None:
    """The row that `rows` (from FROM on) finds, shaped by PostgreSQL if that can be, else as an
    object.
    """
    context = info.context
    key = str(info.path.key)
    shape = context.document.shape(
        key, lambda nodes, parts: context.shaper.shape(type_name, nodes, parts, is_past=is_past)
    )
    if shape is not None:
        return fragment(await context.json("SELECT " + shape + rows, params, is_kept=not is_past))
    row = await context.loaded("SELECT " + context.shaper.row(type_name) + rows, params)
    return None if row is None else make(**row)


async def read_page(
    info: ReadInfo,
    listing: Listing,
    make: Callable[..., Node],
    *,
    first: int | None,
    after: str | None,
    conditions: Sequence[LiteralString] = (),
    one_of: OneOf | None = None,
    params: Mapping[str, object] | None = None,
) -> Connection[Node]:
    """A page of the rows that fulfil all conditions; $1 holds `params`, and first and after."""
    context = info.context
    size = first or PAGE_SIZE_DEFAULT
    asked = {
        **(params or {}),
        "first": size,
        "after": None if after is None else str(cursor_id(after)),
    }
    # What is filtered by decides what plan is best.
    is_kept = not conditions and one_of is None
    if listing.own is not None and is_kept and context.caller.reads_as is not None:
        conditions = (listing.own,)
    wanted: list[LiteralString] = [listing.condition, *conditions]
    if after is not None:
        wanted.append(listing.place + " < ($1->>'after')::uuid")
    page = _page_query(listing, wanted, one_of, size=size)
    shape = context.document.shape(
        str(info.path.key),
        lambda nodes, parts: context.shaper.page(
            listing.type_name + "Connection", nodes, parts, listing.page_shape
        ),
    )
    if shape is not None:
        # One row, also of a page of which nothing is asked that is gathered from its rows.
        query = "SELECT " + shape + page + " HAVING true"
        return fragment(await context.json(query, asked, is_kept=is_kept))
    row = (
        "json_build_array("
        + listing.page_shape.cursor
        + ", "
        + context.shaper.row(listing.type_name)
        + ")"
    )
    rows: list[tuple[str, Row]] = await context.loaded("SELECT json_agg(" + row + ")" + page, asked)
    return connection(
        [Edge(cursor=cursor, node=make(**row)) for cursor, row in rows or ()],
        size=size,
        is_after=after is not None,
    )


def connection(edges: list[Edge[Node]], *, size: int, is_after: bool) -> Connection[Node]:
    """edges: one more than asked for, if there are more."""
    asked = edges[:size]
    info = PageInfo(
        has_next_page=len(edges) > size,
        has_previous_page=is_after,
        start_cursor=asked[0].cursor if asked else None,
        end_cursor=asked[-1].cursor if asked else None,
    )
    return Connection(edges=asked, page_info=info)


def fragment(text: bytes | None) -> Any:
    """JSON that is sent as it is (read_api/executor.py); to a resolver's signature it is whatever
    it stands for.
    """
    return None if text is None else orjson.Fragment(text)


def cursor_id(cursor: str) -> UUID:
    """The id in a cursor. Raises RequestRefused."""
    try:
        raw = base64.urlsafe_b64decode(cursor + "==")
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != CURSOR_BYTES:
        raise refuse("bad_cursor", "`after` is not a cursor of this list.")
    return UUID(bytes=raw)


def cursor_of(row_id: UUID) -> str:
    return base64.urlsafe_b64encode(row_id.bytes).decode().rstrip("=")


def uuid_or_none(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def uuid_or_nobody(text: str) -> str:
    """For conditions: what is no id matches no row."""
    return str(uuid_or_none(text) or UUID(int=0))


def _page_query(
    listing: Listing, conditions: Sequence[LiteralString], one_of: OneOf | None, *, size: int
) -> LiteralString:
    """size: written out, for a plan for any page would be one for a tenth of all rows."""
    alias, order = listing.alias, " ORDER BY " + listing.place + " DESC"
    limit = " LIMIT " + cast("LiteralString", str(size + 1))
    rows = listing.table + " WHERE " + " AND ".join(conditions)
    if one_of is not None:
        each = "SELECT " + alias + ".* FROM " + rows + " AND " + one_of.column + " = wanted.value"
        values = "(" + one_of.values + ") AS wanted (value)"
        rows = values + ", LATERAL (" + each + order + limit + ") AS " + alias
    return (
        " FROM (SELECT " + alias + ".*, row_number() OVER (" + order + ") AS place"
        " FROM " + rows + order + limit + ") AS " + alias
    )


def check_page(arguments: Mapping[str, Any], _limits: ReadLimits) -> None:
    """Raises RequestRefused when `after` is no cursor."""
    if arguments.get("after") is not None:
        cursor_id(arguments["after"])
