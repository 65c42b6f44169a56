"""Identifiers are UUIDs of version 7, and later ones sort after earlier ones."""

import copy
from uuid import UUID

from infra.clock import Uuid7Ids


def test_an_id_is_a_uuid_like_any_other() -> None:
    made = Uuid7Ids().new()
    same = UUID(str(made))
    assert type(made) is UUID
    assert (made, hash(made), made.bytes, made.is_safe) == (
        same,
        hash(same),
        same.bytes,
        same.is_safe,
    )
    assert (made.version, made.variant) == (7, same.variant)
    assert copy.deepcopy(made) == made


def test_later_ids_sort_after_earlier_ones() -> None:
    made = [Uuid7Ids().new() for _ in range(1000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
