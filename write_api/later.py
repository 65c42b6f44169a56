"""What is done after the answer, because how long it takes would tell what the answer must not."""

import asyncio
import logging
from collections.abc import Coroutine

from domain.errors import Unavailable

WAITING_MAX = 100

log = logging.getLogger(__name__)


class TooMuchToDo(Unavailable):
    """Too much is being done already; try again in a moment."""


class Later:
    """At most WAITING_MAX at a time. What a process had not done when it ended is not done."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def do(self, name: str, work: Coroutine[object, object, None]) -> None:
        """Raises TooMuchToDo."""
        if len(self._tasks) >= WAITING_MAX:
            work.close()
            raise TooMuchToDo
        task = asyncio.create_task(_logged(name, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def done(self) -> None:
        """Returns when nothing is waiting any more."""
        while self._tasks:
            await asyncio.gather(*self._tasks)


async def _logged(name: str, work: Coroutine[object, object, None]) -> None:
    try:
        await work
    except Exception:
        log.exception("%s failed", name)
