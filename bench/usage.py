"""What charts and tables of usage cost over many facts of one tenant: a year by days, a month, two
months beside each other, and the facts themselves.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import LiteralString

from psycopg import sql

from bench.graphql import FIND_TENANT, InProcess
from bench.report import Figure, Measurement, at_most, in_turn
from bench.stage import BenchFailed, Stage, api, execute, new_tenant
from cli.api import build_api_parts
from infra.runtime import build_runtime
from infra.settings import Settings
from projections.rollups import rollup_name
from projections.usage import USAGE_FACTS

NAME = "usage"
FACTS_STORED = 300_000
# In one statement: the sums beside the facts are kept with each.
BATCH = 1_000_000
CALLS = 60
WARM_UP_CALLS = 10
DAYS = 365
AGENTS = 8
PEOPLE = 5

# Of a year that ended with 2026. An agent has one model and works in one workflow.
FILL: LiteralString = """
INSERT INTO agentledger.{table} (tenant_id, stream_id, path, attempt, happened_at, version,
  node_type, model, provider, agent_id, workflow_id, created_by, source, prices, lines)
SELECT %(tenant_id)s, md5('run' || n)::uuid, 'draft', 1,
       '2026-01-01Z'::timestamptz
         + make_interval(secs => (n::float8 / %(facts)s) * %(days)s * 86400), 5,
       'agent', 'openai/model-' || n %% %(agents)s, 'openai', md5('agent' || n %% %(agents)s),
       md5('workflow' || n %% %(agents)s), 'user:' || (n / %(agents)s) %% %(people)s, 'provider',
       'platform/1', json_build_array(json_build_array('requests', 1, 0),
         json_build_array('input_tokens', 100 + n %% 900, (100 + n %% 900) * 150000),
         json_build_array('output_tokens', 10 + n %% 90, (10 + n %% 90) * 600000))
  FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
"""
YEAR = 'from: "2026-01-01T00:00:00Z", to: "2027-01-01T00:00:00Z", timeZone: "UTC"'
MONTH = 'from: "2026-06-01T00:00:00Z", to: "2026-07-01T00:00:00Z", timeZone: "UTC"'
AMOUNTS = "costUsd tokensIn tokensOut calls"
GROUP = "group { value }"
CHART = f"{{ usage({YEAR}, groupBy: [MODEL], interval: DAY) {{ start {GROUP} {AMOUNTS} }} }}"
LOCAL_CHART = (
    CHART.replace("UTC", "Europe/Berlin")
    .replace("2026-01-01T00", "2025-12-31T23")
    .replace("2027-01-01T00", "2026-12-31T23")
)
SUM = f"{{ usage({MONTH}, groupBy: [MODEL, USER]) {{ {GROUP} {AMOUNTS} }} }}"
LOCAL = SUM.replace("UTC", "Asia/Kathmandu").replace("00:00:00Z", "18:15:00Z")
BESIDE = (
    '{ costExplorer(from: "2026-06-01T00:00:00Z", to: "2026-07-01T00:00:00Z", groupBy: [AGENT,'
    f" USER]) {{ deltaUsd groups {{ {GROUP} deltaUsd }} }} }}"
)
FACTS = (
    '{ usageFacts(from: "2026-06-01T00:00:00Z", to: "2026-07-01T00:00:00Z", first: 50)'
    " { edges { node { path model lines { meter costUsd } } } } }"
)


async def measure(stage: Stage) -> Measurement:
    settings, count = await stage.installation("usage"), stage.asked.facts or FACTS_STORED
    async with api(stage, settings) as url, build_runtime(settings) as runtime:
        key = await new_tenant(url, stage.operator_key)
        await asyncio.to_thread(fill, settings, count)
        app = (await build_api_parts(runtime)).app
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        ask = InProcess(app, headers)
        if await ask.ask(CHART) != await ask.ask(CHART) or b'"calls":0' in await ask.ask(SUM):
            raise BenchFailed("the sums are not those of the facts")

        def asked(query: str) -> Callable[[], Awaitable[float]]:
            return lambda: ask.p50_ms(query, calls=CALLS, warm_up_calls=WARM_UP_CALLS)

        chart, local_chart, month, local, beside, facts = await in_turn(
            *[asked(query) for query in (CHART, LOCAL_CHART, SUM, LOCAL, BESIDE, FACTS)]
        )
    return Measurement(
        NAME,
        f"{count:,} facts of one tenant over a year, {AGENTS} agents, {PEOPLE} people,"
        " row-level security on, p50 inside the server",
        [
            Figure("a year by days and models", "ms", chart, at_most(100)),
            Figure("  by the days of Berlin", "ms", local_chart, at_most(100)),
            Figure("a month by models and people", "ms", month, at_most(50)),
            Figure("  of a time zone whose days are no days of UTC", "ms", local),
            Figure("two months beside each other, by agents and people", "ms", beside),
            Figure("the newest 50 facts of a month", "ms", facts),
        ],
        ["the facts are written into the read model, not as events; its triggers keep the sums"],
    )


def fill(settings: Settings, count: int) -> None:
    assert settings.database_url is not None
    ((tenant_id,),) = execute(settings.database_url, FIND_TENANT)
    table = sql.Identifier(USAGE_FACTS.table)
    for first in range(0, count, BATCH):
        numbers = {
            "tenant_id": tenant_id,
            "facts": count,
            "first": first,
            "last": min(first + BATCH, count) - 1,
            "days": DAYS,
            "agents": AGENTS,
            "people": PEOPLE,
        }
        execute(settings.database_url, sql.SQL(FILL).format(table=table), numbers)
    rollups = [rollup_name(USAGE_FACTS.table, rollup) for rollup in USAGE_FACTS.rollups]
    for name in (USAGE_FACTS.table, *rollups):
        execute(
            settings.database_url,
            sql.SQL("VACUUM ANALYZE agentledger.{}").format(sql.Identifier(name)),
        )
