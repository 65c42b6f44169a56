"""The stage of the login tests."""

from collections.abc import AsyncIterator

import pytest

from tests.infra.conftest import Parts, build_parts, conninfo
from tests.logins.stage import Stage, stage

__all__ = ["conninfo"]


@pytest.fixture
async def parts(conninfo) -> AsyncIterator[Parts]:  # a fixture
    async with build_parts(conninfo) as built:
        yield built


@pytest.fixture
async def login(parts: Parts, database_url: str) -> AsyncIterator[Stage]:
    async with stage(parts, database_url) as made:
        yield made


@pytest.fixture
async def other(parts: Parts, database_url: str, login: Stage) -> AsyncIterator[Stage]:
    """A second process of the same installation, at the same time."""
    async with stage(parts, database_url, clock=login.clock) as made:
        yield made
