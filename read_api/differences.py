"""What differs between two JSON documents, field by field."""

from collections.abc import Iterator
from typing import Any, TypeAlias, cast

import strawberry

from read_api.errors import coded
from read_api.scalars import Json

Document: TypeAlias = dict[str, Any]


@strawberry.type(description="A field that is not the same in two versions of something.")
class Difference:
    path: str = strawberry.field(
        description="A JSON pointer (RFC 6901). In an execution nodes are by path:"
        " `/nodes/map[3]~1draft/status`. What is there in one version only is one difference."
    )
    before: Json | None = strawberry.field(description="Null also where there was nothing.")
    after: Json | None


def differences(before: Document, after: Document, *, count_max: int) -> list[Difference]:
    """Raises GraphQLError when there are more."""
    found: list[Difference] = []
    for difference in _differences("", before, after):
        if len(found) >= count_max:
            raise coded(
                "too_many_differences",
                f"More than {count_max} fields differ; ask for versions that are closer together.",
                differences_max=count_max,
            )
        found.append(difference)
    return found


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
