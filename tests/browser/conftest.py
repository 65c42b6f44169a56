"""One installation and one browser for all tests of the dashboard, gone before others go on."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.client import Client
from tests.browser.visit import Visit, running_browser, visit, what_is_missing
from tests.end_to_end.stack import Stack, new_tenant, operator_key_of
from tests.ports import free_port


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    missing = what_is_missing()
    if missing is not None:
        if os.environ.get("CI"):
            pytest.fail(f"The dashboard must be tested in CI. {missing}")
        pytest.skip(missing)
    with running_browser() as running:
        yield running


@pytest.fixture(scope="package")
def stack(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, openid_port: int
) -> Iterator[Stack]:
    """`agentledger up`. After the browser: without one nothing needs to start."""
    directory = tmp_path_factory.mktemp("dashboard")
    port = free_port()
    environment = {
        "AGENTLEDGER_DATA_DIR": str(directory / "data"),
        "AGENTLEDGER_RATE_LIMIT_LOGIN_PER_MIN": "1000",
        "AGENTLEDGER_RATE_LIMIT_IP_PER_MIN": "10000",
        "AGENTLEDGER_WORKER_BILLING_POLL_S": "0.5",
        "AGENTLEDGER_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "AGENTLEDGER_HTTP_ALLOW": f"127.0.0.1:{openid_port}",
    }
    running = Stack(f"http://127.0.0.1:{port}", environment, directory)
    running.add("up", "up", "--port", str(port))
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def api_key(stack: Stack) -> str:
    """Of a tenant that only this file knows."""
    return new_tenant(stack.url, operator_key_of(stack), "Acme")


@pytest.fixture(scope="module")
def client(stack: Stack, api_key: str) -> Iterator[Client]:
    """A program of the same tenant."""
    made = Client(stack.url, api_key)
    yield made
    made.close()


@pytest.fixture
def stranger(browser: Browser, stack: Stack) -> Iterator[Visit]:
    """Who is not signed in."""
    with visit(browser, stack.url) as visited:
        yield visited


@pytest.fixture
def visitor(stranger: Visit, api_key: str) -> Visit:
    stranger.sign_in_with(api_key)
    return stranger
