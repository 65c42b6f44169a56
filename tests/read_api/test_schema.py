"""The schema as it is published: a change of it is a visible change of a golden file.

`python -m tests.read_api.test_schema` writes the file anew.
"""

from pathlib import Path

from graphql import GraphQLNamedType, GraphQLObjectType, get_named_type

from read_api.columns import Relation
from read_api.root_fields import ROOT_FIELDS
from read_api.schema import build_schema, build_shaper

GOLDEN = Path(__file__).parent.parent / "golden" / "schema.graphql"
SCHEMA = build_schema()


def test_the_schema_is_the_published_one() -> None:
    assert SCHEMA.as_str() + "\n" == GOLDEN.read_text("utf-8")


def test_every_root_field_declares_the_scope_it_requires() -> None:
    graphql = SCHEMA._schema
    roots = (graphql.query_type, graphql.subscription_type)
    served = {name for root in roots if root is not None for name in root.fields}
    declared = {name for name in ROOT_FIELDS if not name.startswith("__")}
    assert served == declared
    assert all(rule.scope for rule in ROOT_FIELDS.values())


def test_nothing_can_be_written() -> None:
    assert SCHEMA._schema.mutation_type is None


# A page of its own below each row, which nobody asks for but of a few; and the way to one row.
ON_THE_SLOW_PATH = {("CreditNote", "lines"), ("Invoice", "line"), ("InvoiceLine", "facts")}


def test_a_type_with_sql_has_sql_for_each_of_its_fields() -> None:
    """A field without would send every query that asks for it down the slow path, silently."""
    fields = build_shaper(SCHEMA)._fields
    shaped = {name: known for name, known in fields.items() if known}
    assert "Execution" in shaped
    for name, known in shaped.items():
        graphql_type = SCHEMA._schema.type_map[name]
        assert isinstance(graphql_type, GraphQLObjectType)
        slow = {field for owner, field in ON_THE_SLOW_PATH if owner == name}
        assert set(graphql_type.fields) - slow == set(known), name
        for field_name, field in known.items():
            target: GraphQLNamedType = get_named_type(graphql_type.fields[field_name].type)
            assert isinstance(field.source, Relation) is isinstance(target, GraphQLObjectType)


if __name__ == "__main__":
    GOLDEN.write_text(SCHEMA.as_str() + "\n", "utf-8")
