"""Events are stored as the library's own mapper would store them, to the byte."""

from pathlib import Path
from uuid import UUID

import orjson
import pytest
from eventsourcing.persistence import Mapper, MapperDeserialisationError, StoredEvent

from infra.event_codec import OrjsonTranscoder, UnknownTopic, encoded, mapper

GOLDEN = Path(__file__).parents[1] / "golden" / "events"
STREAM_ID = UUID(int=7)
LIBRARY = Mapper[UUID](OrjsonTranscoder())


def topic_of(path: Path) -> str:
    """`<topic>.json`, or `<topic>.v<n>.json` for a later version."""
    name, _, version = path.stem.rpartition(".")
    return name if version.removeprefix("v").isdigit() else path.stem


@pytest.mark.parametrize("path", sorted(GOLDEN.iterdir()), ids=lambda path: path.stem)
def test_an_event_is_stored_and_read_as_by_the_library(path: Path) -> None:
    golden = StoredEvent(STREAM_ID, 3, topic_of(path), path.read_bytes())
    event = mapper.to_domain_event(golden)
    # The library leaves the timestamp as the text it was stored as.
    theirs = vars(LIBRARY.to_domain_event(golden))
    ours = {**vars(event), "timestamp": theirs["timestamp"]}
    assert (type(event), ours) == (type(LIBRARY.to_domain_event(golden)), theirs)
    stored = mapper.to_stored_event(event)
    assert stored == LIBRARY.to_stored_event(event)
    assert encoded(event) == (stored.topic, stored.state)


def test_storing_an_event_leaves_it_as_it_was() -> None:
    state = (GOLDEN / "execution.started.json").read_bytes()
    event = mapper.to_domain_event(StoredEvent(STREAM_ID, 2, "execution.started", state))
    before = dict(vars(event))
    encoded(event)
    assert vars(event) == before


def test_a_topic_that_no_aggregate_declares_is_refused() -> None:
    with pytest.raises(UnknownTopic):
        mapper.to_domain_event(StoredEvent(STREAM_ID, 1, "os:system", b"{}"))


def test_a_state_that_is_no_json_is_refused() -> None:
    with pytest.raises(MapperDeserialisationError, match="event 1 of"):
        mapper.to_domain_event(StoredEvent(STREAM_ID, 1, "execution.started", b"{"))


def test_a_state_without_class_version_is_of_the_first() -> None:
    for path in GOLDEN.iterdir():
        if topic_of(path) == path.stem:
            assert "class_version" not in orjson.loads(path.read_bytes())
