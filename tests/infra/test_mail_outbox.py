"""A mail is stored with its events, sealed, and leaves the outbox once."""

from datetime import UTC, datetime, timedelta

import pytest
from psycopg import AsyncConnection

from commands.mail_port import DueMail, Mail
from domain.envelope import Envelope
from domain.identifiers import TenantId
from infra.mail_outbox import PostgresMailOutbox, SealedMailbox
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS, a_key

MAIL = Mail("ada@example.com", "Hello", "A secret word: xylophone")
LEASE_S = 60.0


@pytest.fixture(autouse=True)
async def _only_ours(database_url: str) -> None:
    """The tests of a module share a database, and a worker sees all mail."""
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        await owner.execute("DELETE FROM agentledger.mail_outbox")


async def a_queued_mail(parts: Parts) -> TenantId:
    tenant_id = TenantId(IDS.new())
    row = await SealedMailbox(parts.keys, IDS, has_server=True).queued(
        tenant_id, MAIL, user_id=IDS.new(), expires_at=datetime.now(UTC) + timedelta(hours=1)
    )
    await parts.store.append([a_key()], Envelope(tenant_id, "user:ada"), side_rows=[row])
    return tenant_id


async def claimed(outbox: PostgresMailOutbox, lease_s: float = LEASE_S) -> DueMail:
    due = await outbox.claim(lease_s)
    assert due is not None
    return due


async def test_a_claimed_mail_is_nobody_elses_until_its_lease_ends(parts: Parts) -> None:
    outbox = PostgresMailOutbox(await parts.database("worker"), parts.keys)
    tenant_id = await a_queued_mail(parts)
    first = await claimed(outbox)
    assert (first.tenant_id, first.mail, first.attempts_count) == (tenant_id, MAIL, 1)
    assert await outbox.claim(LEASE_S) is None
    await outbox.failed(first, retry_in_s=0)
    again = await claimed(outbox)
    assert (again.mail_id, again.attempts_count) == (first.mail_id, 2)
    await outbox.sent(again)
    assert await outbox.claim(LEASE_S) is None


async def test_what_is_given_up_is_never_due_and_says_nothing_any_more(
    parts: Parts, database_url: str
) -> None:
    outbox = PostgresMailOutbox(await parts.database("worker"), parts.keys)
    await a_queued_mail(parts)
    await outbox.failed(await claimed(outbox, 0), retry_in_s=None)
    assert await outbox.claim(LEASE_S) is None
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        cursor = await owner.execute("SELECT sealed, dead_at FROM agentledger.mail_outbox")
        ((sealed, dead_at),) = await cursor.fetchall()
    assert bytes(sealed) == b""
    assert dead_at is not None


async def test_neither_the_address_nor_the_words_lie_in_the_clear(
    parts: Parts, database_url: str
) -> None:
    await a_queued_mail(parts)
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        cursor = await owner.execute("SELECT sealed FROM agentledger.mail_outbox")
        ((sealed,),) = await cursor.fetchall()
    for word in (b"xylophone", b"ada", b"example", b"Hello"):
        assert word not in bytes(sealed)
