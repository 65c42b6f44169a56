"""Durable runs of five steps, from the command to the stored end, beside other engines.

All use the same PostgreSQL server and take turns in the same run.
"""

from bench.bare_commits import COMMITS
from bench.contenders import (
    AT_ONCE,
    Contender,
    Contenders,
    EngineRound,
    PeerRound,
    contenders,
)
from bench.peer_environments import TEMPORAL
from bench.report import Figure, Measurement, Target, at_least, at_most, in_turn, ratios
from bench.stage import Stage
from bench.temporal_server import VERSION
from bench.whole_product import WholeRound

NAME = "runs"


async def measure(stage: Stage) -> Measurement:
    async with contenders(stage) as all_of_them:
        # The engine stands between the two that it is compared with: what the machine does changes
        # within seconds.
        await in_turn(
            all_of_them.embedded.one_round,
            all_of_them.dbos.one_round,
            all_of_them.engine.one_round,
            all_of_them.langgraph.one_round,
            all_of_them.calls.one_round,
            *(variant.one_round for variant in all_of_them.temporal),
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
            "of a peer: five trivial functions, each stored before the next; the result is checked",
            "of the engine: start, five nodes, end; what runs for a node is such a function",
            "on model calls: five llm nodes on offline/echo, counted, priced, charged",
            "the nodes are `repeatable`: one append per step, which holds what it returned",
            f"{COMMITS} bare commits: of a row each, on one connection, as many as a run waits for",
            "everything: REST, model calls, worker, log, all projections, until these had the last",
            "with Kafka: processes for api, relay, worker and projector, and a broker beside them",
            "DBOS: async workflows, settings by default",
            'LangGraph: one AsyncPostgresSaver on a pool, durability="sync", one thread per run',
            *_notes(all_of_them),
        ],
    )


def _figures_of_ours(all_of_them: Contenders) -> list[Figure]:
    figures: list[Figure] = []
    for engine in (all_of_them.engine, all_of_them.calls):
        in_a_row = [one.p50_ms for one in engine.rounds]
        figures += [
            Figure(f"{engine.name}, {AT_ONCE} at once", "runs/s", engine.rates),
            Figure("  one after the other, p50", "ms", in_a_row, at_most(4)),
            Figure(f"  {COMMITS} bare commits", "ms", [one.commits_ms for one in engine.rounds]),
        ]
    for whole, wait_target in ((all_of_them.embedded, at_most(15)), (all_of_them.kafka, None)):
        rounds = whole.rounds
        if not rounds:
            continue
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
    engine, calls = all_of_them.engine, all_of_them.calls
    up, kafka = all_of_them.embedded, all_of_them.kafka
    dbos, langgraph = all_of_them.dbos, all_of_them.langgraph
    wanted: list[
        tuple[Contender[EngineRound] | Contender[WholeRound], Contender[PeerRound], Target | None]
    ] = [
        (engine, dbos, at_least(20)),
        (engine, langgraph, at_least(15)),
        (calls, dbos, None),
        (calls, langgraph, None),
        (up, dbos, at_least(6)),
        (kafka, dbos, at_least(4)),
        *((engine, variant, None) for variant in all_of_them.temporal),
    ]
    return [
        Figure(f"{ours.name} / {peer.name}", "", ratios(ours.rates, peer.rates), target)
        for ours, peer, target in wanted
        if ours.rounds and peer.rounds
    ]


def _notes(all_of_them: Contenders) -> list[str]:
    peers = all_of_them.peers
    notes = [
        f"{one.name} is missing: {one.missing}"
        for one in (all_of_them.kafka, *peers)
        if one.missing is not None
    ]
    if any(peer.name.startswith(TEMPORAL.name) and peer.rounds for peer in peers):
        notes.append(f"Temporal: server {VERSION}, persistence in the same PostgreSQL")
        notes.append("  its visibility store is in memory: its schema needs btree_gin, not here")
    return notes
