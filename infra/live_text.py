"""The text of models as it comes, from the worker that hears it to who follows the run; stored
nowhere, for the whole answer comes with the outcome of its attempt.

    LiveCall.tell ─► gathered for a moment ─► Following.next       in one process
                                       └────► NOTIFY, sealed ─► .. between processes

Who follows says so every few seconds, and nobody sends what nobody follows. Whoever begins to
follow in the middle gets what was said so far. Lost pieces are never sent again: each says how many
characters came before it.
"""

import asyncio
import contextlib
import logging
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID

import orjson
from psycopg import AsyncConnection, OperationalError

from domain.errors import DomainError
from domain.identifiers import TenantId
from infra.data_keys import DataKeys
from infra.sealing import Tampered

CHANNEL = "agentledger_live_text"
PURPOSE = "live text"
GATHER_S = 0.04
# PostgreSQL takes 7,999 bytes; a character may take six, and what is sealed a third more.
PIECE_CHARACTERS_MAX = 800
# Of one call, for who comes later.
KEPT_CHARACTERS_MAX = 65_536
# Of one reader: whoever is this far behind is told so, and follows no longer.
WAITING_PIECES_MAX = 500
SENDING_MAX = 2_000
FOLLOWED_S, FOLLOWED_AGAIN_S = 15.0, 5.0
FOLLOWED_ELSEWHERE_MAX = 10_000
RECONNECT_S = 1.0

log = logging.getLogger(__name__)


class Piece(NamedTuple):
    """offset: how many characters of the attempt's text came before it."""

    path: str
    attempt: int
    offset: int
    text: str


class TooSlow(Exception):
    """Pieces came faster than they were taken."""


class Following:
    """One reader of one run. `next` waits for the next piece. Raises TooSlow."""

    def __init__(self) -> None:
        self._waiting: deque[Piece] = deque()
        self._news = asyncio.Event()
        self._is_behind = False
        self._reached: dict[tuple[str, int], int] = {}

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting)

    async def next(self) -> Piece:
        while not self._waiting:
            if self._is_behind:
                raise TooSlow
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()

    def offer(self, piece: Piece) -> None:
        """What it has already is left out."""
        place = piece.path, piece.attempt
        reached = self._reached.get(place, 0)
        end = piece.offset + len(piece.text)
        if self._is_behind or end <= reached:
            return
        if piece.offset < reached:
            piece = piece._replace(offset=reached, text=piece.text[reached - piece.offset :])
        self._reached[place] = end
        if len(self._waiting) >= WAITING_PIECES_MAX:
            self._is_behind = True
        else:
            self._waiting.append(piece)
        self._news.set()


class LiveCall:
    """One call of a model that streams. `tell` takes its text as it comes."""

    def __init__(
        self, publish: Callable[["LiveCall", Piece], None], run: "_Run", path: str, attempt: int
    ) -> None:
        self.run = run
        self._publish = publish
        self._path, self._attempt = path, attempt
        self._kept, self._gathered, self._offset = "", "", 0
        self._timer: asyncio.TimerHandle | None = None

    def tell(self, text: str) -> None:
        self._gathered += text
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER_S, self.flush)

    def flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        text, self._gathered = self._gathered, ""
        if text:
            piece = Piece(self._path, self._attempt, self._offset, text)
            self._offset += len(text)
            self._kept = (self._kept + text)[-KEPT_CHARACTERS_MAX:]
            self._publish(self, piece)

    def so_far(self) -> Piece:
        return Piece(self._path, self._attempt, self._offset - len(self._kept), self._kept)


class _Run(NamedTuple):
    tenant_id: TenantId
    execution_id: UUID


class LiveText:
    """One for the process."""

    def __init__(self) -> None:
        self._here: dict[_Run, set[Following]] = {}
        self._calls: dict[_Run, set[LiveCall]] = {}
        # Until when somebody in another process follows.
        self._elsewhere: dict[_Run, float] = {}
        self._to_send: deque[tuple[_Run, Piece | None]] = deque(maxlen=SENDING_MAX)
        self._sending = asyncio.Event()
        self._is_exchanged = False

    @contextmanager
    def follow(self, tenant_id: TenantId, execution_id: UUID) -> Generator[Following]:
        """From the beginning of what is being said now."""
        run, following = _Run(tenant_id, execution_id), Following()
        self._here.setdefault(run, set()).add(following)
        self._send(run, None)
        for call in self._calls.get(run, ()):
            following.offer(call.so_far())
        try:
            yield following
        finally:
            members = self._here[run]
            members.discard(following)
            if not members:
                del self._here[run]

    def is_followed(self, tenant_id: TenantId, execution_id: UUID) -> bool:
        if not self._here and not self._elsewhere:
            return False
        run = _Run(tenant_id, execution_id)
        return run in self._here or self._is_followed_elsewhere(run)

    @contextmanager
    def call(
        self, tenant_id: TenantId, execution_id: UUID, path: str, attempt: int
    ) -> Generator[LiveCall]:
        """For as long as it answers."""
        run = _Run(tenant_id, execution_id)
        made = LiveCall(self._published, run, path, attempt)
        self._calls.setdefault(run, set()).add(made)
        try:
            yield made
        finally:
            made.flush()
            members = self._calls[run]
            members.discard(made)
            if not members:
                del self._calls[run]

    def _published(self, call: LiveCall, piece: Piece) -> None:
        for following in self._here.get(call.run, ()):
            following.offer(piece)
        if self._is_followed_elsewhere(call.run):
            self._send_in_parts(call.run, piece)

    def _is_followed_elsewhere(self, run: _Run) -> bool:
        until_s = self._elsewhere.get(run)
        return until_s is not None and until_s > asyncio.get_running_loop().time()

    def _send_in_parts(self, run: _Run, piece: Piece) -> None:
        for start in range(0, len(piece.text), PIECE_CHARACTERS_MAX):
            text = piece.text[start : start + PIECE_CHARACTERS_MAX]
            self._send(run, piece._replace(offset=piece.offset + start, text=text))

    def _send(self, run: _Run, piece: Piece | None) -> None:
        """piece: None says that the run is followed here."""
        if self._is_exchanged:
            self._to_send.append((run, piece))
            self._sending.set()

    async def exchange(self, conninfo: str, data_keys: Callable[[], Awaitable[DataKeys]]) -> None:
        """Run until cancelled, where runs are driven in other processes than they are followed."""
        self._is_exchanged = True
        while True:
            try:
                keys = await data_keys()
                async with (
                    await AsyncConnection.connect(conninfo, autocommit=True) as sender,
                    await AsyncConnection.connect(conninfo, autocommit=True) as listener,
                    asyncio.TaskGroup() as tasks,
                ):
                    await listener.execute("LISTEN " + CHANNEL)
                    tasks.create_task(self._send_on(sender, keys))
                    tasks.create_task(self._say_again())
                    own = sender.pgconn.backend_pid
                    tasks.create_task(self._listen(listener, keys, own=own))
            except* (OperationalError, DomainError) as error:
                log.warning("live text pauses: %s", error.exceptions[0])
                await asyncio.sleep(RECONNECT_S)

    async def _send_on(self, conn: AsyncConnection, keys: DataKeys) -> None:
        while True:
            await self._sending.wait()
            self._sending.clear()
            payloads: list[str] = []
            while self._to_send:
                run, piece = self._to_send.popleft()
                with contextlib.suppress(DomainError):  # Its key is gone, and so is its run.
                    payloads.append(await _payload(run, piece, keys))
            await conn.execute(
                "SELECT pg_notify(%s, p) FROM unnest(%s::text[]) AS p", (CHANNEL, payloads)
            )

    async def _say_again(self) -> None:
        while True:
            for run in self._here:
                self._send(run, None)
            await asyncio.sleep(FOLLOWED_AGAIN_S)

    async def _listen(self, conn: AsyncConnection, keys: DataKeys, *, own: int) -> None:
        async for told in conn.notifies():
            if told.pid != own:
                with contextlib.suppress(DomainError, Tampered, ValueError):
                    await self._hear(told.payload, keys)
        message = "the listening connection ended"
        raise OperationalError(message)

    async def _hear(self, payload: str, keys: DataKeys) -> None:
        tenant, execution, sealed = payload.split(" ")
        run = _Run(TenantId(UUID(tenant)), UUID(execution))
        if not sealed:
            self._hear_of_follower(run)
        elif run in self._here:
            cipher = await keys.cipher(run.tenant_id, PURPOSE)
            piece = Piece(*orjson.loads(cipher.open(b64decode(sealed), run.execution_id.bytes)))
            for following in self._here.get(run, ()):
                following.offer(piece)

    def _hear_of_follower(self, run: _Run) -> None:
        now_s = asyncio.get_running_loop().time()
        if len(self._elsewhere) >= FOLLOWED_ELSEWHERE_MAX:
            self._elsewhere = {one: s for one, s in self._elsewhere.items() if s > now_s}
        is_new = not self._is_followed_elsewhere(run)
        if len(self._elsewhere) < FOLLOWED_ELSEWHERE_MAX:
            self._elsewhere[run] = now_s + FOLLOWED_S
        if is_new:
            for call in self._calls.get(run, ()):
                self._send_in_parts(run, call.so_far())


async def _payload(run: _Run, piece: Piece | None, keys: DataKeys) -> str:
    """`<tenant> <execution> <sealed>`, the last empty when it says that somebody follows."""
    sealed = ""
    if piece is not None:
        cipher = await keys.cipher(run.tenant_id, PURPOSE)
        text = cipher.seal(orjson.dumps([*piece]), run.execution_id.bytes)
        sealed = b64encode(text).decode()
    return f"{run.tenant_id} {run.execution_id} {sealed}"
