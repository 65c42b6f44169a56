"""From a selection to SQL."""

import pytest
from graphql import FieldNode, FragmentDefinitionNode, OperationDefinitionNode, parse

from read_api.connections import Listing
from read_api.executions import EXECUTIONS
from read_api.schema import build_schema, build_shaper
from read_api.shaping import Fragments, Unshapable, _quoted

SHAPER = build_shaper(build_schema())


def parts(query: str) -> tuple[list[FieldNode], Fragments]:
    """The first root field, and the fragments."""
    definitions = parse(query).definitions
    fragments = {
        node.name.value: node for node in definitions if isinstance(node, FragmentDefinitionNode)
    }
    (operation,) = (node for node in definitions if isinstance(node, OperationDefinitionNode))
    (root,) = operation.selection_set.selections
    assert isinstance(root, FieldNode)
    return [root], fragments


def shaped(selection: str, *, is_past: bool = False) -> str:
    nodes, fragments = parts(selection)
    return SHAPER.shape("Execution", nodes, fragments, is_past=is_past)


def page(selection: str, listing: Listing = EXECUTIONS) -> str:
    nodes, fragments = parts(selection)
    return SHAPER.page(listing.type_name + "Connection", nodes, fragments, listing.page_shape)


def test_a_column_is_said_under_the_name_the_client_gave_it() -> None:
    expected = "json_build_object('id', e.execution_id, 'state', e.status)"
    assert shaped("{ execution { id state: status } }") == expected


def test_money_is_made_in_sql() -> None:
    assert "trim_scale(e.cost_usd_pico * 0.000000000001)::text" in shaped("{ e { costUsd } }")


def test_fragments_are_laid_flat_and_repeated_fields_merged() -> None:
    split = "{ e { ...A ... { id } nodes { path } nodes { type } } } fragment A on Execution { id }"
    assert shaped(split) == shaped("{ e { id nodes { path type } } }")


def test_joined_rows_are_gathered_in_order_and_bounded() -> None:
    sql = shaped("{ e { nodes { path } } }")
    assert sql == (
        "json_build_object('nodes', (SELECT coalesce(json_agg(json_build_object('path', n.path)),"
        " '[]'::json) FROM (SELECT * FROM node_runs_v4 AS n WHERE n.execution_id = e.execution_id"
        " ORDER BY n.ordinal, n.path LIMIT 10000) AS n))"
    )


def test_time_travel_takes_nodes_from_the_parameters_and_workflows_from_the_table() -> None:
    sql = shaped("{ e { nodes { path } workflow { name } } }", is_past=True)
    assert "json_to_recordset(($1->>'nodes')::json)" in sql
    assert "FROM workflows_v1 AS w" in sql


def test_a_page_reads_no_cursor_that_nobody_asked_for() -> None:
    assert "encode" not in page("{ executions { edges { node { id } } pageInfo { hasNextPage } } }")
    assert "encode" in page("{ executions { edges { cursor } } }")


@pytest.mark.parametrize("selection", [
    "{ e { id @include(if: true) } }",
    "{ e { ... @skip(if: false) { id } } }",
    "{ e { ...A @include(if: true) } } fragment A on Execution { id }",
    "{ e { workflow { versions(first: 3) { name } } } }",
    "{ e { " + " ".join(f"a{n}: id" for n in range(51)) + " } }",
])  # fmt: skip
def test_what_depends_on_variables_or_is_too_wide_is_left_to_resolvers(selection: str) -> None:
    with pytest.raises(Unshapable):
        shaped(selection)


def test_nothing_but_a_name_becomes_part_of_a_statement() -> None:
    for text in ("a'b", "a b", "", "1a", "a\n"):
        with pytest.raises(AssertionError):
            _quoted(text)
