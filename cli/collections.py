"""How rarely the collector looks for cycles. By default it does so after every 2,000 new objects,
of which a step makes a hundred and hardly one in a cycle: 3 to 8 % of a busy worker's time. Of what
is loaded to start, nothing is in one: a tenth of the time of a start.
"""

import contextlib
import gc
from collections.abc import Generator

OBJECTS_BEFORE_COLLECTION = (50_000, 20, 100)


def collect_rarely() -> None:
    """From now on. For a program that begins."""
    gc.set_threshold(*OBJECTS_BEFORE_COLLECTION)


@contextlib.contextmanager
def rare_collections() -> Generator[None]:
    """For a process that serves: what was loaded to start it is never looked at again."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*OBJECTS_BEFORE_COLLECTION)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
