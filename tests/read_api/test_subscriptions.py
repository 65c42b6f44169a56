"""What the tenant pays for."""

from tests.projections.billing_histories import TERMS, a_subscription
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

QUERY = """{ subscription { status planName planVersion terms periodStart periodEnd endsAt
  nextPlanVersion nextPlanAt version } }"""


async def test_a_tenant_reads_its_own_subscription(api: Api) -> None:
    await api.happened(a_subscription(), a_subscription(api.tenant_id))
    for query in (QUERY, by_resolvers(QUERY)):
        assert (await api.read(query))["subscription"] == {
            "status": "active",
            "planName": "Team",
            "planVersion": 1,
            "terms": TERMS,
            "periodStart": "2026-01-15T00:00:00+00:00",
            "periodEnd": "2026-02-15T00:00:00+00:00",
            "endsAt": None,
            "nextPlanVersion": 2,
            "nextPlanAt": "2026-02-15T00:00:00+00:00",
            "version": 5,
        }


async def test_who_subscribed_to_nothing_has_none(api: Api) -> None:
    assert await api.read(QUERY) == {"subscription": None}
