"""Queries of the read API's tests."""

from typing import Any

from graphql import (
    BooleanValueNode,
    ConstArgumentNode,
    ConstDirectiveNode,
    FieldNode,
    NameNode,
    Visitor,
    parse,
    print_ast,
    visit,
)

EXECUTION_FIELDS = (
    "id status workflowId workflowVersion agentId definitionHash createdBy parentId parentPath"
    " forkedFromId forkedFromNode input output error createdAt startedAt wakeAt completedAt"
    " durationMs costUsd hasUnpriced tokensIn tokensOut version"
)
NODE_FIELDS = (
    "id path type status attempt startedAt wakeAt completedAt durationMs input output error childId"
    " iterations isCopied model costUsd hasUnpriced tokensIn tokensOut"
)

INCLUDED = ConstDirectiveNode(
    name=NameNode(value="include"),
    arguments=(ConstArgumentNode(name=NameNode(value="if"), value=BooleanValueNode(value=True)),),
)


class _Include(Visitor):
    def enter_field(self, node: FieldNode, *_: Any) -> FieldNode | None:
        if node.selection_set is not None or node.directives:
            return None
        return FieldNode(
            name=node.name, alias=node.alias, arguments=node.arguments, directives=(INCLUDED,)
        )


def by_resolvers(query: str) -> str:
    """The same query with a directive on every leaf, which PostgreSQL cannot shape."""
    return print_ast(visit(parse(query), _Include()))
