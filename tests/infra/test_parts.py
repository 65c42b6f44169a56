"""Who may run an agent or a workflow, on the real database: its owner, with whom it is shared for
that, and who may run everything; asked as the roles that ask.
"""

from dataclasses import dataclass
from uuid import UUID

import pytest

from commands.authorization import EVERY_SCOPE, ROLE_GRANTS, Grants
from commands.credential_port import RevokedApiKey, StoredApiKey
from commands.identity_port import StoredRole, StoredUserAccess
from commands.parts_port import Part, Principals
from commands.ports import SideRow
from commands.sharing_port import RemovedShare, StoredShare
from domain.agents import Agent
from domain.credentials import ApiKey
from domain.envelope import Envelope
from domain.identifiers import TenantId
from infra.parts import PostgresPartRights
from infra.postgres import Role
from tests.infra.conftest import Parts
from tests.infra.log_steps import IDS

SCOPE = "agents:execute"


@dataclass
class Stage:
    """part_id: of Ada's agent."""

    parts: Parts
    tenant_id: TenantId
    ada: UUID
    bob: UUID
    part_id: UUID

    async def stored(self, *rows: SideRow) -> None:
        """With some events, for rows are never without."""
        key = ApiKey(id=IDS.new(), name="k", prefix="k", scopes=[], user_id=None, expires_at=None)
        envelope = Envelope(self.tenant_id, "user:test")
        await self.parts.store.append([key], envelope, side_rows=rows)

    async def agent_of(self, actor: str) -> UUID:
        agent = Agent(id=IDS.new(), profile={})
        await self.parts.store.append([agent], Envelope(self.tenant_id, actor))
        return agent.id

    async def may(
        self,
        runner: str,
        author_of: UUID | None = None,
        *,
        role: Role = "worker",
        tenant_id: TenantId | None = None,
    ) -> bool:
        rights = PostgresPartRights(await self.parts.database(role))
        asked = [Part(self.part_id, SCOPE)]
        principals = Principals(runner, author_of)
        return not await rights.refused(tenant_id or self.tenant_id, asked, principals)


def a_person(user_id: UUID, role: str, status: str = "ACTIVE") -> StoredUserAccess:
    return StoredUserAccess(user_id, user_id.bytes, role, status)  # pyright: ignore[reportArgumentType] # a status


@pytest.fixture
async def stage(parts: Parts) -> Stage:
    ada, bob = IDS.new(), IDS.new()
    stage = Stage(parts, TenantId(IDS.new()), ada, bob, IDS.new())
    await stage.stored(a_person(ada, "USER"), a_person(bob, "USER"))
    stage.part_id = await stage.agent_of(f"user:{ada}")
    return stage


def a_key(user_id: UUID | None, scopes: list[str]) -> StoredApiKey:
    return StoredApiKey(IDS.new(), str(IDS.new()), b"hash", scopes, user_id, None)


async def test_its_owner_runs_it_in_person_and_by_a_key_and_nobody_else(stage: Stage) -> None:
    adas, bobs = a_key(stage.ada, []), a_key(stage.bob, [EVERY_SCOPE])
    await stage.stored(adas, bobs)
    for role in ("api", "worker"):
        assert await stage.may(f"user:{stage.ada}", role=role)
        assert await stage.may(f"api_key:{adas.api_key_id}", role=role)
        for other in (f"user:{stage.bob}", f"api_key:{bobs.api_key_id}", "user:?", "worker:1", ""):
            assert not await stage.may(other, role=role)
    assert not await stage.may(f"user:{stage.ada}", tenant_id=TenantId(IDS.new()))


async def test_a_share_for_running_holds_until_it_ends_or_somebody_is_deactivated(
    stage: Stage,
) -> None:
    bob = f"user:{stage.bob}"
    for grantee in (bob, "role:USER"):
        await stage.stored(StoredShare(stage.part_id, grantee, "view"))
        assert not await stage.may(bob)
        await stage.stored(StoredShare(stage.part_id, grantee, "execute"))
        assert await stage.may(bob)
        await stage.stored(a_person(stage.bob, "USER", "DEACTIVATED"))
        assert not await stage.may(bob)
        await stage.stored(a_person(stage.bob, "USER"))
        await stage.stored(RemovedShare(stage.part_id, grantee, "execute"))
        assert not await stage.may(bob)


async def test_the_owner_of_the_workflow_counts_beside_who_runs_it(stage: Stage) -> None:
    of_ada = await stage.agent_of(f"user:{stage.ada}")
    of_bob = await stage.agent_of(f"user:{stage.bob}")
    assert await stage.may(f"user:{stage.bob}", of_ada)
    assert not await stage.may(f"user:{stage.bob}", of_bob)


async def test_who_may_run_everything_is_asked_for_their_role_of_now(stage: Stage) -> None:
    bob, role_id = f"user:{stage.bob}", IDS.new()
    await stage.stored(a_person(stage.bob, "ADMIN"))
    assert await stage.may(bob)
    await stage.stored(a_person(stage.bob, "ADMIN", "DEACTIVATED"))
    assert not await stage.may(bob)
    for permissions, may in (
        ([f"{SCOPE}:own"], False),
        (["workflows:execute"], False),
        ([SCOPE], True),
    ):
        await stage.stored(a_person(stage.bob, str(role_id)), StoredRole(role_id, permissions))
        assert await stage.may(bob) is may


async def test_a_key_of_nobody_in_particular_runs_what_it_names(stage: Stage) -> None:
    for scopes, may in (([EVERY_SCOPE], True), ([SCOPE], True), (["read"], False)):
        key = a_key(None, scopes)
        await stage.stored(key)
        assert await stage.may(f"api_key:{key.api_key_id}") is may


async def test_what_somebody_may_do_now_is_told_of_people_and_of_keys_of_nobody(
    stage: Stage,
) -> None:
    nobodys, adas = a_key(None, ["workflows:execute"]), a_key(stage.ada, [])
    await stage.stored(nobodys, adas)
    ada, key = f"user:{stage.ada}", f"api_key:{nobodys.api_key_id}"
    for role in ("api", "worker"):
        rights = PostgresPartRights(await stage.parts.database(role))
        assert await rights.grants_of(stage.tenant_id, ada) == ROLE_GRANTS["USER"]
        of_adas_key = await rights.grants_of(stage.tenant_id, f"api_key:{adas.api_key_id}")
        assert of_adas_key == ROLE_GRANTS["USER"]
        granted = await rights.grants_of(stage.tenant_id, key)
        assert granted == Grants(frozenset({"workflows:execute"}))
        for other in ("user:?", "worker:1", ""):
            assert await rights.grants_of(stage.tenant_id, other) is None
        assert await rights.grants_of(TenantId(IDS.new()), ada) is None
    await stage.stored(a_person(stage.ada, "USER", "DEACTIVATED"))
    await stage.stored(RevokedApiKey(nobodys.api_key_id))
    for gone in (ada, key, f"api_key:{adas.api_key_id}"):
        assert await rights.grants_of(stage.tenant_id, gone) is None
