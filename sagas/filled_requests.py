"""Filling in secrets: the request of an attempt with values where its definition has references.

What is filled in lives as long as the call. It is in no event, for the request was recorded as it
is in `Attempt.request`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from commands.vault_port import OpenedValue
from domain.attempts import Attempt
from domain.identifiers import Json, JsonObject
from domain.secrets import secret_id
from sagas.blots import Blots
from sagas.effects import AttemptFailed, Effects, Run


@dataclass(frozen=True, slots=True)
class Filled:
    """allowed_hosts: of each secret in it."""

    request: JsonObject = field(repr=False)
    blots: Blots
    allowed_hosts: tuple[tuple[str, ...], ...] = ()


NO_BLOTS = Blots({})


async def fill_in(attempt: Attempt, run: Run, on: Effects) -> Filled:
    """Of two secrets of one name that of the run's owner wins. Raises AttemptFailed."""
    if not attempt.secrets:
        return Filled(attempt.request, NO_BLOTS)
    names = {reference.name for reference in attempt.secrets}
    opened = await _opened(names, run, on)
    missing = sorted(names - opened.keys())
    if missing:
        message = f"there is no secret {missing[0]}"
        raise AttemptFailed("secret_missing", message, is_retryable=False)
    request = attempt.request
    for reference in attempt.secrets:
        value = reference.prefix + opened[reference.name].value
        request = _with(request, reference.place.split("/")[1:], value)
    blots = Blots({name: one.value for name, one in opened.items()})
    return Filled(request, blots, tuple(tuple(one.allowed_hosts) for one in opened.values()))


async def _opened(names: set[str], run: Run, on: Effects) -> Mapping[str, OpenedValue]:
    owner_id = await on.owners.owner_of(run.tenant_id, run.created_by)
    own = {} if owner_id is None else {name: _id(run, owner_id, name) for name in names}
    shared = {name: _id(run, None, name) for name in names}
    found = await on.secrets.open(run.tenant_id, [*own.values(), *shared.values()])
    return {
        name: one
        for name in names
        if (one := found.get(own.get(name, shared[name])) or found.get(shared[name])) is not None
    }


def _id(run: Run, owner_id: UUID | None, name: str) -> UUID:
    return secret_id(run.tenant_id, owner_id, name)


def _with(request: JsonObject, steps: list[str], value: str) -> JsonObject:
    """A copy, along the way to the place: the original is what was recorded."""
    step, *rest = steps
    key = step.replace("~1", "/").replace("~0", "~")
    return {**request, key: _replaced(request[key], rest, value)}


def _replaced(inner: Json, steps: list[str], value: str) -> Json:
    match inner:
        case dict() if steps:
            return _with(inner, steps, value)
        case list() if steps:
            place = int(steps[0])
            return [*inner[:place], _replaced(inner[place], steps[1:], value), *inner[place + 1 :]]
        case _:
            return value
