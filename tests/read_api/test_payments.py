"""What the tenant paid, or did not."""

from tests.projections.billing_histories import a_payment
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

QUERY = """{ payments(first: 5) { edges { node { id purpose status amount currency received refunded
  provider reference attempts failureCode retryAt } } } }"""


async def test_a_tenant_reads_its_own_payments(api: Api) -> None:
    stream = a_payment(api.tenant_id)
    await api.happened(a_payment(), stream)
    for query in (QUERY, by_resolvers(QUERY)):
        (edge,) = (await api.read(query))["payments"]["edges"]
        assert edge["node"] == {
            "id": str(stream.stream_id),
            "purpose": "invoice",
            "status": "succeeded",
            "amount": "49.00",
            "currency": "EUR",
            "received": "49.00",
            "refunded": "1.50",
            "provider": "manual",
            "reference": "wire 2",
            "attempts": 1,
            "failureCode": "insufficient_funds",
            "retryAt": None,
        }
