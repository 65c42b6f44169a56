"""The limits that a document can break before it is known to be valid: size, depth, aliases,
repetition.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from read_api.errors import refuse
from read_api.limits import ReadLimits
from read_api.shaping import Fragments


@dataclass(frozen=True, slots=True)
class Extent:
    """depth: fields below fields. nesting: selections below selections of any kind. roots: fields
    on the first level.
    """

    depth: int
    nesting: int
    roots: int


NOTHING = Extent(0, 0, 0)


def check_structure(
    ast: DocumentNode,
    operation: OperationDefinitionNode,
    fragments: Fragments,
    limits: ReadLimits,
) -> None:
    """Raises RequestRefused for the first limit that is broken. Cycles of fragments are left to
    validation.
    """
    if len(fragments) > limits.fragments_max:
        raise refuse("too_many_fragments", f"At most {limits.fragments_max} fragments are taken.")
    walk = _Walk(fragments, limits)
    for definition in ast.definitions:
        selections = getattr(definition, "selection_set", None)
        if isinstance(selections, SelectionSetNode):
            walk.extent(selections, 0)
    if walk.aliases_count > limits.aliases_max:
        raise refuse("too_many_aliases", f"At most {limits.aliases_max} aliases are taken.")
    extent = walk.extent(operation.selection_set, 0)
    if extent.depth > limits.depth_max:
        raise refuse("too_deep", f"Fields nest at most {limits.depth_max} deep.")
    if extent.nesting > limits.nesting_max:
        raise _too_nested(limits)
    if extent.roots > limits.root_fields_max:
        raise refuse(
            "too_many_root_fields", f"At most {limits.root_fields_max} root fields are taken."
        )


def _too_nested(limits: ReadLimits) -> Exception:
    return refuse("too_deep", f"Selections nest at most {limits.nesting_max} deep.")


@dataclass(slots=True)
class _Walk:
    """Looks at every fragment once, however often it is used."""

    fragments: Fragments
    limits: ReadLimits
    aliases_count: int = 0
    _of_fragments: dict[str, Extent] = field(default_factory=dict[str, Extent])
    _of_sets: dict[int, Extent] = field(default_factory=dict[int, Extent])

    def extent(self, selections: SelectionSetNode, level: int) -> Extent:
        known = self._of_sets.get(id(selections))
        if known is not None:
            return known
        if level > self.limits.nesting_max:
            raise _too_nested(self.limits)
        self._count_keys(selections)
        parts = list(self._parts(selections, level))
        extent = Extent(
            depth=max((part.depth for part in parts), default=0),
            nesting=1 + max((part.nesting for part in parts), default=0),
            roots=sum(part.roots for part in parts),
        )
        self._of_sets[id(selections)] = extent
        return extent

    def _parts(self, selections: SelectionSetNode, level: int) -> Iterator[Extent]:
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                yield self._of_field(selection, level)
            elif isinstance(selection, FragmentSpreadNode):
                yield self._of_fragment(selection.name.value, level)
            elif isinstance(selection, InlineFragmentNode):
                yield self.extent(selection.selection_set, level + 1)

    def _of_field(self, node: FieldNode, level: int) -> Extent:
        if node.selection_set is None:
            return Extent(1, 0, 1)
        inner = self.extent(node.selection_set, level + 1)
        # The standard introspection query is deeper than any query of data; validation bounds it by
        # a rule of its own.
        is_introspection = node.name.value.startswith("__")
        return Extent(1 if is_introspection else 1 + inner.depth, inner.nesting, 1)

    def _of_fragment(self, name: str, level: int) -> Extent:
        if name not in self._of_fragments and name in self.fragments:
            self._of_fragments[name] = NOTHING  # A cycle ends here.
            self._of_fragments[name] = self.extent(self.fragments[name].selection_set, level + 1)
        return self._of_fragments.get(name, NOTHING)

    def _count_keys(self, selections: SelectionSetNode) -> None:
        keys: Counter[str] = Counter()
        for selection in selections.selections:
            if isinstance(selection, FieldNode):
                self.aliases_count += selection.alias is not None
                keys[(selection.alias or selection.name).value] += 1
        most = max(keys.values(), default=0)
        if most > self.limits.repeats_max:
            raise refuse(
                "too_many_repeats",
                f"A field is selected at most {self.limits.repeats_max} times in one place.",
            )
