"""What a call of a model is going to be asked, and what it may use at most, before it is made."""

from datetime import datetime
from typing import NamedTuple

from domain.attempts import Attempt
from domain.definitions import Definition
from domain.execution_usage import METERED_TYPES
from domain.executions import Execution
from domain.price_books import sources_told
from domain.reservations import TOKENS_DEFAULT
from domain.worst_cases import WorstCase, worst_case
from infra.models.bounds import bounds_of
from sagas.drive_parts import DriveParts
from sagas.effects import Run
from sagas.nodes.agent import asked_of_agent
from sagas.nodes.llm import Asked, asked_of_llm, own_access


class Driven(NamedTuple):
    """A run in the hands of a worker."""

    execution: Execution
    definition: Definition
    run: Run


class Estimate(NamedTuple):
    """model: as prices name it. tokens_in: the prompt has no more. tokens_wanted: of the answer.
    worst: None for a model without a price.
    """

    asked: Asked
    model: str
    tokens_in: int
    tokens_wanted: int
    worst: WorstCase | None

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_wanted

    @property
    def usd_pico(self) -> int:
        """What has no price counts as nothing."""
        return 0 if self.worst is None else self.worst.at(self.tokens_wanted)


assert {"llm", "agent"} == METERED_TYPES


async def estimated(attempt: Attempt, run: Run, parts: DriveParts, now: datetime) -> Estimate:
    """Raises AttemptFailed, ModelFailed, Unavailable."""
    effects = parts.effects
    if attempt.node_type == "llm":
        asked = asked_of_llm(attempt)
    else:
        asked = await asked_of_agent(attempt, run, effects)
    access = await own_access(asked.model, run, effects)
    model = asked.model if access is None else access.model
    sources = await effects.prices.sources(run.tenant_id, model, now)
    bounds = bounds_of(model, asked.messages, asked.parameters)
    wanted = bounds.tokens_out
    if wanted is None:
        wanted = min(TOKENS_DEFAULT, bounds.tokens_out_max or TOKENS_DEFAULT)
    if asked.model != model:
        sources = sources_told(sources, model, asked.model)
    worst = worst_case(
        model,
        sources,
        tokens_in=bounds.tokens_in,
        has_parts=bounds.has_parts,
        has_tools=bounds.has_tools,
    )
    return Estimate(asked, model, bounds.tokens_in, wanted, worst)
