"""API keys in the database: from where they hold, how two secrets of one key overlap, and when they
were last used.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

import pytest

from commands.authorization import EVERY_SCOPE, Caller
from commands.credentials import (
    ChangeApiKeyScopes,
    CreateApiKey,
    RestrictApiKey,
    RevokeApiKey,
    RotateApiKey,
)
from commands.decisions import Command
from commands.dispatch import Dispatcher, Origin
from domain.errors import Unauthenticated
from domain.identifiers import JsonObject, TenantId
from infra.api_key_uses import BATCH_KEYS_MAX, ApiKeyUses
from infra.authentication import Authentication, Credentials
from infra.postgres import Database, DatabaseUnavailable
from infra.secrets_source import SecretsSource
from tests.commands.fakes import NOON, FakeClock, World
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS

OFFICE = "192.0.2.7"


@dataclass
class Keys:
    """Commands on keys of one tenant, and the way in that looks them up."""

    parts: Parts
    database: Database
    clock: FakeClock = field(default_factory=FakeClock)
    tenant_id: TenantId = field(default_factory=lambda: TenantId(IDS.new()))
    refusals: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])

    def __post_init__(self) -> None:
        self.uses = ApiKeyUses(self.database, self.clock)
        self.authentication = Authentication(
            self.database,
            self.clock,
            operator_key=None,
            monotonic_s=lambda: self.clock.now().timestamp(),
            key_used=self.uses.note,
        )
        real = {"events": self.parts.store, "clock": self.clock, "ids": IDS}
        secrets = SecretsSource(bcrypt_cost=4)
        self._dispatcher = Dispatcher(replace(World().ports, **real, secrets=secrets))

    async def when(self, command: Command) -> JsonObject:
        caller = Caller("test", self.tenant_id, frozenset({EVERY_SCOPE}))
        answer = await self._dispatcher.dispatch(command, caller, Origin(IDS.new()))
        self.authentication.forget(UUID(str(answer.result["api_key_id"])))
        return answer.result

    async def holds(self, secret: object, address: str = OFFICE) -> bool:
        try:
            await self.authentication.authenticate(Credentials(f"Bearer {secret}", address=address))
        except Unauthenticated as refusal:
            self.refusals.add((refusal.code, refusal.detail))
            return False
        return True

    async def last_used_at(self, api_key_id: object) -> object:
        async with self.database.tenant_transaction(self.tenant_id) as conn:
            query = "SELECT last_used_at FROM api_key_uses WHERE api_key_id = %s"
            row = await (await conn.execute(query, (str(api_key_id),))).fetchone()
        return row and row[0]


@pytest.fixture
async def keys(parts: Parts) -> Keys:
    return Keys(parts, await parts.database("api"))


async def test_both_secrets_hold_until_the_overlap_ends(keys: Keys) -> None:
    made = await keys.when(CreateApiKey("k", ["read"]))
    rotated = await keys.when(RotateApiKey(UUID(str(made["api_key_id"])), 60))
    old, new = made["api_key"], rotated["api_key"]
    assert (await keys.holds(old), await keys.holds(new)) == (True, True)
    keys.clock.pass_time(seconds=60)
    assert (await keys.holds(old), await keys.holds(new)) == (False, True)


async def test_without_an_overlap_the_old_secret_ends_with_the_rotation(keys: Keys) -> None:
    made = await keys.when(CreateApiKey("k", ["read"]))
    assert await keys.holds(made["api_key"])
    await keys.when(RotateApiKey(UUID(str(made["api_key_id"])), 0))
    assert not await keys.holds(made["api_key"])


async def test_a_second_rotation_ends_the_secret_before_the_last(keys: Keys) -> None:
    made = await keys.when(CreateApiKey("k", ["read"]))
    api_key_id = UUID(str(made["api_key_id"]))
    second = await keys.when(RotateApiKey(api_key_id, 600))
    third = await keys.when(RotateApiKey(api_key_id, 600))
    held = [await keys.holds(answer["api_key"]) for answer in (made, second, third)]
    assert held == [False, True, True]


async def test_a_revocation_ends_both_secrets_of_an_overlap(keys: Keys) -> None:
    made = await keys.when(CreateApiKey("k", ["read"]))
    api_key_id = UUID(str(made["api_key_id"]))
    rotated = await keys.when(RotateApiKey(api_key_id, 600))
    for answer in (made, rotated):
        assert await keys.holds(answer["api_key"])
    await keys.when(RevokeApiKey(api_key_id))
    for answer in (made, rotated):
        assert not await keys.holds(answer["api_key"])


async def test_an_overlap_does_not_outlive_the_key(keys: Keys) -> None:
    expires_at = NOON + timedelta(seconds=10)
    made = await keys.when(CreateApiKey("k", ["read"], expires_at))
    rotated = await keys.when(RotateApiKey(UUID(str(made["api_key_id"])), 600))
    keys.clock.pass_time(seconds=10)
    for answer in (made, rotated):
        assert not await keys.holds(answer["api_key"])


@pytest.mark.parametrize(
    ("address", "holds"),
    [
        (OFFICE, True),
        ("::ffff:192.0.2.7", True),
        ("2001:db8::99", True),
        ("198.51.100.7", False),
        ("2001:db9::99", False),
        ("", False),
        ("testclient", False),
    ],
)
async def test_a_stolen_key_does_not_hold_elsewhere(
    keys: Keys,
    address: str,
    holds: bool,  # a parameter of the test
) -> None:
    allowed = ["192.0.2.0/24", "2001:db8::/32"]
    made = await keys.when(CreateApiKey("k", ["read"], allowed_addresses=allowed))
    assert await keys.holds(made["api_key"], address) == holds
    # Also when the key is remembered from an address that is allowed.
    assert await keys.holds(made["api_key"])
    assert await keys.holds(made["api_key"], address) == holds


async def test_why_a_key_is_refused_is_told_to_nobody(keys: Keys) -> None:
    unknown = SecretsSource(bcrypt_cost=4).new_api_key().secret_text
    made = await keys.when(CreateApiKey("k", ["read"], allowed_addresses=["192.0.2.0/24"]))
    assert not await keys.holds(unknown)
    assert not await keys.holds(made["api_key"], "198.51.100.7")
    await keys.when(RevokeApiKey(UUID(str(made["api_key_id"]))))
    assert not await keys.holds(made["api_key"])
    assert keys.refusals == {("unauthenticated", "The credential is not valid.")}


async def test_a_restriction_is_in_force_at_once_and_can_be_lifted(keys: Keys) -> None:
    made = await keys.when(CreateApiKey("k", ["read"]))
    api_key_id = UUID(str(made["api_key_id"]))
    assert await keys.holds(made["api_key"], "198.51.100.7")
    await keys.when(RestrictApiKey(api_key_id, ["192.0.2.0/24"]))
    assert not await keys.holds(made["api_key"], "198.51.100.7")
    await keys.when(RestrictApiKey(api_key_id, []))
    assert await keys.holds(made["api_key"], "198.51.100.7")


async def test_the_last_use_is_stored_to_the_minute(keys: Keys) -> None:
    made = await keys.when(CreateApiKey("k", ["read"]))
    await keys.uses.store()
    assert await keys.last_used_at(made["api_key_id"]) is None
    keys.clock.pass_time(seconds=90)
    await keys.holds(made["api_key"])
    await keys.uses.store()
    assert await keys.last_used_at(made["api_key_id"]) == NOON + timedelta(minutes=1)


async def test_a_refused_use_is_none(keys: Keys) -> None:
    made = await keys.when(CreateApiKey("k", ["read"], allowed_addresses=["192.0.2.0/24"]))
    await keys.holds(made["api_key"], "198.51.100.7")
    await keys.uses.store()
    assert await keys.last_used_at(made["api_key_id"]) is None


async def test_more_uses_than_a_batch_takes_are_stored_all_and_unknown_keys_leave_nothing(
    keys: Keys,
) -> None:
    for _ in range(BATCH_KEYS_MAX):
        keys.uses.note(IDS.new(), keys.tenant_id)
    made = await keys.when(CreateApiKey("k", ["read"]))
    await keys.holds(made["api_key"])
    await keys.uses.store()
    async with keys.database.tenant_transaction(keys.tenant_id) as conn:
        rows = await (await conn.execute("SELECT api_key_id FROM api_key_uses")).fetchall()
    assert rows == [(UUID(str(made["api_key_id"])),)]


async def test_uses_that_could_not_be_stored_are_stored_later(keys: Keys) -> None:
    made = await keys.when(CreateApiKey("k", ["read"]))
    gone = Database("host=127.0.0.1 port=1", pool_size_max=1, checkout_timeout_s=0.05)
    uses = ApiKeyUses(gone, keys.clock)
    uses.note(UUID(str(made["api_key_id"])), keys.tenant_id)
    await gone.open()
    try:
        with pytest.raises(DatabaseUnavailable):
            await uses.store()
    finally:
        await gone.close()
    uses._database = keys.database
    await uses.store()
    assert await keys.last_used_at(made["api_key_id"]) == NOON


async def test_a_key_may_do_what_was_said_of_it_last(keys: Keys) -> None:
    made = await keys.when(CreateApiKey("k", ["read"]))
    await keys.when(ChangeApiKeyScopes(UUID(str(made["api_key_id"])), ["read", "agents:write"]))
    known = await keys.authentication.authenticate(
        Credentials(f"Bearer {made['api_key']}", address=OFFICE)
    )
    assert known.scopes == {"read", "agents:write"}
