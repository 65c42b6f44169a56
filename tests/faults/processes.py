"""Processes of one installation, which a test kills, stops and starts again."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.faults import driver

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["tests.faults.preload"])

POLL_S = 0.02
STOP_S = 60.0


@dataclass(eq=False)
class Started:
    """One process. output: everything it said."""

    process: ForkServerProcess
    output: Path

    @property
    def exit_code(self) -> int | None:
        return self.process.exitcode

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def ask_to_stop(self) -> None:
        self._signal(signal.SIGTERM)

    async def ended(self, *, wait_s: float) -> int:
        """Its exit code: the number of the signal, negative, when it was killed."""
        deadline = asyncio.get_running_loop().time() + wait_s
        while self.process.exitcode is None:
            late = asyncio.get_running_loop().time() > deadline
            assert not late, f"did not end within {wait_s} s: {self.said()}"
            await asyncio.sleep(POLL_S)
        return self.process.exitcode

    def said(self) -> str:
        return self.output.read_text(errors="replace")[-6000:]

    def _signal(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)


@dataclass(eq=False)
class Installation:
    """environment: of every process. directory: where their output goes."""

    environment: Mapping[str, str]
    directory: Path
    started: list[Started] = field(default_factory=list)

    def start(self, *arguments: str, **environment: str) -> Started:
        output = self.directory / f"{len(self.started)}-{'-'.join(arguments)}.log"
        process = FORKED.Process(
            target=driver.main, args=(arguments, {**self.environment, **environment}, output)
        )
        process.start()
        started = Started(process, output)
        self.started.append(started)
        return started

    async def run(self, *arguments: str, **environment: str) -> Started:
        """A command, to its end."""
        started = self.start(*arguments, **environment)
        await started.ended(wait_s=STOP_S)
        return started

    def end(self) -> None:
        for one in self.started:
            if one.process.exitcode is None:
                one.go_on()
                one.kill()
            one.process.close()

    def said(self) -> str:
        return "\n".join(f"--- {one.output.name}\n{one.said()}" for one in self.started)


async def pause(seconds: float) -> None:
    """Let a fault last. Nothing is judged by what has happened when it is over."""
    await asyncio.sleep(seconds)
