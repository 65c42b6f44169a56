"""What every command needs: the settings of its installation, and errors as sentences."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager

import uvloop
from psycopg import AsyncConnection, OperationalError
from psycopg.errors import InsufficientPrivilege
from pydantic import ValidationError

from cli.complaints import complain
from cli.installation import InstallationError, PortUnavailable, prepare, with_keys
from domain.errors import DomainError
from infra.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from infra.logs import TEXT_FORMAT
from infra.migrations import MigrationChanged
from infra.settings import Settings


def settings_or_complain(**changes: object) -> Settings:
    """The settings from the environment with `changes` laid over them (None changes nothing)."""
    try:
        settings = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "AGENTLEDGER_" + "_".join(str(part) for part in first["loc"]).upper()
        complain(f"the setting {name} is not valid: {first['msg']}.")
    return settings.model_copy(update={k: v for k, v in changes.items() if v is not None})


def run(work: Callable[[], Coroutine[object, object, int]]) -> int:
    """Run a command; known errors become sentences."""
    # Nothing where a process that serves has begun its own logs (cli/telemetry.py).
    logging.basicConfig(level=logging.WARNING, format=TEXT_FORMAT)
    try:
        return uvloop.run(work())
    except (InstallationError, PortUnavailable, EmbeddedPostgresError) as error:
        complain(str(error))
    except DomainError as error:
        complain(error.detail)
    except MigrationChanged as error:
        complain(f"migration {error} was applied with other content than it has now.")
    except (InsufficientPrivilege, OperationalError) as error:
        complain(f"the database cannot be used: {str(error).strip().splitlines()[0]}.")
    except KeyboardInterrupt:
        return 130


@asynccontextmanager
async def installation(settings: Settings) -> AsyncGenerator[Settings]:
    """Settings with a database: the one of the environment, or the embedded one, started for as
    long as needed.
    """
    if settings.database_url is not None:
        yield settings
        return
    prepare(settings.data_dir)
    settings = with_keys(settings)
    postgres = EmbeddedPostgres(settings.data_dir)
    url = await asyncio.to_thread(postgres.start)
    try:
        yield settings.model_copy(update={"database_url": url})
    finally:
        await asyncio.to_thread(postgres.stop)


@asynccontextmanager
async def owner_connection(settings: Settings) -> AsyncGenerator[AsyncConnection]:
    """A connection with the rights of `migrate`: sees every tenant."""
    assert settings.database_url is not None
    async with await AsyncConnection.connect(
        settings.database_url,
        autocommit=True,
        options="-c search_path=agentledger,pg_catalog -c timezone=UTC",
    ) as conn:
        yield conn
