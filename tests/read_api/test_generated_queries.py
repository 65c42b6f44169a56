"""Queries that nobody wrote: whatever the schema allows is answered, and both paths agree on the
answer.
"""

import random
from typing import Any

import hypothesis
from graphql import (
    ArgumentNode,
    FieldNode,
    IntValueNode,
    NameNode,
    SelectionSetNode,
    StringValueNode,
    ValueNode,
    Visitor,
    parse,
    print_ast,
    visit,
)
from hypothesis import strategies
from hypothesis_graphql import queries

from read_api.schema import build_schema
from tests.effort import EFFORT
from tests.projections.histories import (
    Stream,
    a_user,
    a_workflow,
    an_agent,
    an_api_key,
    an_execution,
    random_run,
    the_tenant,
)
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

QUERIES_COUNT = 60 * EFFORT
MOMENTS = ("2026-01-01T00:00:00Z", "2026-01-01T12:00:00+02:00", "2026-01-02T00:00:00Z")
# What a caller is told about its own request.
MISTAKES = {
    "bad_period",
    "bad_search",
    "bad_seals",
    "bad_time_zone",
    "bad_version",
    "forbidden",
    "too_complex",
    "too_many_root_fields",
}


class _Sensible(Visitor):
    """Puts arguments in the place of random ones that find something, and takes away what makes
    most queries too complex: what there is below a hundred children.
    """

    def __init__(self, ids: list[str]) -> None:
        super().__init__()
        self._ids = ids
        self._draw = random.Random(11)

    def leave_field(self, node: FieldNode, *_: Any) -> FieldNode:
        kept = [a for a in node.arguments or () if a.name.value not in {"after", "minPosition"}]
        return FieldNode(
            name=node.name,
            alias=node.alias,
            directives=node.directives,
            selection_set=_leaves(node.selection_set)
            if node.name.value == "children"
            else node.selection_set,
            arguments=tuple(
                ArgumentNode(name=a.name, value=self._value(a.name.value, a.value)) for a in kept
            ),
        )

    def _value(self, name: str, value: ValueNode) -> ValueNode:
        if name in {"id", "streamId", "workflowId", "agentId", "parentId", "forkedFromId"}:
            return StringValueNode(value=self._draw.choice(self._ids))
        if name == "timeZone":
            return StringValueNode(value="Asia/Kathmandu")
        if name in {"first", "version", "fromVersion", "toVersion"}:
            return IntValueNode(value=str(self._draw.randint(1, 6)))
        return value


def _leaves(below: SelectionSetNode | None) -> SelectionSetNode:
    fields = [one for one in (below.selections if below else ()) if isinstance(one, FieldNode)]
    kept = [one for one in fields if one.selection_set is None]
    return SelectionSetNode(selections=tuple(kept) or (FieldNode(name=NameNode(value="id")),))


def generated() -> list[str]:
    """The same ones each time."""
    found: list[str] = []
    moments = strategies.sampled_from([StringValueNode(value=text) for text in MOMENTS])

    @hypothesis.settings(
        max_examples=QUERIES_COUNT,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[
            hypothesis.HealthCheck.too_slow,
            hypothesis.HealthCheck.data_too_large,
        ],
    )
    @hypothesis.given(queries(build_schema().as_str(), custom_scalars={"DateTime": moments}))
    def collect(query: str) -> None:
        found.append(query)

    collect()
    return found


async def test_whatever_the_schema_allows_is_answered_the_same_on_both_paths(api: Api) -> None:
    draw = random.Random(3)
    workflow, agent = a_workflow(api.tenant_id), an_agent(api.tenant_id)
    streams: list[Stream] = [
        the_tenant(api.tenant_id),
        workflow,
        agent,
        a_user(api.tenant_id),
        an_api_key(api.tenant_id),
        an_execution(
            api.tenant_id, workflow_id=str(workflow.stream_id), agent_id=str(agent.stream_id)
        ),
        *[random_run(draw, api.tenant_id) for _ in range(6)],
    ]
    await api.happened(*streams)
    sensible = _Sensible([str(stream.stream_id) for stream in streams])
    answered = 0
    for text in generated():
        query = print_ast(visit(parse(text), sensible))
        answer = await api.ask(query)
        codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
        assert codes <= MISTAKES, (query, answer)
        answered += not codes
        # The numbers of one are of the moment, and the other has an entry more for every query.
        if "projections" not in query and "auditEntries" not in query:
            assert await api.ask(by_resolvers(query)) == answer, query
    assert answered > QUERIES_COUNT / 3
