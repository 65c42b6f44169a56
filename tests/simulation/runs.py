"""A seed in, a verdict out."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from tests.simulation.invariants import violations
from tests.simulation.loop import run
from tests.simulation.seams import in_memory
from tests.simulation.world import World


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
        if not is_weather(error):
            self._found.append(f"{record.getMessage()}: {error!r}")


def is_weather(error: BaseException | None) -> bool:
    from domain.errors import Unavailable

    return isinstance(error, Unavailable)


def play(seed: int, bug: AbstractContextManager[None] | None = None) -> Verdict:
    """bug: a mistake that is planted while the run lasts."""
    world = World(seed)
    handler = _Defects(world.environment.defects)
    logger = logging.getLogger("sagas")
    logger.addHandler(handler)
    try:
        with in_memory(), bug or nullcontext():
            found = run(_live(world))
    finally:
        logger.removeHandler(handler)
    return Verdict(seed, found, world.environment.trace, len(world.store.logged))


async def _live(world: World) -> list[str]:
    try:
        await world.live()
    except AssertionError as error:
        return [f"an assertion failed: {error!r}"]
    return await violations(world)
