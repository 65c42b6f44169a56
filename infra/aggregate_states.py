"""What an aggregate of any kind is after its events, as JSON: for people who look back."""

from collections.abc import Iterable
from typing import NamedTuple, cast

import orjson

from commands.ports import LoggedEvent
from domain.aggregates import Aggregate
from domain.identifiers import JsonObject
from infra.event_codec import evolved

# What the library keeps in an aggregate that is not a fact of the domain.
LIBRARY_MEMBERS = frozenset({"_id", "_version", "_created_on", "_modified_on", "_pending_events"})


def aggregate_after(events: Iterable[LoggedEvent]) -> Aggregate:
    """events: of one stream from its first on, at least one, opened. Raises what decode raises."""
    aggregate: Aggregate | None = None
    for event in events:
        aggregate = evolved(aggregate, event)
    assert aggregate is not None
    return aggregate


def state_of(aggregate: Aggregate) -> JsonObject:
    members = {
        name: value for name, value in vars(aggregate).items() if name not in LIBRARY_MEMBERS
    }
    return orjson.loads(orjson.dumps(members, default=_plain, option=orjson.OPT_NON_STR_KEYS))


def kind_of(aggregate: Aggregate) -> str:
    """As the topics of its events begin."""
    return str(getattr(type(aggregate), "TOPIC"))  # noqa: B009 # the library's class does not declare it


def _plain(value: object) -> object:
    """Named tuples by their members, sets as sorted lists, and what else JSON does not know as
    text.
    """
    if hasattr(value, "_asdict"):
        return cast("NamedTuple", value)._asdict()
    if isinstance(value, set | frozenset):
        return sorted(str(item) for item in cast("set[object]", value))
    return str(value)
