"""What changed between two versions of an execution, as time travel shows them."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias, cast

import strawberry
from strawberry.utils.str_converters import to_camel_case

from read_api.arguments import Id
from read_api.context import ReadContext, ReadInfo
from read_api.errors import coded
from read_api.executions import NODES, PAST_EXECUTION
from read_api.limits import ReadLimits
from read_api.past import PastExecution, check_version, past_executions
from read_api.scalars import Json
from read_api.shaping import related

Document: TypeAlias = dict[str, Any]


@strawberry.type(description="A field of an execution that is not the same in two versions of it.")
class Difference:
    path: str = strawberry.field(
        description="A JSON pointer (RFC 6901) into the execution, whose nodes are by path:"
        " `/nodes/map[3]~1draft/status`. What is there in one version only is one difference."
    )
    before: Json | None = strawberry.field(description="Null also where there was nothing.")
    after: Json | None


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
    maximum = context.sources.limits.differences_max
    found: list[Difference] = []
    for difference in _differences("", before, after):
        if len(found) >= maximum:
            raise coded(
                "too_many_differences",
                f"More than {maximum} fields differ; ask for versions that are closer together.",
                differences_max=maximum,
            )
        found.append(difference)
    return found


def check_versions(arguments: Mapping[str, Any], limits: ReadLimits) -> None:
    """Raises RequestRefused when too many events would have to be folded."""
    for name in ("fromVersion", "toVersion"):
        check_version({"version": arguments[name]}, limits)


async def _document(context: ReadContext, past: PastExecution) -> Document:
    """All that executionAt can say, but for the version, which is no news."""
    row = context.shaper.row("Execution")
    execution = await context.loaded(
        "SELECT " + row + PAST_EXECUTION, {"executions": past.executions}
    )
    nodes = await context.loaded(
        "SELECT "
        + related(NODES, context.shaper.row("NodeRun"), count_max=NODES.count_max, is_past=True),
        {"nodes": past.nodes},
    )
    del execution["version"]
    by_path = {node["path"]: _in_camel_case(node) for node in nodes}
    return {**_in_camel_case(execution), "nodes": by_path}


def _in_camel_case(row: Document) -> Document:
    return {to_camel_case(name): value for name, value in row.items()}


def _differences(pointer: str, before: Any, after: Any) -> Iterator[Difference]:
    """Objects are compared member by member, everything else as a whole."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        if not _are_equal(before, after):
            yield Difference(path=pointer, before=cast("Any", before), after=after)
        return
    left, right = cast("Document", before), cast("Document", after)
    for name in [*left, *(name for name in right if name not in left)]:
        place = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
        if name in left and name in right:
            yield from _differences(place, left[name], right[name])
        else:
            yield Difference(path=place, before=left.get(name), after=right.get(name))


def _are_equal(before: Any, after: Any) -> bool:
    """As JSON: to Python, true is 1."""
    return type(before) is type(after) and before == after
