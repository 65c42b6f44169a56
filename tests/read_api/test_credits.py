"""What the tenant has been given, and the ledger behind it."""

from tests.projections.billing_histories import a_credit_account
from tests.read_api.api import Api
from tests.read_api.queries import by_resolvers

QUERY = """{ credits { balanceUsd availableUsd }
  creditGrants { edges { node { amountUsd leftUsd source priority scope } } } }"""
ENTRIES = """query($after: String) { creditEntries(first: 2, after: $after) {
  edges { node { kind amountUsd invoiceId } } pageInfo { hasNextPage endCursor } } }"""


async def test_a_tenant_reads_what_it_has_left(api: Api) -> None:
    await api.happened(a_credit_account(), a_credit_account(api.tenant_id))
    for query in (QUERY, by_resolvers(QUERY)):
        found = await api.read(query)
        assert found["credits"] == {"balanceUsd": "25", "availableUsd": "25"}
        grant = {"source": "promotional", "priority": 100, "scope": None}
        assert [edge["node"] for edge in found["creditGrants"]["edges"]] == [
            {"amountUsd": "10", "leftUsd": "0", **grant},
            {"amountUsd": "25", "leftUsd": "25", **grant},
        ]


async def test_the_ledger_is_read_page_by_page_newest_first(api: Api) -> None:
    await api.happened(a_credit_account(api.tenant_id))
    told, after = [], None
    while True:
        page = (await api.read(ENTRIES, after=after))["creditEntries"]
        told += [(edge["node"]["kind"], edge["node"]["amountUsd"]) for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert told == [
        ("expired", "-10"),
        ("restored", "5"),
        ("burned", "-5"),
        ("granted", "10"),
        ("granted", "25"),
    ]


async def test_an_entry_tells_what_it_adds_to_each_account_as_text(api: Api) -> None:
    await api.happened(a_credit_account(api.tenant_id))
    query = "{ creditEntries(first: 3) { edges { node { kind invoiceId grantId postings } } } }"
    edges = (await api.read(query))["creditEntries"]["edges"]
    burned = edges[2]["node"]
    assert burned["kind"] == "burned"
    (grant, taken), (consumed, added) = burned["postings"]
    assert (grant.split(":")[0], taken) == ("grant", "-5")
    assert (consumed, added) == (f"consumed:{burned['invoiceId']}", "5")


async def test_who_was_given_nothing_has_nothing(api: Api) -> None:
    assert (await api.read(QUERY))["credits"] == {"balanceUsd": "0", "availableUsd": "0"}
