"""A reseller's story, through HTTP: the operator lets a company create tenants, one of its people
does, and sees and manages those and no others.
"""

from uuid import uuid4

import httpx

from tests.end_to_end.people import PASSWORD, Person, client_of, somebody
from tests.end_to_end.stack import Stack, new_tenant, operator_key_of
from tests.plain_http import NO_AUTHORITIES, PATIENCE_S

TENANTS = "{ tenants(first: 100) { edges { node { id } } } }"


def a_reseller(stack: Stack, customers_max: int) -> Person:
    """Somebody with that role, in a company of its own, logged in."""
    operator = {"X-Operator-Key": operator_key_of(stack)}
    root = client_of(stack.url, new_tenant(stack.url, operator["X-Operator-Key"], "Reseller"))
    email = f"sells-{uuid4().hex}@example.com"
    invite = {"email": email, "role": "RESELLER"}
    assert root.post("/api/v1/users", json=invite).status_code == 403
    tenant = root.post("/graphql", json={"query": "{ tenant { id } }"}).json()["data"]["tenant"]
    quota = httpx.put(
        f"{stack.url}/api/v1/tenants/{tenant['id']}/reseller-quota",
        json={"customers_max": customers_max},
        headers=operator,
        timeout=PATIENCE_S,
        verify=NO_AUTHORITIES,
    )
    assert quota.is_success, quota.text
    reseller = somebody(stack.url, root, email, "RESELLER")
    root.close()
    return reseller


def a_customer(name: str) -> dict[str, object]:
    admin = {"email": f"{name}-{uuid4().hex}@example.com", "password": PASSWORD}
    return {"name": name, "admin": admin}


def test_a_reseller_creates_tenants_within_its_quota_and_manages_those_only(
    one_process: Stack,
) -> None:
    ours, theirs = a_reseller(one_process, 2), a_reseller(one_process, 1)
    answers = [ours.send("POST", "/tenants", a_customer(name)) for name in ("one", "two")]
    made = [answer.json()["data"] for answer in answers]
    beyond = ours.send("POST", "/tenants", a_customer("three"))
    assert (beyond.status_code, beyond.json()["code"]) == (409, "quota_reached"), beyond.text
    foreign = str(theirs.made("/tenants", a_customer("foreign"))["tenant_id"])
    position = str(answers[-1].json()["meta"]["position"])
    listed = ours.query(TENANTS, position).json()["data"]["tenants"]["edges"]
    assert {edge["node"]["id"] for edge in listed} == {str(one["tenant_id"]) for one in made}

    customer_id = str(made[0]["tenant_id"])
    customer = client_of(one_process.url, str(made[0]["api_key"]))
    change = {"payload_days": 30}
    assert customer.put("/api/v1/retention", json=change).is_success
    assert ours.send("POST", f"/tenants/{customer_id}/suspend", {"reason": "unpaid"}).is_success
    refused = customer.put("/api/v1/retention", json=change)
    assert (refused.status_code, refused.json()["code"]) == (403, "tenant_suspended")
    assert ours.send("POST", f"/tenants/{customer_id}/resume", {}).is_success
    assert customer.put("/api/v1/retention", json=change).is_success

    for tenant_id in (foreign, str(uuid4())):
        for action, body in (("suspend", {"reason": "x"}), ("resume", {})):
            answer = ours.send("POST", f"/tenants/{tenant_id}/{action}", body)
            assert answer.status_code == 404, answer.text
    # Nor does a reseller look into what it has made, or make resellers.
    assert ours.query("{ workflows { edges { node { id } } } }").json()["data"]["workflows"] == {
        "edges": []
    }
    quota = ours.send("PUT", f"/tenants/{customer_id}/reseller-quota", {"customers_max": 5})
    assert quota.status_code == 403
    for one in (ours.http, theirs.http, customer):
        one.close()
