"""People of a tenant as they come to be on the real stack: invited, accepted, logged in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from tests.plain_http import NO_AUTHORITIES

PASSWORD = "a horse that is correct, with a battery"
WAIT_S = 60


@dataclass
class Person:
    """http: with their credential."""

    user_id: str
    role: str
    http: httpx.Client

    def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self.http.request(method, f"/api/v1{path}", json=body)

    def made(self, path: str, body: Any) -> dict[str, Any]:
        """The `data` of a successful POST."""
        answer = self.send("POST", path, body)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def query(self, query: str, position: str | None = None, **variables: object) -> httpx.Response:
        headers = {} if position is None else {"X-Min-Position": position}
        body = {"query": query, "variables": variables}
        return self.http.post("/graphql", json=body, headers=headers)


def client_of(url: str, credential: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {credential}"}
    return httpx.Client(base_url=url, headers=headers, timeout=WAIT_S, verify=NO_AUTHORITIES)


def somebody(url: str, admin: httpx.Client, email: str, role: str) -> Person:
    """role: as POST /users takes it. No mail is sent, so the administrator is shown the token."""
    invited = admin.post("/api/v1/users", json={"email": email, "role": role})
    assert invited.status_code == 201, invited.text
    token = invited.json()["data"]["invitation_token"]
    accepted = httpx.post(
        f"{url}/api/v1/auth/invitations/accept",
        json={"token": token, "password": PASSWORD},
        timeout=WAIT_S,
        verify=NO_AUTHORITIES,
    )
    assert accepted.is_success, accepted.text
    user_id = str(invited.json()["data"]["user_id"])
    return Person(user_id, role, client_of(url, logged_in(url, email)))


def logged_in(url: str, email: str) -> str:
    """An access token. email: of one tenant only."""
    answer = httpx.post(
        f"{url}/api/v1/auth/login",
        json={"email": email, "password": PASSWORD},
        timeout=WAIT_S,
        verify=NO_AUTHORITIES,
    )
    assert answer.is_success, answer.text
    data: Mapping[str, Any] = answer.json()["data"]
    return str(data["access_token"])
