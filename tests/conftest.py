"""The real servers the tests run on: one embedded PostgreSQL and one Kafka broker per test process.

They start when the first test asks and stop with the session.
"""

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from psycopg import sql
from xdist.scheduler import LoadFileScheduling

from infra.embedded_postgres import EmbeddedPostgres
from tests.kafka_broker import any_broker
from tests.maven import NoServer
from tests.oidc.provider import OpenIdProvider
from tests.ports import free_port

# Failures inside the stories of runs show what differs, whichever folder imports them first.
pytest.register_assert_rewrite("tests.domain.given", "tests.domain.resuming")

# How long an example may take says more of the machine than of us.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# What tests write needs no disk, and thousands of databases are made and dropped: on a disk that
# takes more processor time than all else, and most of the waiting. Processes they start inherit it.
MEMORY = Path("/dev/shm")
ROOM_BYTES = 6 << 30
if "TMPDIR" not in os.environ and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM_BYTES:
    os.environ["TMPDIR"] = str(MEMORY)
    tempfile.tempdir = None

# Nothing in a test outlives the machine: what only a power cut would need is off.
POSTGRES_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "log_min_error_statement": "error",
}


class OneBrowser(LoadFileScheduling):
    """A file is for one process, and all files of the dashboard's tests are for the same one: the
    driver of a browser has an event loop of its own, which must end before other tests go on.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return "tests/browser" if file.startswith("tests/browser/") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneBrowser | None:
    return OneBrowser(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def postgres_server() -> Generator[EmbeddedPostgres]:
    """The running server; a test that restarts it must leave it running."""
    directory = Path(tempfile.mkdtemp(prefix="agentledger-postgres-"))
    directory.chmod(0o755)  # The server has an account of its own when root runs the tests.
    server = EmbeddedPostgres(directory, settings=POSTGRES_SETTINGS)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(postgres_server: EmbeddedPostgres) -> str:
    """The superuser's own database; for what concerns the whole server."""
    return postgres_server.start()


@pytest.fixture(scope="session")
def master_key() -> str:
    """The key the migrated databases were made with."""
    return "a master key of the tests, thirty-two bytes or more"


@pytest.fixture(scope="session")
def template_database(postgres_url: str, master_key: str) -> str:
    """The name of a migrated database, which nobody connects to, so that it can be copied."""
    # Imported here: most tests need no database, and this pulls in all of infra's drivers.
    from infra.migrations import migrate
    from projections.schema import create_missing_tables

    async def make(url: str) -> None:
        await migrate(url, master_key=master_key)
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as conn:
            await create_missing_tables(conn)

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE agentledger_template")
    # In a thread, because the event loop of the tests is not ours to replace.
    with ThreadPoolExecutor(1) as thread:
        url = database_url_of(postgres_url, "agentledger_template")
        thread.submit(asyncio.run, make(url)).result()
    return "agentledger_template"


@pytest.fixture(scope="module")
def database_url(postgres_url: str, template_database: str) -> Generator[str]:
    """A migrated, empty database for the tests of one module (owner's URL)."""
    name = f"test_{uuid.uuid4().hex}"
    copy_database(postgres_url, template_database, name)
    yield database_url_of(postgres_url, name)
    # A connection of its own, for a test may have restarted the server.
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Generator[str]:
    """The address of a real broker; tests use topics of their own."""
    try:
        broker = any_broker()
    except NoServer as reason:
        if os.environ.get("CI"):
            pytest.fail(f"Kafka tests must run in CI. {reason}")
        pytest.skip(str(reason))
    try:
        yield broker.bootstrap_servers
    finally:
        broker.stop()


@pytest.fixture(scope="session")
def openid_port() -> int:
    """Where the provider will listen, known before it runs: an installation lets it through."""
    return free_port()


@pytest.fixture(scope="session")
def openid_provider(openid_port: int) -> Generator[OpenIdProvider]:
    """A real OpenID provider; tests use issuers of their own."""
    try:
        provider = OpenIdProvider(openid_port)
    except NoServer as reason:
        if os.environ.get("CI"):
            pytest.fail(f"The tests of logins must run in CI. {reason}")
        pytest.skip(str(reason))
    try:
        yield provider
    finally:
        provider.stop()


def database_url_of(postgres_url: str, name: str) -> str:
    """The same server and user, another database."""
    return postgres_url.replace("/postgres?", f"/{name}?", 1)


def copy_database(postgres_url: str, template: str, name: str) -> None:
    """By its files: half the work of copying it through the write-ahead log."""
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
