"""Fixtures of the write API's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.write_api.api import Api


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    made = Api()
    async with made.client:
        yield made
