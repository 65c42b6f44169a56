"""GET and PUT /login-rules."""

from tests.write_api.api import Api


async def test_rules_are_told_as_they_were_set(api: Api) -> None:
    untouched = {"require_mfa": False, "mfa_roles": [], "trust_identity_providers": False}
    assert (await api.send("GET", "/login-rules")).json()["data"] == untouched
    rules = {"require_mfa": True, "mfa_roles": ["ADMIN"], "trust_identity_providers": True}
    put = await api.send("PUT", "/login-rules", rules)
    assert (put.status_code, put.json()["data"]) == (200, rules)
    assert (await api.send("GET", "/login-rules")).json()["data"] == rules
