"""loop: runs its body again and again, one iteration after the other."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from domain.expressions import Expression, ExpressionFailed, type_name
from domain.identifiers import Json, JsonObject
from domain.node_types import BodyNode, Failure, Iteration, Iterations, Result, Scope
from domain.templates import ExpressionField, Roots

ITERATIONS_MAX = 10_000


class Loop(BodyNode):
    """Runs `body` while `while` holds (looked at before each iteration), or until `until` does
    (after each). Inside, `loop.index` counts from 0 and `loop.last` is what the body output last.

    Outputs `{iterations, last, is_limited}`; is_limited says that `max_iterations` ended it.
    """

    body_roots: ClassVar[frozenset[str]] = frozenset({"loop"})
    own_roots: ClassVar[frozenset[str]] = frozenset({"loop"})
    is_sequential: ClassVar[bool] = True

    while_: Annotated[ExpressionField | None, Field(alias="while")] = None
    until: ExpressionField | None = None
    max_iterations: Annotated[int, Field(ge=1, le=ITERATIONS_MAX)] = 1000

    @model_validator(mode="after")
    def _ends_one_way(self) -> Self:
        if (self.while_ is None) == (self.until is None):
            raise PydanticCustomError("one_of", "needs either while or until")
        return self

    def next_iterations(
        self, scope: Scope, known: Iterations, memory: dict[str, Json]
    ) -> Sequence[Iteration] | Result | Failure:
        del memory
        following = self.iteration(known.ended, scope, known)
        if not self._goes_on({**scope.roots, **following.roots}, known.ended):
            return _ended(known, is_limited=False)
        if known.ended >= self.max_iterations:
            return _ended(known, is_limited=True)
        return [following]

    def iteration(self, index: int, scope: Scope, known: Iterations) -> Iteration:
        del scope
        loop: JsonObject = {"index": index, "last": known.last}
        return Iteration(index, {"loop": loop}, loop)

    def _goes_on(self, roots: Roots, ended: int) -> bool:
        if self.while_ is not None:
            return _holds(self.while_, roots)
        assert self.until is not None
        return not ended or not _holds(self.until, roots)


def _ended(known: Iterations, *, is_limited: bool) -> Result:
    return Result({"iterations": known.ended, "last": known.last, "is_limited": is_limited})


def _holds(expression: Expression, roots: Roots) -> bool:
    answer = expression.evaluate(roots)
    if not isinstance(answer, bool):
        reason = f"`{expression.text}` is {type_name(answer)}, not a boolean"
        raise ExpressionFailed(expression.place, reason)
    return answer
