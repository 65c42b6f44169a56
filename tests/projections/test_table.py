"""What a projection declares is one thing said once: types, columns, keys and topics agree."""

import pytest

from domain.administrators import Administrators
from domain.billing_accounts import BillingAccount
from domain.catalogue import AGGREGATES
from domain.directory_groups import DirectoryGroup
from domain.directory_users import DirectoryUser
from domain.feature_flags import FeatureFlag
from domain.login_rules import LoginRules
from domain.logins import Login
from domain.payment_accounts import PaymentAccount
from domain.plans import Plan
from domain.price_books import PriceBook
from domain.subjects import DataSubject
from infra.event_codec import TOPICS
from projections.catalogue import PROJECTIONS
from projections.executions import EXECUTIONS
from projections.node_runs import NODE_RUNS
from projections.table import AnyProjection, Column

every_projection = pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda p: p.table)


def test_columns_come_from_the_types_of_the_row() -> None:
    columns = {column.name: column for column in EXECUTIONS.columns}
    assert columns["execution_id"] == Column("execution_id", "uuid", is_nullable=False)
    assert columns["workflow_version"] == Column("workflow_version", "integer", is_nullable=True)
    assert columns["output"] == Column("output", "json", is_nullable=True)
    assert columns["unpriced"] == Column("unpriced", "integer", is_nullable=False)


def test_two_versions_of_a_projection_are_two_tables() -> None:
    tables = [projection.table for projection in PROJECTIONS]
    assert len(set(tables)) == len(tables)
    assert NODE_RUNS.table == "node_runs_v4"


@every_projection
def test_the_tenant_is_the_first_column_of_every_key_and_index(projection: AnyProjection) -> None:
    for columns in (projection.key, *projection.indexes, *projection.sparse_indexes):
        assert columns[0] == "tenant_id"


@every_projection
def test_keys_and_indexes_are_made_of_columns(projection: AnyProjection) -> None:
    columns = {column.name for column in projection.columns}
    indexes = (*projection.indexes, *projection.sparse_indexes)
    assert {projection.stream_column, *projection.key, *sum(indexes, ())} <= columns
    assert projection.stream_column in projection.key


@every_projection
def test_a_projection_changes_rows_by_events_of_its_own_streams(projection: AnyProjection) -> None:
    assert projection.topics
    assert projection.topics <= projection.stream_topics <= TOPICS


# What commands decide from, and readers see elsewhere: of users, of the audit trail, of the log.
KEPT_FOR_DECIDING = {
    Administrators,
    BillingAccount,
    DataSubject,
    DirectoryGroup,
    DirectoryUser,
    FeatureFlag,
    Login,
    LoginRules,
    PaymentAccount,
    Plan,
    PriceBook,
}


def test_every_event_there_is_changes_some_read_model() -> None:
    shown = frozenset[str]().union(*(projection.topics for projection in PROJECTIONS))
    projected = {kind for one in PROJECTIONS for kind in (one.aggregate, *one.also)}
    assert projected == set(AGGREGATES) - KEPT_FOR_DECIDING
    kept = {f"{kind.TOPIC}." for kind in KEPT_FOR_DECIDING}
    # These leave no row of the tenant to be changed, or are kept beside the log.
    unseen = {
        "payment.checkout_closed",
        "payment.checkout_opened",
        "tenant.key_destroyed",
        "tenant.offboarded",
        "tenant.limited",
        "tenant.plan_changed",
        "tenant.feature_overridden",
    }
    assert {topic for topic in TOPICS - shown if not topic.startswith(tuple(kept))} == unseen
