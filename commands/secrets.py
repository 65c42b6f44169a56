"""Secrets: kept, replaced and removed, and never told. Of the tenant, for every run of it; or of
one person, for the runs that this person starts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar
from uuid import UUID

from commands.authorization import MissingScope, reaches
from commands.decisions import SECRET, Command, Decided, Tenancy
from commands.vault_port import RemovedVaultEntry
from domain.allowed_hosts import canonical_entry
from domain.errors import FieldError, Invalid
from domain.identifiers import Json, JsonObject
from domain.secret_references import NAME_PATTERN, is_secret_name
from domain.secrets import Secret, SecretNotFound, secret_id


@dataclass(frozen=True, slots=True)
class PutSecret(Command):
    """is_own: of the caller, not of the tenant. allowed_hosts: where http nodes may send it;
    without any, nowhere.
    """

    requires: ClassVar[str] = "secrets:write"

    name: str
    value: str = field(repr=False, metadata=SECRET)
    allowed_hosts: Sequence[str] = ()
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class RemoveSecret(Command):
    requires: ClassVar[str] = "secrets:write"

    name: str
    is_own: bool = False


async def put_secret(command: PutSecret, on: Tenancy) -> Decided:
    require_name(command.name)
    allowed_hosts = canonical_hosts(command.allowed_hosts)
    user_id = owner_of_kept(on, command.requires, is_own=command.is_own)
    entry_id = secret_id(on.tenant_id, user_id, command.name)
    secret = await on.ports.events.load(Secret, entry_id, on.tenant_id)
    if secret is None:
        secret = on.begin(
            Secret, entry_id, name=command.name, user_id=None if user_id is None else str(user_id)
        )
    secret.store(allowed_hosts)
    row = await on.vault.seal(
        on.tenant_id,
        entry_id,
        command.value,
        value_version=secret.value_version,
        allowed_hosts=allowed_hosts,
    )
    return Decided(_present(secret), aggregates=(secret,), side_rows=(row,))


async def remove_secret(command: RemoveSecret, on: Tenancy) -> Decided:
    require_name(command.name)
    user_id = owner_of_kept(on, command.requires, is_own=command.is_own)
    secret = await on.load(Secret, secret_id(on.tenant_id, user_id, command.name), SecretNotFound)
    secret.remove()
    result: JsonObject = {**_present(secret), "is_removed": True}
    return Decided(result, aggregates=(secret,), side_rows=(RemovedVaultEntry(secret.id),))


def require_name(name: str) -> None:
    """Raises Invalid."""
    if not is_secret_name(name):
        reason = f"a name like {NAME_PATTERN} is expected"
        raise Invalid(errors=[FieldError("path:name", "invalid_name", reason)])


def canonical_hosts(entries: Sequence[str]) -> list[str]:
    """Raises Invalid with one FieldError for each entry that is none."""
    found: dict[str, None] = {}
    mistakes: list[FieldError] = []
    for place, entry in enumerate(entries):
        try:
            found[canonical_entry(entry)] = None
        except ValueError as reason:
            path = f"/allowed_hosts/{place}"
            mistakes.append(FieldError(path, "invalid_host", f"{reason} is expected"))
    if mistakes:
        raise Invalid(errors=mistakes)
    return list(found)


def owner_of_kept(on: Tenancy, scope: str, *, is_own: bool) -> UUID | None:
    """Whose it is: a person's, or None for the tenant's. Raises Invalid, MissingScope."""
    if not is_own:
        if not reaches(on.caller, scope, None):
            raise MissingScope("What belongs to the whole tenant needs the scope for all of it.")
        return None
    if on.caller.user_id is None:
        reason = "this credential belongs to nobody in particular"
        raise Invalid(errors=[FieldError("/scope", "no_user", reason)])
    return on.caller.user_id


def _present(secret: Secret) -> JsonObject:
    return {
        "name": secret.name,
        "scope": "tenant" if secret.user_id is None else "user",
        "value_version": secret.value_version,
        "allowed_hosts": list[Json](secret.allowed_hosts),
        "version": secret.version,
    }
