"""Calls of models under limits, counted in PostgreSQL over all workers
(infra/migrations/0093_call_limits.sql).
"""

from collections.abc import Sequence
from typing import LiteralString
from uuid import UUID

import orjson

from commands.call_limit_port import EndedCall, Full, HeldCall, Line
from commands.ports import Clock
from domain.call_limits import CallLimit
from infra.postgres import Database

# How long a call counts that its worker does not renew (sagas/call_slots.py).
LEASE_S = 30.0

# fmt: off
TAKE: LiteralString = (
    "SELECT scope, what, wait_s FROM take_call(%s, %s, %s::json, %s, %s, %s, %s)"
    " ORDER BY wait_s DESC NULLS FIRST LIMIT 1"
)
TAKE_OWN: LiteralString = (
    "SELECT scope, what, wait_s FROM take_own_call(%s, %s::json, %s, %s, %s, %s)"
    " ORDER BY wait_s DESC NULLS FIRST LIMIT 1"
)
SETTLE_OWN: LiteralString = "SELECT settle_own_call(%s, %s, %s, %s)"
SETTLE: LiteralString = "SELECT settle_calls(%s::json, %s)"
RENEW: LiteralString = "SELECT renew_calls(%s::json, %s, %s)"
TELL: LiteralString = "SELECT tell_lines(%s, %s::json, %s, %s)"
# fmt: on


class PostgresCallLimits:
    """Implements commands.call_limit_port.CallLimits. database: the role `worker`. clock: None is
    the server's, for those of workers differ.
    """

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock

    async def take(
        self, held: HeldCall, limits: Sequence[CallLimit], *, tokens: int, usd_pico: int
    ) -> Full | None:
        wanted = (_limits_told(limits), tokens, usd_pico, LEASE_S, self._now())
        async with self._database.connection() as conn:
            row = await (await conn.execute(TAKE, (*held, *wanted))).fetchone()
        return None if row is None else Full(*row)

    async def renew(self, calls: Sequence[HeldCall]) -> None:
        told = [{"tenant": one.tenant_id, "call": one.call_id} for one in calls]
        async with self._database.connection() as conn:
            await conn.execute(RENEW, (_text(told), LEASE_S, self._now()))

    async def settle(self, ended: Sequence[EndedCall]) -> None:
        told = [
            {
                "tenant": one.held.tenant_id,
                "call": one.held.call_id,
                "tokens": one.tokens,
                "cost": one.usd_pico,
            }
            for one in ended
        ]
        async with self._database.connection() as conn:
            await conn.execute(SETTLE, (_text(told), self._now()))

    async def tell_lines(self, worker_id: UUID, lines: Sequence[Line]) -> None:
        told = [
            {"tenant": one.tenant_id, "scope": one.scope_id, "calls": one.calls} for one in lines
        ]
        async with self._database.connection() as conn:
            await conn.execute(TELL, (worker_id, _text(told), LEASE_S, self._now()))

    def _now(self) -> object:
        return None if self._clock is None else self._clock.now()


class OwnCallPlaces:
    """Implements commands.call_limit_port.CallPlaces. database: the role `api`, which sees one
    tenant at a time. clock: as above.
    """

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock

    async def take(
        self, held: HeldCall, limits: Sequence[CallLimit], *, tokens: int, usd_pico: int
    ) -> Full | None:
        wanted = (_limits_told(limits), tokens, usd_pico, LEASE_S, self._now())
        async with self._database.tenant_transaction(held.tenant_id) as conn:
            row = await (await conn.execute(TAKE_OWN, (held.call_id, *wanted))).fetchone()
        return None if row is None else Full(*row)

    async def settle(self, ended: Sequence[EndedCall]) -> None:
        for one in ended:
            used = (one.held.call_id, one.tokens, one.usd_pico, self._now())
            async with self._database.tenant_transaction(one.held.tenant_id) as conn:
                await conn.execute(SETTLE_OWN, used)

    def _now(self) -> object:
        return None if self._clock is None else self._clock.now()


def _limits_told(limits: Sequence[CallLimit]) -> str:
    told = [
        {
            "scope": limit.scope_id,
            "calls": limit.calls_max,
            "tokens": limit.tokens_per_min,
            "cost": limit.usd_pico_per_min,
        }
        for limit in limits
    ]
    return _text(told)


def _text(told: object) -> str:
    return orjson.dumps(told).decode()
