"""The audit trail in PostgreSQL: who may read it, who may change it, and what lies in the clear."""

from datetime import timedelta
from typing import get_args

import psycopg
import pytest
from psycopg import AsyncConnection

from commands.authorization import Caller
from domain.errors import Invalid
from domain.identifiers import TenantId
from infra import audit_entries
from infra.audit_entries import AuditEntries, AuditFilter, instant_of
from infra.audit_trail import Asked, AuditEntry, AuditTrail, Source
from infra.data_keys import DataKeys
from infra.export_pages import TooManyExports
from infra.key_encryption import KeyEncryption
from infra.postgres import Role, role_conninfo
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS
from tests.infra.test_data_keys import MASTER_KEY, SCRYPT_N

ADDRESS = "203.0.113.77"
AGENT = "CanaryBrowser/1"


async def entries_of(parts: Parts) -> AuditEntries:
    reader = await parts.database("api")
    encryption = KeyEncryption(reader, [MASTER_KEY], scrypt_n=SCRYPT_N)
    keys = DataKeys(reader, encryption, monotonic_s=lambda: 0.0)
    return AuditEntries(await parts.database("writer"), reader, keys)


def entries(tenant_id: TenantId, *actions: str, address: str = ADDRESS) -> list[AuditEntry]:
    """As a trail makes them."""
    trail = AuditTrail(nowhere, IDS, lost=lambda _: None)
    caller = Caller("user:ada", tenant_id, frozenset(), IDS.new())
    return [
        trail._entry(
            Asked(caller, action, IDS.new(), Source(address, AGENT), "agent_id=1"),
            "denied",
            "forbidden",
        )
        for action in actions
    ]


async def nowhere(_entries: object) -> None:
    raise AssertionError


async def test_what_was_stored_is_read_newest_first(parts: Parts) -> None:
    log, tenant = await entries_of(parts), TenantId(IDS.new())
    stored = entries(tenant, "a", "b", "c")
    await log.store(stored)
    page = await log.page(tenant, AuditFilter(), before=None, limit=2)
    assert page.items == [stored[2], stored[1]]
    rest = await log.page(tenant, AuditFilter(), before=page.next_before, limit=2)
    assert (rest.items, rest.next_before) == ([stored[0]], None)


async def test_a_page_that_holds_all_says_that_there_is_no_next(parts: Parts) -> None:
    log, tenant = await entries_of(parts), TenantId(IDS.new())
    await log.store(entries(tenant, "a", "b"))
    for limit in (2, 3):
        page = await log.page(tenant, AuditFilter(), before=None, limit=limit)
        assert (len(page.items), page.next_before) == (2, None)


async def test_a_batch_whose_answer_got_lost_is_stored_once(parts: Parts) -> None:
    log, tenant = await entries_of(parts), TenantId(IDS.new())
    batch = entries(tenant, "a", "b")
    await log.store(batch)
    await log.store(batch)
    page = await log.page(tenant, AuditFilter(), before=None, limit=10)
    assert len(page.items) == 2


async def test_one_tenants_entries_are_never_in_anothers_list(parts: Parts) -> None:
    log, ours, theirs = await entries_of(parts), TenantId(IDS.new()), TenantId(IDS.new())
    await log.store([*entries(ours, "a"), *entries(theirs, "b")])
    page = await log.page(ours, AuditFilter(), before=None, limit=10)
    assert [entry.action for entry in page.items] == ["a"]


async def test_a_filter_finds_by_actor_action_outcome_address_and_time(parts: Parts) -> None:
    log, tenant = await entries_of(parts), TenantId(IDS.new())
    here, there = entries(tenant, "a", "b"), entries(tenant, "a", address="2001:db8::1")
    await log.store([*here, *there])

    async def found(wanted: AuditFilter) -> list[AuditEntry]:
        return list((await log.page(tenant, wanted, before=None, limit=10)).items)

    assert await found(AuditFilter(action="a")) == [there[0], here[0]]
    assert await found(AuditFilter(actor="user:ada", outcome="denied")) == [
        there[0],
        *reversed(here),
    ]
    assert await found(AuditFilter(actor="user:bob")) == []
    assert await found(AuditFilter(outcome="allowed")) == []
    assert await found(AuditFilter(address="2001:db8::1")) == there
    first = instant_of(here[0].entry_id)
    assert await found(AuditFilter(end=first)) == []
    assert len(await found(AuditFilter(begin=first, end=first + timedelta(hours=1)))) == 3


async def test_a_search_by_address_looks_at_so_many_and_goes_on_later(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_entries, "SCAN_PAGE", 2)
    monkeypatch.setattr(audit_entries, "SCANNED_MAX", 4)
    log, tenant = await entries_of(parts), TenantId(IDS.new())
    wanted = entries(tenant, "old", address="203.0.113.5")
    await log.store([*wanted, *entries(tenant, *"abcdef")])
    search = AuditFilter(address="203.0.113.5")
    page = await log.page(tenant, search, before=None, limit=10)
    assert (page.items, page.next_before is not None) == ([], True)
    page = await log.page(tenant, search, before=page.next_before, limit=10)
    assert (page.items, page.next_before) == (wanted, None)


async def test_no_time_is_out_of_reach_and_none_breaks_the_query(parts: Parts) -> None:
    log, tenant = await entries_of(parts), TenantId(IDS.new())
    before_1970 = instant_of(IDS.new()).replace(year=1900)
    with pytest.raises(Invalid):
        await log.page(tenant, AuditFilter(begin=before_1970), before=None, limit=1)


async def test_addresses_and_user_agents_do_not_lie_in_the_clear(
    parts: Parts, database_url: str
) -> None:
    log, tenant = await entries_of(parts), TenantId(IDS.new())
    await log.store(entries(tenant, "a"))
    async with await AsyncConnection.connect(database_url) as owner:
        cursor = await owner.execute(
            "SELECT e::text, encode(sealed, 'escape') FROM agentledger.audit_entries AS e"
            " WHERE tenant_id = %s",
            (tenant,),
        )
        for row in await cursor.fetchall():
            assert ADDRESS not in "".join(row)
            assert AGENT not in "".join(row)
            assert "agent_id=1" not in "".join(row)


async def test_when_the_key_is_destroyed_what_was_done_stays_and_where_from_goes(
    parts: Parts, database_url: str
) -> None:
    log, tenant = await entries_of(parts), TenantId(IDS.new())
    await log.store(entries(tenant, "a"))
    async with await AsyncConnection.connect(database_url, autocommit=True) as owner:
        await owner.execute(
            "INSERT INTO agentledger.destroyed_keys (tenant_id, subject_id) VALUES (%s, %s)",
            (tenant, "00000000-0000-0000-0000-000000000000"),
        )
    after = await entries_of(parts)
    (entry,) = (await after.page(tenant, AuditFilter(), before=None, limit=1)).items
    assert (entry.action, entry.source, entry.target) == ("a", None, None)
    await after.store(entries(tenant, "b"))
    (entry,) = (await after.page(tenant, AuditFilter(action="b"), before=None, limit=1)).items
    assert entry.source is None


@pytest.mark.parametrize("role", get_args(Role))
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET actor = 'nobody'",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "ALTER TABLE audit_entries DISABLE ROW LEVEL SECURITY",
        "DROP TABLE audit_entries",
    ],
)
async def test_no_role_changes_or_removes_an_entry(
    database_url: str, master_key: str, role: Role, statement: str
) -> None:
    conninfo = role_conninfo(database_url, role, master_key=master_key, statement_timeout_s=10)
    async with await AsyncConnection.connect(conninfo, autocommit=True) as conn:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await conn.execute(statement.encode())


async def test_the_owner_may_look_and_changes_nothing(parts: Parts, database_url: str) -> None:
    log, tenant = await entries_of(parts), TenantId(IDS.new())
    await log.store(entries(tenant, "a"))
    async with await AsyncConnection.connect(database_url, autocommit=True) as conn:
        await conn.execute("SET ROLE agentledger_owner")
        deleted = await conn.execute("DELETE FROM agentledger.audit_entries")
        updated = await conn.execute("UPDATE agentledger.audit_entries SET actor = 'nobody'")
        assert (deleted.rowcount, updated.rowcount) == (0, 0)


async def test_an_export_ends_where_it_was_told_and_few_run_at_a_time(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_entries, "EXPORTS_MAX", 1)
    monkeypatch.setattr(audit_entries, "SCAN_PAGE", 2)
    log, tenant = await entries_of(parts), TenantId(IDS.new())
    await log.store(entries(tenant, *"abcde"))
    export = log.pages(tenant, AuditFilter(), before=None, entries_max=3)
    pages = [await anext(export)]
    with pytest.raises(TooManyExports):
        await anext(log.pages(tenant, AuditFilter(), before=None, entries_max=3))
    pages += [page async for page in export]
    assert [entry.action for page in pages for entry in page.items] == ["e", "d", "c"]
    again = log.pages(tenant, AuditFilter(), before=pages[-1].next_before, entries_max=3)
    assert [entry.action async for page in again for entry in page.items] == ["b", "a"]
