"""A seed in, a verdict out."""

import logging
import signal
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from domain.errors import Unavailable
from tests.simulation.invariants import violations
from tests.simulation.loop import Stuck, run
from tests.simulation.seams import in_memory
from tests.simulation.world import World

CPU_S_MAX = 3.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """violations: what must hold and does not. trace: everything that happened, line by line."""

    seed: int
    violations: Sequence[str]
    trace: Sequence[str]
    events_count: int


class _Defects(logging.Handler):
    """An error that the program logs is one: it expects to be told of faults, not of defects."""

    def __init__(self, found: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        error = None if record.exc_info is None else record.exc_info[1]
        if record.name.startswith("sagas") and not is_weather(error):
            self._found.append(f"{record.getMessage()}: {error!r}")


def is_weather(error: BaseException | None) -> bool:
    return isinstance(error, Unavailable)


class Endless(KeyboardInterrupt):
    """The program turns in a circle without waiting for anything.

    An interrupt, because a task keeps every other exception to itself, and the next one would turn.
    """


@contextmanager
def _watched() -> Generator[None]:
    """By the processor time of this process; only a circle takes so long."""

    def give_up(_number: int, _frame: object) -> None:
        raise Endless

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S_MAX)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def play(seed: int, bug: AbstractContextManager[None] | None = None) -> Verdict:
    """bug: a mistake that is planted while the run lasts."""
    world = World(seed)
    try:
        with in_memory(), bug or nullcontext(), _watched(), _listening(world):
            found = run(_live(world))
    except (Endless, Stuck) as error:
        found = [f"the program turns in a circle: {error!r}"]
    found = list(dict.fromkeys(found))
    return Verdict(seed, found, world.environment.trace, len(world.store.logged))


@contextmanager
def _listening(world: World) -> Generator[None]:
    """To what the program logs, which is shown to nobody else: faults are the rule here."""
    handler = _Defects(world.environment.defects)
    loggers = [logging.getLogger(name) for name in ("sagas", "infra", "projections")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.propagate = True


async def _live(world: World) -> list[str]:
    try:
        await world.live()
    except Exception as error:  # noqa: BLE001 # also what a client meets is a finding
        return [f"somebody met {error!r}"]
    return await violations(world)
