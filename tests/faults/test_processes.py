"""One process per role, each killed and each stopped for a while, under load."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import pytest

from tests.faults.broken import Broken
from tests.faults.processes import Started, pause

pytestmark = pytest.mark.timeout(600)

# Longer than a lease and a session of Kafka last, so that the others take over meanwhile.
STILL_S = 3.0
ON_POSTGRES = ("api", "worker", "worker", "projector", "projector")
ON_KAFKA = (*ON_POSTGRES, "relay")

Act: TypeAlias = Callable[["Roles", int], Awaitable[None]]


@dataclass(eq=False)
class Roles:
    broken: Broken
    running: list[tuple[str, Started]] = field(default_factory=list)

    def start(self, *roles: str) -> None:
        for role in roles:
            self.running.append((role, self.broken.installation.start("serve", role)))

    async def each(self, act: Act) -> None:
        """Something happens to every process in turn, with runs under way before and after."""
        for place in range(len(self.running)):
            self.broken.begin_runs()
            await self.broken.all_runs_begun()
            self.broken.begin_runs()
            await act(self, place)


async def kill_and_start(roles: Roles, place: int) -> None:
    role, process = roles.running[place]
    process.kill()
    roles.running[place] = (role, roles.broken.installation.start("serve", role))


async def stand_still(roles: Roles, place: int) -> None:
    _, process = roles.running[place]
    process.pause()
    await pause(STILL_S)
    process.go_on()


@pytest.mark.parametrize("act", [pytest.param(kill_and_start, marks=pytest.mark.slow), stand_still])
async def test_whichever_role_of_the_postgresql_log_fails_nothing_is_lost(
    on_postgres: Broken, act: Act
) -> None:
    roles = Roles(on_postgres)
    roles.start(*ON_POSTGRES)
    await roles.each(act)
    await on_postgres.require_everything_holds()


@pytest.mark.parametrize("act", [kill_and_start, pytest.param(stand_still, marks=pytest.mark.slow)])
async def test_whichever_role_of_the_kafka_log_fails_nothing_is_lost(
    on_kafka: Broken, act: Act
) -> None:
    roles = Roles(on_kafka)
    roles.start(*ON_KAFKA)
    await roles.each(act)
    await on_kafka.require_everything_holds()
