"""Workflow: a named definition. Every change is a new immutable version; an execution pins the hash
of the one it runs.
"""

from dataclasses import dataclass
from uuid import UUID

from eventsourcing.domain import event

from domain.aggregates import Aggregate
from domain.errors import NotFound
from domain.identifiers import JsonObject


class WorkflowNotFound(NotFound):
    """There is no such workflow."""


class WorkflowVersionNotFound(NotFound):
    """This workflow has no such version."""


@dataclass(frozen=True, slots=True)
class WorkflowText:
    """The content of one version. definition: canonical JSON, already validated; its hash is in
    definition_hash.
    """

    name: str
    description: str | None
    is_public: bool
    definition: JsonObject
    definition_hash: str


class Workflow(Aggregate):
    """Only hashes are kept; a definition is loaded by its hash (`EventStore.definition`)."""

    TOPIC = "workflow"

    class Created(Aggregate.Created):
        TOPIC = "workflow.created"
        name: str
        description: str | None
        is_public: bool
        definition: JsonObject
        definition_hash: str

    class Revised(Aggregate.Event):
        TOPIC = "workflow.revised"
        workflow_version: int
        name: str
        description: str | None
        is_public: bool
        definition: JsonObject
        definition_hash: str

    class Deleted(Aggregate.Event):
        TOPIC = "workflow.deleted"

    @event(Created)
    def __init__(
        self,
        *,
        id: UUID,  # noqa: A002, ARG002 # taken by the library, which calls it so
        name: str,
        description: str | None,
        is_public: bool,
        definition: JsonObject,
        definition_hash: str,
    ) -> None:
        self.text = WorkflowText(name, description, is_public, definition, definition_hash)
        self.definition_hashes: dict[int, str] = {1: definition_hash}
        self.is_deleted = False

    @property
    def current_version(self) -> int:
        return len(self.definition_hashes)

    def definition_hash(self, workflow_version: int | None = None) -> tuple[int, str]:
        """(version, hash) to run: the asked or the newest. Raises when deleted or unknown."""
        self.require_present()
        chosen = workflow_version or self.current_version
        if chosen not in self.definition_hashes:
            raise WorkflowVersionNotFound(workflow_id=str(self.id), workflow_version=chosen)
        return chosen, self.definition_hashes[chosen]

    def revise(self, text: WorkflowText) -> None:
        """A new version; the same content again records nothing."""
        self.require_present()
        if text != self.text:
            self._revised(
                workflow_version=self.current_version + 1,
                name=text.name,
                description=text.description,
                is_public=text.is_public,
                definition=text.definition,
                definition_hash=text.definition_hash,
            )

    def delete(self) -> None:
        """Runs in flight go on: they pin a hash, not the workflow."""
        self.require_present()
        self._deleted()

    def require_present(self) -> None:
        """Raises WorkflowNotFound once the workflow was deleted."""
        if self.is_deleted:
            raise WorkflowNotFound(workflow_id=str(self.id))

    @event(Revised)
    def _revised(
        self,
        *,
        workflow_version: int,
        name: str,
        description: str | None,
        is_public: bool,
        definition: JsonObject,
        definition_hash: str,
    ) -> None:
        self.text = WorkflowText(name, description, is_public, definition, definition_hash)
        self.definition_hashes[workflow_version] = definition_hash

    @event(Deleted)
    def _deleted(self) -> None:
        self.is_deleted = True
