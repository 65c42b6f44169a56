"""What a runner reads of the store before its effect: an outage is waited for, as long as the
attempt has time.

Only reading is repeated here. A runner as a whole may have had its effect.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from commands.ports import AnyAggregate, EventStore
from domain.attempts import Attempt
from domain.errors import Unavailable
from sagas.effects import Run

LOAD_PAUSE_MIN_S = 0.1
LOAD_PAUSE_MAX_S = 5.0


Answer = TypeVar("Answer")


async def load_in_time(
    kind: type[AnyAggregate], stream_id: UUID, events: EventStore, *, attempt: Attempt, run: Run
) -> AnyAggregate | None:
    """Raises Unavailable, as read_in_time."""
    return await read_in_time(
        lambda: events.load(kind, stream_id, run.tenant_id), attempt=attempt, run=run
    )


async def read_in_time(
    read: Callable[[], Awaitable[Answer]], *, attempt: Attempt, run: Run
) -> Answer:
    """Each try is a sign of life. Raises Unavailable when the next pause would outlast the
    attempt.
    """
    loop = asyncio.get_running_loop()
    gives_up_at = loop.time() + attempt.timeout_s
    # Two tries within each heartbeat, or the waiting itself would count as death.
    pause_max_s = min(LOAD_PAUSE_MAX_S, (attempt.heartbeat_s or math.inf) / 2)
    pause_s = min(LOAD_PAUSE_MIN_S, pause_max_s)
    while True:
        try:
            return await read()
        except Unavailable:
            if loop.time() + pause_s >= gives_up_at:
                raise
        run.beat()
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, pause_max_s)
