"""POST and DELETE /workflows/{id}/shares and /agents/{id}/shares."""

import pytest

from tests.write_api.api import Api, problem
from tests.write_api.bodies import AGENT, WORKFLOW

MADE = {"workflows": WORKFLOW, "agents": AGENT}


@pytest.mark.parametrize("kind", MADE)
async def test_something_is_shared_with_a_role_until_the_share_is_ended(
    api: Api, kind: str
) -> None:
    made = await api.created(f"/{kind}", MADE[kind])
    path = f"/{kind}/{made[f'{kind[:-1]}_id']}/shares"
    body = {"with": {"role": "VIEWER"}, "access": "view"}
    shared = await api.send("POST", path, body)
    assert shared.status_code == 201
    told = shared.json()["data"]
    assert {key: told[key] for key in body} == body
    ended = await api.send("DELETE", f"{path}/{told['share_id']}")
    assert ended.json()["data"] == {"ended": 1}
    problem(await api.send("DELETE", f"{path}/{told['share_id']}"), 404, "not_found")


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"with": {}, "access": "view"}, "/with"),
        ({"with": {"user": "nobody"}, "access": "view"}, "/with"),
        ({"with": {"user": "x", "role": "USER"}, "access": "view"}, "/with"),
        ({"with": {"role": "USER"}, "access": "own"}, "/access"),
        ({"with": {"role": "USER"}}, "/access"),
        ({"with": {"role": "KING"}, "access": "view"}, "/with/role"),
        (
            {"with": {"user": "01939f00-0000-7000-8000-000000000001"}, "access": "view"},
            "/with/user",
        ),
    ],
)
async def test_a_bad_share_is_refused_with_its_place(
    api: Api, body: dict[str, object], place: str
) -> None:
    made = await api.created("/workflows", WORKFLOW)
    refused = await api.send("POST", f"/workflows/{made['workflow_id']}/shares", body)
    assert refused.status_code == 422
    assert all(error["path"].startswith(place) for error in refused.json()["errors"])
