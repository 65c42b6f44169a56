"""What ends the memory of a caller. The database is a row that is told when to answer."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from domain.errors import Unauthenticated
from infra.authentication import Authentication, Credentials
from infra.secrets_source import SecretsSource
from tests.commands.fakes import FakeClock

TENANT = UUID(int=1)
API_KEY = UUID(int=2)


class _Row:
    """The answer of `api_key(...)`: read when the statement begins, delivered when it may be."""

    def __init__(self, text: str) -> None:
        self._hash = hashlib.sha256(text.encode()).digest()
        self.revoked_at: datetime | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.was_asked = asyncio.Event()
        self.lookups_count = 0

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator["_Row"]:
        yield self

    async def execute(self, _statement: object, _parameters: object) -> "_Cursor":
        self.lookups_count += 1
        row = (TENANT, API_KEY, self._hash, ["read"], None, None, self.revoked_at)
        self.was_asked.set()
        await self.may_answer.wait()
        return _Cursor(row)


class _Cursor:
    def __init__(self, row: tuple[object, ...]) -> None:
        self._row = row

    async def fetchone(self) -> tuple[object, ...]:
        return self._row


@pytest.fixture
def text() -> str:
    return SecretsSource(bcrypt_cost=4).new_api_key().secret_text


def _authentication(row: _Row) -> Authentication:
    database: Any = row
    return Authentication(database, FakeClock(), operator_key=None, monotonic_s=lambda: 0.0)


async def test_a_caller_is_remembered_until_the_key_is_forgotten(text: str) -> None:
    row = _Row(text)
    authentication = _authentication(row)
    for _ in range(3):
        await authentication.authenticate(Credentials(f"Bearer {text}"))
    assert row.lookups_count == 1
    authentication.forget(UUID(int=99))
    await authentication.authenticate(Credentials(f"Bearer {text}"))
    assert row.lookups_count == 1
    row.revoked_at = FakeClock().now()
    authentication.forget(API_KEY)
    with pytest.raises(Unauthenticated):
        await authentication.authenticate(Credentials(f"Bearer {text}"))


async def test_what_was_read_before_a_revocation_is_not_remembered_after_it(text: str) -> None:
    row = _Row(text)
    authentication = _authentication(row)
    row.may_answer.clear()
    on_its_way = asyncio.create_task(authentication.authenticate(Credentials(f"Bearer {text}")))
    await row.was_asked.wait()
    row.revoked_at = FakeClock().now()
    authentication.forget(API_KEY)
    row.may_answer.set()
    await on_its_way
    with pytest.raises(Unauthenticated):
        await authentication.authenticate(Credentials(f"Bearer {text}"))
