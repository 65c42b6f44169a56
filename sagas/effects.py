"""What a node runner gets and gives: the world it may touch, the outcome it brings, and the one way
to fail.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from commands.http_port import Http
from commands.model_port import Models
from commands.parts_port import PartRights
from commands.ports import Clock, EventStore
from commands.price_port import Prices
from commands.provider_port import Providers
from commands.vault_port import SecretReader
from domain.attempts import Attempt, Usage
from domain.identifiers import Json, TenantId
from domain.records import record
from infra.live_text import LiveText
from sagas.run_owners import RunOwners


@dataclass(frozen=True, slots=True)
class Effects:
    """The ports of node runners."""

    events: EventStore
    models: Models
    http: Http
    secrets: SecretReader
    owners: RunOwners
    providers: Providers
    prices: Prices
    clock: Clock
    parts: PartRights
    live_text: LiveText = field(default_factory=LiveText)


def _no_beat() -> None:
    """For an attempt whose signs of life nobody counts."""


@record
class Run:
    """The execution an attempt belongs to. depth: how many runs are above it. created_by: the actor
    who began it, or the run above it. workflow_id: what it runs; None for an agent alone. named:
    the agents and workflows that its definition names. calls_max: of all runs of the workflow at
    once, as its definition says. beat: a sign of life of this attempt.
    """

    tenant_id: TenantId
    execution_id: UUID
    depth: int = 0
    created_by: str = ""
    workflow_id: UUID | None = None
    named: frozenset[UUID] = frozenset()
    calls_max: int | None = None
    beat: Callable[[], None] = _no_beat


@record
class Outcome:
    output: Json
    usage: Usage


@dataclass(frozen=True, slots=True)
class ChildWanted:
    """Another run is to begin, with the append that says so."""

    workflow_id: UUID
    workflow_version: int
    definition_hash: str
    input: Json
    is_awaited: bool
    on_parent_close: Literal["cancel", "abandon"]


class AttemptFailed(Exception):
    """The effect did not happen, or what came of it is of no use. message is stored: no secrets."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        is_retryable: bool,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.is_retryable = is_retryable
        self.retry_after_s = retry_after_s
        self.usage = usage or Usage()


Runner = Callable[[Attempt, Run, Effects], Coroutine[Any, Any, Outcome | ChildWanted]]
