"""How the built files of the dashboard are served."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from read_api.dashboard import Dashboard
from tests.read_api.api import STRANGERS_MAX, Api

SCRIPT = b"console.log(1)"


@pytest.fixture
def build(tmp_path: Path) -> Path:
    directory = tmp_path / "dashboard_build"
    (directory / "assets").mkdir(parents=True)
    (directory / "index.html").write_text("<!doctype html><title>AgentLedger</title>")
    (directory / "docs.html").write_text("<!doctype html><title>The API</title>")
    (directory / "assets" / "index-abc.js").write_bytes(SCRIPT)
    (directory / "assets" / "index-abc.js.gz").write_bytes(b"smaller")
    (tmp_path / "secret.txt").write_text("not for the world")
    return directory


@pytest.fixture
async def browser(api: Api, build: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a credential, as whoever opens the page."""
    dashboard = Dashboard(api.dependencies, build)
    app = Starlette(
        routes=[
            Route("/docs", dashboard.docs),
            Route("/dashboard", dashboard.page),
            Route("/dashboard/assets/{name}", dashboard.asset),
            Route("/dashboard/{path:path}", dashboard.page),
        ]
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://api", headers={"Accept-Encoding": ""}
    ) as client:
        yield client


async def test_every_address_of_the_page_is_the_one_document(browser: httpx.AsyncClient) -> None:
    for path in ("/dashboard", "/dashboard/", "/dashboard/executions/1?tab=nodes"):
        answer = await browser.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert "<title>AgentLedger</title>" in answer.text
        assert answer.headers["cache-control"] == "no-cache"


async def test_the_page_may_load_and_speak_to_nothing_but_its_own_server(
    browser: httpx.AsyncClient,
) -> None:
    policy = (await browser.get("/dashboard")).headers["content-security-policy"]
    directives: dict[str, str] = {}
    for part in policy.split("; "):
        name, _, sources = part.partition(" ")
        directives[name] = sources
    closed = {"default-src", "base-uri", "form-action", "frame-ancestors"}
    assert {directives.pop(name) for name in closed} == {"'none'"}
    assert set(directives.values()) == {"'self'"}


async def test_what_has_a_hash_in_its_name_is_kept_for_a_year(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/dashboard/assets/index-abc.js")
    assert answer.content == SCRIPT
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "content-encoding" not in answer.headers


async def test_who_understands_it_gets_the_smaller_file(browser: httpx.AsyncClient) -> None:
    path = "/dashboard/assets/index-abc.js"
    async with browser.stream("GET", path, headers={"Accept-Encoding": "gzip, br"}) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    assert raw == b"smaller"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "name",
    [
        "missing.js",
        "..%2F..%2Fsecret.txt",
        "%2e%2e%2findex.html",
        ".",
        "%2Fetc%2Fpasswd",
        "a%00.js",
    ],
)
async def test_no_name_leads_out_of_the_directory(browser: httpx.AsyncClient, name: str) -> None:
    answer = await browser.get(f"/dashboard/assets/{name}")
    assert "not for the world" not in answer.text
    is_page = answer.headers["content-type"].startswith("text/html")
    assert is_page or answer.status_code == 404


async def test_before_it_is_built_one_sentence_says_how(
    browser: httpx.AsyncClient, build: Path
) -> None:
    (build / "index.html").unlink()
    answer = await browser.get("/dashboard")
    assert answer.status_code == 503
    assert "`make dashboard`" in answer.text
    assert answer.headers["refresh"] == "5"


async def test_who_loads_the_page_for_ever_is_told_to_wait(browser: httpx.AsyncClient) -> None:
    statuses = [(await browser.get("/dashboard")).status_code for _ in range(STRANGERS_MAX + 1)]
    assert statuses == [*[200] * STRANGERS_MAX, 429]
    assert (await browser.get("/dashboard/assets/index-abc.js")).status_code == 200


async def test_the_documentation_loads_nothing_from_elsewhere(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/docs")
    assert (answer.status_code, "<title>The API</title>" in answer.text) == (200, True)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "http" not in policy
    assert "unsafe" not in policy
