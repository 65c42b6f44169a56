"""The data subjects of the tests: known by the runs in the store, erased by its rows."""

from typing import Any
from uuid import UUID, uuid5

from commands.sealing_port import DestroyedSubjectKey
from domain.executions import Execution
from domain.identifiers import TenantId


class FakeDataSubjects:
    def __init__(self, store: Any) -> None:
        self._store = store

    def subject_id(self, tenant_id: TenantId, name: str) -> UUID:
        return uuid5(tenant_id, name)

    async def is_known(self, tenant_id: TenantId, subject_id: UUID) -> bool:  # noqa: ARG002 # the port's
        begun = [event for event in self._store.events if event.topic == Execution.Created.TOPIC]
        return any(str(subject_id).encode() in event.state for event in begun)

    async def is_erased(self, tenant_id: TenantId, subject_id: UUID) -> bool:
        destroyed = DestroyedSubjectKey(subject_id)
        return (tenant_id, destroyed) in self._store.owned_side_rows
