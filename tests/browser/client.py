"""What the tests of the dashboard let happen behind its back, as a program of the tenant would."""

from collections.abc import Mapping
from typing import Any

import httpx

from tests.plain_http import NO_AUTHORITIES


class Client:
    """Of one tenant; blocking, as the browser is."""

    def __init__(self, url: str, api_key: str) -> None:
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=40,
            verify=NO_AUTHORITIES,
        )

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._send("POST", path, body)

    def read(self, query: str) -> Any:
        answer = self._http.post("/graphql", json={"query": query})
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def put(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._send("PUT", path, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._send("PATCH", path, body)

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._http.request(method, f"/api/v1{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    def run(self, workflow: Mapping[str, Any], given: object = None, *, wait_s: int = 0) -> str:
        """The id of a new execution of a new workflow."""
        workflow_id = self.post("/workflows", workflow)["workflow_id"]
        body = {"input": given or {}}
        started = self.post(f"/workflows/{workflow_id}/execute?wait_s={wait_s}", body)
        return started["execution_id"]

    def close(self) -> None:
        self._http.close()
