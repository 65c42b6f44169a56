"""What is put on record at once, what is gathered, and what is counted."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from commands.authorization import Caller, MissingScope, Whose
from domain.errors import NotFound, OverLimit, Unauthenticated, Unavailable
from domain.identifiers import TenantId
from infra import audit_trail
from infra.audit_trail import Asked, AuditEntry, AuditTrail, AuditUnavailable, Source
from infra.data_keys import PLATFORM
from tests.infra.log_steps import IDS

TENANT = TenantId(IDS.new())
OTHER = TenantId(IDS.new())
ADA = IDS.new()
CALLER = Caller("api_key:one", TENANT, frozenset({"read"}))
NEVER_S = 3600.0


class Shelf:
    """Where entries come to lie. refuses: actions that the database would not take."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.is_away = False
        self.refuses: set[str] = set()
        self.batches = 0
        self.lost = 0
        self.trail = AuditTrail(self.store, IDS, lost=self.lose, gather_s=NEVER_S, count_s=NEVER_S)

    async def store(self, entries: Sequence[AuditEntry]) -> None:
        if self.is_away:
            raise Unavailable
        if any(entry.action in self.refuses for entry in entries):
            raise ValueError
        self.entries += entries
        self.batches += 1

    def lose(self, count: int) -> None:
        self.lost += count


def asked(
    caller: Caller | None = CALLER, action: str = "createAgent", address: str = "203.0.113.1"
) -> Asked:
    return Asked(caller, action, IDS.new(), Source(address, "curl/8"))


async def test_a_refusal_of_a_known_caller_is_stored_before_it_is_answered() -> None:
    shelf = Shelf()
    await shelf.trail.refused(asked(), MissingScope())
    (entry,) = shelf.entries
    assert (entry.tenant_id, entry.actor, entry.credential) == (TENANT, "api_key:one", "api_key")
    assert (entry.action, entry.outcome, entry.code) == ("createAgent", "denied", "forbidden")
    assert entry.source == Source("203.0.113.1", "curl/8")


@pytest.mark.parametrize(
    ("error", "outcome", "code"),
    [(NotFound(), "failed", "not_found"), (RuntimeError("what?"), "failed", "internal")],
)
async def test_a_refusal_says_what_came_of_it(error: Exception, outcome: str, code: str) -> None:
    shelf = Shelf()
    await shelf.trail.refused(asked(), error)
    assert [(entry.outcome, entry.code) for entry in shelf.entries] == [(outcome, code)]


async def test_a_sensitive_read_is_stored_before_it_is_answered() -> None:
    shelf = Shelf()
    await shelf.trail.read(asked(action="users"))
    assert [(entry.action, entry.outcome) for entry in shelf.entries] == [("users", "allowed")]


async def test_what_cannot_be_put_on_record_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_trail, "KEEP_TIMEOUT_S", 0.01)
    shelf = Shelf()
    shelf.is_away = True
    with pytest.raises(AuditUnavailable):
        await shelf.trail.read(asked(action="users"))


async def test_a_refusal_is_answered_though_it_cannot_be_stored_and_is_stored_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit_trail, "KEEP_TIMEOUT_S", 0.01)
    shelf = Shelf()
    shelf.is_away = True
    await shelf.trail.refused(asked(), MissingScope())
    assert shelf.entries == []
    shelf.is_away = False
    await shelf.trail.close()
    assert len(shelf.entries) == 1
    assert shelf.lost == 0


async def test_accepted_commands_wait_for_each_other_and_cost_one_statement() -> None:
    shelf = Shelf()
    for _ in range(20):
        shelf.trail.accepted(asked(), "1-7-3:9")
    await asyncio.sleep(0)
    assert shelf.entries == []
    await shelf.trail.refused(asked(action="deleteAgent"), NotFound())
    assert [entry.position for entry in shelf.entries] == ["1-7-3:9"] * 20 + [None]
    assert shelf.batches == 1


async def test_strangers_are_counted_by_address_and_reason() -> None:
    shelf = Shelf()
    for _ in range(1000):
        await shelf.trail.refused(asked(None), Unauthenticated())
    await shelf.trail.refused(asked(None, address="203.0.113.2"), Unauthenticated())
    assert shelf.entries == []
    await shelf.trail.close()
    told = [(entry.source and entry.source.address, entry.times) for entry in shelf.entries]
    assert told == [("203.0.113.1", 1000), ("203.0.113.2", 1)]
    assert {(entry.tenant_id, entry.actor) for entry in shelf.entries} == {(PLATFORM, "stranger")}


async def test_whose_credential_was_refused_is_on_record_of_that_tenant() -> None:
    shelf = Shelf()
    for _ in range(3):
        whose = (Whose(TENANT, f"user:{ADA}"), Whose(OTHER, f"api_key:{ADA}"))
        error = Unauthenticated(whose=whose, reason="it was revoked")
        await shelf.trail.refused(asked(None), error)
    assert str(ADA) not in error.detail + str(error)
    await shelf.trail.close()
    told = [
        (entry.tenant_id, entry.user_id, entry.credential, entry.reason, entry.times)
        for entry in shelf.entries
    ]
    assert told == [
        (TENANT, ADA, "user", "it was revoked", 3),
        (OTHER, None, "api_key", "it was revoked", 3),
    ]


async def test_nobody_fills_the_trail_of_a_tenant_by_asking_from_everywhere() -> None:
    shelf = Shelf()
    whose = (Whose(TENANT, f"user:{ADA}"),)
    for number in range(300):
        error = Unauthenticated(whose=whose, reason="the password is wrong")
        await shelf.trail.refused(asked(None, address=f"2001:db8::{number:x}"), error)
    await shelf.trail.refused(asked(None), Unauthenticated(whose=(Whose(OTHER, "api_key:x"),)))
    await shelf.trail.close()
    of_tenant = [entry for entry in shelf.entries if entry.tenant_id == TENANT]
    assert len(of_tenant) == audit_trail.COUNTED_OF_TENANT_MAX + 1
    assert sum(entry.times for entry in of_tenant) == 300
    assert of_tenant[-1].source is None
    (other,) = [entry for entry in shelf.entries if entry.tenant_id == OTHER]
    assert other.source is not None


async def test_a_caller_over_its_limit_is_counted() -> None:
    shelf = Shelf()
    for _ in range(50):
        await shelf.trail.refused(asked(), OverLimit(retry_after_s=1))
    await shelf.trail.close()
    assert [(entry.tenant_id, entry.times) for entry in shelf.entries] == [(TENANT, 50)]


async def test_more_addresses_than_are_remembered_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_trail, "COUNTED_MAX", 2)
    shelf = Shelf()
    for number in range(10):
        await shelf.trail.refused(asked(None, address=f"203.0.113.{number}"), Unauthenticated())
    await shelf.trail.close()
    assert [(entry.source is None, entry.times) for entry in shelf.entries] == [
        (False, 1),
        (False, 1),
        (True, 8),
    ]


async def test_an_entry_that_the_database_refuses_takes_no_other_with_it() -> None:
    shelf = Shelf()
    shelf.refuses = {"bad"}
    for action in ("a", "b", "bad", "c"):
        shelf.trail.accepted(asked(action=action), None)
    await shelf.trail.close()
    assert [entry.action for entry in shelf.entries] == ["a", "b", "c"]
    assert shelf.lost == 1


async def test_a_queue_that_is_full_loses_entries_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit_trail, "QUEUE_MAX", 3)
    shelf = Shelf()
    for _ in range(5):
        shelf.trail.accepted(asked(), None)
    await shelf.trail.close()
    assert (len(shelf.entries), shelf.lost) == (3, 2)


async def test_ids_are_the_only_thing_told_of_a_target() -> None:
    shelf = Shelf()
    long = Asked(CALLER, "readBlob", UUID(int=1), Source(), "x" * 1000)
    await shelf.trail.refused(long, NotFound())
    assert len(shelf.entries[0].target or "") == audit_trail.TARGET_CHARACTERS_MAX
