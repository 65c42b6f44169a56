"""What calls hold while they are under way, over all workers. Adapter: infra/call_limits.py."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.call_limits import CallLimit
from domain.identifiers import TenantId


class Full(NamedTuple):
    """limit: the name of the one that does not allow it now. wait_s: until it does; None is as soon
    as another call ends.
    """

    scope_id: UUID
    limit: str
    wait_s: float | None


class HeldCall(NamedTuple):
    tenant_id: TenantId
    call_id: UUID


class EndedCall(NamedTuple):
    """tokens, usd_pico: what it used; None is not known, and counts as what was held."""

    held: HeldCall
    tokens: int | None
    usd_pico: int | None


class Line(NamedTuple):
    """calls: how many wait at one worker for a place under the limits of this scope."""

    tenant_id: TenantId
    scope_id: UUID
    calls: int


class CallPlaces(Protocol):
    """For calls that are over before what they hold runs out."""

    async def take(
        self, held: HeldCall, limits: Sequence[CallLimit], *, tokens: int, usd_pico: int
    ) -> Full | None:
        """tokens, usd_pico: what it may use at most. None: it holds that of all the limits, for so
        long as it is renewed. Raises Unavailable.
        """
        ...

    async def settle(self, ended: Sequence[EndedCall]) -> None:
        """Raises Unavailable."""
        ...


class CallLimits(CallPlaces, Protocol):
    async def renew(self, calls: Sequence[HeldCall]) -> None:
        """Raises Unavailable."""
        ...

    async def tell_lines(self, worker_id: UUID, lines: Sequence[Line]) -> None:
        """All that wait at this worker, for whoever looks at it; it is known for a while. Raises
        Unavailable.
        """
        ...


class NothingLimited:
    """Implements CallLimits, where no plan and no agent limits anything."""

    async def take(
        self,
        held: HeldCall,  # noqa: ARG002 # the port's
        limits: Sequence[CallLimit],  # noqa: ARG002 # the port's
        *,
        tokens: int,  # noqa: ARG002 # the port's
        usd_pico: int,  # noqa: ARG002 # the port's
    ) -> Full | None:
        return None

    async def renew(self, calls: Sequence[HeldCall]) -> None:
        """Nothing runs out."""

    async def settle(self, ended: Sequence[EndedCall]) -> None:
        """Nothing is held."""

    async def tell_lines(self, worker_id: UUID, lines: Sequence[Line]) -> None:
        """Nobody waits."""
