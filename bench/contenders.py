"""Who takes part in `runs`: our engine, the whole product, and the peers.

Each round starts the processes it needs and ends them, so that nobody else pays for them; only our
engine lives in this process.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Generic, TypeVar

from bench.bare_commits import bare_commits_p50_ms
from bench.engine import FIVE_FUNCTIONS, FIVE_STEPS, SEQUENTIAL_S, Engine, engine_of
from bench.peer_environments import (
    DBOS,
    LANGGRAPH,
    TEMPORAL,
    Peer,
    PeerMissing,
    peer_runs,
)
from bench.stage import Stage
from bench.temporal_server import prepared, temporal_server
from bench.visible import NoBroker
from bench.whole_product import WholeRound, embedded_round, kafka_round
from domain.identifiers import JsonObject
from infra.runtime import build_runtime

AT_ONCE = 64
ROUND_S = 5.0
WARM_UP_S = 1.0
VARIANTS = ("activities", "local activities")
# As the option --with of the command line calls it.
TEMPORAL_ASKED = "temporal"
NOT_ASKED_FOR = "not asked for (`python -m bench runs --with temporal`; building it takes minutes)"


@dataclass(frozen=True, slots=True)
class EngineRound:
    """p50_ms: of runs one after the other. commits_ms: what as many bare commits as one of these
    runs has took just before.
    """

    runs_per_s: float
    p50_ms: float
    commits_ms: float


@dataclass(frozen=True, slots=True)
class PeerRound:
    """p50_ms: of runs one after the other. version: of the peer's package."""

    runs_per_s: float
    p50_ms: float
    version: str


OneRound = TypeVar("OneRound", EngineRound, WholeRound, PeerRound)


@dataclass(eq=False)
class Contender(Generic[OneRound]):
    """missing: why it cannot be measured here; known at the latest after its first round."""

    name: str
    make_round: Callable[[], Awaitable[OneRound]]
    missing: str | None = None
    rounds: list[OneRound] = field(default_factory=list[OneRound])

    async def one_round(self) -> None:
        if self.missing is not None:
            return
        try:
            self.rounds.append(await self.make_round())
        except PeerMissing as reason:
            self.missing, self.rounds = str(reason), []

    @property
    def rates(self) -> list[float]:
        return [one.runs_per_s for one in self.rounds]


@dataclass(frozen=True, slots=True)
class Contenders:
    """engine: on functions, as the peers. calls: the same engine on calls of a model."""

    engine: Contender[EngineRound]
    calls: Contender[EngineRound]
    embedded: Contender[WholeRound]
    kafka: Contender[WholeRound]
    dbos: Contender[PeerRound]
    langgraph: Contender[PeerRound]
    temporal: Sequence[Contender[PeerRound]]

    @property
    def peers(self) -> list[Contender[PeerRound]]:
        return [self.dbos, self.langgraph, *self.temporal]


@asynccontextmanager
async def contenders(stage: Stage) -> AsyncIterator[Contenders]:
    load = {"at_once": AT_ONCE, "duration_s": ROUND_S}
    engine_settings = await stage.installation("runs_engine")
    up_settings = await stage.installation("runs_up")
    numbers = count()

    async def with_kafka() -> WholeRound:
        # The broker of a round begins empty, and so must its log.
        try:
            return await kafka_round(stage, f"runs_kafka_{next(numbers)}", **load)
        except NoBroker as reason:
            raise PeerMissing(str(reason)) from reason

    async with build_runtime(engine_settings) as runtime, engine_of(runtime) as engine:
        yield Contenders(
            Contender("engine", await _engine(stage, engine, FIVE_FUNCTIONS)),
            Contender("engine on model calls", await _engine(stage, engine, FIVE_STEPS)),
            Contender("everything", partial(embedded_round, stage, up_settings, **load)),
            Contender("everything with Kafka", with_kafka),
            await _peer(stage, DBOS),
            await _peer(stage, LANGGRAPH),
            await _temporal(stage),
        )


async def _engine(
    stage: Stage, engine: Engine, definition: JsonObject
) -> Callable[[], Awaitable[EngineRound]]:
    workflow_id = await engine.register(definition)
    await engine.runs_per_s(workflow_id, at_once=AT_ONCE, duration_s=WARM_UP_S)

    async def one_round() -> EngineRound:
        await stage.settle()
        runs_per_s = await engine.runs_per_s(workflow_id, at_once=AT_ONCE, duration_s=ROUND_S)
        await stage.settle()
        commits_ms = await asyncio.to_thread(bare_commits_p50_ms, stage.url)
        return EngineRound(runs_per_s, await engine.sequential_p50_ms(workflow_id), commits_ms)

    return one_round


async def _peer(stage: Stage, peer: Peer) -> Contender[PeerRound]:
    url = await asyncio.to_thread(stage.empty_database, f"runs_{peer.name.lower()}")
    return Contender(peer.name, partial(_peer_round, stage, peer, url))


async def _peer_round(stage: Stage, peer: Peer, address: str, *more: str) -> PeerRound:
    await stage.settle()
    many = await peer_runs(peer, address, AT_ONCE, ROUND_S, *more)
    await stage.settle()
    alone = await peer_runs(peer, address, 1, SEQUENTIAL_S, *more)
    return PeerRound(many.runs_per_s, alone.p50_ms, many.version)


async def _temporal(stage: Stage) -> list[Contender[PeerRound]]:
    missing, programs = NOT_ASKED_FOR, None
    if TEMPORAL_ASKED in stage.asked.peers:
        try:
            programs = await asyncio.to_thread(prepared, stage)
        except PeerMissing as reason:
            missing = str(reason)

    async def one_round(variant: str) -> PeerRound:
        if programs is None:
            raise PeerMissing(missing)
        async with temporal_server(stage, programs) as address:
            return await _peer_round(stage, TEMPORAL, address, variant)

    return [Contender(f"Temporal, {v}", partial(one_round, v)) for v in VARIANTS]
