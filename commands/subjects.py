"""The erasure of one person: somebody of the tenant, or somebody whom the tenant named in its runs.

EraseUser ────────┐
├─► the event and the end of the key, in one append ──► whatever is sealed
EraseDataSubject ─┘   with it is unreadable ──► each stream of theirs says so (`ended`), one
by one (sagas/subjects.py)
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias
from uuid import UUID

from commands.authorization import require_grants_held
from commands.credential_port import RevokedApiKey
from commands.decisions import SECRET, Command, Decided, Tenancy
from commands.directory_port import RemovedDirectoryEntry
from commands.execution_families import family_of, rows_of
from commands.identity_port import StoredUserAccess
from commands.memberships import membership_of, role_grants
from commands.ports import SideRow
from commands.retention_port import RemovedPayloads
from commands.sealing_port import DestroyedSubjectKey
from commands.vault_port import RemovedVaultEntry
from domain.administrators import LastAdministrator
from domain.aggregates import Aggregate
from domain.credentials import ApiKey
from domain.directory_users import DirectoryUser
from domain.errors import FieldError, Invalid, NotFound
from domain.execution_commands import erase
from domain.executions import Execution
from domain.external_identities import ExternalIdentity
from domain.identifiers import JsonObject
from domain.identity import User, UserNotFound
from domain.providers import Provider
from domain.secrets import Secret
from domain.sessions import Session
from domain.subjects import (
    DataSubject,
    DataSubjectErased,
    DataSubjectNotFound,
    NamedSubject,
    require_name,
)

SubjectAggregate: TypeAlias = (
    Execution | User | Session | DirectoryUser | ExternalIdentity | ApiKey | Secret | Provider
)
# Every kind of stream that is somebody's, by its topic.
KINDS: dict[str, type[SubjectAggregate]] = {
    "execution": Execution,
    "user": User,
    "session": Session,
    "directory_user": DirectoryUser,
    "external_identity": ExternalIdentity,
    "api_key": ApiKey,
    "secret": Secret,
    "provider": Provider,
}


@dataclass(frozen=True, slots=True)
class EraseUser(Command):
    """confirm_email: the address of the person, so that nobody is erased by a slip."""

    requires: ClassVar[str] = "data_subjects:erase"

    user_id: UUID
    confirm_email: str = field(repr=False, metadata=SECRET)


@dataclass(frozen=True, slots=True)
class EraseDataSubject(Command):
    """data_subject: the name that runs were given."""

    requires: ClassVar[str] = "data_subjects:erase"

    data_subject: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """What is stored together when a stream of somebody who is erased says so."""

    aggregates: Sequence[Aggregate]
    side_rows: Sequence[SideRow] = ()


async def erase_user(command: EraseUser, on: Tenancy) -> Decided:
    """Raises UserNotFound, LastAdministrator, Invalid."""
    user = await on.load(User, command.user_id, UserNotFound)
    result: JsonObject = {"user_id": str(user.id), "is_erased": True}
    if user.is_erased:
        on.keep(user)
        return Decided(result, aggregates=())
    # A role that is gone lets nobody do anything.
    with suppress(Invalid):
        require_grants_held(on.caller, await role_grants(on, user.role))
    if user.email.casefold() != command.confirm_email.casefold():
        reason = "this is not the address of the person who is to be erased"
        raise Invalid(errors=[FieldError("/confirm_email", "not_confirmed", reason)])
    user.erase()
    membership = await membership_of(on, user)
    return Decided(
        result, membership.aggregates, (*membership.side_rows, DestroyedSubjectKey(user.id))
    )


async def erase_data_subject(command: EraseDataSubject, on: Tenancy) -> Decided:
    """Raises DataSubjectNotFound, Invalid."""
    require_name(command.data_subject)
    subject_id = on.data_subjects.subject_id(on.tenant_id, command.data_subject)
    result: JsonObject = {"subject_id": str(subject_id), "is_erased": True}
    subject = await on.ports.events.load(DataSubject, subject_id, on.tenant_id)
    if subject is None:
        if not await on.data_subjects.is_known(on.tenant_id, subject_id):
            raise DataSubjectNotFound
        subject = on.begin(DataSubject, subject_id)
    subject.erase()
    if not subject.pending_events:
        on.keep(subject)
        return Decided(result, aggregates=())
    return Decided(result, (subject,), (DestroyedSubjectKey(subject_id),))


async def named_subject(on: Tenancy, name: str | None) -> NamedSubject | None:
    """Whose data a run is to work on. Raises DataSubjectErased, Invalid."""
    if name is None:
        return None
    require_name(name)
    subject_id = on.data_subjects.subject_id(on.tenant_id, name)
    if await on.data_subjects.is_erased(on.tenant_id, subject_id):
        raise DataSubjectErased
    return NamedSubject(subject_id, name)


async def ended(aggregate: SubjectAggregate, on: Tenancy) -> Ended:
    """What a stream of somebody who is erased has to say; nothing pending when it has said it."""
    match aggregate:
        case Execution():
            return await _ended_execution(aggregate, on)
        case User():
            return await _ended_user(aggregate, on)
        case Session() | DirectoryUser():
            aggregate.erase()
            is_listed = isinstance(aggregate, DirectoryUser)
            rows = [RemovedDirectoryEntry(aggregate.subject_id)] if is_listed else []
            return Ended([aggregate], rows)
        case ApiKey():
            aggregate.revoke()
            return Ended([aggregate], [RevokedApiKey(aggregate.id)])
        case ExternalIdentity() | Secret() | Provider():
            # What is removed already has nothing to say.
            with suppress(NotFound):
                aggregate.remove()
            is_kept = not isinstance(aggregate, ExternalIdentity)
            return Ended([aggregate], [RemovedVaultEntry(aggregate.id)] if is_kept else [])


async def _ended_execution(execution: Execution, on: Tenancy) -> Ended:
    erase(execution)
    if not execution.pending_events:
        return Ended([execution])
    family = await family_of(execution, on.tenant_id, on.ports.events)
    rows = [*rows_of(execution), RemovedPayloads(execution.id), *family.side_rows]
    return Ended([execution, *family.executions], rows)


async def _ended_user(user: User, on: Tenancy) -> Ended:
    """Said already, but where a backup was restored that is older than the erasure."""
    user.erase()
    try:
        membership = await membership_of(on, user)
    except LastAdministrator:
        return Ended([user], [StoredUserAccess(user.id, None, user.role, user.status)])
    return Ended(membership.aggregates, membership.side_rows)
