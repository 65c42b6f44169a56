"""Scalars: their values are JSON already, because PostgreSQL made it; only what comes in is looked
at.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from read_api.errors import coded

Instant = NewType("Instant", str)
BigInt = NewType("BigInt", int)
Json = NewType("Json", object)


def _unchanged(value: Any) -> Any:
    return value


def instant_of(moment: datetime) -> Instant:
    return Instant(moment.isoformat())


def _parse_instant(value: object) -> Instant:
    """Raises GraphQLError unless the text is a moment, not a local time."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            if moment.tzinfo is not None:
                return instant_of(moment)
    raise _no_instant()


def _no_instant() -> GraphQLError:
    return coded(
        "bad_time", "A DateTime is RFC 3339 with its offset, such as 2026-01-31T12:00:00Z."
    )


SCALARS: Mapping[object, ScalarDefinition] = {
    Instant: strawberry.scalar(
        name="DateTime",
        description="A moment as RFC 3339 text; answers are in UTC.",
        serialize=_unchanged,
        parse_value=_parse_instant,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="An integer that may pass 32 bits, as a JSON number.",
        serialize=_unchanged,
        parse_value=_unchanged,
    ),
    Json: strawberry.scalar(
        name="JSON",
        description="Any JSON value.",
        serialize=_unchanged,
        parse_value=_unchanged,
    ),
}
