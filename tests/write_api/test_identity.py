"""POST /users and what follows from it."""

from tests.write_api.api import Api, problem


async def test_somebody_is_invited_and_accepts_without_a_credential(
    api: Api,
) -> None:
    invited = await api.send("POST", "/users", {"email": "grace@example.com", "role": "ADMIN"})
    assert invited.status_code == 201
    told = invited.json()["data"]
    assert (told["status"], told["is_mailed"]) == ("INVITED", True)
    assert "invitation_token" not in told
    lines = api.world.mailbox.mails[-1].text.splitlines()
    (token,) = [line for line in lines if len(line) == 86]
    body = {"token": token, "password": "correct horse battery"}
    response = await api.client.post("auth/invitations/accept", json=body)
    assert response.json()["data"]["status"] == "ACTIVE"
    problem(await api.client.post("auth/invitations/accept", json=body), 409, "invitation_over")
    path = f"/users/{told['user_id']}"
    problem(await api.send("DELETE", path), 409, "last_administrator")
    renamed = await api.send("PATCH", path, {"name": "Grace"})
    assert renamed.json()["data"]["name"] == "Grace"


async def test_a_token_that_is_none_is_told_no_more_than_a_wrong_one(api: Api) -> None:
    for token in ("x", "A" * 86):
        body = {"token": token, "password": "correct horse battery"}
        response = await api.client.post("auth/invitations/accept", json=body)
        problem(response, 409, "invitation_over")
