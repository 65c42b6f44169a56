"""Schemathesis against the running server, by its own documents: no 5xx, no undocumented status."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)

from tests.effort import EFFORT
from tests.end_to_end.stack import Api, Stack, new_tenant, operator_key_of

pytestmark = pytest.mark.timeout(600)

# Bounded, and the same cases in every run: a failure can be repeated.
FEW = settings(
    max_examples=5 * EFFORT,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


CONFORMS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def api_key(one_process: Stack) -> str:
    return new_tenant(one_process.url, operator_key_of(one_process), "Fuzzed")


def operations_of(document: Any) -> Iterator[Any]:
    """Every operation; a part of the document that cannot be read fails the test."""
    for found in document.get_all_operations():
        yield found.ok()


def each_case(operation: Any, check: Callable[[Any], None]) -> None:
    """Calls `check` with a few generated requests of one operation."""

    @FEW
    @given(case=operation.as_strategy())
    def run(case: Any) -> None:
        check(case)

    run()


def test_no_request_breaks_the_commands(one_process: Stack, api_key: str) -> None:
    """With the operator's key where the operator is asked for, and a tenant's everywhere else."""
    document = schemathesis.openapi.from_url(f"{one_process.url}/openapi.json")

    def check(case: Any) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        if case.operation.path.endswith("/tenants"):
            headers = {"X-Operator-Key": operator_key_of(one_process)}
        case.call_and_validate(headers=headers, checks=CONFORMS)

    operations = list(operations_of(document))
    assert len(operations) >= 13
    for operation in operations:
        each_case(operation, check)


def test_no_query_breaks_the_reads(one_process: Stack, api_key: str) -> None:
    headers = {"Authorization": f"Bearer {api_key}"}
    document = schemathesis.graphql.from_url(f"{one_process.url}/graphql", headers=headers)
    operations = list(operations_of(document))
    assert len(operations) >= 10

    def check(case: Any) -> None:
        """Refusals are fine, each with a code of its own; what nobody foresaw is not."""
        response = case.call(headers=headers)
        assert response.status_code < 500
        codes = [error["extensions"]["code"] for error in response.json().get("errors", ())]
        assert "internal" not in codes, response.text

    for operation in operations:
        each_case(operation, check)


async def test_the_server_is_well_after_all_that(one_process: Stack, api_key: str) -> None:
    client = Api(one_process.url, api_key)
    assert (await client.query("{ tenant { id } }"))["tenant"] is not None
    one_process.verify()
    await client.http.aclose()
