"""The terms of a plan in a body: what it costs, and what is included."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from domain.identifiers import JsonObject
from domain.plan_terms import INCLUDED_MAX
from domain.usage import QUANTITY_MAX
from write_api.price_books import MeterName, ModelPattern, Usd
from write_api.shapes import STRICT

TRIAL_DAYS_MAX = 730
TrialDays = Annotated[int, Field(ge=0, le=TRIAL_DAYS_MAX)]


class IncludedBody(BaseModel):
    """model: a model, all of a provider (`openai/*`), or `*`. quantity: in each period."""

    model_config = STRICT

    meter: MeterName
    model: ModelPattern = "*"
    quantity: Annotated[int, Field(ge=1, le=QUANTITY_MAX)]


class TermsBody(BaseModel):
    """recurring_usd: for each period, in advance. minimum_usd: what the usage of a period costs at
    least. included: usage that costs nothing more. trial_days: before the first period, without
    the recurring amount and the minimum.
    """

    model_config = STRICT

    interval: Literal["month", "year"] = "month"
    recurring_usd: Usd
    minimum_usd: Usd = "0"
    trial_days: TrialDays = 0
    included: Annotated[list[IncludedBody], Field(max_length=INCLUDED_MAX)] = []

    @model_validator(mode="after")
    def _once(self) -> Self:
        named = [(one.meter, one.model) for one in self.included]
        if len(set(named)) < len(named):
            message = "a meter is included once for a model"
            raise ValueError(message)
        return self

    def told(self) -> JsonObject:
        return self.model_dump()
