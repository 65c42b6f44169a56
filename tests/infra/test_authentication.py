"""What ends the memory of a caller. The database is a row that is told when to answer."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from commands.authorization import ROLE_GRANTS, Grants
from domain.errors import Unauthenticated
from domain.identifiers import TenantId
from infra.authentication import Authentication, Credentials
from infra.secrets_source import SecretsSource
from tests.commands.fakes import FakeClock

TENANT = UUID(int=1)
API_KEY = UUID(int=2)
USER = UUID(int=3)
ROLE = UUID(int=4)


class _Row:
    """What is found of a key and its person: read when the statement begins, delivered when it may
    be.
    """

    def __init__(self, text: str) -> None:
        self._hash = hashlib.sha256(text.encode()).digest()
        self.revoked_at: datetime | None = None
        self.scopes = ["*"]
        self.role = "ADMIN"
        self.status = "ACTIVE"
        self.permissions: list[str] | None = None
        self.allowed: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.was_asked = asyncio.Event()
        self.lookups_count = 0

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator["_Row"]:
        yield self

    async def execute(self, statement: object, _parameters: object) -> "_Cursor":
        self.lookups_count += 1
        person = (self.role, self.status, self.permissions)
        key = (TENANT, API_KEY, self._hash, self.scopes, USER, None, self.revoked_at, self.allowed)
        row = person if "access_of(%s" in str(statement) else (*key, *person)
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
    return Authentication(
        database,
        FakeClock(),
        operator_key=None,
        monotonic_s=lambda: 0.0,
        key_used=lambda _api_key_id, _tenant_id: None,
    )


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


async def test_a_key_does_what_it_names_and_its_person_may_do_now(text: str) -> None:
    row = _Row(text)
    authentication = _authentication(row)
    assert (await authentication.authenticate(Credentials(f"Bearer {text}"))).scopes == {"*"}
    row.role = "USER"
    authentication.forget(USER)
    user = await authentication.authenticate(Credentials(f"Bearer {text}"))
    assert user.grants == ROLE_GRANTS["USER"]
    row.scopes = ["read", "users:write"]
    authentication.forget(API_KEY)
    reader = await authentication.authenticate(Credentials(f"Bearer {text}"))
    assert reader.grants == Grants(frozenset({"read"}), frozenset({"read"}))


@pytest.mark.parametrize("status", ["DEACTIVATED", "INVITED", None])
async def test_who_is_not_active_has_no_key_that_counts(text: str, status: str | None) -> None:
    row: Any = _Row(text)
    authentication = _authentication(row)
    await authentication.authenticate(Credentials(f"Bearer {text}"))
    await authentication.caller_of_user(TenantId(TENANT), USER)
    row.status = status
    authentication.forget(USER)
    with pytest.raises(Unauthenticated):
        await authentication.authenticate(Credentials(f"Bearer {text}"))
    with pytest.raises(Unauthenticated):
        await authentication.caller_of_user(TenantId(TENANT), USER)


async def test_a_role_of_the_tenants_own_making_counts_as_it_is_now(text: str) -> None:
    row = _Row(text)
    row.role, row.permissions = str(ROLE), ["read", "workflows:execute:own"]
    authentication = _authentication(row)
    person = await authentication.caller_of_user(TenantId(TENANT), USER)
    wanted = Grants(frozenset({"read", "workflows:execute"}), frozenset({"workflows:execute"}))
    assert person.grants == wanted
    row.permissions = None
    authentication.forget(ROLE)
    assert (await authentication.caller_of_user(TenantId(TENANT), USER)).scopes == frozenset()
    assert (await authentication.authenticate(Credentials(f"Bearer {text}"))).scopes == frozenset()


@pytest.mark.parametrize("stream", [TENANT, USER, API_KEY])
async def test_whoever_is_made_from_a_stream_is_made_anew_when_it_changes(
    text: str, stream: UUID
) -> None:
    row = _Row(text)
    authentication = _authentication(row)
    for _ in range(2):
        await authentication.authenticate(Credentials(f"Bearer {text}"))
    assert row.lookups_count == 1
    authentication.forget(stream)
    await authentication.authenticate(Credentials(f"Bearer {text}"))
    assert row.lookups_count == 2
