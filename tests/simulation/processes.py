"""The processes of the simulated system. One that is dead is not cleaned up: what it calls never
answers, so that whatever it still does is seen by nobody.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.commands.fakes import NOON
from tests.simulation.chance import Chance, Faults


@dataclass(eq=False)
class Environment:
    """What all of a run shares: chance, faults, the trace, and the tasks of the world outside."""

    chance: Chance
    faults: Faults
    trace: list[str] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.now_s)

    def tell(self, who: str, what: str) -> None:
        self.trace.append(f"{self.now_s:12.6f} {who:12} {what}")

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Goes on whatever becomes of the process that asked for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.defects.append(f"the simulation itself failed: {task.exception()!r}")

    async def pass_by(self, mean_s: float) -> None:
        """A part of the way to somebody else."""
        await asyncio.sleep(self.chance.delay_s(mean_s))


@dataclass(eq=False)
class Process:
    """skew_s: how far its clock is off. Implements commands.ports.Clock."""

    name: str
    environment: Environment
    is_alive: bool = True
    skew_s: float = 0.0
    _still: asyncio.Future[None] | None = None
    on_death: list[Callable[[], None]] = field(default_factory=list)

    def now(self) -> datetime:
        return self.environment.now() + timedelta(seconds=self.skew_s)

    async def reach(self) -> None:
        """Returns when this process can send or receive; never, when it is dead."""
        if not self.is_alive:
            await asyncio.get_running_loop().create_future()
        while self._still is not None:
            await asyncio.shield(self._still)
            if not self.is_alive:
                await asyncio.get_running_loop().create_future()

    @property
    def is_standing_still(self) -> bool:
        return self._still is not None

    def die(self) -> None:
        self.environment.tell(self.name, "dies")
        self.is_alive = False
        for tell in self.on_death:
            tell()

    async def stand_still(self, seconds: float) -> None:
        """Neither sends nor receives, like a process that was stopped, and goes on afterwards."""
        if self._still is not None:
            return
        self.environment.tell(self.name, f"stands still for {seconds:.1f} s")
        self._still = asyncio.get_running_loop().create_future()
        await asyncio.sleep(seconds)
        still, self._still = self._still, None
        still.set_result(None)
        self.environment.tell(self.name, "goes on")
