"""By what usage is grouped and narrowed. A group that an answer names can be given back as a
filter, so every number opens what it is made of.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any, LiteralString, TypeAlias

import strawberry

FILTERS_MAX = 100


@strawberry.enum
class UsageDimension(Enum):
    MODEL = "model"
    PROVIDER = "provider"
    AGENT = "agent"
    WORKFLOW = "workflow"
    NODE_TYPE = "node_type"
    USER = "user"
    API_KEY = "api_key"
    METER = "meter"


@strawberry.type
class UsageGroup:
    dimension: UsageDimension
    value: str | None


@strawberry.input(description="As UsageBucket.group says it.")
class UsageFilter:
    dimension: UsageDimension
    value: str | None


Filter: TypeAlias = Annotated[
    list[UsageFilter] | None,
    strawberry.argument(
        description="One of the values of each dimension that is named; null is what has none."
    ),
]

# fmt: off
KEYS_OF_USERS: LiteralString = (
    "ARRAY(SELECT 'api_key:' || k.api_key_id FROM api_keys_v2 AS k"
    " WHERE k.user_id IS NOT NULL AND ({users}))"
)
ASKED_USERS: LiteralString = (
    "ARRAY(SELECT 'user:' || u.id FROM jsonb_array_elements_text($1->'only'->'user') AS u(id))"
)
API_KEY_OF: LiteralString = (
    "CASE WHEN created_by LIKE 'api_key:%' THEN substr(created_by, 9) ELSE '' END"
)
# Of rows of sums, and of facts but for the meter, which is in their lines.
ONLY_OF_FACT: LiteralString = (
    "($1->'only'->'model' IS NULL OR $1->'only'->'model' ? model)"
    " AND ($1->'only'->'provider' IS NULL OR $1->'only'->'provider' ? provider)"
    " AND ($1->'only'->'agent' IS NULL OR $1->'only'->'agent' ? agent_id)"
    " AND ($1->'only'->'workflow' IS NULL OR $1->'only'->'workflow' ? workflow_id)"
    " AND ($1->'only'->'node_type' IS NULL OR $1->'only'->'node_type' ? node_type)"
    " AND ($1->'only'->'api_key' IS NULL OR $1->'only'->'api_key' ? " + API_KEY_OF + ")"
    " AND ($1->'only'->'user' IS NULL"
    "   OR created_by = ANY (" + ASKED_USERS + ")"
    "   OR created_by = ANY ("
    + KEYS_OF_USERS.replace("{users}", "$1->'only'->'user' ? k.user_id::text") + ")"
    "   OR ($1->'only'->'user' ? '' AND created_by NOT LIKE 'user:%'"
    "     AND created_by <> ALL (" + KEYS_OF_USERS.replace("{users}", "true") + ")))"
)
ONLY: LiteralString = (
    ONLY_OF_FACT + " AND ($1->'only'->'meter' IS NULL OR $1->'only'->'meter' ? meter)"
)
# Columns first: names are put together for what is left of the rows.
GROUPED_COLUMNS: LiteralString = (
    " CASE WHEN $1->'groupBy' ? 'model' THEN model END AS model,"
    " CASE WHEN $1->'groupBy' ? 'provider' THEN provider END AS provider,"
    " CASE WHEN $1->'groupBy' ? 'agent' THEN agent_id END AS agent_id,"
    " CASE WHEN $1->'groupBy' ? 'workflow' THEN workflow_id END AS workflow_id,"
    " CASE WHEN $1->'groupBy' ? 'node_type' THEN node_type END AS node_type,"
    " CASE WHEN $1->'groupBy' ?| ARRAY['user', 'api_key'] THEN created_by END AS created_by"
)
# k: the key that created_by names, if it is one and users are asked for.
NAMES: LiteralString = (
    "array_remove(ARRAY[model, provider, agent_id, workflow_id, node_type,"
    "  CASE WHEN $1->'groupBy' ? 'user' THEN coalesce("
    "    CASE WHEN created_by LIKE 'user:%' THEN substr(created_by, 6) END,"
    "    k.user_id::text, '') END,"
    "  CASE WHEN $1->'groupBy' ? 'api_key' THEN " + API_KEY_OF + " END,"
    "  CASE WHEN $1->'groupBy' ? 'meter' THEN meter END], NULL)"
)
WITH_KEYS: LiteralString = (
    " LEFT JOIN api_keys_v2 AS k"
    " ON $1->'groupBy' ? 'user' AND 'api_key:' || k.api_key_id::text = grouped.created_by"
)
# fmt: on


def in_order(asked: Sequence[UsageDimension] | None) -> list[UsageDimension]:
    """As NAMES has them."""
    return [one for one in UsageDimension if one in (asked or ())]


def group_params(
    dimensions: Sequence[UsageDimension], only: Sequence[UsageFilter] | None
) -> dict[str, object]:
    """For the statements above."""
    return {"groupBy": [one.value for one in dimensions], "only": only_params(only)}


def only_params(only: Sequence[UsageFilter] | None) -> Mapping[str, list[str]] | None:
    values: dict[str, list[str]] = {}
    for one in only or ():
        # No text of PostgreSQL has a NUL in it.
        text = (one.value or "").replace("\x00", "\ufffd")
        values.setdefault(one.dimension.value, []).append(text)
    return values or None


def groups_of(names: Sequence[str], dimensions: Sequence[UsageDimension]) -> list[UsageGroup]:
    return [
        UsageGroup(dimension=dimension, value=name or None)
        for dimension, name in zip(dimensions, names, strict=True)
    ]


def too_many_filters(arguments: Mapping[str, Any]) -> bool:
    return len(arguments.get("filter") or ()) > FILTERS_MAX
