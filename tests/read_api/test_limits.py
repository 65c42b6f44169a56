"""What a document may ask for, and the code of the error when it asks for more."""

from typing import Any

import pytest
from graphql import get_introspection_query

from infra.authentication import Caller
from read_api.documents import Documents
from read_api.errors import RequestRefused, formatted
from read_api.limits import ReadLimits
from read_api.root_fields import check_root_field
from read_api.schema import build_schema
from tests.projections.histories import IDS, a_tenant

SCHEMA = build_schema()._schema
PAGE = "query($n: Int) { executions(first: $n) { edges { node { id } } } }"
STATS = 'executionStats(from: "2026-01-01T00:00:00Z", to: "2026-01-02T00:00:00Z") { total }'
NODES = "executions(first: %s) { edges { node { nodes { input output } } } }"


def documents(*, is_introspection_allowed: bool = True, **limits: Any) -> Documents:
    return Documents(
        SCHEMA, ReadLimits(**limits), is_introspection_allowed=is_introspection_allowed
    )


def code_of(query: str, variables: dict[str, object] | None = None, **limits: Any) -> str | None:
    """None: the query is served."""
    known = documents(**limits)
    try:
        document = known.read(query)
        known.check_cost(document, known.variables(document, variables or {}))
    except RequestRefused as refused:
        error: dict[str, Any] = dict(formatted(refused.errors[0], IDS.new()))
        return error["extensions"]["code"]
    return None


def fragments(count: int, body: str) -> str:
    return " ".join(f"fragment F{n} on Execution {{ {body} }}" for n in range(count))


@pytest.mark.parametrize(("query", "code"), [
    ("{ tenant { name } }", None),
    ("{ tenant { name }", "graphql_syntax"),
    ("", "graphql_syntax"),
    ("{ tenant { nam } }", "graphql_validation"),
    ("{ tenant { name } } { tenant { name } }", "one_operation"),
    ("query A { tenant { name } } query B { tenant { name } }", "one_operation"),
    ("fragment F on Tenant { name }", "one_operation"),
    ("mutation { tenant { name } }", "graphql_validation"),
    ("{ " + "tenant { name } " * 4 + "}", "too_many_repeats"),
    ("{ tenant { " + "name " * 4 + "} }", "too_many_repeats"),
    ("{ " + "".join(f"a{n}: tenant {{ name }} " for n in range(11)) + "}", "too_many_root_fields"),
    ("{ tenant { " + "".join(f"a{n}: name " for n in range(31)) + "} }", "too_many_aliases"),
    ("{ tenant { " + "".join(f"a{n}: name " for n in range(30)) + "} }", None),
    ("{ " + "...{ " * 50 + "__typename" + " }" * 50 + " }", "too_deep"),
    ("{ tenant { " + "name " * 2000 + "} }", "graphql_syntax"),
    ("{ tenant" + " { tenant" * 600 + " }" * 601, "graphql_syntax"),
    ("{ execution(id: 1) { ...A } } fragment A on Execution { ...A }", "graphql_validation"),
    ("{ execution(id: 1) { ...F0 } } " + fragments(51, "id"), "too_many_fragments"),
])  # fmt: skip
def test_the_form_of_a_document_is_bounded(query: str, code: str | None) -> None:
    assert code_of(query) == code


def test_depth_is_counted_through_fragments() -> None:
    deep = """{ executions { edges { node { ...A } } } }
      fragment A on Execution { workflow { ...B } } fragment B on Workflow { versions { name } }"""
    assert code_of(deep, depth_max=6) is None
    assert code_of(deep, depth_max=5) == "too_deep"


def test_the_standard_introspection_query_is_served() -> None:
    assert code_of(get_introspection_query(descriptions=True, input_value_deprecation=True)) is None


def test_introspection_can_be_turned_off_together_with_suggestions() -> None:
    closed = documents(is_introspection_allowed=False)
    for query in ("{ __schema { types { name } } }", '{ __type(name: "Query") { name } }'):
        with pytest.raises(RequestRefused, match="introspection"):
            closed.read(query)
    closed.read("{ tenant { __typename } }")
    for known, suggests in ((closed, False), (documents(), True)):
        with pytest.raises(RequestRefused) as refused:
            known.read("{ tenant { nam } }")
        assert ("Did you mean" in str(refused.value)) is suggests


@pytest.mark.parametrize(("query", "variables", "code"), [
    ("{ executions(first: 200) { edges { node { id input output error } } } }", {}, None),
    ("{ executions(first: 201) { edges { node { id } } } }", {}, "bad_page_size"),
    ("{ executions(first: 0) { edges { node { id } } } }", {}, "bad_page_size"),
    ("{ executions(first: -1) { edges { node { id } } } }", {}, "bad_page_size"),
    ("{ executions(first: null) { edges { node { id } } } }", {}, None),
    (PAGE, {"n": 201}, "bad_page_size"),
    (PAGE, {"n": None}, None),
    (PAGE.replace("Int", "Int = 300"), {}, "bad_page_size"),
    (PAGE, {"n": "x"}, "graphql_validation"),
    (PAGE.replace("Int", "Int!"), {}, "graphql_validation"),
    ("{ executions(first: 99999999999) { edges { node { id } } } }", {}, "graphql_validation"),
    ("{ " + NODES % 50 + " }", {}, None),
    ("{ " + NODES % 200 + " }", {}, "too_complex"),
    ("{ workflows { edges { node { versions(first: 99) { definition } } } } }", {}, "too_complex"),
    ("{ " + STATS + " }", {}, None),
])  # fmt: skip
def test_an_operation_costs_its_objects_times_its_pages(
    query: str, variables: dict[str, object], code: str | None
) -> None:
    assert code_of(query, variables) == code


def test_aliases_of_an_expensive_field_add_up() -> None:
    query = "{ " + " ".join(f"a{n}: {STATS}" for n in range(10)) + " }"
    assert code_of(query) is None
    assert code_of(query, complexity_max=4999) == "too_complex"


def test_a_fragment_is_paid_for_at_every_use() -> None:
    chain = " ".join(
        f"fragment F{n} on Execution {{ workflow {{ name }} ...F{n + 1} ...F{n + 1} }}"
        for n in range(20)
    )
    query = (
        "{ executions(first: 1) { edges { node { ...F0 } } } } "
        + chain
        + " fragment F20 on Execution { id }"
    )
    assert code_of(query) == "too_complex"


def test_documents_are_remembered_within_bounds() -> None:
    known = documents(documents_max=2, document_chars_max=60)
    first = known.read("{ tenant { id } }")
    assert known.read("{ tenant { id } }") is first
    known.read("{ tenant { name } }")
    known.read("{ tenant { createdAt } }")
    assert known.read("{ tenant { id } }") is not first
    long = "{ tenant { id } }" + " " * 60
    assert known.read(long) is not known.read(long)


def test_what_is_refused_is_not_remembered() -> None:
    known = documents()
    for _ in range(2):
        with pytest.raises(RequestRefused):
            known.read("{ nothing }")
    assert not known._known


def test_a_credential_without_the_scope_reads_nothing() -> None:
    caller = Caller("api_key:1", a_tenant(), frozenset({"agents:write"}))
    with pytest.raises(RequestRefused) as refused:
        check_root_field("executions", {}, caller, ReadLimits())
    assert refused.value.errors[0].extensions == {"code": "forbidden", "field": "executions"}


def test_the_operator_reads_what_belongs_to_no_tenant() -> None:
    operator = Caller("operator", None, frozenset({"operator"}), is_operator=True)
    check_root_field("projections", {}, operator, ReadLimits())
    with pytest.raises(RequestRefused, match="belongs to a tenant"):
        check_root_field("executions", {}, operator, ReadLimits())
