"""What changed between two versions of an execution, as time travel shows them."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from strawberry.utils.str_converters import to_camel_case

from read_api.arguments import Id
from read_api.context import ReadContext, ReadInfo
from read_api.differences import Difference, differences
from read_api.executions import NODES, PAST_EXECUTION
from read_api.limits import ReadLimits
from read_api.past import PastExecution, check_version, past_executions
from read_api.shaping import related

Document: TypeAlias = dict[str, Any]


async def execution_diff(
    info: ReadInfo, id_: Id, from_version: int, to_version: int
) -> list[Difference] | None:
    """None when there is no such execution, or it has no such versions. Raises GraphQLError when
    more differs than is shown.
    """
    context = info.context
    pasts = await past_executions(context, id_, (from_version, to_version))
    if pasts is None:
        return None
    before, after = [await _document(context, past) for past in pasts]
    return differences(before, after, count_max=context.sources.limits.differences_max)


def check_versions(arguments: Mapping[str, Any], limits: ReadLimits) -> None:
    """Raises RequestRefused when too many events would have to be folded."""
    for name in ("fromVersion", "toVersion"):
        check_version({"version": arguments[name]}, limits)


async def _document(context: ReadContext, past: PastExecution) -> Document:
    """All that executionAt can say, but for what is no news: the version, and what has no past."""
    row = context.shaper.row("Execution")
    execution = await context.loaded(
        "SELECT " + row + PAST_EXECUTION, {"executions": past.executions}
    )
    nodes = await context.loaded(
        "SELECT "
        + related(NODES, context.shaper.row("NodeRun"), count_max=NODES.count_max, is_past=True),
        {"nodes": past.nodes},
    )
    for name in ("version", "total_cost_usd", "total_has_unpriced"):
        del execution[name]
    by_path = {node["path"]: _in_camel_case(node) for node in nodes}
    return {**_in_camel_case(execution), "nodes": by_path}


def _in_camel_case(row: Document) -> Document:
    return {to_camel_case(name): value for name, value in row.items()}
