"""Documents: parsed, held to the limits and validated once, then remembered with what was worked
out about them.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString, TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    parse,
    specified_rules,
    validate,
)
from graphql.execution.values import VariableValues, get_argument_values, get_variable_values

from read_api.costs import Cost, Costs
from read_api.errors import RequestRefused, refuse
from read_api.limits import ReadLimits
from read_api.shaping import Fragments, Unshapable
from read_api.structure import check_structure

Shape: TypeAlias = "Callable[[Sequence[FieldNode], Fragments], LiteralString]"


@dataclass(frozen=True, slots=True)
class RootField:
    """A root field of an operation. nodes: all with this response key."""

    name: str
    nodes: tuple[FieldNode, ...]


@dataclass(slots=True)
class Document:
    """One valid operation. shapes: by response key of a root field; None where resolvers must
    answer.
    """

    ast: DocumentNode
    operation: OperationDefinitionNode
    fragments: Fragments
    roots: Mapping[str, RootField]
    cost: Cost
    _shapes: dict[str, LiteralString | None] = field(
        default_factory=dict[str, "LiteralString | None"]
    )

    @property
    def is_subscription(self) -> bool:
        return self.operation.operation is OperationType.SUBSCRIPTION

    def shape(self, key: str, make: Shape) -> LiteralString | None:
        """The SQL of a root field's selection, made at its first use."""
        if key not in self._shapes:
            try:
                self._shapes[key] = make(self.roots[key].nodes, self.fragments)
            except (Unshapable, KeyError):
                self._shapes[key] = None
        return self._shapes[key]


class Documents:
    """Remembers the newest valid ones, bounded in number and size. Everything raised is a
    RequestRefused.
    """

    def __init__(
        self, schema: GraphQLSchema, limits: ReadLimits, *, is_introspection_allowed: bool
    ) -> None:
        self._schema = schema
        self._limits = limits
        self._costs = Costs(schema, limits)
        # Suggestions give away names just as introspection does.
        self.hides_suggestions = not is_introspection_allowed
        hidden = () if is_introspection_allowed else (NoSchemaIntrospectionCustomRule,)
        self._rules = (*specified_rules, *hidden)
        self._known: OrderedDict[str, Document] = OrderedDict()

    def read(self, text: str) -> Document:
        known = self._known.get(text)
        if known is not None:
            self._known.move_to_end(text)
            return known
        document = self._document(text)
        if len(text) <= self._limits.document_chars_max:
            self._known[text] = document
            if len(self._known) > self._limits.documents_max:
                self._known.popitem(last=False)
        return document

    def variables(self, document: Document, values: Mapping[str, Any]) -> VariableValues:
        coerced = get_variable_values(
            self._schema,
            document.operation.variable_definitions or (),
            dict(values),
            max_errors=10,
            hide_suggestions=self.hides_suggestions,
        )
        if isinstance(coerced, VariableValues):
            return coerced
        raise RequestRefused(coerced)

    def check_cost(self, document: Document, variables: VariableValues) -> None:
        self._costs.check(document.cost, variables.coerced)

    def arguments(
        self, document: Document, root: RootField, variables: VariableValues
    ) -> dict[str, Any]:
        """The arguments of a root field, by GraphQL name."""
        definition = self._root_type(document.operation).fields[root.name]
        return get_argument_values(
            definition, root.nodes[0], variables, hide_suggestions=self.hides_suggestions
        )

    def _document(self, text: str) -> Document:
        try:
            ast = parse(text, max_tokens=self._limits.tokens_max, no_location=False)
        except GraphQLError as error:
            raise RequestRefused([error]) from None
        operation = _operation(ast)
        fragments = {
            definition.name.value: definition
            for definition in ast.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        check_structure(ast, operation, fragments, self._limits)
        self._validate(ast)
        root_type = self._root_type(operation)
        cost = self._costs.of(root_type, operation.selection_set, fragments)
        roots = _roots(operation.selection_set, fragments)
        return Document(ast, operation, fragments, roots, cost)

    def _validate(self, ast: DocumentNode) -> None:
        errors = validate(
            self._schema,
            ast,
            rules=self._rules,
            max_errors=10,
            hide_suggestions=self.hides_suggestions,
        )
        if errors:
            raise RequestRefused(errors)

    def _root_type(self, operation: OperationDefinitionNode) -> GraphQLObjectType:
        root_type = self._schema.get_root_type(operation.operation)
        if root_type is None:
            raise refuse("no_mutations", "GraphQL only reads here; commands are REST, see /docs.")
        return root_type


def _operation(ast: DocumentNode) -> OperationDefinitionNode:
    operations = [node for node in ast.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1:
        raise refuse("one_operation", "A document has exactly one operation.")
    return operations[0]


def _roots(selections: SelectionSetNode, fragments: Fragments) -> dict[str, RootField]:
    """Also those that a directive may leave out."""
    found: dict[str, list[FieldNode]] = {}
    seen: set[str] = set()
    to_visit: list[SelectionSetNode] = [selections]
    while to_visit:
        for selection in to_visit.pop().selections:
            if isinstance(selection, FieldNode):
                found.setdefault((selection.alias or selection.name).value, []).append(selection)
            elif not isinstance(selection, FragmentSpreadNode):
                to_visit.append(selection.selection_set)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType] # inline fragment
            elif selection.name.value not in seen:
                seen.add(selection.name.value)
                to_visit.append(fragments[selection.name.value].selection_set)
    return {key: RootField(nodes[0].name.value, tuple(nodes)) for key, nodes in found.items()}
