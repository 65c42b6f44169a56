"""The shape of every command: what was asked, what it is decided from, and what was decided.

A handler loads aggregates, lets them decide, and returns Decided; it stores nothing itself
(commands/dispatch.py does).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, ClassVar, TypeAlias, TypeVar
from uuid import UUID

from commands.authorization import Caller
from commands.directory_port import Directory
from commands.identity_port import Users
from commands.parts_port import PartRights
from commands.ports import AnyAggregate, Ports, SideRow
from commands.sealing_port import Sealing
from commands.subject_port import DataSubjects
from commands.vault_port import Vault
from domain.aggregates import Aggregate
from domain.errors import NotFound, Stale
from domain.event_recording import begin_aggregate
from domain.feature_flags import FeatureOff
from domain.identifiers import Json, JsonObject, TenantId
from domain.records import record

# Marks a field of a command that must not enter the stored fingerprint: a fast hash of it could be
# guessed.
SECRET: Mapping[str, bool] = {"is_secret": True}
# Marks a field that may be another when a command is sent again under its key.
VARYING: Mapping[str, bool] = {"is_varying": True}


class VersionMismatch(Stale):
    """It is not at the expected version any more."""


class Command:
    """One intention of a caller: a frozen dataclass each.

    requires: the scope it needs, a literal of commands/authorization.py. is_open_to_suspended:
    whether a tenant may send it that is suspended. feature: the flag that has to be on for the
    caller.
    """

    __slots__ = ()

    requires: ClassVar[str]
    is_open_to_suspended: ClassVar[bool] = False
    feature: ClassVar[str | None] = None

    def subject(self, own: TenantId | None) -> TenantId | None:
        """The tenant that it is about, given the caller's. None: one that does not exist yet."""
        return own


@record
class Decided:
    """aggregates: those with pending events, stored all or nothing with side_rows.

    result: the answer, as it is recorded for a retry. shown_once: laid over the result of the first
    answer only and never stored, because it is secret.
    """

    result: JsonObject
    aggregates: Sequence[Aggregate]
    side_rows: Sequence[SideRow] = ()
    shown_once: JsonObject = field(default_factory=lambda: {}, repr=False)


@record
class Tenancy:
    """The ports as one caller sees them: bound to the tenant that the command is about."""

    ports: Ports
    caller: Caller
    tenant_id: TenantId

    @property
    def sealing(self) -> Sealing:
        assert self.ports.sealing is not None, "this process seals nothing"
        return self.ports.sealing

    @property
    def data_subjects(self) -> DataSubjects:
        assert self.ports.data_subjects is not None, "this process knows no data subjects"
        return self.ports.data_subjects

    @property
    def directory(self) -> Directory:
        assert self.ports.directory is not None, "this process knows no directories"
        return self.ports.directory

    @property
    def parts(self) -> PartRights:
        assert self.ports.parts is not None, "this process runs nothing for people"
        return self.ports.parts

    @property
    def users(self) -> Users:
        assert self.ports.users is not None, "this process knows no users"
        return self.ports.users

    @property
    def vault(self) -> Vault:
        assert self.ports.vault is not None, "this process keeps no secrets"
        return self.ports.vault

    async def require_feature(self, name: str) -> None:
        """Raises FeatureOff."""
        features = await self.ports.features.of(self.tenant_id)
        if not features.is_on(name, self.caller.user_id):
            raise FeatureOff(f"The feature {name} is switched off for this tenant.", flag=name)

    async def load(
        self, kind: type[AnyAggregate], stream_id: UUID, missing: type[NotFound]
    ) -> AnyAggregate:
        """Raises `missing`, also for a stream of another tenant."""
        aggregate = await self.ports.events.load(kind, stream_id, self.tenant_id)
        if aggregate is None:
            raise missing
        return aggregate

    def keep(self, aggregate: Aggregate) -> None:
        """Give back what was loaded only to be looked at."""
        self.ports.events.keep(aggregate, self.tenant_id)

    def begin(self, kind: type[AnyAggregate], stream_id: UUID, **facts: Json) -> AnyAggregate:
        """A new aggregate with an id of our making; the library's constructor would draw one."""
        return begin_aggregate(kind, stream_id, facts)


def require_version(aggregate: Aggregate, expected_version: int | None) -> None:
    """Raises VersionMismatch when the caller has seen another version; None expects nothing."""
    if expected_version is not None and aggregate.version != expected_version:
        raise VersionMismatch(f"It is at version {aggregate.version}.")


AnyCommand = TypeVar("AnyCommand", bound=Command)
Handler: TypeAlias = Callable[[Any, Tenancy], Awaitable[Decided]]


def entry(
    kind: type[AnyCommand], handler: Callable[[AnyCommand, Tenancy], Awaitable[Decided]]
) -> tuple[type[Command], Handler]:
    """Of a catalogue. Lets the type checker see that a handler takes the command it stands
    beside.
    """
    return kind, handler
