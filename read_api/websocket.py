"""graphql-transport-ws on /graphql: subscriptions, and queries too for clients that send everything
this way.

    connect ──► connection_init ──► connection_ack ──► subscribe ──► next ... ──► complete
                 (credential)                           (up to 20)   a slow client is simply not
                 read for

The credential is proven again every few seconds; when it does not hold any more, the connection
ends. The protocol and its close codes: github.com/enisdenjo/graphql-ws, PROTOCOL.md.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketDisconnect

from infra.authentication import Caller, DomainError, OverLimit, Unauthenticated
from read_api.dependencies import ReadDependencies
from read_api.edge import admit, authenticated, origin_of
from read_api.errors import RequestRefused, refuse
from read_api.operations import Operations, Prepared, parse_operation, refusal_of
from read_api.root_fields import ANY_FIELD
from read_api.subscription_count import SubscriptionCount

PROTOCOL = "graphql-transport-ws"
ID_LENGTH_MAX = 200

BAD_MESSAGE = 4400
UNAUTHORIZED = 4401
FORBIDDEN = 4403
UNKNOWN_PROTOCOL = 4406
INIT_TIMEOUT = 4408
ALREADY_EXISTS = 4409
TOO_MANY_INITS = 4429
INTERNAL_ERROR = 4500

log = logging.getLogger(__name__)


class Closed(Exception):
    """The connection ends, with a code and a reason of the protocol."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class GraphqlSocket:
    def __init__(
        self,
        dependencies: ReadDependencies,
        operations: Operations,
        count: SubscriptionCount,
    ) -> None:
        self._dependencies = dependencies
        self._operations = operations
        self._count = count

    async def serve(self, websocket: WebSocket) -> None:
        """Until the connection ends."""
        if not is_of_own_origin(websocket, self._dependencies.cors_origins):
            await websocket.close()  # Before it is accepted: the handshake is answered with 403.
            return
        if PROTOCOL not in websocket.scope.get("subprotocols", ()):
            await websocket.accept()
            await websocket.close(UNKNOWN_PROTOCOL, f"only {PROTOCOL} is spoken here")
            return
        await websocket.accept(PROTOCOL)
        connection = _Connection(self._dependencies, self._operations, self._count, websocket)
        try:
            await connection.run()
        except Closed as closed:
            await websocket.close(closed.code, closed.reason)
        except WebSocketDisconnect:
            pass


def is_of_own_origin(connection: HTTPConnection, allowed: Sequence[str]) -> bool:
    """A browser says which page opens a socket, and may send credentials that the page does not
    know. Programs send no Origin. allowed: origins of other websites.
    """
    origin = connection.headers.get("origin")
    if origin is None or origin in allowed:
        return True
    return urlsplit(origin).netloc == connection.headers.get("host")


class _Connection:
    def __init__(
        self,
        dependencies: ReadDependencies,
        operations: Operations,
        count: SubscriptionCount,
        websocket: WebSocket,
    ) -> None:
        self._dependencies = dependencies
        self._limits = dependencies.limits
        self._operations = operations
        self._count = count
        self._websocket = websocket
        self._credential: str | None = None
        self._caller: Caller | None = None
        self._running: dict[str, asyncio.Task[None]] = {}
        self._followed: set[str] = set()

    async def run(self) -> None:
        """Raises Closed or WebSocketDisconnect, whichever ends it."""
        tasks: set[asyncio.Task[None]] = set()
        try:
            await self._begin()
            tasks = {
                asyncio.create_task(self._receive()),
                asyncio.create_task(self._authenticate_again()),
            }
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            ending = [*tasks, *self._running.values()]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def _begin(self) -> None:
        """The first message says who is calling, unless a header did."""
        try:
            async with asyncio.timeout(self._limits.connection_init_wait_s):
                message = await self._message()
                while message["type"] == "ping":
                    await self._pong(message)
                    message = await self._message()
        except TimeoutError:
            raise Closed(INIT_TIMEOUT, "Connection initialisation timeout") from None
        if message["type"] != "connection_init":
            raise Closed(UNAUTHORIZED, "Unauthorized")
        self._credential = self._credential_of(message.get("payload"))
        caller = await self._authenticate(FORBIDDEN)
        try:
            connection = HTTPConnection(self._websocket.scope)
            await admit(self._dependencies, connection, caller, ANY_FIELD)
        except OverLimit as error:
            raise Closed(FORBIDDEN, error.detail) from None
        await self._send({"type": "connection_ack"})

    def _credential_of(self, payload: object) -> str | None:
        if not isinstance(payload, dict | None):
            raise Closed(BAD_MESSAGE, "The payload of connection_init is an object")
        fields = cast("dict[str, Any]", payload or {})
        names = {name.lower(): value for name, value in fields.items()}
        given = names.get("authorization", self._websocket.headers.get("authorization"))
        if not isinstance(given, str | None):
            raise Closed(BAD_MESSAGE, "Authorization is a string")
        return given

    async def _authenticate(self, code: int) -> Caller:
        """code: what the connection ends with when the credential does not hold."""
        connection = HTTPConnection(self._websocket.scope)
        try:
            self._caller = await authenticated(
                self._dependencies, connection, self._credential, None
            )
        except (Unauthenticated, OverLimit) as error:
            raise Closed(code, error.detail) from None
        return self._caller

    async def _authenticate_again(self) -> None:
        """Raises Closed when the credential has ended, or lets do something else than it did: what
        runs here was begun with what it let do then.
        """
        before = self._caller
        while True:
            await asyncio.sleep(self._limits.authenticate_again_s)
            try:
                if await self._authenticate(UNAUTHORIZED) != before:
                    raise Closed(FORBIDDEN, "What you may do has changed: connect again")
            except DomainError as error:
                # The credential could not be looked at; it is neither good nor bad.
                log.warning("a subscriber's credential was not checked: %s", error)

    async def _receive(self) -> None:
        """Answers are awaited here, so a client that sends without reading is not read from."""
        while True:
            message = await self._message()
            match message["type"]:
                case "subscribe":
                    await self._subscribe(message)
                case "complete":
                    await self._end(_id(message))
                case "ping":
                    await self._pong(message)
                case "pong":
                    pass
                case "connection_init":
                    raise Closed(TOO_MANY_INITS, "Too many initialisation requests")
                case _:
                    raise Closed(BAD_MESSAGE, "Unknown message type")

    async def _subscribe(self, message: dict[str, Any]) -> None:
        operation_id = _id(message)
        if operation_id in self._running:
            raise Closed(ALREADY_EXISTS, f"Subscriber for {operation_id} already exists")
        maximum = self._limits.subscriptions_per_connection_max
        if len(self._running) >= maximum:
            text = f"At most {maximum} run at a time on one connection."
            await self._refuse(operation_id, refuse("too_many_subscriptions", text))
            return
        task = asyncio.create_task(self._run(operation_id, message.get("payload")))
        self._running[operation_id] = task

    async def _end(self, operation_id: str) -> None:
        task = self._running.pop(operation_id, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self, operation_id: str, payload: object) -> None:
        try:
            await self._answer(operation_id, payload)
        except RequestRefused as refused:
            await self._refuse(operation_id, refused)
        except DomainError as error:
            await self._refuse(operation_id, refusal_of(error))
        except WebSocketDisconnect:
            pass  # The receiving side hears of it too.
        except Exception:
            log.exception("an operation on a WebSocket failed")
            await self._websocket.close(INTERNAL_ERROR, "Internal error")

    async def _answer(self, operation_id: str, payload: object) -> None:
        assert self._caller is not None
        connection = HTTPConnection(self._websocket.scope)
        await admit(self._dependencies, connection, self._caller, ANY_FIELD)
        origin = origin_of(self._dependencies, connection)
        operation = parse_operation(payload)
        prepared = await self._operations.prepare(operation, self._caller, origin, self._followed)
        if prepared.is_subscription:
            self._count.require_room()
            with self._count.one("websocket"):
                await self._follow(operation_id, prepared)
        else:
            answer = await self._operations.execute(prepared)
            await self._send({"id": operation_id, "type": "next", "payload": answer})
        self._running.pop(operation_id, None)
        await self._send({"id": operation_id, "type": "complete"})

    async def _follow(self, operation_id: str, prepared: Prepared) -> None:
        """Pulls the next answer only when the last one was taken."""
        async with aclosing(self._operations.follow(prepared)) as answers:
            async for answer in answers:
                await self._send({"id": operation_id, "type": "next", "payload": answer})

    async def _refuse(self, operation_id: str, refused: RequestRefused) -> None:
        self._running.pop(operation_id, None)
        request_id = self._dependencies.request_id_of(self._websocket.scope)
        errors = self._operations.refusal(refused, request_id)
        await self._send({"id": operation_id, "type": "error", "payload": errors})

    async def _message(self) -> dict[str, Any]:
        received = await self._websocket.receive()
        if received["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(received.get("code", 1005), received.get("reason"))
        text = received.get("text")
        if text is None:
            raise Closed(BAD_MESSAGE, "WebSocket message type must be text")
        if len(text) > self._limits.body_bytes_max:
            raise Closed(BAD_MESSAGE, "The message is too large")
        try:
            message: Any = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise Closed(BAD_MESSAGE, "WebSocket message must be valid JSON") from None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):  # pyright: ignore[reportUnknownMemberType] # JSON
            raise Closed(BAD_MESSAGE, "A message is an object with a type")
        return message  # pyright: ignore[reportUnknownVariableType] # JSON

    async def _pong(self, message: dict[str, Any]) -> None:
        payload = {"payload": message["payload"]} if "payload" in message else {}
        await self._send({"type": "pong", **payload})

    async def _send(self, message: dict[str, Any]) -> None:
        await self._websocket.send(
            {"type": "websocket.send", "text": orjson.dumps(message).decode()}
        )


def _id(message: dict[str, Any]) -> str:
    given = message.get("id")
    if not isinstance(given, str) or not 0 < len(given) <= ID_LENGTH_MAX:
        raise Closed(BAD_MESSAGE, "A message of an operation has an id")
    return given
