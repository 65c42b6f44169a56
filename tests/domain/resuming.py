"""Whatever was stored of a run is enough to bring it to an end.

From every version of its stored events a run is loaded as a worker would after a crash, and then
everything it asks for is answered, until it ends.
"""

from uuid import UUID

from domain.execution_status import ENDED, ExecutionStatus
from tests.domain import given as stories
from tests.domain.given import Run

STEPS_MAX = 500
# A test of thousands of events is about its size; each prefix of it says nothing new.
EVENTS_MAX = 200


def require_an_end_from_every_version(run: Run) -> None:
    if len(run.stored) > EVENTS_MAX:
        return
    for version in range(1, len(run.stored) + 1):
        again = resumed(run, version)
        if again.aggregate.definition_hash != run.definition.hash:
            continue  # Before it was moved to the definition that this story ends with.
        again_at = f"from version {version} of {len(run.stored)}"
        assert live_to_the_end(again) in ENDED, again_at
        again.then_it_replays()


def resumed(run: Run, version: int) -> Run:
    """As it is loaded after a crash: nobody reports what was under way."""
    loaded = Run(None, list(run.stored[:version]), definition=run.definition, now=run.now)  # pyright: ignore[reportArgumentType] # rebuilt next
    loaded.aggregate = loaded.rebuilt()
    if loaded.aggregate.definition_hash != run.definition.hash:
        return loaded
    return stories.given(loaded, stories.interrupt())


def live_to_the_end(run: Run) -> ExecutionStatus:
    """Everything succeeds, whoever is asked says yes, and time passes."""
    for _ in range(STEPS_MAX):
        stories.given(run, stories.advance())
        if run.aggregate.is_ended:
            return run.aggregate.status
        _go_on(run)
    message = f"this run does not end: {run.status}, {run.aggregate.nodes}"
    raise AssertionError(message)


def _go_on(run: Run) -> None:
    if run.status == "PAUSED":
        stories.given(run, stories.resume())
        return
    ending = under_way(run)
    for path, attempt, node_type in ending:
        is_child = node_type == "sub_workflow"
        act = stories.begin_child(path, attempt=attempt) if is_child else None
        stories.given(run, act or stories.complete(path, attempt=attempt))
    if not ending and not answered(run):
        wake_at = run.wake_at
        assert wake_at is not None or run.aggregate.live.changed, "nothing is waited for"
        run.now = max(run.now, wake_at or run.now)


def under_way(run: Run) -> list[tuple[str, int, str]]:
    """(path, number, type), also of attempts without an intent."""
    recorded = [
        (path, number, run.aggregate.nodes[path].node_type)
        for path, number in run.aggregate.running_attempts()
    ]
    in_flight = run.aggregate.live.in_flight.values()
    return [*recorded, *((one.path, one.number, one.node_type) for one in in_flight)]


def answered(run: Run) -> bool:
    """Whether somebody was waited for."""
    for path in list(run.aggregate.runs.waiting):
        node = run.aggregate.nodes[path]
        awaited = node.awaited or {}
        if node.answer is not None:
            continue
        match node.node_type:
            case "signal":
                stories.given(run, stories.signal(str(awaited["name"]), "go"))
            case "webhook":
                stories.given(run, stories.webhook(str(awaited["name"]), "go"))
            case "approval":
                assignees = awaited["assignees"]
                by = assignees[0] if isinstance(assignees, list) and assignees else "user:ada"
                stories.given(run, stories.decide(path, by=str(by)))
            case "sub_workflow" if "child_id" in awaited:
                child_id = UUID(str(awaited["child_id"]))
                stories.given(run, stories.end_child("grown", child_id=child_id))
            case _:
                continue
        return True
    return False
