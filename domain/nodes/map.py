"""map: runs its body once for each element, several at a time."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from domain.expressions import ExpressionFailed, type_name
from domain.identifiers import Json
from domain.node_types import BodyNode, Failure, Iteration, Iterations, Result, Scope
from domain.payloads import PAYLOAD_BYTES_MAX
from domain.templates import ValueField

ITEMS_MAX = 10_000
CONCURRENCY_MAX = 1000
# What is collected becomes the output of the node, which can be no larger.
COLLECTED_BYTES_MAX = PAYLOAD_BYTES_MAX


class Map(BodyNode):
    """Runs `body` for each element of `over`: an array, or an object's entries `{key, value}`.
    Inside, `item` is the element and `index` counts from 0. At most `concurrency` run at a time.

    Outputs `{results, errors}`, both in the order of the input. With `on_item_error: "collect"` an
    iteration that fails leaves null in `results` and `{index, code, message}` in `errors`. Fails
    with `payload_too_large` as soon as they are larger than an output may be.
    """

    body_roots: ClassVar[frozenset[str]] = frozenset({"item", "index"})
    is_sequential: ClassVar[bool] = False

    over: ValueField
    concurrency: Annotated[int, Field(ge=1, le=CONCURRENCY_MAX)] = 10
    on_item_error: Literal["fail", "collect"] = "fail"

    def keeps_errors(self) -> bool:
        return self.on_item_error == "collect"

    def next_iterations(
        self, scope: Scope, known: Iterations, memory: dict[str, Json]
    ) -> Sequence[Iteration] | Result | Failure:
        if known.bytes > COLLECTED_BYTES_MAX:
            message = f"the results and errors are more than {COLLECTED_BYTES_MAX} bytes long"
            return Failure("payload_too_large", message)
        if "items" not in memory:
            memory["items"] = self._items(scope)
            memory["begun"] = 0
        items, index = memory["items"], memory["begun"]
        assert isinstance(items, list)
        assert isinstance(index, int)
        if known.ended == len(items):
            return _ended(known, len(items))
        # Every element before `begun` has ended or was told before; at first, none was told.
        room = self.concurrency - (index - known.ended if index else 0)
        begun: list[Iteration] = []
        while index < len(items) and len(begun) < room:
            if index not in known.results and index not in known.errors:
                begun.append(_iteration(index, items[index]))
            index += 1
        memory["begun"] = index
        return begun

    def iteration(self, index: int, scope: Scope, known: Iterations) -> Iteration:
        del known
        return _iteration(index, self._items(scope)[index])

    def _items(self, scope: Scope) -> list[Json]:
        over = self.over.render(scope.roots)
        if isinstance(over, dict):
            over = [{"key": key, "value": value} for key, value in over.items()]
        if not isinstance(over, list):
            reason = f"this is {type_name(over)}, neither a list nor an object"
            raise ExpressionFailed("/over", reason)
        if len(over) > ITEMS_MAX:
            raise ExpressionFailed("/over", f"{len(over)} elements, more than {ITEMS_MAX}")
        return list(over)


def _iteration(index: int, item: Json) -> Iteration:
    return Iteration(index, {"item": item, "index": index}, item)


def _ended(known: Iterations, count: int) -> Result:
    results: list[Json] = [known.results.get(index) for index in range(count)]
    errors: list[Json] = [{"index": index, **known.errors[index]} for index in sorted(known.errors)]
    return Result({"results": results, "errors": errors})
