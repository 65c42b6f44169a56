"""Where the real code meets the simulated world: the few names that are replaced while a run of the
simulation lasts.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import eventsourcing.domain

import commands.pinned_definitions
import infra.relay
import projections.projector
from tests.commands.fakes import NOON
from tests.simulation import projecting, relaying


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Generator[None]:
    original = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


def _virtual_now() -> datetime:
    """Of the events' own timestamps, which the library takes from the machine's clock."""
    return (NOON + timedelta(seconds=asyncio.get_running_loop().time())).astimezone(UTC)


@contextmanager
def in_memory() -> Generator[None]:
    replacements = [
        (eventsourcing.domain, "datetime_now_with_tzinfo", _virtual_now),
        (infra.relay, "PreparedStatements", relaying.statements_of),
        (infra.relay, "read_commit_order", relaying.read_commit_order),
        # What an earlier run of this process remembers is a load that this one would not make.
        (commands.pinned_definitions, "_kept", OrderedDict()),
        (projections.projector, "begin_places", projecting.begin_places),
        (projections.projector, "read_places", projecting.read_places),
        (projections.projector, "read_stream_unbound", projecting.read_stream_unbound),
    ]
    with ExitStack() as stack:
        for owner, name, value in replacements:
            stack.enter_context(replaced(owner, name, value))
        yield
