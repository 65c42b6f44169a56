"""An event loop whose time is a number: nothing waits, so an hour of timers passes in a moment.

The order in which callbacks become ready is asyncio's own, which promises it. What varies with the
seed is when the ports answer, and with that everything that is decided by who comes first.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

Answer = TypeVar("Answer")
Given = ParamSpec("Given")

STEPS_MAX = 2_000_000


class Stuck(Exception):
    """Nothing is ready and nothing is timed, or the loop turns without end."""


class _Selector:
    """Where a real loop waits for sockets, this one moves its clock."""

    def __init__(self, loop: "SimulatedLoop") -> None:
        self._loop = loop
        self._steps = 0

    def select(self, timeout: float | None) -> list[object]:
        self._steps += 1
        if timeout is None or self._steps > STEPS_MAX:
            raise Stuck(f"after {self._steps} steps, at {self._loop.time():.3f} s")
        self._loop.pass_time(timeout)
        return []


class SimulatedLoop(asyncio.BaseEventLoop):
    """time: in virtual seconds since the loop was made."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual_s = 0.0
        self._selector = _Selector(self)
        self._clock_resolution = 1e-6
        # Whatever fails is found by the checks; what is left when a run is over is of no interest.
        self.set_exception_handler(lambda _loop, _context: None)

    def time(self) -> float:
        return self._virtual_s

    def pass_time(self, seconds: float) -> None:
        self._virtual_s += seconds

    def _process_events(self, event_list: list[object]) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> None:
        """There are no other threads."""


def run(main: Coroutine[Any, Any, Answer]) -> Answer:
    """Like asyncio.run, in virtual time. Tasks that are left are cancelled."""
    loop = SimulatedLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=3600))
        loop.close()


def in_virtual_time(
    test: Callable[Given, Coroutine[Any, Any, None]],
) -> Callable[Given, None]:
    """For a test of what happens when, whatever else the machine has to do."""

    @functools.wraps(test)
    def in_a_moment(*args: Given.args, **kwargs: Given.kwargs) -> None:
        run(test(*args, **kwargs))

    return in_a_moment
