"""What an operation may cost: objects times page sizes, and what is heavy inside them, counted
before anything is read.

A scalar costs nothing, an object 1, free JSON and definitions more; whatever is below a list counts
once per element.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    SelectionSetNode,
    VariableNode,
    is_object_type,
)

from read_api.errors import refuse
from read_api.limits import ReadLimits
from read_api.shaping import Fragments, named_type

# Fields that are heavier than their type: they aggregate, fold a history, or bring documents of up
# to 256 KiB.
FIELD_WEIGHTS: Mapping[tuple[str, str], int] = {
    ("Query", "executionAt"): 200,
    ("Query", "executionDiff"): 400,
    ("Query", "executionStats"): 500,
    ("Query", "costExplorer"): 1000,
    ("Event", "lineage"): 100,
    ("Query", "projections"): 50,
    # It compares thousands, and may call a model that is paid for.
    ("Query", "similarWorkflows"): 1000,
    ("Query", "system"): 50,
    ("Query", "usage"): 500,
    ("Query", "__schema"): 1000,
    ("Query", "__type"): 100,
    ("Workflow", "definition"): 20,
    ("WorkflowVersion", "definition"): 20,
    ("WorkflowTemplate", "definition"): 20,
}
JSON_WEIGHT = 5
OBJECT_WEIGHT = 1
# How many elements a list without `first` is taken to have.
LIST_SIZES: Mapping[tuple[str, str], int] = {
    ("Execution", "nodes"): 10,
    ("Execution", "children"): 100,
    ("Event", "causes"): 1,
    ("Event", "effects"): 2,
    ("Event", "lineage"): 20,
    ("Query", "executionDiff"): 100,
    ("Query", "aggregateDiff"): 100,
}

Variables: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """A page size: a number, or what a variable says, or the default where it says nothing."""

    default: int
    variable: str | None = None

    def value(self, variables: Variables) -> int:
        chosen = variables.get(self.variable) if self.variable is not None else None
        return self.default if chosen is None else int(chosen)


@dataclass(frozen=True, slots=True, eq=False)
class Cost:
    """size: None when what is below counts once. A fragment's costs are shared by all places that
    use it.
    """

    weight: int
    size: Size | None
    below: tuple["Cost", ...]


class Costs:
    def __init__(self, schema: GraphQLSchema, limits: ReadLimits) -> None:
        self._schema = schema
        self._limits = limits

    def of(
        self, root_type: GraphQLObjectType, selections: SelectionSetNode, fragments: Fragments
    ) -> Cost:
        """selections: valid."""
        known: dict[str, Cost] = {}
        return Cost(0, None, tuple(self._below(root_type, selections, fragments, known)))

    def check(self, cost: Cost, variables: Variables) -> None:
        """Raises RequestRefused when a page or the whole is too large."""
        total = self._total(cost, variables, {})
        maximum = self._limits.complexity_max
        if total > maximum:
            raise refuse(
                "too_complex",
                f"The operation costs {total}, of at most {maximum}; ask for smaller pages, or for"
                " less below them.",
                cost=total,
                cost_max=maximum,
            )

    def _total(self, cost: Cost, variables: Variables, known: dict[int, int]) -> int:
        total = known.get(id(cost))
        if total is None:
            times = 1 if cost.size is None else self._page_size(cost.size.value(variables))
            total = cost.weight + times * sum(
                self._total(part, variables, known) for part in cost.below
            )
            known[id(cost)] = total
        return total

    def _page_size(self, size: int) -> int:
        maximum = self._limits.page_size_max
        if not 1 <= size <= maximum:
            raise refuse("bad_page_size", f"`first` is 1 to {maximum}.", first_max=maximum)
        return size

    def _below(
        self,
        parent: GraphQLObjectType,
        selections: SelectionSetNode,
        fragments: Fragments,
        known: dict[str, Cost],
    ) -> Iterator[Cost]:
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                cost = self._of_field(parent, selection, fragments, known)
                if cost.weight or cost.below:
                    yield cost
            elif isinstance(selection, InlineFragmentNode):
                yield from self._below(parent, selection.selection_set, fragments, known)
            elif isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                if name not in known:
                    inner = fragments[name].selection_set
                    known[name] = Cost(0, None, tuple(self._below(parent, inner, fragments, known)))
                yield known[name]

    def _of_field(
        self,
        parent: GraphQLObjectType,
        node: FieldNode,
        fragments: Fragments,
        known: dict[str, Cost],
    ) -> Cost:
        definition = self._schema.get_field(parent, node.name.value)
        assert definition is not None
        place = (parent.name, node.name.value)
        named = named_type(definition)
        weight = FIELD_WEIGHTS.get(place)
        if weight is None:
            weight = JSON_WEIGHT if named.name == "JSON" else OBJECT_WEIGHT * is_object_type(named)
        below: tuple[Cost, ...] = ()
        is_introspection = place[1].startswith("__")
        if isinstance(named, GraphQLObjectType) and node.selection_set and not is_introspection:
            below = tuple(self._below(named, node.selection_set, fragments, known))
        return Cost(weight, _size(place, definition, node), below)


def _size(place: tuple[str, str], definition: GraphQLField, node: FieldNode) -> Size | None:
    first = definition.args.get("first")
    if first is None:
        fixed = LIST_SIZES.get(place)
        return None if fixed is None else Size(fixed)
    default = int(first.default_value)
    for argument in node.arguments or ():
        if argument.name.value == "first":
            if isinstance(argument.value, VariableNode):
                return Size(default, argument.value.name.value)
            if isinstance(argument.value, IntValueNode):
                return Size(int(argument.value.value))
    return Size(default)
