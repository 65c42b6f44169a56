"""POST /users/{id}/erase and POST /data-subjects/erase."""

from uuid import uuid4

import pytest

from tests.write_api.api import Api, problem
from tests.write_api.bodies import WORKFLOW

EMAIL = "grace@example.com"


async def test_a_person_is_erased_by_who_types_their_address(api: Api) -> None:
    invited = await api.send("POST", "/users", {"email": EMAIL, "role": "USER"})
    path = f"/users/{invited.json()['data']['user_id']}"
    wrong = await api.send("POST", f"{path}/erase", {"confirm_email": "ada@example.com"})
    assert problem(wrong, 422, "invalid") == [("/confirm_email", "not_confirmed")]
    erased = await api.send("POST", f"{path}/erase", {"confirm_email": EMAIL})
    assert erased.json()["data"]["is_erased"] is True
    problem(await api.send("PATCH", path, {"name": "Grace"}), 409, "user_erased")
    unknown = await api.send("POST", f"/users/{uuid4()}/erase", {"confirm_email": EMAIL})
    problem(unknown, 404, "not_found")


async def test_a_data_subject_is_erased_by_the_name_that_runs_were_given(api: Api) -> None:
    made = await api.send("POST", "/workflows", WORKFLOW)
    path = f"/workflows/{made.json()['data']['workflow_id']}/execute"
    name = {"data_subject": "customer-4711"}
    problem(await api.send("POST", "/data-subjects/erase", name), 404, "not_found")
    assert (await api.send("POST", path, {"input": 1, **name})).status_code == 202
    erased = await api.send("POST", "/data-subjects/erase", name)
    assert "4711" not in erased.text
    again = await api.send("POST", "/data-subjects/erase", name)
    assert again.json()["data"] == erased.json()["data"]
    problem(await api.send("POST", path, {"input": 1, **name}), 409, "data_subject_erased")


@pytest.mark.parametrize(
    "name",
    ["", "x" * 201, " ", 4711, ["a"]],
    ids=["empty", "long", "a space", "a number", "a list"],
)
async def test_a_name_is_a_short_text(api: Api, name: object) -> None:
    made = await api.send("POST", "/workflows", WORKFLOW)
    path = f"/workflows/{made.json()['data']['workflow_id']}/execute"
    for where, body in ((path, {"input": 1}), ("/data-subjects/erase", {})):
        refused = await api.send("POST", where, {**body, "data_subject": name})
        (mistake,) = problem(refused, 422, "invalid")
        assert mistake[0] == "/data_subject"
