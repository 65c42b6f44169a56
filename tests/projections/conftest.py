"""Each test has a database of its own, copied from one with all tables."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Generator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql

from infra.connections import Connection
from projections.schema import create_missing_tables
from tests.conftest import copy_database, database_url_of
from tests.projections.ledger import Ledger

OPTIONS = "-c search_path=agentledger,pg_catalog -c timezone=UTC"


def fresh_copy(postgres_url: str, template: str) -> str:
    """The name of the copy."""
    name = f"test_{uuid.uuid4().hex}"
    copy_database(postgres_url, template, name)
    return name


def drop_database(postgres_url: str, name: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def read_models_database(postgres_url: str, template_database: str) -> Generator[str]:
    """The name of a database with the tables of all read models, to be copied."""
    name = fresh_copy(postgres_url, template_database)

    async def create() -> None:
        url = database_url_of(postgres_url, name)
        async with await Connection.connect(url, autocommit=True) as conn:
            await create_missing_tables(conn)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, create()).result()
    yield name
    drop_database(postgres_url, name)


@pytest.fixture
async def ledger(
    postgres_url: str, read_models_database: str, master_key: str
) -> AsyncIterator[Ledger]:
    name = fresh_copy(postgres_url, read_models_database)
    url = database_url_of(postgres_url, name)
    async with await Connection.connect(url, autocommit=True, options=OPTIONS) as owner:
        built = Ledger(url, master_key, owner)
        yield built
        for database in built.databases.values():
            await database.close()
    drop_database(postgres_url, name)
