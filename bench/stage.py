"""The servers of one run: an embedded PostgreSQL with fsync on, and processes of the product.

Everything lives in one temporary directory and ends with it.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import LiteralString

import httpx
import orjson
import psycopg
from psycopg import sql
from pydantic import SecretStr

from cli.installation import DEMO_FILE, SERVER_FILE, read_json
from cli.migrate import migrate_all
from domain.identifiers import JsonObject
from infra.embedded_postgres import EmbeddedPostgres
from infra.settings import Settings

ROOT = Path(__file__).parents[1]
START_WAIT_S = 60
STOP_WAIT_S = 15
POLL_S = 0.02
LOG_TAIL_CHARACTERS = 2000
ADDRESS_MARK = "http://"
# The tables of a database that autovacuum might come for: it leaves those with less.
LEFT_OVER: LiteralString = """
SELECT schemaname, relname FROM pg_stat_user_tables
 WHERE n_dead_tup + n_mod_since_analyze + n_ins_since_vacuum
       >= current_setting('autovacuum_vacuum_threshold')::bigint
"""


class BenchFailed(Exception):
    """A measurement cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line may ask for beyond the defaults.

    peers: those that are not measured by default. events: in the store that `growth` compares.
    facts: that `usage` sums and `invoice` bills; None: as many as each of them has by default.
    """

    peers: frozenset[str] = frozenset()
    events: int = 300_000
    facts: int | None = None


@dataclass(frozen=True, slots=True)
class Stage:
    """url: of the superuser's database.

    Every measurement makes databases of its own, so that none finds another's rows.
    """

    directory: Path
    postgres: EmbeddedPostgres
    url: str
    master_key: str
    operator_key: str
    asked: Asked = field(default_factory=Asked)

    @property
    def bin_dir(self) -> Path:
        return self.postgres.bin_dir

    def empty_database(self, name: str) -> str:
        """The URL of a new database with nothing in it."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return _database(self.url, name)

    async def installation(self, name: str) -> Settings:
        """The settings of the product on a new, migrated database."""
        settings = Settings(
            data_dir=self.directory / name,
            port=0,
            database_url=await asyncio.to_thread(self.empty_database, name),
            master_key=SecretStr(self.master_key),
            operator_key=SecretStr(self.operator_key),
            # Sessions that a sequence of processes leaves behind must fit into one server.
            pool_size_max=10,
        )
        settings.data_dir.mkdir()
        await migrate_all(settings)
        return settings

    async def settle(self) -> None:
        """Clear up what earlier work left: nobody pays for somebody else's rows and pages."""
        await asyncio.to_thread(_settle, self.url)

    def environment(self, settings: Settings) -> dict[str, str]:
        """For processes of the product that should have the same settings."""
        assert settings.database_url is not None
        wanted = {
            "AGENTLEDGER_DATABASE_URL": settings.database_url,
            "AGENTLEDGER_MASTER_KEY": self.master_key,
            "AGENTLEDGER_OPERATOR_KEY": self.operator_key,
            "AGENTLEDGER_DATA_DIR": str(settings.data_dir),
            "AGENTLEDGER_PORT": "0",
            "AGENTLEDGER_POOL_SIZE_MAX": str(settings.pool_size_max),
            "AGENTLEDGER_WORKER_ATTEMPTS_MAX": str(settings.worker_attempts_max),
            "AGENTLEDGER_KAFKA_TOPIC": settings.kafka_topic,
            # What is measured is the engine, not the plan of its one tenant.
            "AGENTLEDGER_RATE_LIMIT_TENANT_PER_MIN": str(10**9),
        }
        if settings.kafka_bootstrap_servers:
            wanted["AGENTLEDGER_KAFKA_BOOTSTRAP_SERVERS"] = settings.kafka_bootstrap_servers
        return {**os.environ, **wanted}


def _settle(url: str) -> None:
    """As pgbench does before it measures. Autovacuum would do the same a few seconds later, in the
    middle of whoever is next.
    """
    of_users = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate"
    for (name,) in execute(url, of_users):
        database = _database(url, str(name))
        tables = [sql.Identifier(*map(str, row)) for row in execute(database, LEFT_OVER)]
        if tables:
            execute(database, sql.SQL("VACUUM (ANALYZE) {}").format(sql.SQL(", ").join(tables)))
    execute(url, "CHECKPOINT")


def _database(url: str, name: str) -> str:
    """The URL of another database of the same server. url: of the superuser's."""
    return url.replace("/postgres?", f"/{name}?", 1)


@contextmanager
def staged(directory: Path, asked: Asked) -> Generator[Stage]:
    """A running server in a directory, which may not exist after it."""
    postgres = EmbeddedPostgres(directory)
    try:
        yield Stage(
            directory,
            postgres,
            postgres.start(),
            secrets.token_urlsafe(32),
            f"op_{secrets.token_urlsafe(32)}",
            asked,
        )
    finally:
        postgres.stop()


@contextmanager
def temporary_directory() -> Generator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="agentledger-bench-"))
    directory.chmod(0o755)  # The server has an account of its own when root runs this.
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def postgres_version(directory: Path) -> str:
    program = EmbeddedPostgres(directory).bin_dir / "postgres"
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return told.stdout.strip().rpartition(" ")[2]


def execute(
    url: str,
    statement: LiteralString | sql.Composed,
    params: Sequence[object] | Mapping[str, object] = (),
) -> list[tuple[object, ...]]:
    """One statement as the superuser, and its rows."""
    with psycopg.connect(url, autocommit=True) as conn:
        cursor = conn.execute(statement, params)
        return [] if cursor.description is None else cursor.fetchall()


@asynccontextmanager
async def process(
    *arguments: str, environment: Mapping[str, str], log: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`python -m ...` beside us, ended with the block. Its complaints go to `log`."""
    with log.open("ab") as errors:
        started = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *arguments),
            env=environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            # Ctrl-C is for us; we end it in order.
            start_new_session=True,
        )
    try:
        yield started
    finally:
        await _end(started)


async def _end(started: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        started.terminate()
    try:
        await asyncio.wait_for(started.wait(), STOP_WAIT_S)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            started.kill()
        await started.wait()


@asynccontextmanager
async def role(
    stage: Stage, settings: Settings, name: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`agentledger serve --role <name>`, for a role without an address."""
    log = settings.data_dir / f"{name}.log"
    async with process(
        "cli", "serve", "--role", name, environment=stage.environment(settings), log=log
    ) as started:
        yield started
        if started.returncode is not None:
            raise BenchFailed(f"the {name} ended by itself: {_tail(log)}")


@asynccontextmanager
async def api(stage: Stage, settings: Settings) -> AsyncIterator[str]:
    """`agentledger serve --role api`: the URL it answers at."""
    async with web_process(
        *("cli", "serve", "--role", "api", "--port", "0"),
        environment=stage.environment(settings),
        log=settings.data_dir / "api.log",
    ) as url:
        yield url


@asynccontextmanager
async def web_process(
    *arguments: str, environment: Mapping[str, str], log: Path
) -> AsyncIterator[str]:
    """A process that prints its address in its first line: the URL it answers at."""
    async with process(*arguments, environment=environment, log=log) as started:
        assert started.stdout is not None
        line = (await asyncio.wait_for(started.stdout.readline(), START_WAIT_S)).decode()
        if ADDRESS_MARK not in line:
            raise BenchFailed(f"{' '.join(arguments)} did not start: {_tail(log)}")
        yield ADDRESS_MARK + line.partition(ADDRESS_MARK)[2].strip()


@asynccontextmanager
async def everything(
    stage: Stage, settings: Settings, environment: Mapping[str, str] = {}
) -> AsyncIterator[tuple[str, str]]:
    """`agentledger up`, every role as it has them: its URL and the API key of its tenant.
    environment: what it has besides its settings.
    """
    async with up_process(stage, settings, environment) as (_, url, key):
        yield url, key


@asynccontextmanager
async def up_process(
    stage: Stage, settings: Settings, environment: Mapping[str, str] = {}
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, str]]:
    """As `everything`, and the process, for who wants to kill it."""
    log = settings.data_dir / "up.log"
    # One that was killed could not remove what says where it is.
    (settings.data_dir / SERVER_FILE).unlink(missing_ok=True)
    environment = {**stage.environment(settings), **environment}
    async with process("cli", "up", environment=environment, log=log) as started:
        deadline = asyncio.get_running_loop().time() + START_WAIT_S
        while (server := read_json(settings.data_dir / SERVER_FILE)) is None:
            if started.returncode is not None or asyncio.get_running_loop().time() > deadline:
                raise BenchFailed(f"up did not start: {_tail(log)}")
            await asyncio.sleep(POLL_S)
        tenant = read_json(settings.data_dir / DEMO_FILE)
        assert tenant is not None
        yield started, str(server["url"]), str(tenant["api_key"])


async def new_tenant(url: str, operator_key: str) -> str:
    """The API key of a new tenant's administrator."""
    body = {"name": "Bench", "admin": {"email": "bench@example.com", "password": operator_key[:32]}}
    answer = await post(url, "/api/v1/tenants", body, {"X-Operator-Key": operator_key})
    return str(answer["api_key"])


async def post(url: str, path: str, body: JsonObject, headers: Mapping[str, str]) -> JsonObject:
    """The data of a command's answer."""
    async with httpx.AsyncClient(base_url=url, timeout=START_WAIT_S) as client:
        answer = await client.post(
            path,
            content=orjson.dumps(body),
            headers={"Content-Type": "application/json", **headers},
        )
    if answer.is_error:
        raise BenchFailed(f"POST {path} answered {answer.status_code}: {answer.text}")
    return answer.json()["data"]


def _tail(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-LOG_TAIL_CHARACTERS:].strip() or "it said nothing"
