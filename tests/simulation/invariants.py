"""What must hold when a run of the simulation is over, whatever went wrong in it.

Each check says what it misses, one line each; nothing said is everything well.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from domain.definition_fields import RetryPolicy
from domain.identifiers import Json
from projections.fold import rows_after
from tests.simulation.history import ENDS, Fact, History, histories_of
from tests.simulation.projecting import READ_MODELS
from tests.simulation.undoing import undoing_is_right
from tests.simulation.world import World

ANSWERED_AND_RETRYABLE = frozenset({"rate_limited", "timeout", "unavailable"})
OUTCOMES = ("node_completed", "node_failed", "node_doubted")
# What the names of the messages that these nodes wait for begin with.
MESSAGED = {"signal": "", "webhook": "webhook:"}


async def violations(world: World) -> list[str]:
    histories = histories_of(world)
    are_clocks_off = world.environment.faults.worker_clock_jumps > 0
    return [
        *world.environment.defects,
        *(f"run {one} never ends" for one in world.lost),
        *commands_are_stored_once(world, histories),
        *versions_have_no_gap(world),
        *open_rows_tell_who_is_owed(world, histories),
        *effects_happen_once(world, histories),
        *read_models_equal_the_log(world),
        *families_know_each_other(histories),
        *(
            line
            for one in histories.values()
            for line in timers_fire_once_and_not_early(one, are_clocks_off=are_clocks_off)
        ),
        *(line for one in histories.values() for line in _of_one_run(one)),
        *(line for one in histories.values() for line in undoing_is_right(one, world.server)),
    ]


def _of_one_run(history: History) -> Iterator[str]:
    yield from attempts_end_once(history)
    yield from retries_are_counted(history)
    yield from signals_are_taken_in_order(history)
    yield from nothing_follows_an_end(history)


def commands_are_stored_once(world: World, histories: dict[UUID, History]) -> Iterator[str]:
    """What was acknowledged is stored; what was sent again is not stored again."""
    for result in world.client.answers.values():
        execution_id = result.get("execution_id")
        if isinstance(execution_id, str) and UUID(execution_id) not in histories:
            yield f"acknowledged, not stored: {result}"
    begun = Counter(
        history.facts[0].state["input"]["number"]
        for history in histories.values()
        if history.facts[0].state["parent_id"] is None
    )
    yield from (f"run {n} was begun {times} times" for n, times in begun.items() if times > 1)
    sent: Counter[str] = Counter()
    for history in histories.values():
        sent.update(str(fact.state["payload"]) for fact in history.of("signalled"))
    yield from (f"signal {one} was stored {n} times" for one, n in sent.items() if n > 1)
    for key, result in world.client.signals.items():
        if key in world.client.answers and not sent[result]:
            yield f"signal {result} was acknowledged and is not stored"


def versions_have_no_gap(world: World) -> Iterator[str]:
    versions: Counter[UUID] = Counter()
    for event in world.store.logged:
        versions[event.stream_id] += 1
        if event.version != versions[event.stream_id]:
            yield f"stream {event.stream_id} has {event.version} at {versions[event.stream_id]}"


def open_rows_tell_who_is_owed(world: World, histories: dict[UUID, History]) -> Iterator[str]:
    for execution_id, history in histories.items():
        topics = [fact.topic for fact in history.facts]
        last = next(topic for topic in reversed(topics) if topic != "usage_resolved")
        is_owed = f"execution.{last}" not in ENDS and last != "attention_needed"
        if is_owed != (execution_id in world.store.open):
            yield f"run {history.name} after {last}: its open row is wrong"


def effects_happen_once(world: World, histories: dict[UUID, History]) -> Iterator[str]:
    """Intents come first, no attempt is made twice, and no node has its effect twice."""
    server = world.server
    yield from (f"sent without a stored intent: {one}" for one in server.unannounced)
    for (key, attempt), times in server.sends.items():
        if times > 1 and key not in server.repeatable:
            yield f"attempt {attempt} of {key} was made {times} times"
    by_node: dict[str, list[str]] = defaultdict(list)
    for key in server.accepted:
        by_node[key.rpartition(":")[0]].append(key)
    for node, keys in by_node.items():
        if len(keys) > 1 and keys[0] not in server.repeatable:
            yield f"the effect of {node} happened {len(keys)} times: {keys}"
    for history in histories.values():
        for fact in history.of("node_completed"):
            is_call = fact.state["node_type"] == "llm" and fact.state["output"] is not None
            key = (fact.state["output"] or {}).get("text") if is_call else None
            if key is not None and key not in server.accepted:
                yield f"{history.name}: {fact.path} completed without its effect"


def attempts_end_once(history: History) -> Iterator[str]:
    begun = Counter(fact.attempt for fact in history.of("node_started"))
    yield from (f"{history.name}: {one} was begun twice" for one, n in begun.items() if n > 1)
    # What waits for its next attempt is abandoned under the number of the last one.
    ended = Counter(
        fact.attempt
        for fact in history.of(*OUTCOMES)
        if fact.attempt in begun and fact.state.get("code") != "abandoned"
    )
    yield from (f"{history.name}: {one} ended {n} times" for one, n in ended.items() if n > 1)


def retries_are_counted(history: History) -> Iterator[str]:
    before: Counter[str] = Counter()
    newest: Counter[str] = Counter()
    is_undoing = False
    for fact in history.facts:
        is_undoing = is_undoing or fact.topic == "compensation_started"
        if fact.topic == "node_started":
            newest[fact.path] = fact.attempt[1]
        elif fact.topic == "retried":
            before.update({path: newest[path] - before[path] for path in fact.state["paths"]})
        elif fact.topic == "resolved":
            before[fact.path] = newest[fact.path]
        elif fact.topic == "node_failed":
            newest[fact.path] = fact.attempt[1]  # What is repeatable has no other record of it.
            number = fact.attempt[1] - before[fact.path]
            yield from _retry_is_right(history, fact, number, is_undoing=is_undoing)


def _retry_is_right(
    history: History, fact: Fact, number: int, *, is_undoing: bool
) -> Iterator[str]:
    policy = _policy(history, fact.path)
    if policy is None or fact.state["code"] not in ANSWERED_AND_RETRYABLE:
        return
    is_retried = fact.state["retry_at"] is not None
    if is_retried and number >= policy.max_attempts:
        yield f"{history.name}: {fact.path} is tried again after {number} attempts"
    is_wanted = not is_undoing or fact.path.endswith("/compensate")
    if is_wanted and not is_retried and number < policy.max_attempts:
        yield f"{history.name}: {fact.path} is given up after {number} attempts"


def _policy(history: History, path: str) -> RetryPolicy | None:
    """None for what is no call."""
    if path.endswith("/compensate"):
        undone = history.definition.node(path.removesuffix("/compensate"))
        assert undone is not None
        return None if undone.compensation is None else undone.compensation.fields.retry
    node = history.definition.node(path)
    return None if node is None or node.type != "llm" else node.retry


def timers_fire_once_and_not_early(history: History, *, are_clocks_off: bool) -> Iterator[str]:
    """Early by the true time: only without a clock that jumps can that be said."""
    waiting: dict[str, str] = {}
    for fact in history.facts:
        if fact.topic == "node_suspended" and fact.state["node_type"] == "delay":
            waiting[fact.path] = fact.state["until"]
        elif fact.topic == "node_completed" and fact.state["node_type"] == "delay":
            until = waiting.pop(fact.path, None)
            if until is None:
                yield f"{history.name}: the delay {fact.path} fired again"
            elif not are_clocks_off and fact.event.recorded_at < datetime.fromisoformat(until):
                yield f"{history.name}: the delay {fact.path} fired before {until}"


def signals_are_taken_in_order(history: History) -> Iterator[str]:
    """Kept from the moment in which they came, whether or not a node waited then. So are requests
    to webhooks.
    """
    names: dict[str, str] = {}
    came: dict[str, list[Json]] = defaultdict(list)
    for fact in history.facts:
        if fact.topic == "signalled":
            came[fact.state["name"]].append(fact.state["payload"])
        elif fact.topic == "node_suspended" and fact.state["node_type"] in MESSAGED:
            prefix = MESSAGED[fact.state["node_type"]]
            names[fact.path] = prefix + fact.state["request"]["name"]
        elif fact.topic == "node_completed" and fact.state["node_type"] in MESSAGED:
            waiting = came[names[fact.path]]
            oldest = waiting.pop(0) if waiting else None
            if fact.state["output"] != oldest:
                yield f"{history.name}: {fact.path} took {fact.state['output']}, not {oldest}"


def nothing_follows_an_end(history: History) -> Iterator[str]:
    is_over = False
    for fact in history.facts:
        if fact.topic in {"retried", "compensation_started", "resolved"}:
            is_over = False
        elif is_over and fact.topic != "usage_resolved":  # Its answer came late.
            yield f"{history.name}: {fact.topic} after the end"
        is_over = is_over or fact.event.topic in ENDS


def families_know_each_other(histories: dict[UUID, History]) -> Iterator[str]:
    """A parent that waits hears of the end; a child that is to end with its parent does."""
    for parent in histories.values():
        told = {fact.state["child_id"] for fact in parent.of("child_ended")}
        for begun in parent.of("child_started"):
            child = histories.get(UUID(begun.state["child_id"]))
            if child is None:
                yield f"{parent.name}: its child {begun.state['child_id']} does not exist"
                continue
            yield from _family_is_right(parent, child, begun, told)


def _family_is_right(parent: History, child: History, begun: Fact, told: set[str]) -> Iterator[str]:
    if parent.end is None or child.end is None:
        return
    # Of a parent that was tried again, the end that came after this child had begun.
    first_end = next((one for one in parent.ends if one.version > begun.version), None)
    if first_end is None:
        return
    is_told = str(child.execution_id) in told
    if child.ends[0].tx < first_end.tx and not is_told:
        yield f"{parent.name}: never heard of the end of {child.name}"
    is_bound = begun.state["on_parent_close"] == "cancel"
    is_undone = any(one.tx < first_end.tx for one in child.of("compensation_started"))
    if is_bound and not is_undone and not is_told and child.ends[0].tx > first_end.tx:
        yield f"{child.name}: went on when {parent.name} had ended"


def read_models_equal_the_log(world: World) -> Iterator[str]:
    """Each read model is the fold of its stream as far as it is applied, and that is whole, but for
    last events that were never delivered.
    """
    yield from (f"a read model went back: {one}" for one in world.models.went_back)
    yield from (f"{one[0]} parked {one[1]}: {why}" for one, why in world.models.parked.items())
    for projection in READ_MODELS:
        rows: dict[UUID, list[object]] = defaultdict(list)
        for row in world.models.rows[projection.table].values():
            rows[row[projection.stream_column]].append(row)  # pyright: ignore[reportArgumentType] # its id
        streams = {e.stream_id for e in world.store.logged if e.topic in projection.topics}
        for stream_id in streams:
            events = world.store.stream(stream_id)
            applied = world.models.streams.get((projection.table, stream_id))
            version = 0 if applied is None else applied.version
            if version != len(events):
                yield f"{projection.name} of {stream_id}: {version} of {len(events)} applied"
            expected = rows_after(projection, events[:version])
            if _sorted(rows[stream_id]) != _sorted(expected):
                yield f"{projection.name} of {stream_id}: the rows are not the fold of the log"


def _sorted(rows: Sequence[object]) -> list[str]:
    return sorted(str(row) for row in rows)
