"""Licences that the tenant has issued."""

from tests.projections.billing_histories import a_licence
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

QUERY = """{ licences { edges { node { licensee product seats seatsUsed status serial expiresAt
  activations { instance } } } } }"""


async def test_a_reseller_reads_its_licences_with_the_seats_that_are_taken(api: Api) -> None:
    await api.happened(a_licence(), a_licence(api.tenant_id))
    for query in (QUERY, by_resolvers(QUERY)):
        assert [edge["node"] for edge in (await api.read(query))["licences"]["edges"]] == [
            {
                "licensee": "Acme",
                "product": "Suite",
                "seats": 5,
                "seatsUsed": 1,
                "status": "issued",
                "serial": 1,
                "expiresAt": "2027-01-01T00:00:00+00:00",
                "activations": [{"instance": "host-1"}],
            }
        ]
