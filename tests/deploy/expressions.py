"""Every expression of dashboards and rules, and what it is about."""

from collections.abc import Iterator
from typing import Any

import promql_parser

from deploy.alerts import ALERTS, RECORDINGS
from deploy.dashboards import DASHBOARDS

RECORDED = {rule.name for rule in RECORDINGS}
EXPRESSIONS = {
    **{
        f"{dashboard.name}: {panel.title} {place}": line.expr
        for dashboard in DASHBOARDS
        for panel in dashboard.panels
        for place, line in enumerate(panel.lines)
    },
    **{rule.name: rule.expr for rule in RECORDINGS},
    **{alert.name: alert.expr for alerts in ALERTS.values() for alert in alerts},
}


def selectors(expression: Any, within: str = "") -> Iterator[tuple[Any, str]]:
    """(vector selector, the function around it)."""
    match type(expression).__name__:
        case "VectorSelector":
            yield expression, within
        case "MatrixSelector":
            yield expression.vector_selector, within
        case "Call":
            for argument in expression.args:
                yield from selectors(argument, expression.func.name)
        case "AggregateExpr" | "ParenExpr" | "UnaryExpr":
            yield from selectors(expression.expr, within)
        case "BinaryExpr":
            yield from selectors(expression.lhs, within)
            yield from selectors(expression.rhs, within)
        case _:
            pass


def grouped_labels(expression: Any) -> Iterator[tuple[set[str], Any]]:
    """(the labels of an aggregation, what it aggregates)."""
    match type(expression).__name__:
        case "AggregateExpr":
            if expression.modifier is not None:
                yield set(expression.modifier.labels), expression.expr
            yield from grouped_labels(expression.expr)
        case "Call":
            for argument in expression.args:
                yield from grouped_labels(argument)
        case "BinaryExpr":
            yield from grouped_labels(expression.lhs)
            yield from grouped_labels(expression.rhs)
        case "ParenExpr" | "UnaryExpr":
            yield from grouped_labels(expression.expr)
        case _:
            pass


def named_series() -> set[str]:
    """Of all expressions, but what the rules themselves record."""
    return {
        selector.name
        for expression in EXPRESSIONS.values()
        for selector, _ in selectors(promql_parser.parse(expression))
    } - RECORDED
