"""Providers of models: of the tenant, or of one person, whose own wins in the runs they start."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import orjson

from commands.decisions import SECRET, Command, Decided, Tenancy
from commands.secrets import owner_of_kept
from commands.vault_port import RemovedVaultEntry
from domain.errors import FieldError, Invalid
from domain.feature_flags import OWN_PROVIDERS
from domain.identifiers import Json, JsonObject
from domain.providers import (
    KINDS,
    NAME_PATTERN,
    RESERVED_NAMES,
    Provider,
    ProviderNotFound,
    ProviderText,
    address_mistake,
    provider_id,
)

_NAME = re.compile(NAME_PATTERN)


@dataclass(frozen=True, slots=True)
class PutProvider(Command):
    """api_key: the key itself. key_from: the name of a secret instead, of the same scope. models:
    those that may be called; none is all. is_own: of the caller, not of the tenant.
    """

    requires: ClassVar[str] = "providers:write"
    feature: ClassVar[str | None] = OWN_PROVIDERS

    name: str
    kind: str
    api_base: str | None = None
    api_key: str | None = field(default=None, repr=False, metadata=SECRET)
    key_from: str | None = None
    models: Sequence[str] = ()
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class RemoveProvider(Command):
    requires: ClassVar[str] = "providers:write"

    name: str
    is_own: bool = False


async def put_provider(command: PutProvider, on: Tenancy) -> Decided:
    mistakes = [*_name_mistakes(command.name), *_mistakes(command)]
    if mistakes:
        raise Invalid(errors=mistakes)
    user_id = owner_of_kept(on, command.requires, is_own=command.is_own)
    entry_id = provider_id(on.tenant_id, user_id, command.name)
    provider = await on.ports.events.load(Provider, entry_id, on.tenant_id)
    if provider is None:
        owner = None if user_id is None else str(user_id)
        provider = on.begin(Provider, entry_id, name=command.name, user_id=owner)
    has_key = command.api_key is not None or command.key_from is not None
    models = tuple(dict.fromkeys(command.models))
    provider.configure(
        ProviderText(command.kind, command.api_base, models, has_key, command.key_from)
    )
    # All that a call needs is sealed together: who can write the table cannot send a key elsewhere.
    content: JsonObject = {
        "kind": command.kind,
        "api_base": command.api_base,
        "api_key": command.api_key,
        "key_from": command.key_from,
        "models": list[Json](models),
    }
    row = await on.vault.seal(
        on.tenant_id,
        entry_id,
        orjson.dumps(content).decode(),
        value_version=provider.provider_version,
    )
    return Decided(_present(provider), aggregates=(provider,), side_rows=(row,))


async def remove_provider(command: RemoveProvider, on: Tenancy) -> Decided:
    mistakes = list(_name_mistakes(command.name))
    if mistakes:
        raise Invalid(errors=mistakes)
    user_id = owner_of_kept(on, command.requires, is_own=command.is_own)
    entry_id = provider_id(on.tenant_id, user_id, command.name)
    provider = await on.load(Provider, entry_id, ProviderNotFound)
    provider.remove()
    result: JsonObject = {**_named(provider), "is_removed": True}
    return Decided(result, aggregates=(provider,), side_rows=(RemovedVaultEntry(entry_id),))


def _name_mistakes(name: str) -> Iterator[FieldError]:
    if _NAME.fullmatch(name) is None or name in RESERVED_NAMES:
        reason = f"a name like {NAME_PATTERN} is expected, and not {', '.join(RESERVED_NAMES)}"
        yield FieldError("path:name", "invalid_name", reason)


def _mistakes(command: PutProvider) -> Iterator[FieldError]:
    kind = KINDS.get(command.kind)
    if kind is None:
        yield FieldError("/kind", "unknown_kind", f"there are {', '.join(sorted(KINDS))}")
        return
    if command.api_base is None:
        if kind.address == "needed":
            reason = f"a provider of kind {command.kind} needs its address"
            yield FieldError("/api_base", "missing_field", reason)
    elif kind.address == "fixed":
        reason = f"a provider of kind {command.kind} has an address of its own"
        yield FieldError("/api_base", "address_is_fixed", reason)
    elif (mistake := address_mistake(command.api_base)) is not None:
        yield FieldError("/api_base", "invalid_address", mistake)
    key = command.api_key
    if key is None and command.key_from is None and kind.is_key_needed:
        reason = f"a provider of kind {command.kind} needs a key"
        yield FieldError("/api_key", "missing_field", reason)
    if key is not None and not (key.isascii() and key.isprintable()):
        yield FieldError("/api_key", "invalid_key", "there are characters in it that no key has")


def _named(provider: Provider) -> JsonObject:
    scope = "tenant" if provider.user_id is None else "user"
    return {"name": provider.name, "scope": scope, "version": provider.version}


def _present(provider: Provider) -> JsonObject:
    text = provider.text
    assert text is not None
    return {
        **_named(provider),
        "kind": text.kind,
        "api_base": text.api_base,
        "models": list[Json](text.models),
        "has_key": text.has_key,
        "key_from": text.key_from,
        "provider_version": provider.provider_version,
    }
