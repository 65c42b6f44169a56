"""Mistakes that can be planted in the program, to see that the simulation finds them."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import commands.execution_families
import domain.execution_compensation as compensation
import domain.execution_outcomes as outcomes
import domain.execution_walk as walk
import sagas.drive
from commands.ports import NEVER
from domain import undo_plan
from domain.attempts import Failure
from domain.node_runs import NodeRun
from domain.signals import PendingSignals
from infra.relay import Relay
from projections.fold import Fold
from projections.projector import Projector
from sagas.drive import Drive
from sagas.executions import ExecutionSaga
from sagas.timers import Timers
from tests.commands.fakes import FakeEventStore
from tests.simulation.seams import replaced
from tests.simulation.store import SimulatedStore

Plant = Callable[[], AbstractContextManager[None]]


def _nothing(*_: Any, **__: Any) -> None:
    pass


def a_takeover_interrupts_nothing() -> AbstractContextManager[None]:
    """A new owner takes the attempts of the old one for its own, and waits for them."""
    return replaced(sagas.drive, "interrupt", _nothing)


def stale_counts_as_stored() -> AbstractContextManager[None]:
    """A worker goes on as if its append had been stored when somebody else had written first."""
    save = Drive._save

    async def _save(self: Drive, *run: Any) -> str:
        stored = await save(self, *run)
        return "stored" if stored == "stale" else stored

    return replaced(Drive, "_save", _save)


def versions_are_not_checked() -> AbstractContextManager[None]:
    """The store takes an append that was decided from an older version."""
    return replaced(FakeEventStore, "_require_next_versions", _nothing)


def effects_go_before_their_intent() -> AbstractContextManager[None]:
    """Attempts begin before the append that announces them is stored."""
    advance = Drive._advance

    def _advance(self: Drive, *known: Any) -> Any:
        attempts = advance(self, *known)
        for attempt in attempts:
            self._start(attempt)
        return attempts

    return replaced(Drive, "_advance", _advance)


def the_position_moves_before_the_acknowledgement() -> AbstractContextManager[None]:
    publish = Relay._publish

    async def _publish(self: Relay, kafka: Any, events: Sequence[Any]) -> None:
        await self._move(kafka.topic.relay_connection, events[-1].position)
        await publish(self, kafka, events)

    return replaced(Relay, "_publish", _publish)


def a_failed_batch_is_skipped() -> AbstractContextManager[None]:
    """The relay swallows what goes wrong in a batch and goes on with the next."""
    publish = Relay._publish

    async def _publish(self: Relay, kafka: Any, events: Sequence[Any]) -> None:
        try:
            await publish(self, kafka, events)
        except Exception:  # noqa: BLE001 # the mistake
            kafka._broken.clear()

    return replaced(Relay, "_publish", _publish)


def an_event_is_applied_again() -> AbstractContextManager[None]:
    """The fold does not compare versions, so a repeated event counts twice."""
    take = Fold.take

    def _take(self: Fold, event: Any, fact: Any) -> None:
        applied = self.applied(event)
        if 0 < event.version <= applied.version and not applied.is_parked:
            self.streams[event.stream_id] = applied._replace(version=event.version - 1)
        take(self, event, fact)

    return replaced(Fold, "take", _take)


def gaps_are_not_repaired() -> AbstractContextManager[None]:
    return replaced(Fold, "gaps", lambda _self, _events: {})


def undoing_goes_forward() -> AbstractContextManager[None]:
    place = undo_plan._place

    def _place(*of: Any) -> list[tuple[int, int]]:
        return [(-node, -index) for node, index in place(*of)]

    return replaced(undo_plan, "_place", _place)


def undoing_forgets_the_unanswered() -> AbstractContextManager[None]:
    """Only what completed is undone, not what may have happened."""

    def _may_have_happened(run: NodeRun) -> bool:
        return run.status == "COMPLETED" and run.attempt > 0

    return replaced(compensation, "_may_have_happened", _may_have_happened)


def undoing_does_not_wait() -> AbstractContextManager[None]:
    """Nodes are undone while what depends on them is not."""
    return replaced(undo_plan, "depends", lambda *_: False)


def a_key_is_not_repeated() -> AbstractContextManager[None]:
    return replaced(NodeRun, "key_to_repeat", _nothing)


def a_refusal_answers_for_all() -> AbstractContextManager[None]:
    """An attempt that was refused is taken to say that the ones before it did nothing either."""
    answers = {"rate_limited", "invalid"}

    def key_to_repeat(self: NodeRun) -> str | None:
        is_answered = self.error is not None and self.error["code"] in answers
        return None if is_answered or not self.is_unanswered else self.idempotency_key

    return replaced(NodeRun, "key_to_repeat", key_to_repeat)


def timers_are_not_stored() -> AbstractContextManager[None]:
    """A run that sleeps is let go of, and its row does not say until when."""
    due = Drive._due_at_rest

    def _due_at_rest(self: Drive, *run: Any) -> Any:
        wake_at = due(self, *run)
        return None if wake_at is None else NEVER

    return replaced(Drive, "_due_at_rest", _due_at_rest)


def timers_fire_early() -> AbstractContextManager[None]:
    look_at = walk.Walk._look_at

    def _look_at(self: Any, path: str, frame: Any, node: Any) -> None:
        at, self.at = self.at, self.at + timedelta(hours=1)
        look_at(self, path, frame, node)
        self.at = at

    return replaced(walk.Walk, "_look_at", _look_at)


def due_runs_are_not_woken() -> AbstractContextManager[None]:
    """The timers read what is due and forget it."""
    return replaced(Timers, "_keep", _nothing)


def answers_are_not_recorded() -> AbstractContextManager[None]:
    """A command's answer is not stored with its events, so a repeated command is done again."""
    return replaced(SimulatedStore, "record", _nothing)


def parents_are_not_told() -> AbstractContextManager[None]:
    return replaced(commands.execution_families, "child_ended", _nothing)


def children_outlive_their_parents() -> AbstractContextManager[None]:
    async def _cancel_child(*_: Any) -> None:
        pass

    return replaced(commands.execution_families, "_cancel_child", _cancel_child)


def early_signals_are_dropped() -> AbstractContextManager[None]:
    """Of several signals that no node waits for yet, only the first is kept."""
    keep = PendingSignals.keep

    def _keep(self: PendingSignals, name: str, payload: Any) -> None:
        if not self.has(name):
            keep(self, name, payload)

    return replaced(PendingSignals, "keep", _keep)


def retries_are_counted_wrong() -> AbstractContextManager[None]:
    retry_at = outcomes.retry_at

    def _retry_at(policy: Any, number: int, failure: Failure, now: Any, **key: Any) -> Any:
        return retry_at(policy, number - 1, failure, now, **key)

    return replaced(outcomes, "retry_at", _retry_at)


def open_runs_are_not_adopted() -> AbstractContextManager[None]:
    """A new owner and the sweep look for no runs: only the log tells of them."""

    async def _adopt_ready(*_: Any) -> None:
        pass

    return replaced(ExecutionSaga, "_adopt_ready", _adopt_ready)


def unknown_appends_are_not_looked_up() -> AbstractContextManager[None]:
    """A worker that does not know whether its append was stored takes it as stored."""
    save = Drive._save

    async def _save(self: Drive, *run: Any) -> str:
        stored = await save(self, *run)
        return "stored" if stored == "unknown" else stored

    return replaced(Drive, "_save", _save)


def paused_runs_turn_in_a_circle() -> AbstractContextManager[None]:
    """As it was: a run that is paused has more to do when an attempt ends, and does nothing."""
    return replaced(
        sagas.drive, "has_more", lambda run: bool(run.live.changed) and not run.is_ended
    )


def positions_are_moved_without_rows() -> AbstractContextManager[None]:
    """The projector moves on also when its step was not written."""
    apply = Projector._apply

    async def _apply(self: Projector, conn: Any, step: Any) -> None:
        try:
            await apply(self, conn, step)
        except Exception:  # noqa: BLE001 # the mistake
            return

    return replaced(Projector, "_apply", _apply)


BUGS: dict[str, Plant] = {
    plant.__name__: plant
    for plant in (
        a_takeover_interrupts_nothing,
        stale_counts_as_stored,
        versions_are_not_checked,
        effects_go_before_their_intent,
        the_position_moves_before_the_acknowledgement,
        a_failed_batch_is_skipped,
        an_event_is_applied_again,
        gaps_are_not_repaired,
        positions_are_moved_without_rows,
        undoing_goes_forward,
        undoing_forgets_the_unanswered,
        undoing_does_not_wait,
        a_key_is_not_repeated,
        a_refusal_answers_for_all,
        timers_are_not_stored,
        timers_fire_early,
        due_runs_are_not_woken,
        answers_are_not_recorded,
        parents_are_not_told,
        children_outlive_their_parents,
        early_signals_are_dropped,
        retries_are_counted_wrong,
        open_runs_are_not_adopted,
        unknown_appends_are_not_looked_up,
        paused_runs_turn_in_a_circle,
    )
}
