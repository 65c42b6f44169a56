"""The dashboard's list of runs in Chromium, of a tenant that has 100,000: from asking for the page
to its first paint, and until its rows are there.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

from playwright.async_api import Browser, Error, async_playwright

from bench.graphql import ROWS, fill
from bench.report import Figure, Measurement, at_most, in_turn
from bench.stage import ROOT, BenchFailed, Stage, api, new_tenant

NAME = "dashboard"
VISITS = 7
FIRST_PAINT_MS_MAX = 1000.0
WAIT_MS = 30_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BUILT = ROOT / "read_api" / "dashboard_build" / "index.html"
# Without a sandbox, for who runs as root; without a network that is not ours. Without a zygote, the
# time of what shows the pages is told to us when it ends.
FLAGS = (
    *("--no-sandbox", "--no-zygote", "--disable-gpu", "--disable-background-networking"),
    "--no-first-run",
)
FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"

# Milliseconds since the page was asked for: its first paint, and its rows.
Seen = tuple[float, float]


async def measure(stage: Stage) -> Measurement:
    if not BUILT.exists():
        raise BenchFailed("the dashboard is not built: `make dashboard` does so")
    settings = await stage.installation(NAME)
    async with api(stage, settings) as url, _chromium() as browser:
        key = await new_tenant(url, stage.operator_key)
        await asyncio.to_thread(fill, settings, tenants=1)

        async def visits() -> list[Seen]:
            return [await _visit(browser, url, key) for _ in range(VISITS)]

        (rounds,) = await in_turn(visits)
    paints = [median(paint for paint, _ in seen) for seen in rounds]
    lists = [median(rows for _, rows in seen) for seen in rounds]
    return Measurement(
        NAME,
        f"the page of runs of a tenant with {ROWS:,}, in Chromium",
        [
            Figure("first contentful paint", "ms", paints, at_most(FIRST_PAINT_MS_MAX)),
            Figure("until its rows are there", "ms", lists, at_most(FIRST_PAINT_MS_MAX)),
        ],
        [f"median of {VISITS} visits a round, each by a new visitor with an empty cache"],
    )


@asynccontextmanager
async def _chromium() -> AsyncIterator[Browser]:
    program = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if program is None:
        raise BenchFailed(f"no browser is installed: none of {', '.join(BROWSERS)}")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


async def _visit(browser: Browser, url: str, key: str) -> Seen:
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        await context.add_init_script(f"sessionStorage.setItem('agentledger.api-key', '{key}')")
        page = await context.new_page()
        await page.goto(f"{url}/dashboard/executions")
        await page.get_by_role("row").nth(1).wait_for(timeout=WAIT_MS)
        rows = await page.evaluate("performance.now()")
        paint = await page.evaluate(FIRST_PAINT)
    except Error as error:
        raise BenchFailed(f"the page was not shown: {error.message}") from error
    finally:
        await context.close()
    if paint is None:
        raise BenchFailed("the browser told of no first paint")
    return float(paint), float(rows)
