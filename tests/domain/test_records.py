"""A record is a value, and has nothing that makes it slow."""

from collections.abc import Sequence
from dataclasses import field, replace

from domain.records import record


@record
class Place:
    name: str
    doors: int = 1
    guests: Sequence[str] = ()
    key: str | None = field(default=None, repr=False)


def test_records_of_the_same_fields_are_equal_and_hash_alike() -> None:
    assert Place("a", 2) == Place("a", doors=2, guests=())
    assert hash(Place("a")) == hash(Place("a", 1))
    assert replace(Place("a", 2), name="b") == Place("b", 2)


def test_what_is_not_to_be_shown_is_not_printed() -> None:
    assert repr(Place("a", key="secret")) == "Place(name='a', doors=1, guests=())"


def test_no_default_stays_at_the_class_where_it_would_slow_down_the_field() -> None:
    assert not {"doors", "guests", "key"} & vars(Place).keys()
