"""One request of a directory: who calls, and how it is answered."""

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from scim2_models import Resource

from commands.decisions import Command, Tenancy
from commands.directory_port import DirectoryKind
from domain.identifiers import JsonObject
from write_api.audited import POSITION_SCOPE_KEY
from write_api.edge import Call

# Others may change a resource between reading it and storing the changed one.
PATCH_ATTEMPTS_MAX = 4


@dataclass(frozen=True, slots=True)
class ScimCall:
    """base_url: of all resources."""

    call: Call
    on: Tenancy
    base_url: str

    def location(self, collection: str, entry_id: UUID) -> str:
        return f"{self.base_url}/{collection}/{entry_id}"

    async def dispatched(self, command: Command, id_member: str) -> UUID:
        """The id in the answer."""
        answer = await self.call.edge.dispatcher.dispatch(
            command, self.call.caller, self.call.origin()
        )
        self.call.scope[POSITION_SCOPE_KEY] = answer.position
        return UUID(str(answer.result[id_member]))


class Collection(Protocol):
    """name_attribute: what entries are found by, in lower case."""

    kind: DirectoryKind
    resource: type[Resource[Any]]
    name_attribute: str

    async def create(self, call: ScimCall, body: JsonObject) -> UUID: ...
    async def replace(self, call: ScimCall, entry_id: UUID, body: JsonObject) -> None: ...
    async def patch(self, call: ScimCall, entry_id: UUID, body: JsonObject) -> None: ...
    async def remove(self, call: ScimCall, entry_id: UUID) -> None: ...
    async def read(self, call: ScimCall, entry_id: UUID) -> Resource[Any]: ...
