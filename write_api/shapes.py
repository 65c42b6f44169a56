"""What several bodies have in common: strictness, and the size of a name."""

from typing import Annotated, Any, TypeAlias

from pydantic import ConfigDict, Field, StringConstraints

# Unknown members are refused, and a number is not taken for its text: a mistake is better told than
# guessed around.
STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)

Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
AnyJson: TypeAlias = Annotated[Any, Field(description="Any JSON value.")]
AnyObject: TypeAlias = dict[str, Any]
# The path of a node in a run: `draft`, or `map[3]/draft` inside a body.
NodePath = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
VersionNumber = Annotated[int, Field(ge=1, le=2**31 - 1)]
