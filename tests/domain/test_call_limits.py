"""Limits of calls, of which several hold."""

from uuid import UUID

from domain.call_limits import CallLimit, call_limit, narrower, type_limit, type_scope
from domain.identifiers import TenantId

SCOPE = UUID(int=1)


def test_of_two_limits_the_narrower_one_counts_each_by_itself() -> None:
    plan = {"concurrent_calls": 9, "cost_usd_per_min": "10", "agents": 3}
    own = {"concurrent_calls": 10, "tokens_per_min": 500, "cost_usd_per_min": "9.5"}
    both = {"concurrent_calls": 9, "tokens_per_min": 500, "cost_usd_per_min": "9.5"}
    assert narrower(plan, own) == narrower(own, plan) == both
    assert call_limit(SCOPE, both) == CallLimit(SCOPE, 9, 500, 95 * 10**11)


def test_a_limit_that_nobody_sets_is_none() -> None:
    assert narrower({"agents": 3, "tokens_per_min": None}, {}) == {}
    assert call_limit(SCOPE, {}) is None


def test_calls_of_a_node_type_count_in_a_scope_of_their_own_in_each_tenant() -> None:
    one, other = TenantId(UUID(int=1)), TenantId(UUID(int=2))
    assert type_limit(one, "http", {"concurrent_calls": 2}) is None
    limit = CallLimit(type_scope(one, "http"), 2, None, None)
    assert type_limit(one, "http", {"concurrent_http_calls": 2}) == limit
    assert len({one, other, type_scope(one, "http"), type_scope(other, "http")}) == 4
