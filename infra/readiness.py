"""Whether a process can serve: checks that say what is wrong, and that it is about to stop.

A process that was told to stop is not ready from that moment on, while it still answers: whoever
sends it work has time to notice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass

from psycopg import Error as PsycopgError

from domain.errors import Unavailable
from domain.identifiers import JsonObject
from infra.postgres import Database

# Whoever asks waits for seconds only.
ASKED_MAX_S = 3.0


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    is_ok: bool
    detail: str


Ask = Callable[[], Awaitable[Sequence[Check]]]


class Readiness:
    """What was added is asked each time, one after the other. An Unavailable of a check is the
    database's.
    """

    def __init__(self) -> None:
        self._asked: list[Ask] = []
        self.is_draining = False

    def add(self, ask: Ask) -> None:
        self._asked.append(ask)

    async def document(self, *further: Ask) -> tuple[bool, JsonObject]:
        """Whether all is well, and {status, checks: [{name, is_ok, detail}]}."""
        checks = [Check("draining", not self.is_draining, self._draining)]
        try:
            async with asyncio.timeout(ASKED_MAX_S):
                for ask in (*further, *self._asked):
                    checks += await ask()
        except Unavailable as error:
            checks.append(Check("database", is_ok=False, detail=error.detail))
        except (TimeoutError, PsycopgError):
            detail = f"it does not answer within {ASKED_MAX_S:g} s"
            checks.append(Check("database", is_ok=False, detail=detail))
        is_ready = all(check.is_ok for check in checks)
        told: list[JsonObject] = [asdict(check) for check in checks]
        return is_ready, {"status": "ready" if is_ready else "not_ready", "checks": [*told]}

    @property
    def _draining(self) -> str:
        return "told to stop" if self.is_draining else "serving"


class SchemaChecks:
    """Once the schema is current it stays so for the life of a process; asking costs a connection.
    From then on only the database is asked whether it is there.
    """

    def __init__(
        self, database: Database, pending_migrations: Callable[[], Awaitable[Sequence[str]]]
    ) -> None:
        self._database = database
        self._pending = pending_migrations
        self._is_current = False

    async def __call__(self) -> Sequence[Check]:
        async with self._database.shared() as conn:
            await conn.execute("SELECT 1")
        pending: Sequence[str] = ()
        if not self._is_current:
            pending = await self._pending()
            self._is_current = not pending
        detail = f"not applied: {', '.join(pending)}" if pending else "current"
        return [Check("migrations", not pending, detail)]
