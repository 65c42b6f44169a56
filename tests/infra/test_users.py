"""What is known of people beside their streams, on the real database."""

from uuid import UUID

import pytest

from commands.authorization import EVERY_SCOPE, ROLE_GRANTS
from commands.credential_port import StoredApiKey
from commands.identity_port import RemovedRole, StoredRole, StoredUserAccess
from commands.ports import SideRow
from domain.credentials import ApiKey
from domain.envelope import Envelope
from domain.errors import Unauthenticated
from domain.identifiers import TenantId
from infra.authentication import Authentication, Credentials
from infra.clock import SystemClock
from infra.secrets_source import SecretsSource
from infra.users import PostgresUsers, email_hash
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS


async def stored(parts: Parts, tenant_id: TenantId, *rows: SideRow) -> None:
    """With some events, for rows are never without."""
    key = ApiKey(id=IDS.new(), name="k", prefix="al_k", scopes=[], user_id=None, expires_at=None)
    await parts.store.append([key], Envelope(tenant_id, "user:test"), side_rows=rows)


async def users_of(parts: Parts, master_key: str) -> PostgresUsers:
    return PostgresUsers(await parts.database("api"), master_key)


async def authentication_of(parts: Parts) -> Authentication:
    return Authentication(
        await parts.database("api"),
        SystemClock(),
        operator_key=None,
        monotonic_s=lambda: 0.0,
        key_used=lambda *_: None,
    )


def test_an_address_has_one_hash_whatever_its_spelling_and_another_with_each_key() -> None:
    assert email_hash("key", "Zoé@Example.com") == email_hash("key", "zoe\u0301@example.COM")
    assert email_hash("key", "ada@example.com") != email_hash("other", "ada@example.com")


async def test_people_are_found_in_their_own_tenant_only(parts: Parts, master_key: str) -> None:
    users = await users_of(parts, master_key)
    ours, theirs = TenantId(IDS.new()), TenantId(IDS.new())
    email_hash_of_ada = users.email_hash("ada@example.com")
    ada = StoredUserAccess(IDS.new(), email_hash_of_ada, "ADMIN", "ACTIVE")
    await stored(parts, ours, ada)
    assert await users.find_by_email(ours, users.email_hash("ADA@example.com")) == ada.user_id
    assert await users.find_by_email(theirs, email_hash_of_ada) is None
    assert await users.administrators(ours) == [ada.user_id]
    assert await users.administrators(theirs) == []
    await stored(parts, ours, StoredUserAccess(ada.user_id, ada.email_hash, "USER", "DEACTIVATED"))
    assert await users.administrators(ours) == []
    assert await users.count_with_role(ours, "USER") == 1


async def test_a_role_counts_for_those_who_have_it_until_it_is_removed(
    parts: Parts, master_key: str
) -> None:
    users, authentication = await users_of(parts, master_key), await authentication_of(parts)
    tenant_id, role_id, user_id = TenantId(IDS.new()), IDS.new(), IDS.new()
    await stored(
        parts,
        tenant_id,
        StoredRole(role_id, ["read", "agents:write:own"]),
        StoredUserAccess(user_id, b"hash", str(role_id), "ACTIVE"),
    )
    assert await users.permissions_of(tenant_id, role_id) == ["read", "agents:write:own"]
    person = await authentication.caller_of_user(tenant_id, user_id)
    assert (person.scopes, person.own_only) == ({"read", "agents:write"}, {"agents:write"})
    await stored(parts, tenant_id, RemovedRole(role_id))
    authentication.forget(role_id)
    assert (await authentication.caller_of_user(tenant_id, user_id)).scopes == frozenset()


async def test_the_key_of_somebody_who_was_deactivated_stops_working(parts: Parts) -> None:
    authentication = await authentication_of(parts)
    tenant_id, user_id = TenantId(IDS.new()), IDS.new()
    secret = SecretsSource(bcrypt_cost=4).new_api_key()
    credentials = Credentials(f"Bearer {secret.secret_text}")
    key = StoredApiKey(IDS.new(), secret.key_id, secret.secret_hash, [EVERY_SCOPE], user_id, None)
    await stored(parts, tenant_id, key, StoredUserAccess(user_id, b"hash", "USER", "ACTIVE"))
    caller = await authentication.authenticate(credentials)
    assert (caller.user_id, caller.grants) == (user_id, ROLE_GRANTS["USER"])
    await stored(parts, tenant_id, StoredUserAccess(user_id, b"hash", "USER", "DEACTIVATED"))
    authentication.forget(user_id)
    with pytest.raises(Unauthenticated):
        await authentication.authenticate(credentials)


async def test_a_key_of_nobody_that_is_known_does_not_count(parts: Parts) -> None:
    authentication = await authentication_of(parts)
    secret = SecretsSource(bcrypt_cost=4).new_api_key()
    key = StoredApiKey(
        IDS.new(), secret.key_id, secret.secret_hash, [EVERY_SCOPE], UUID(int=7), None
    )
    await stored(parts, TenantId(IDS.new()), key)
    with pytest.raises(Unauthenticated):
        await authentication.authenticate(Credentials(f"Bearer {secret.secret_text}"))


async def test_what_somebody_began_is_theirs_also_by_their_keys(
    parts: Parts, master_key: str
) -> None:
    users = await users_of(parts, master_key)
    tenant_id, ada, grace = TenantId(IDS.new()), IDS.new(), IDS.new()
    secret = SecretsSource(bcrypt_cost=4).new_api_key()
    row = StoredApiKey(IDS.new(), secret.key_id, secret.secret_hash, [EVERY_SCOPE], ada, None)
    await stored(parts, tenant_id, row)
    assert await users.is_actor(tenant_id, ada, f"api_key:{row.api_key_id}")
    assert await users.is_actor(tenant_id, ada, f"user:{ada}")
    assert not await users.is_actor(tenant_id, grace, f"api_key:{row.api_key_id}")
    assert not await users.is_actor(TenantId(IDS.new()), ada, f"api_key:{row.api_key_id}")
    streams: list[UUID] = []
    for actor in (f"user:{ada}", f"api_key:{row.api_key_id}", f"user:{grace}"):
        key = ApiKey(
            id=IDS.new(), name="k", prefix="al_k", scopes=[], user_id=None, expires_at=None
        )
        await parts.store.append([key], Envelope(tenant_id, actor))
        streams.append(key.id)
    assert [await users.began(tenant_id, ada, stream) for stream in streams] == [True, True, False]
    assert not await users.began(TenantId(IDS.new()), ada, streams[0])
