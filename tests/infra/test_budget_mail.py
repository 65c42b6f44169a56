"""What administrators are written about budgets goes with the event that tells it, once."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from psycopg import AsyncConnection
from psycopg.errors import CheckViolation

from commands.identity_port import StoredUserAccess
from commands.mail_port import Mail
from domain.identity import User
from infra.mail_outbox import PostgresMailOutbox
from tests.infra.budget_steps import Tenant
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS

USD = 10**12


@pytest.fixture
async def tenant(parts: Parts, database_url: str) -> AsyncIterator[Tenant]:
    """Alone with its mail, for a worker sees all."""
    async with await AsyncConnection.connect(
        database_url, autocommit=True, options="-c search_path=agentledger"
    ) as owner:
        await owner.execute("DELETE FROM mail_outbox")
        yield Tenant(parts, owner)


async def a_person(tenant: Tenant, email: str, role: str) -> None:
    user = User(id=IDS.new(), email=email, role=role, name=None)
    row = StoredUserAccess(user.id, email.encode(), role, "ACTIVE")
    await tenant.parts.store.append([user], tenant.envelope, side_rows=[row])


async def mails(tenant: Tenant) -> list[Mail]:
    outbox = PostgresMailOutbox(await tenant.parts.database("worker"), tenant.parts.keys)
    found: list[Mail] = []
    while (due := await outbox.claim(60)) is not None:
        found.append(due.mail)
    return found


async def test_each_administrator_is_written_once_by_however_many_workers(tenant: Tenant) -> None:
    await a_person(tenant, "ada@example.com", "ADMIN")
    await a_person(tenant, "bob@example.com", "ADMIN")
    await a_person(tenant, "eve@example.com", "USER")
    counter = await tenant.budget(2 * USD, is_hard=False, notify_at=["0.5"])
    await tenant.ends(await tenant.call(USD + USD // 2, [counter]), USD + USD // 2)
    assert await tenant.told(counter) == ["budget.threshold_reached"]
    assert await tenant.told(counter) == ["budget.threshold_reached"]
    found = await mails(tenant)
    assert sorted(mail.to for mail in found) == ["ada@example.com", "bob@example.com"]
    assert "50 % of a budget are spent: 1.5 of 2 USD." in found[0].text
    assert counter.budget_id in found[0].text


async def test_who_is_told_nothing_is_written_nothing(tenant: Tenant) -> None:
    """The row of a mail is in the transaction of the event, and is rolled back with it."""
    await a_person(tenant, "ada@example.com", "ADMIN")
    counter = await tenant.budget(USD, is_hard=False, notify_at=["0.5"])
    await tenant.ends(await tenant.call(USD, [counter]), USD)
    await tenant.owner.execute(
        "ALTER TABLE mail_outbox ADD CONSTRAINT full_up CHECK (expires_at < now()) NOT VALID"
    )
    try:
        with pytest.raises(CheckViolation):
            await (await tenant.telling()).work_once()
    finally:
        await tenant.owner.execute("ALTER TABLE mail_outbox DROP CONSTRAINT full_up")
    cursor = await tenant.owner.execute(
        "SELECT count(*) FROM events WHERE originator_id = %s", (UUID(counter.budget_id),)
    )
    assert await cursor.fetchone() == (1,)
    assert await tenant.told(counter) == ["budget.threshold_reached"]
    assert len(await mails(tenant)) == 1
