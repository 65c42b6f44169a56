"""What several bodies have in common: strictness, and the size of a name."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from domain.logins import PASSWORD_BYTES_MAX, PASSWORD_CHARACTERS_MIN

# Unknown members are refused, and a number is not taken for its text: a mistake is better told than
# guessed around.
STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)

# Characters that show nothing, or show the others in another order: what a person reads would not
# be what is stored. The joiner within emoji and some scripts is not among them.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]"
)


def _shown(text: str) -> str:
    if _HIDDEN.search(text):
        message = "a name has no control characters, and none that hide or reorder others"
        raise ValueError(message)
    return text


Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_shown)]
NewPassword = Annotated[
    str,
    StringConstraints(min_length=PASSWORD_CHARACTERS_MIN, max_length=PASSWORD_BYTES_MAX),
]
AnyJson: TypeAlias = Annotated[Any, Field(description="Any JSON value.")]
AnyObject: TypeAlias = dict[str, Any]
# The path of a node in a run: `draft`, or `map[3]/draft` inside a body.
NodePath = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
VersionNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]


def _text_only(value: object) -> object:
    """An instant is RFC 3339 text; pydantic alone would also take seconds since 1970."""
    if isinstance(value, str):
        return value
    message = "an RFC 3339 instant is expected"
    raise ValueError(message)


def _in_utc(instant: datetime) -> datetime:
    """The first and last hours that a calendar has are in no other zone."""
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        message = "an instant of the years 1 to 9999 is expected"
        raise ValueError(message) from None


Instant = Annotated[
    AwareDatetime, Field(strict=False), BeforeValidator(_text_only), AfterValidator(_in_utc)
]


def _money(text: str) -> str:
    if Decimal(text) <= 0:
        message = "more than 0 is expected"
        raise ValueError(message)
    return text


Amount = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{1,15}([.][0-9]{1,4})?$"), AfterValidator(_money)
]
