"""An installation that a test breaks, and what must hold afterwards."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import psycopg

from cli.verify import _checks
from infra.lease_statements import LOCK_CLASS
from infra.settings import Settings
from infra.verification import Check
from tests.faults.effect_server import EffectServer
from tests.faults.load import Client, one_of_each, require_ended_well
from tests.faults.processes import Installation, Started

REACHED_S = 60.0
GHOST_S = 60.0
GHOST_LIVES = "SELECT pg_advisory_lock_shared(%s, hashtext('-'))"
# What some of these checks are about, and this load does not make, or is not always there so soon.
UNTOUCHED = {
    "book",
    "entry",
    "fold",
    "held",
    "invoice",
    "invoices",
    "payload",
    "payloads",
    "seals",
    "sum",
    "trigger",
}
# A member that no process is: its name comes before all others, so that it is owed partitions.
GHOST = (
    "INSERT INTO group_members (consumer_group, member, expires_at)"
    " SELECT consumer_group, '-', clock_timestamp() + make_interval(secs => %s)"
    " FROM unnest(ARRAY['executions', 'projections']) AS consumer_group"
)


@dataclass(eq=False)
class Broken:
    """runs: what clients have begun, each a task that ends with the ids."""

    installation: Installation
    client: Client
    effects: EffectServer
    runs: list[asyncio.Task[dict[str, str]]] = field(default_factory=list)

    def settings(self) -> Settings:
        names = {
            name.removeprefix("AGENTLEDGER_").lower(): value
            for name, value in self.installation.environment.items()
        }
        return Settings.model_validate(names)

    def begin_runs(self) -> None:
        self.runs.append(asyncio.create_task(one_of_each(self.client)))

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[psycopg.AsyncConnection]:
        url = self.installation.environment["AGENTLEDGER_DATABASE_URL"]
        options = "-c search_path=agentledger,pg_catalog"
        async with await psycopg.AsyncConnection.connect(
            url, autocommit=True, options=options
        ) as conn:
            yield conn

    async def crash(self, point: str, *arguments: str) -> None:
        """Work until a process dies at that point. Fails when it does not come by."""
        process = self.installation.start(*(arguments or ("all",)), AGENTLEDGER_CRASH_AT=point)
        if not arguments:
            self.begin_runs()
        await self._provoke(point, process)
        code = await process.ended(wait_s=REACHED_S)
        assert code == -signal.SIGKILL, f"{point} was not reached: {code} {process.said()}"

    async def _provoke(self, point: str, process: Started) -> None:
        """What the load alone does not bring about."""
        match point:
            case "lease.before_release" | "lease.after_release":
                await self.all_runs_begun()
                async with self.owner() as conn:
                    # Its session lives, or nobody would believe in it.
                    await conn.execute(GHOST_LIVES, (LOCK_CLASS,))
                    await conn.execute(GHOST, (GHOST_S,))
                    await process.ended(wait_s=REACHED_S)
            case "lease.before_leave" | "lease.after_leave":
                await self.all_runs_begun()
                process.ask_to_stop()
            case _:
                pass

    async def all_runs_begun(self) -> list[Mapping[str, str]]:
        return await asyncio.gather(*self.runs)

    async def require_ended(self) -> None:
        """Every run comes to the end it should come to."""
        for runs in await self.all_runs_begun():
            await require_ended_well(self.client, runs)

    async def require_everything_holds(self) -> None:
        """And `verify` finds nothing, what was done was undone in reverse, and no effect was
        accepted twice.
        """
        await self.require_ended()
        for runs in await self.all_runs_begun():
            assert self.effects.steps_of(runs["trip"]) == [
                *("book", "hotel", "pay"),
                *("undo hotel", "undo book"),
            ]
        await self.require_verified()
        self.effects.require_nothing_twice()

    async def require_verified(self) -> None:
        checks = await self.checks()
        broken = {check.name: check.violations for check in checks if not check.ok}
        assert broken == {}, broken
        seen = [check for check in checks if not UNTOUCHED & set(check.name.split())]
        assert all(check.checked for check in seen), checks

    async def checks(self) -> list[Check]:
        """What `agentledger verify` finds."""
        return await _checks(self.settings(), lambda _: None)
