"""The fields that every node and edge of a definition may have, with every default they have.

Defaults are part of the stored format, for a definition is stored as it was written: they never
change.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainValidator
from pydantic_core import PydanticCustomError

TIMEOUT_S_DEFAULT = 60.0
TIMEOUT_S_MAX = 3600.0
DEADLINE_S_MAX = 366 * 86_400.0
ATTEMPTS_MAX = 100
BACKOFF_S_MAX = 86_400.0
MULTIPLIER_MAX = 100.0
CODES_MAX = 50
NAME_CHARACTERS_MAX = 200
ID_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$"

STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)

OnUnknown: TypeAlias = Literal["retry", "ask", "fail"]
TimeoutS: TypeAlias = Annotated[float, Field(gt=0, le=TIMEOUT_S_MAX)]


class RetryPolicy(BaseModel):
    """max_attempts: the first one included. jitter: the share of each wait that is left to chance.

    non_retryable: codes of failures that are final, whatever the effect itself says of them.
    """

    model_config = STRICT

    max_attempts: Annotated[int, Field(ge=1, le=ATTEMPTS_MAX)] = 3
    initial_backoff_s: Annotated[float, Field(ge=0, le=BACKOFF_S_MAX)] = 1.0
    multiplier: Annotated[float, Field(ge=1, le=MULTIPLIER_MAX)] = 2.0
    max_backoff_s: Annotated[float, Field(ge=0, le=BACKOFF_S_MAX)] = 30.0
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.0
    non_retryable: Annotated[tuple[str, ...], Field(max_length=CODES_MAX, strict=False)] = ()

    def backoff_s(self, attempt: int, chance: float = 0.0) -> float:
        """How long to wait after this attempt failed, 1-based. chance: in [0, 1)."""
        whole = min(self.max_backoff_s, self.initial_backoff_s * self.multiplier ** (attempt - 1))
        return whole * (1 - self.jitter * chance)


NO_RETRY = RetryPolicy(max_attempts=1)
# What undoes is tried harder than what does: giving up leaves a person to clean up.
COMPENSATION_RETRY = RetryPolicy(max_attempts=5)


class Position(BaseModel):
    """Where an editor draws the node."""

    model_config = STRICT

    x: Annotated[float, Field(allow_inf_nan=False)]
    y: Annotated[float, Field(allow_inf_nan=False)]


def _needed(join: object) -> int | None:
    match join:
        case "all":
            return None
        case "any":
            return 1
        case {"count": int(count)} if count >= 1 and count is not True and join == {"count": count}:
            return count
        case _:
            raise PydanticCustomError("join", 'must be "all", "any" or {"count": n} with n >= 1')


class NodeFields(BaseModel):
    """What every node may have beside its type, its config and its compensation.

    timeout_s: of one attempt. deadline_s: of all attempts and the waits between them. heartbeat_s:
    how long an attempt may give no sign of life. needed: how many taken edges it waits for, from
    `join`; None waits until every edge is decided. repeatable: says that the effect is free and
    safe to repeat; None leaves it to the type.
    """

    model_config = STRICT

    id: Annotated[str, Field(pattern=ID_PATTERN)]
    timeout_s: TimeoutS = TIMEOUT_S_DEFAULT
    deadline_s: Annotated[float, Field(gt=0, le=DEADLINE_S_MAX)] | None = None
    heartbeat_s: TimeoutS | None = None
    retry: RetryPolicy = NO_RETRY
    on_unknown: OnUnknown = "retry"
    needed: Annotated[int | None, Field(alias="join"), PlainValidator(_needed)] = None
    repeatable: bool | None = None
    name: Annotated[str, Field(max_length=NAME_CHARACTERS_MAX)] | None = None
    position: Position | None = None


class CompensationFields(BaseModel):
    """What a compensation may have beside its type and config."""

    model_config = STRICT

    timeout_s: TimeoutS = TIMEOUT_S_DEFAULT
    retry: RetryPolicy = COMPENSATION_RETRY


class EdgeFields(BaseModel):
    model_config = STRICT

    source: Annotated[str, Field(alias="from")]
    target: Annotated[str, Field(alias="to")]
    port: str | None = None
