"""GET /api/v1/executions/{id}/events: the events of one execution as server-sent events, for
clients without GraphQL.

The id of an event is its version, so a browser that reconnects with `Last-Event-ID` misses nothing.
After the end of the execution a reconnecting browser is answered with 204, which tells it to stop.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from http import HTTPStatus
from time import monotonic

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from infra.authentication import Caller, DomainError, require
from infra.event_log import LoggedEvent
from read_api.context import sources_of
from read_api.dependencies import ReadDependencies
from read_api.edge import identify, origin_of, problem, problem_of
from read_api.errors import RequestRefused, refuse
from read_api.root_fields import ROOT_FIELDS
from read_api.subscription_count import SubscriptionCount
from read_api.updates import first_events, follow_execution, has_ended, update_json

ACTION = "followExecution"
HEARTBEAT = b": still here\n\n"
VERSION_DIGITS_MAX = 18
STATUS = {
    "not_found": HTTPStatus.NOT_FOUND,
    "bad_version": HTTPStatus(422),  # Its name differs between the Python versions we support.
    "too_many_subscriptions": HTTPStatus.SERVICE_UNAVAILABLE,
}


class ExecutionStream:
    def __init__(self, dependencies: ReadDependencies, count: SubscriptionCount) -> None:
        self._dependencies = dependencies
        self._sources = sources_of(dependencies)
        self._count = count

    async def respond(self, request: Request) -> Response:
        request_id = self._dependencies.request_id_of(request.scope)
        caller = None
        try:
            caller = await identify(self._dependencies, request)
            await self._dependencies.callers.take(request.scope, caller)
            require(caller, ROOT_FIELDS["executionUpdates"].scope)
            return await self._stream(request, caller)
        except DomainError as error:
            if caller is not None:
                asked = origin_of(self._dependencies, request).asked(caller, ACTION)
                await self._dependencies.audit.refused(asked, error)
            return problem_of(error, request_id)
        except RequestRefused as refused:
            error = refused.errors[0]
            code = str((error.extensions or {})["code"])
            asked = origin_of(self._dependencies, request).asked(caller, ACTION)
            await self._dependencies.audit.refused_with(asked, code, "failed")
            return problem(STATUS[code], code, error.message, request_id)

    async def _stream(self, request: Request, caller: Caller) -> Response:
        """Raises RequestRefused."""
        after = _last_event_id(request)
        id_text = request.path_params["execution_id"]
        beginning = await first_events(self._sources, caller, id_text, after=after)
        if has_ended(beginning) and beginning[-1].version <= after:
            return Response(status_code=HTTPStatus.NO_CONTENT)
        self._count.require_room()
        events = follow_execution(self._sources, caller, beginning, after=after)
        return StreamingResponse(
            self._frames(request, caller, events),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    async def _frames(
        self, request: Request, caller: Caller, events: AsyncGenerator[LoggedEvent]
    ) -> AsyncIterator[bytes]:
        """Ends with the execution, the credential, what it lets see, or the database; who resumes
        is told which.
        """
        upcoming: asyncio.Future[LoggedEvent] | None = None
        try:
            with self._count.one("sse"):
                checked_s = monotonic()
                while True:
                    upcoming = upcoming or asyncio.ensure_future(anext(events))
                    limits = self._dependencies.limits
                    done, _ = await asyncio.wait(
                        {upcoming}, timeout=min(limits.heartbeat_s, limits.authenticate_again_s)
                    )
                    if monotonic() - checked_s >= limits.authenticate_again_s:
                        if await identify(self._dependencies, request) != caller:
                            return
                        checked_s = monotonic()
                    if done:
                        yield _frame(upcoming.result())
                        upcoming = None
                    else:
                        yield HEARTBEAT
        except (StopAsyncIteration, DomainError, RequestRefused):
            return
        finally:
            if upcoming is not None:
                upcoming.cancel()
                await asyncio.gather(upcoming, return_exceptions=True)
            await events.aclose()


def _frame(event: LoggedEvent) -> bytes:
    head = f"id: {event.version}\nevent: {event.topic}\ndata: "
    return head.encode() + update_json(event) + b"\n\n"


def _last_event_id(request: Request) -> int:
    text = request.headers.get("last-event-id", "0")
    if not text.isdecimal() or len(text) > VERSION_DIGITS_MAX:
        raise refuse("bad_version", "Last-Event-ID is the version of an event.")
    return int(text)
