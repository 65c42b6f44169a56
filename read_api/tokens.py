"""What models are saying in one run, as it comes. Nothing of it is stored: whoever needs all of it
reads the outputs.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

import strawberry

from infra.live_text import Following, Piece, TooSlow
from read_api.context import ReadInfo
from read_api.errors import refuse
from read_api.updates import first_events, follow_execution


@strawberry.type(description="A piece of what a model says.")
class TokenChunk:
    execution_id: strawberry.ID
    node_id: strawberry.ID = strawberry.field(description="The path of the node.")
    attempt: int
    offset: int = strawberry.field(
        description="How many characters of this attempt's text came before: where that is more"
        " than was told, some are missing."
    )
    text: str


async def tokens(info: ReadInfo, execution_id: strawberry.ID) -> AsyncGenerator[TokenChunk]:
    """Until the run ends. Raises RequestRefused: not_found, too_slow."""
    sources, caller = info.context.sources, info.context.caller
    beginning = await first_events(sources, caller, execution_id, after=0)
    tenant_id, stream_id = beginning[0].tenant_id, beginning[0].stream_id
    events = follow_execution(sources, caller, beginning, after=sys.maxsize)
    async with aclosing(events):
        # None of the events is asked for, so the first thing that comes is the end.
        ended: asyncio.Future[Any] = asyncio.ensure_future(anext(events, None))
        try:
            with sources.live_text.follow(tenant_id, stream_id) as following:
                while (piece := await _next(following, ended)) is not None:
                    yield TokenChunk(
                        execution_id=strawberry.ID(str(stream_id)),
                        node_id=strawberry.ID(piece.path),
                        attempt=piece.attempt,
                        offset=piece.offset,
                        text=piece.text,
                    )
            await ended
        finally:
            ended.cancel()
            await asyncio.gather(ended, return_exceptions=True)


async def _next(following: Following, ended: "asyncio.Future[Any]") -> Piece | None:
    """None at the end of the run, after all that was said."""
    if ended.done() and not following.has_waiting:
        return None
    upcoming = asyncio.ensure_future(following.next())
    try:
        # What waits already is taken before anything else is looked at.
        await asyncio.sleep(0)
        await asyncio.wait({upcoming, ended}, return_when=asyncio.FIRST_COMPLETED)
        return upcoming.result() if upcoming.done() else None
    except TooSlow:
        message = "The text came faster than it was read: follow again, or read the outputs."
        raise refuse("too_slow", message) from None
    finally:
        upcoming.cancel()
        with suppress(asyncio.CancelledError, TooSlow):
            await upcoming
