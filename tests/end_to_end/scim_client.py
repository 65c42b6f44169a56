"""The conformance checks of scim2-tester, over httpx."""

from typing import Any

import httpx
from scim2_client import BaseSyncSCIMClient
from scim2_tester import Status, check_server

FINE = {Status.SUCCESS, Status.COMPLIANT, Status.ACCEPTABLE, Status.SKIPPED}


class HttpxScimClient(BaseSyncSCIMClient):
    def __init__(self, client: httpx.Client) -> None:
        super().__init__()
        self._client = client

    def request(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        return self._client.request(method, url, **arguments)

    def _parse_json(self, response: Any) -> Any:
        return response.json()

    def _stays_under_base_url(self, endpoint: str) -> bool:
        return self._client.build_request("GET", endpoint).url.host == self._client.base_url.host


def violations(client: httpx.Client) -> tuple[int, list[str]]:
    """How many checks were made, and what each that failed says."""
    results = check_server(HttpxScimClient(client))
    made = [result for result in results if result.status != Status.SKIPPED]
    failed = [
        f"{result.title} ({result.resource_type}): {result.reason}"
        for result in results
        if result.status not in FINE
    ]
    return len(made), failed
