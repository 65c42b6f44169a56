"""Fixtures of the read API's tests. A module shares a database: each test has a tenant of its own,
and row security between it and the others.
"""

from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager

import pytest

from infra.connections import Connection
from tests.conftest import database_url_of
from tests.projections.conftest import (
    OPTIONS,
    drop_database,
    fresh_copy,
    read_models_database,  # noqa: F401 # a fixture
)
from tests.projections.ledger import Ledger
from tests.read_api.api import Api, build_api


@pytest.fixture(scope="module")
def shared_database(postgres_url: str, read_models_database: str) -> Generator[str]:  # noqa: F811 # the fixture above
    name = fresh_copy(postgres_url, read_models_database)
    yield database_url_of(postgres_url, name)
    drop_database(postgres_url, name)


@pytest.fixture
async def api(shared_database: str, master_key: str) -> AsyncIterator[Api]:
    async with api_on(shared_database, master_key) as built:
        yield built


@pytest.fixture
async def lone_api(
    postgres_url: str,
    read_models_database: str,  # noqa: F811 # the fixture above
    master_key: str,
) -> AsyncIterator[Api]:
    """On a database of its own, for what concerns all tenants or breaks things."""
    name = fresh_copy(postgres_url, read_models_database)
    async with api_on(database_url_of(postgres_url, name), master_key) as built:
        yield built
    drop_database(postgres_url, name)


@asynccontextmanager
async def api_on(url: str, master_key: str) -> AsyncIterator[Api]:
    async with await Connection.connect(url, autocommit=True, options=OPTIONS) as owner:
        ledger = Ledger(url, master_key, owner)
        async with build_api(ledger) as built:
            yield built
        for database in ledger.databases.values():
            await database.close()
