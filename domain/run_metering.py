"""The time of a run as usage: a fact where somebody sells it, told with the end of the run. Where
nobody does there is none, so nothing is unpriced; how long runs take is told by their own times.
"""

from collections.abc import Sequence

from domain.execution_status import FINISHED
from domain.executions import Execution
from domain.rating import OWN_METERS, PriceSource, rate
from domain.usage import Metered

RUN_SECONDS = "run_seconds"


def meter_run(execution: Execution, sources: Sequence[PriceSource]) -> None:
    """After what ended it, in the same append. Nothing while it goes on, and once for each end: a
    run that is tried again, or undone, ends again and has taken more time.

    sources: the prices that hold now, the most special first.
    """
    if not has_ended_now(execution) or not (seconds := execution.run_time.seconds):
        return
    rated = rate({RUN_SECONDS: seconds}, OWN_METERS, sources)
    if not rated.prices:
        return
    metered = Metered("", "", execution.agent_id, "measured", rated.prices, rated.lines)
    execution.trigger_event(
        Execution.RunMetered,
        attempt=execution.run_time.metered_count + 1,
        cost_usd_pico=rated.cost_usd_pico,
        usage=metered.fact(workflow_id=execution.workflow_id, created_by=execution.created_by),
    )


def has_ended_now(execution: Execution) -> bool:
    """Whether its end is not stored yet, nor metered."""
    if execution.status not in FINISHED:
        return False
    has_ended = False
    for event in execution.pending_events:
        if isinstance(event, Execution.RunMetered):
            return False
        has_ended = has_ended or isinstance(event, ENDINGS)
    return has_ended


ENDINGS = (Execution.Completed, Execution.Failed, Execution.Cancelled, Execution.Compensated)
