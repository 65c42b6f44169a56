"""Which event led to which."""

from uuid import UUID

from domain.envelope import Envelope
from domain.executions import Execution
from domain.identifiers import TenantId
from infra.causes import Causes, KnownIds, known_ids, remember
from infra.event_codec import decode, evolved
from tests.infra.log_steps import IDS, a_key
from tests.projections.histories import Stream, an_execution, completed, started


def two_at_once() -> Stream:
    """Both are begun before the first one ends."""
    run = an_execution().happens(Execution.Started)
    started(run, "left")
    started(run, "right")
    return completed(completed(run, "left"), "right")


def asked(causation_id: UUID | None = None) -> Envelope:
    """Of a command."""
    return Envelope(TenantId(IDS.new()), "test", IDS.new(), causation_id)


def ids_of(run: Stream) -> dict[int, bytes]:
    return {event.version: event.event_id.bytes for event in run.events}


def test_an_end_follows_from_its_own_beginning_and_all_else_from_what_was_before() -> None:
    run, known = two_at_once(), KnownIds()
    ids, causes = ids_of(run), {}
    for event in run.events:
        fact = decode(event)
        causes[event.version] = known.happens(fact, event.event_id.bytes)
    assert causes == {1: None, 2: ids[1], 3: ids[2], 4: ids[3], 5: ids[3], 6: ids[4]}
    assert known.intents == {}


def test_what_was_read_is_known() -> None:
    run = two_at_once()
    begun = run.events[:4]
    execution = None
    for event in begun:
        execution = evolved(execution, event)
    assert execution is not None
    remember(execution, begun, [decode(event) for event in begun])
    known = known_ids(execution)
    ids = ids_of(run)
    assert known.last == ids[4]
    assert known.happens(decode(run.events[4]), ids[5]) == ids[3]


def test_what_somebody_asked_for_follows_from_no_event_and_what_goes_with_it_from_that() -> None:
    run, key = an_execution(), a_key()
    execution = evolved(None, run.events[0])
    assert isinstance(execution, Execution)
    known_ids(execution).last = IDS.new_bytes()
    causes = Causes(asked())
    first, second, other = IDS.new_bytes(), IDS.new_bytes(), IDS.new_bytes()
    causes.of(execution)
    assert causes.next(decode(run.events[0]), first) is None
    assert causes.next(decode(run.events[0]), second) == first
    causes.of(key)
    assert causes.next(key, other) == second


def test_a_cause_that_is_given_counts() -> None:
    given, execution = IDS.new(), evolved(None, an_execution().events[0])
    assert execution is not None
    causes = Causes(asked(given))
    causes.of(execution)
    assert causes.next(object(), IDS.new_bytes()) == given.bytes
