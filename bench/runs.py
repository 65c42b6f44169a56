"""Durable runs of five steps, from the command to the stored end, beside other engines.

All use the same PostgreSQL server and take turns in the same run.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from bench.engine import FIVE_STEPS, Engine, engine_of
from bench.peer_environments import (
    DBOS,
    LANGGRAPH,
    TEMPORAL,
    Peer,
    PeerMissing,
    PeerRound,
    peer_round,
)
from bench.report import Figure, Measurement, Target, at_least, at_most, in_turn, ratios
from bench.stage import BenchFailed, Stage
from bench.temporal_server import VERSION, prepared, temporal_server
from bench.whole_product import WholeRound, embedded_round, kafka_round
from infra.runtime import build_runtime

NAME = "runs"
AT_ONCE = 64
ROUND_S = 5.0
WARM_UP_S = 1.0
VARIANTS = ("activities", "local activities")
# As the option --with of the command line calls it.
TEMPORAL_ASKED = "temporal"
NOT_ASKED_FOR = "not asked for (`python -m bench runs --with temporal`; building it takes minutes)"


@dataclass(frozen=True, slots=True)
class EngineRound:
    runs_per_s: float
    p50_ms: float


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
    engine: Contender[EngineRound]
    embedded: Contender[WholeRound]
    kafka: Contender[WholeRound]
    dbos: Contender[PeerRound]
    langgraph: Contender[PeerRound]
    temporal: Sequence[Contender[PeerRound]]

    @property
    def peers(self) -> list[Contender[PeerRound]]:
        return [self.dbos, self.langgraph, *self.temporal]


async def measure(stage: Stage) -> Measurement:
    async with _contenders(stage) as all_of_them:
        await in_turn(
            all_of_them.engine.one_round,
            all_of_them.embedded.one_round,
            *(peer.one_round for peer in all_of_them.peers),
            all_of_them.kafka.one_round,
        )
    return Measurement(
        NAME,
        "durable runs of five steps, end to end",
        [
            *_figures_of_ours(all_of_them),
            *(figure for peer in all_of_them.peers for figure in _figures_of_peer(peer)),
            *_comparisons(all_of_them),
        ],
        [
            "a run of ours: start, five llm nodes on offline/echo, end; the result is checked",
            "of a peer: five trivial steps, each stored before the next; the result is checked",
            "the llm nodes are `repeatable`: one append per step, which holds what it returned",
            "everything: REST, worker, log and all projections; counted until these had the last",
            "with Kafka: processes for api, relay, worker and projector, and a broker beside them",
            "DBOS: async workflows, settings by default",
            'LangGraph: one AsyncPostgresSaver on a pool, durability="sync", one thread per run',
            *_notes_of_peers(all_of_them.peers),
        ],
    )


@asynccontextmanager
async def _contenders(stage: Stage) -> AsyncIterator[Contenders]:
    load = {"at_once": AT_ONCE, "duration_s": ROUND_S}
    engine_settings = await stage.installation("runs_engine")
    up_settings = await stage.installation("runs_up")
    kafka_names = iter(range(1000))

    async def with_kafka() -> WholeRound:
        # The broker of a round begins empty, and so must its log.
        return await kafka_round(stage, f"runs_kafka_{next(kafka_names)}", **load)

    async with build_runtime(engine_settings) as runtime, engine_of(runtime) as engine:
        yield Contenders(
            Contender("engine", await _engine(stage, engine)),
            Contender("everything", partial(embedded_round, stage, up_settings, **load)),
            Contender("everything with Kafka", with_kafka),
            await _peer(stage, DBOS),
            await _peer(stage, LANGGRAPH),
            await _temporal(stage),
        )


async def _engine(stage: Stage, engine: Engine) -> Callable[[], Awaitable[EngineRound]]:
    workflow_id = await engine.register(FIVE_STEPS)
    await engine.runs_per_s(workflow_id, at_once=AT_ONCE, duration_s=WARM_UP_S)

    async def one_round() -> EngineRound:
        await stage.settle()
        return EngineRound(
            await engine.runs_per_s(workflow_id, at_once=AT_ONCE, duration_s=ROUND_S),
            await engine.sequential_p50_ms(workflow_id),
        )

    return one_round


async def _peer(stage: Stage, peer: Peer) -> Contender[PeerRound]:
    url = await asyncio.to_thread(stage.empty_database, f"runs_{peer.name.lower()}")

    async def one_round() -> PeerRound:
        await stage.settle()
        return await peer_round(peer, url, AT_ONCE, ROUND_S)

    return Contender(peer.name, one_round)


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
            await stage.settle()
            return await peer_round(TEMPORAL, address, AT_ONCE, ROUND_S, variant)

    return [Contender(f"Temporal, {v}", partial(one_round, v)) for v in VARIANTS]


def _figures_of_ours(all_of_them: Contenders) -> list[Figure]:
    engine = all_of_them.engine
    figures = [
        Figure(f"engine, {AT_ONCE} at once", "runs/s", engine.rates),
        Figure(
            "  one after the other, p50",
            "ms",
            [one.p50_ms for one in engine.rounds],
            at_most(4),
        ),
    ]
    for whole, wait_target in ((all_of_them.embedded, at_most(15)), (all_of_them.kafka, None)):
        rounds = whole.rounds
        figures += [
            Figure(f"{whole.name}, {AT_ONCE} at once, read models included", "runs/s", whole.rates),
            Figure("  read models caught up after", "ms", [one.caught_up_ms for one in rounds]),
            Figure(
                "  POST ...?wait_s= one after the other, p50",
                "ms",
                [one.p50_ms for one in rounds],
                wait_target,
            ),
            Figure("  p99", "ms", [one.p99_ms for one in rounds]),
        ]
    return figures


def _figures_of_peer(peer: Contender[PeerRound]) -> list[Figure]:
    if not peer.rounds:
        return []
    return [
        Figure(f"{peer.name} {peer.rounds[0].version}, {AT_ONCE} at once", "runs/s", peer.rates),
        Figure("  one after the other, p50", "ms", [one.p50_ms for one in peer.rounds]),
    ]


def _comparisons(all_of_them: Contenders) -> list[Figure]:
    engine, up, kafka = all_of_them.engine, all_of_them.embedded, all_of_them.kafka
    dbos, langgraph = all_of_them.dbos, all_of_them.langgraph
    wanted: list[
        tuple[Contender[EngineRound] | Contender[WholeRound], Contender[PeerRound], Target | None]
    ] = [
        (engine, dbos, at_least(20)),
        (engine, langgraph, at_least(15)),
        (up, dbos, at_least(6)),
        (kafka, dbos, at_least(4)),
        *((engine, variant, None) for variant in all_of_them.temporal),
    ]
    return [
        Figure(f"{ours.name} / {peer.name}", "", ratios(ours.rates, peer.rates), target)
        for ours, peer, target in wanted
        if peer.rounds
    ]


def _notes_of_peers(peers: Sequence[Contender[PeerRound]]) -> list[str]:
    missing = [f"{peer.name} is missing: {peer.missing}" for peer in peers if peer.missing]
    if all(peer.missing for peer in peers):
        raise BenchFailed("; ".join(missing))
    if any(peer.name.startswith(TEMPORAL.name) and peer.rounds for peer in peers):
        missing.append(
            f"Temporal: server {VERSION}, persistence in the same PostgreSQL, visibility in memory"
        )
    return missing
