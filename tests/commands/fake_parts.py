"""Who may run what, from the rows and events of a store in memory."""

from collections.abc import Collection
from uuid import UUID

from commands.authorization import EVERY_SCOPE, ROLE_GRANTS, Grants, reaches_everything
from commands.credential_port import StoredApiKey
from commands.identity_port import StoredUserAccess
from commands.parts_port import Part, Principals
from commands.sharing_port import RemovedShare, StoredShare
from domain.identifiers import TenantId
from tests.commands.fake_users import StoreOfRows


class FakePartRights:
    """As infra/parts.py. Whoever is not in the store is a key of nobody in particular, and may run
    everything, unless they are one of the strangers.
    """

    def __init__(self, store: StoreOfRows) -> None:
        self._store = store
        self.strangers: set[str] = set()

    async def refused(
        self, tenant_id: TenantId, parts: Collection[Part], principals: Principals
    ) -> set[UUID]:
        actors = {principals.runner}
        if principals.author_of is not None:
            actors.add(self._began(principals.author_of))
        return {
            part.part_id
            for part in parts
            if not any(self._may(tenant_id, actor, part) for actor in actors)
        }

    async def grants_of(self, tenant_id: TenantId, runner: str) -> Grants | None:
        person = self._person(tenant_id, runner)
        if person is None:
            return None if runner in self.strangers else Grants(frozenset({EVERY_SCOPE}))
        access = [
            row
            for of, row in self._store.owned_side_rows
            if of == tenant_id and isinstance(row, StoredUserAccess) and row.user_id == person
        ]
        return ROLE_GRANTS[access[-1].role] if access and access[-1].status == "ACTIVE" else None

    def _may(self, tenant_id: TenantId, actor: str, part: Part) -> bool:
        person = self._person(tenant_id, actor)
        owner = self._began(part.part_id)
        if owner == actor or (person is not None and person == self._person(tenant_id, owner)):
            return True
        if person is None:
            return actor not in self.strangers
        rows = [row for of, row in self._store.owned_side_rows if of == tenant_id]
        access = [
            row for row in rows if isinstance(row, StoredUserAccess) and row.user_id == person
        ]
        role = access[-1].role if access and access[-1].status == "ACTIVE" else None
        if role is not None and reaches_everything(ROLE_GRANTS[role], part.scope):
            return True
        grantees = {f"user:{person}", f"role:{role}"} if role is not None else set[str]()
        holding: set[str] = set()
        for row in rows:
            match row:
                case StoredShare(shared_id=part.part_id, access="execute"):
                    holding.add(row.grantee)
                case RemovedShare(shared_id=part.part_id, access="execute"):
                    holding.discard(row.grantee)
                case _:
                    pass
        return bool(grantees & holding)

    def _began(self, stream_id: UUID) -> str:
        pairs = zip(self._store.events, self._store.envelopes, strict=True)
        return next((e.actor for event, e in pairs if event.originator_id == stream_id), "")

    def _person(self, tenant_id: TenantId, actor: str) -> UUID | None:
        kind, _, name = actor.partition(":")
        if kind == "user":
            return UUID(name) if len(name) == len(str(UUID(int=0))) else None
        keys = [
            row.user_id
            for of, row in self._store.owned_side_rows
            if of == tenant_id and isinstance(row, StoredApiKey) and str(row.api_key_id) == name
        ]
        return keys[0] if keys else None
