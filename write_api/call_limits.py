"""How limits of calls are written in bodies: those of plans, and of agents."""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

COST_USD_MAX = Decimal(1_000_000)


def _cost(text: str) -> str:
    if not 0 < Decimal(text) <= COST_USD_MAX:
        message = f"more than 0 and at most {COST_USD_MAX} USD are expected"
        raise ValueError(message)
    return text


ConcurrentCalls = Annotated[int, Field(ge=1, le=100_000)]
TokensPerMin = Annotated[int, Field(ge=1, le=10_000_000_000)]
Usd = Annotated[
    str, StringConstraints(pattern=r"^[0-9]{1,7}(\.[0-9]{1,12})?$"), AfterValidator(_cost)
]
