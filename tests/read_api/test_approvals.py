"""What waits for a decision: for whom, and what they see of it."""

from typing import Any

from commands.authorization import ROLE_GRANTS, Caller
from tests.projections.approval_histories import asks, decided
from tests.projections.histories import IDS, Stream, a_tenant, an_execution
from tests.read_api.api import KEY, Api

MINE = """query($after: String, $forMe: Boolean) {
  approvals(first: 2, after: $after, forMe: $forMe) {
  edges { cursor node { executionId path title formSchema assignees deadlineAt onTimeout isForMe
                        execution { id status } } }
  pageInfo { hasNextPage } } }"""
FORM = {"type": "object", "properties": {"amount": {"type": "number"}}}


def asking(api: Api, *assignees: str, by: str = "user:ada") -> Stream:
    run = an_execution(api.tenant_id, created_by=by)
    fields = {"title": "Pay \x00?", "form_schema": FORM, "on_timeout": "reject"}
    return asks(run, "ok", *assignees, **fields, deadline_s=60)


def be(api: Api, role: str) -> str:
    """Somebody of this role calls from now on; their name as an actor."""
    user_id, grants = IDS.new(), ROLE_GRANTS[role]
    actor = f"user:{user_id}"
    api.callers.known[KEY] = Caller(
        actor, api.tenant_id, grants.scopes, user_id=user_id, own_only=grants.own_only
    )
    return actor


async def listed(api: Api, **asked: Any) -> list[dict[str, Any]]:
    return [edge["node"] for edge in (await api.read(MINE, **asked))["approvals"]["edges"]]


async def test_what_waits_is_told_with_its_form_until_it_is_decided(api: Api) -> None:
    be(api, "ADMIN")
    run = asking(api)
    await api.happened(run)
    (waiting,) = await listed(api)
    assert waiting == {
        "executionId": str(run.stream_id),
        "path": "ok",
        "title": "Pay \x00?",
        "formSchema": FORM,
        "assignees": [],
        "deadlineAt": None,
        "onTimeout": "reject",
        "isForMe": True,
        "execution": {"id": str(run.stream_id), "status": "PENDING"},
    }
    await api.happened(decided(run, "ok"))
    assert await listed(api) == []


async def test_who_was_asked_decides_though_they_see_nothing_else_of_the_run(api: Api) -> None:
    actor = be(api, "USER")
    theirs, others, open_to_all = asking(api, actor), asking(api, "user:bob"), asking(api)
    own = asking(api, by=actor)
    await api.happened(theirs, others, open_to_all, own)
    found = {row["executionId"]: row["execution"] for row in await listed(api)}
    assert found == {
        str(theirs.stream_id): None,
        str(own.stream_id): {"id": str(own.stream_id), "status": "PENDING"},
    }
    assert await api.read("{ executions { edges { node { id } } } }") == {
        "executions": {"edges": [{"node": {"id": str(own.stream_id)}}]}
    }


async def test_who_sees_all_sees_also_what_others_were_asked(api: Api) -> None:
    be(api, "ADMIN")
    await api.happened(asking(api, "user:bob"))
    assert await listed(api) == []
    (other,) = await listed(api, forMe=False)
    assert (other["assignees"], other["isForMe"]) == (["user:bob"], False)


async def test_a_viewer_decides_nothing(api: Api) -> None:
    await api.happened(asking(api, be(api, "VIEWER")))
    assert await listed(api) == []


async def test_pages_go_on_where_the_last_one_ended(api: Api) -> None:
    be(api, "ADMIN")
    runs = [asking(api) for _ in range(3)]
    await api.happened(*runs)
    page = (await api.read(MINE))["approvals"]
    assert page["pageInfo"]["hasNextPage"]
    last = page["edges"][-1]["cursor"]
    rest = (await api.read(MINE, after=last))["approvals"]["edges"]
    paged = [edge["node"]["executionId"] for edge in [*page["edges"], *rest]]
    assert sorted(paged) == sorted(str(run.stream_id) for run in runs)
    for wrong in ("x", "W10", "WyJhIiwiYiIsImMiXQ"):
        assert await api.refused(MINE, after=wrong) == "bad_cursor"


async def test_another_tenant_is_told_of_nothing(api: Api) -> None:
    await api.happened(asking(api))
    api.tenant_id = a_tenant()
    be(api, "ADMIN")
    assert await listed(api, forMe=False) == []
