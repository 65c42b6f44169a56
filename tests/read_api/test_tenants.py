"""The caller's own tenant."""

from decimal import Decimal

import orjson

from commands.authorization import Caller
from commands.plan_port import StoredOwnLimits
from domain.call_limits import type_scope
from domain.identifiers import TenantId
from domain.plans import STANDARD_ID
from domain.tenants import Tenant
from infra.plan_rows import plan_statement
from tests.projections.histories import a_tenant, the_tenant
from tests.read_api.api import KEY, Api
from tests.read_api.queries import by_resolvers

QUERY = "{ tenant { id name createdAt payloadDays } }"


async def test_the_tenant_is_the_one_of_the_credential(api: Api) -> None:
    await api.happened(the_tenant(a_tenant()), the_tenant(api.tenant_id))
    for query in (QUERY, by_resolvers(QUERY)):
        assert (await api.read(query))["tenant"] == {
            "id": str(api.tenant_id),
            "name": "Ada & Co",
            "createdAt": "2026-01-01T00:00:01+00:00",
            "payloadDays": None,
        }


async def test_the_retention_that_was_set_last_is_told(api: Api) -> None:
    tenant = the_tenant(api.tenant_id)
    for payload_days in (30, 7):
        tenant.happens(Tenant.RetentionChanged, payload_days=payload_days)
    await api.happened(tenant)
    assert (await api.read("{ tenant { payloadDays } }"))["tenant"] == {"payloadDays": 7}


async def test_a_tenant_that_is_not_in_the_read_model_yet_is_a_clear_error(api: Api) -> None:
    assert await api.refused(QUERY) == "not_found"


async def registered(api: Api, reseller_id: TenantId | None, name: str) -> TenantId:
    """A tenant with its row beside the log, which says whose customer it is."""
    tenant_id = a_tenant()
    await api.happened(
        the_tenant(tenant_id).happens(Tenant.SettingsChanged, name=name, time_zone="UTC")
    )
    async with (await api.ledger.database("writer")).connection() as conn:
        await conn.execute(
            "INSERT INTO tenant_standings (tenant_id, reseller_id) VALUES (%s, %s)",
            (tenant_id, reseller_id),
        )
    return tenant_id


LIST = """query($first: Int, $after: String) { tenants(first: $first, after: $after) {
  edges { cursor node { id name } } pageInfo { hasNextPage endCursor } } }"""


async def test_a_reseller_lists_its_customers_page_by_page_and_no_other(api: Api) -> None:
    customers = [await registered(api, api.tenant_id, f"customer {n}") for n in range(3)]
    await registered(api, a_tenant(), "somebody else's")
    await registered(api, None, "the operator's")
    scopes = frozenset({"read", "tenants:manage"})
    api.callers.known[KEY] = Caller("user:rita", api.tenant_id, scopes)
    first = (await api.read(LIST, first=2))["tenants"]
    assert [edge["node"] for edge in first["edges"]] == [
        {"id": str(customers[n]), "name": f"customer {n}"} for n in range(2)
    ]
    assert first["pageInfo"]["hasNextPage"]
    rest = (await api.read(LIST, first=2, after=first["pageInfo"]["endCursor"]))["tenants"]
    assert [edge["node"]["id"] for edge in rest["edges"]] == [str(customers[2])]
    assert not rest["pageInfo"]["hasNextPage"]


async def test_the_operator_lists_all_tenants(api: Api) -> None:
    made = {str(await registered(api, None, "one")), str(await registered(api, a_tenant(), "two"))}
    api.callers.known[KEY] = Caller("operator", None, frozenset(), is_operator=True)
    found = (await api.read(LIST, first=100))["tenants"]
    assert made <= {edge["node"]["id"] for edge in found["edges"]}


async def test_whoever_manages_no_tenants_lists_none(api: Api) -> None:
    for scopes in ({"read"}, {"*"}):
        api.callers.known[KEY] = Caller("user:ada", api.tenant_id, frozenset(scopes))
        assert await api.refused(LIST) == "forbidden"


async def test_a_suspended_tenant_reads_why(api: Api) -> None:
    tenant = the_tenant(api.tenant_id)
    tenant.happens(Tenant.Suspended, reason="unpaid", is_by_operator=True)
    await api.happened(tenant)
    query = "{ tenant { standing suspendedReason region timeZone resellerId customersMax } }"
    for asked in (query, by_resolvers(query)):
        assert (await api.read(asked))["tenant"] == {
            "standing": "suspended",
            "suspendedReason": "unpaid",
            "region": "eu",
            "timeZone": "Europe/Oslo",
            "resellerId": None,
            "customersMax": 0,
        }


USAGE = """{ tenant { region plan { name version limits }
  quotas { name limit used remaining resetsAt } } }"""


async def put_on(api: Api, tenant_id: TenantId, overrides: str) -> None:
    async with (await api.ledger.database("writer")).connection() as conn:
        await conn.execute(
            "INSERT INTO tenant_plans (tenant_id, plan_id, overrides) VALUES (%s, %s, %s::jsonb)",
            (tenant_id, STANDARD_ID, overrides),
        )


async def test_the_plan_is_told_with_how_much_of_it_is_used(api: Api) -> None:
    await api.happened(the_tenant(api.tenant_id))
    await put_on(api, api.tenant_id, '{"agents": 4, "executions_per_month": 10}')
    for query in (USAGE, by_resolvers(USAGE)):
        told = (await api.read(query))["tenant"]
        assert told["region"] == "eu"
        limits = {"agents": 4, "executions_per_month": 10}
        assert told["plan"] == {"name": "standard", "version": 1, "limits": limits}
        quotas = {one.pop("name"): one for one in told["quotas"]}
        assert quotas["agents"] == {"limit": 4, "used": 0, "remaining": 4, "resetsAt": None}
        assert quotas["users"] == {"limit": None, "used": 0, "remaining": None, "resetsAt": None}
        assert quotas["executions_per_month"]["resetsAt"].endswith("-01T00:00:00+00:00")


async def test_a_reseller_reads_the_usage_of_each_customer_and_not_its_own(api: Api) -> None:
    customer = await registered(api, api.tenant_id, "customer")
    await put_on(api, customer, '{"agents": 4}')
    async with (await api.ledger.database("writer")).connection() as conn:
        await conn.execute(
            "INSERT INTO counted_parts (tenant_id, kind, part_id) VALUES (%s, 'agents', %s)",
            (customer, customer),
        )
    scopes = frozenset({"read", "tenants:manage"})
    api.callers.known[KEY] = Caller("user:rita", api.tenant_id, scopes)
    query = "{ tenants { edges { node { plan { limits } quotas { name used } } } } }"
    (edge,) = (await api.read(query))["tenants"]["edges"]
    assert edge["node"]["plan"]["limits"] == {"agents": 4}
    assert {"name": "agents", "used": 1} in edge["node"]["quotas"]


LIMITS = """{ tenant { callLimits { own concurrentCalls tokensPerMin costUsdPerMin callsUnderWay
  callsWaiting tokensUsed costUsedUsd concurrentHttpCalls httpCallsUnderWay
  httpCallsWaiting } } }"""


async def test_what_calls_of_the_tenant_hold_now_is_told_by_the_narrower_limit(api: Api) -> None:
    await api.happened(the_tenant(api.tenant_id))
    free = (await api.read(LIMITS))["tenant"]["callLimits"]
    nobody = dict.fromkeys(
        ("callsUnderWay", "callsWaiting", "httpCallsUnderWay", "httpCallsWaiting"), 0
    )
    counted = {"own": {}, **nobody}
    assert free == {name: counted.get(name) for name in free}
    await put_on(api, api.tenant_id, '{"concurrent_calls": 9, "cost_usd_per_min": "0.50"}')
    own = {"concurrent_calls": 10, "tokens_per_min": 600, "cost_usd_per_min": "0.25"}
    own["concurrent_http_calls"] = 2
    async with (await api.ledger.database("writer")).connection() as conn:
        await conn.execute(*plan_statement(api.tenant_id, StoredOwnLimits({**own})))
    # So far ahead that a slow test does not matter: of two calls that wait one is of somebody else.
    owner, other = api.ledger.owner, a_tenant()
    http = type_scope(api.tenant_id, "http")
    claim = [
        {"scope": api.tenant_id, "calls": 9, "tokens": 600, "cost": 25 * 10**10},
        {"scope": http, "calls": 2},
    ]
    taken = "SELECT take_call(%s, %s, %s::json, 300, %s, 600, now() + interval '10 min')"
    told = orjson.dumps(claim).decode()
    await owner.execute(taken, (api.tenant_id, other, told, 10**11))
    lines = [{"tenant": one, "scope": api.tenant_id, "calls": 1} for one in (api.tenant_id, other)]
    lines.append({"tenant": api.tenant_id, "scope": http, "calls": 3})
    tell = "SELECT tell_lines(%s, %s::json, 600, NULL)"
    await owner.execute(tell, (other, orjson.dumps(lines).decode()))
    for query in (LIMITS, by_resolvers(LIMITS)):
        found = (await api.read(query))["tenant"]["callLimits"]
        assert 600 * 10 < found.pop("tokensUsed") <= 600 * 11
        assert Decimal("2.5") < Decimal(found.pop("costUsedUsd")) <= Decimal("2.75")
        assert found == {
            "own": own,
            "concurrentCalls": 9,
            "tokensPerMin": 600,
            "costUsdPerMin": "0.25",
            "callsUnderWay": 1,
            "callsWaiting": 1,
            "concurrentHttpCalls": 2,
            "httpCallsUnderWay": 1,
            "httpCallsWaiting": 3,
        }
