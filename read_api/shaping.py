"""From a selection to the SQL expression that is its JSON: PostgreSQL answers in the shape the
client asked for.

    { id total: costUsd nodes { path } }
        -> json_build_object('id', e.execution_id, 'total', trim_scale(...)::text,
                             'nodes', (SELECT json_agg(json_build_object('path', n.path)) FROM ...))

Selections that this cannot say are answered by resolvers, row by row; both must give the same
answer.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString, TypeAlias, cast

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionNode,
    get_named_type,
)

from read_api.columns import Column, Relation, Source

# json_build_object takes 100 arguments.
KEYS_MAX = 50
NAME = re.compile(r"[_A-Za-z][_0-9A-Za-z]*")

Fragments: TypeAlias = Mapping[str, FragmentDefinitionNode]


class Unshapable(Exception):
    """The selection asks for something that is no column or joined row."""


@dataclass(frozen=True, slots=True)
class Field:
    """python_name: what the row of a resolver calls it."""

    python_name: str
    source: Source


@dataclass(frozen=True, slots=True)
class PageShape:
    """What a page of rows is in SQL. alias: of the rows. cursor: the opaque place of a row."""

    alias: LiteralString
    cursor: LiteralString


class Shaper:
    """fields: of every type that has rows, by GraphQL name."""

    def __init__(self, schema: GraphQLSchema, fields: Mapping[str, Mapping[str, Field]]) -> None:
        self._schema = schema
        self._fields = fields

    def row(self, type_name: str) -> LiteralString:
        """Every column of a type, for resolvers: an object with their Python names."""
        pairs: list[LiteralString] = [
            _quoted(field.python_name) + ", " + field.source.sql
            for field in self._fields[type_name].values()
            if isinstance(field.source, Column)
        ]
        return _object(pairs)

    def shape(
        self, type_name: str, nodes: Sequence[FieldNode], fragments: Fragments, *, is_past: bool
    ) -> LiteralString:
        """The selections of `nodes` on one row. is_past: joined rows come from $1. Raises
        Unshapable.
        """
        pairs: list[LiteralString] = []
        for key, members in merged(nodes, fragments).items():
            name = members[0].name.value
            if name == "__typename":
                value = _quoted(type_name) + "::text"
            else:
                value = self._value(type_name, name, members, fragments, is_past=is_past)
            pairs.append(_quoted(key) + ", " + value)
        return _object(pairs)

    def page(
        self, type_name: str, nodes: Sequence[FieldNode], fragments: Fragments, page: PageShape
    ) -> LiteralString:
        """The selections of a connection. Its rows carry `place`, from 1; one more than asked for
        is read.
        """
        node_type = self._node_type(type_name)
        pairs: list[LiteralString] = []
        for key, members in merged(nodes, fragments).items():
            match members[0].name.value:
                case "edges":
                    edge = self._edge(type_name, node_type, members, fragments, page=page)
                    value = _gathered(edge, " FILTER (WHERE " + _is_asked(page) + ")")
                case "pageInfo":
                    value = _page_info(members, fragments, page)
                case "__typename":
                    value = _quoted(type_name) + "::text"
                case _:
                    raise Unshapable
            pairs.append(_quoted(key) + ", " + value)
        return _object(pairs)

    def _value(
        self,
        type_name: str,
        name: str,
        members: Sequence[FieldNode],
        fragments: Fragments,
        *,
        is_past: bool,
    ) -> LiteralString:
        field = self._fields[type_name].get(name)
        if field is None or any(member.arguments for member in members):
            raise Unshapable
        if isinstance(field.source, Column):
            return field.source.sql
        target = self._target(type_name, name)
        # What belongs to a row of the present is of the present too.
        is_inner_past = is_past and field.source.rows_past is not None
        inner = self.shape(target, members, fragments, is_past=is_inner_past)
        return related(field.source, inner, count_max=field.source.count_max, is_past=is_past)

    def _edge(
        self,
        connection: str,
        node_type: str,
        nodes: Sequence[FieldNode],
        fragments: Fragments,
        *,
        page: PageShape,
    ) -> LiteralString:
        pairs: list[LiteralString] = []
        for key, members in merged(nodes, fragments).items():
            match members[0].name.value:
                case "cursor":
                    value = page.cursor
                case "node":
                    value = self.shape(node_type, members, fragments, is_past=False)
                case "__typename":
                    value = _quoted(connection.removesuffix("Connection") + "Edge") + "::text"
                case _:
                    raise Unshapable
            pairs.append(_quoted(key) + ", " + value)
        return _object(pairs)

    def _node_type(self, connection: str) -> str:
        return self._target(self._target(connection, "edges"), "node")

    def _target(self, type_name: str, field_name: str) -> str:
        return named_type(self._object_type(type_name).fields[field_name]).name

    def _object_type(self, name: str) -> GraphQLObjectType:
        found = self._schema.type_map[name]
        assert isinstance(found, GraphQLObjectType)
        return found


def named_type(field: GraphQLField) -> GraphQLNamedType:
    """The type of a field, without its list and non-null."""
    declared = cast("Any", field.type)  # graphql-core types its lists only in part.
    return cast("GraphQLNamedType", get_named_type(declared))


def merged(nodes: Iterable[FieldNode], fragments: Fragments) -> dict[str, list[FieldNode]]:
    """The selections of fields with one response key, by response key.

    Every type here is an object type, so a valid fragment is always on the type at hand.
    Raises Unshapable at a directive.
    """
    found: dict[str, list[FieldNode]] = {}
    for node in nodes:
        if node.selection_set is not None:
            for selected in _flat(node.selection_set.selections, fragments, set()):
                found.setdefault((selected.alias or selected.name).value, []).append(selected)
    return found


def _flat(
    selections: Iterable[SelectionNode], fragments: Fragments, seen: set[str]
) -> Iterator[FieldNode]:
    """The fields, those of fragments among them, each fragment once."""
    for selection in selections:
        if selection.directives:
            raise Unshapable
        match selection:
            case FieldNode():
                yield selection
            case InlineFragmentNode():
                yield from _flat(selection.selection_set.selections, fragments, seen)
            case FragmentSpreadNode() if selection.name.value not in seen:
                seen.add(selection.name.value)
                fragment = fragments[selection.name.value]
                if fragment.directives:
                    raise Unshapable
                yield from _flat(fragment.selection_set.selections, fragments, seen)
            case _:
                pass


def related(
    source: Relation, inner: LiteralString, *, count_max: LiteralString, is_past: bool
) -> LiteralString:
    """The joined rows of one outer row, each as `inner`."""
    rows = source.rows_past if is_past and source.rows_past is not None else source.rows
    if source.order is None:
        return "(SELECT " + inner + " FROM " + rows + ")"
    ordered = "SELECT * FROM " + rows + " ORDER BY " + source.order + " LIMIT " + count_max
    return "(SELECT " + _gathered(inner) + " FROM (" + ordered + ") AS " + source.alias + ")"


def _gathered(inner: LiteralString, condition: LiteralString = "") -> LiteralString:
    return "coalesce(json_agg(" + inner + ")" + condition + ", '[]'::json)"


def _is_asked(page: PageShape) -> LiteralString:
    return page.alias + ".place <= ($1->>'first')::int"


def _page_info(nodes: Sequence[FieldNode], fragments: Fragments, page: PageShape) -> LiteralString:
    place = page.alias + ".place"
    asked = " FILTER (WHERE " + _is_asked(page) + "))[1]"
    values: dict[str, LiteralString] = {
        "hasNextPage": "count(*) > ($1->>'first')::int",
        "hasPreviousPage": "($1->>'after') IS NOT NULL",
        "startCursor": "(array_agg(" + page.cursor + " ORDER BY " + place + ")" + asked,
        "endCursor": "(array_agg(" + page.cursor + " ORDER BY " + place + " DESC)" + asked,
        "__typename": "'PageInfo'::text",
    }
    return _object(
        [
            _quoted(key) + ", " + values[members[0].name.value]
            for key, members in merged(nodes, fragments).items()
        ]
    )


def _object(pairs: Sequence[LiteralString]) -> LiteralString:
    if len(pairs) > KEYS_MAX:
        raise Unshapable
    return "json_build_object(" + ", ".join(pairs) + ")"


def _quoted(name: str) -> LiteralString:
    """A response key as SQL text. The only place where something a client chose becomes part of a
    statement.
    """
    assert NAME.fullmatch(name), name  # The grammar of GraphQL allows nothing else.
    return cast("LiteralString", f"'{name}'")
