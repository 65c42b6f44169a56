"""A browser on the dashboard: who looks at it, and what must hold on every page."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

from tests.end_to_end.stack import ROOT

BUILT = ROOT / "read_api" / "dashboard_build" / "index.html"
AXE = ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# For a network that leads nowhere, and for who runs as root.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
WAIT_MS = 30_000
# Two frames after the colours changed, all that is seen has them.
RUN_AXE = """new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
  .then(() => axe.run(document, {resultTypes: ["violations"]})).then(found => found.violations.map(
  one => `${one.id}: ${one.nodes.map(node => `${node.target} ${node.failureSummary}`).join("; ")}`))
"""
# Only code may: its lines mean something.
TOO_WIDE = """() => [document.documentElement, ...document.querySelectorAll(".table-scroll")]
  .filter(one => one.scrollWidth > one.clientWidth)
  .map(one => `${one.tagName} ${one.ariaLabel}: ${one.scrollWidth}`)
"""


def what_is_missing() -> str | None:
    """Why no browser test can run here, as one sentence."""
    if chromium() is None:
        return f"No browser to test the dashboard with: none of {', '.join(NAMES)} is installed."
    if not BUILT.exists() or not AXE.exists():
        return "The dashboard is not built: `make dashboard` does so."
    return None


def chromium() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def running_browser() -> Iterator[Browser]:
    # The driver is a program of its own, whose temporary files should not outlive the test.
    playwright: Playwright
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Visit:
    """One person at one browser. Whatever the browser complains about fails the test at its end."""

    url: str
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    # Answers that the test provokes are shown in the console by the browser itself.
    expected: tuple[str, ...] = ()

    def listen(self) -> None:
        self.page.set_default_timeout(WAIT_MS)
        self.page.on("console", self._told)
        self.page.on("request", self._asked)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _told(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _asked(self, request: Any) -> None:
        """No page of ours asks another host for anything."""
        scheme, _, rest = request.url.partition(":")
        if scheme in {"http", "https"} and not request.url.startswith(f"{self.url}/"):
            self.complaints.append(f"asked {scheme}:{rest}")

    def open(self, path: str) -> Page:
        self.page.goto(f"{self.url}/dashboard{path}")
        return self.page

    def sign_in_with(self, api_key: str) -> None:
        self.context.add_init_script(f"sessionStorage.setItem('agentledger.api-key', '{api_key}')")

    def require_accessible(self) -> None:
        """No violation that axe finds, in the dark and in the light."""
        session = self.context.new_cdp_session(self.page)
        session.send("Runtime.evaluate", {"expression": AXE.read_text("utf-8")})
        for scheme in ("dark", "light"):
            self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            violations = self.page.evaluate(RUN_AXE)
            assert violations == [], f"{scheme}: {violations}"

    def require_narrow(self) -> None:
        """Neither the page nor a table of it scrolls sideways."""
        assert self.page.evaluate(TOO_WIDE) == []

    def require_quiet(self) -> None:
        loud = [
            text for text in self.complaints if not any(known in text for known in self.expected)
        ]
        assert loud == [], loud


@contextmanager
def visit(browser: Browser, url: str, *, viewport: dict[str, int] = DESK) -> Iterator[Visit]:
    context = browser.new_context(viewport=viewport, locale="en-GB", timezone_id="Europe/Berlin")  # pyright: ignore[reportArgumentType] # a TypedDict
    visited = Visit(url, context, context.new_page())
    visited.listen()
    try:
        yield visited
        visited.require_quiet()
    finally:
        shots = os.environ.get("AGENTLEDGER_TEST_PICTURES")
        if shots:
            name = os.environ["PYTEST_CURRENT_TEST"].partition(" ")[0].rpartition("::")[2]
            visited.page.screenshot(path=Path(shots) / f"{name}.png")
        context.close()
