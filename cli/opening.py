"""For commands that read what events say."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from infra.event_sealing import OpenEvents
from infra.runtime import build_runtime
from infra.settings import Settings


@asynccontextmanager
async def opening(settings: Settings) -> AsyncGenerator[OpenEvents]:
    """What opens the events of every tenant."""
    async with build_runtime(settings) as runtime:
        yield (await runtime.event_seals("projector")).opened
