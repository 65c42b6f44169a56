"""A trigger that is loaded from a snapshot is the trigger that its events tell."""

from typing import Any

import orjson

from domain.trigger_snapshots import snapshot_of, trigger_from
from infra.event_codec import mapper
from tests.domain.given import given
from tests.domain.test_triggers import a_trigger, ended, look, order, text_of


def test_from_any_snapshot_and_the_later_events_comes_what_comes_from_the_events() -> None:
    story = given(
        a_trigger(overlap="buffer_one", pause_after_failures=2),
        *(look(1), look(2), look(3), ended("FAILED"), look(3.1), order(-3, -1, 3.2)),
        *(ended("COMPLETED"), look(3.3), ended("FAILED"), look(3.4), ended("FAILED")),
        lambda told: told.aggregate.resume("again", told.aggregate.decided_until),
        lambda told: told.aggregate.change(text_of(), told.aggregate.decided_until),
    )
    trigger: Any = None
    for version, stored in enumerate(story.stored, start=1):
        event: Any = mapper.to_domain_event(stored)
        trigger = event.mutate(trigger)
        again: Any = trigger_from(orjson.loads(orjson.dumps(snapshot_of(trigger))))
        assert (again, again.version) == (trigger, version)
        for later in story.stored[version:]:
            following: Any = mapper.to_domain_event(later)
            again = following.mutate(again)
        assert again == story.rebuilt()
