"""PUT and DELETE /secrets/{name}."""

from typing import Any

import pytest

from commands.authorization import EVERY_SCOPE
from tests.write_api.api import Api, problem

VALUE = "s3cret-value"


async def test_a_secret_is_kept_replaced_and_removed_and_never_told(api: Api) -> None:
    body = {"value": VALUE, "allowed_hosts": ["api.github.com"]}
    first = await api.send("PUT", "/secrets/github", body)
    again = await api.send("PUT", "/secrets/github", {"value": VALUE})
    removed = await api.send("DELETE", "/secrets/github")
    assert [response.status_code for response in (first, again, removed)] == [200, 200, 200]
    assert first.json()["data"] == {
        "name": "github",
        "scope": "tenant",
        "value_version": 1,
        "allowed_hosts": ["https://api.github.com:443"],
        "version": 2,
    }
    assert again.json()["data"]["value_version"] == 2
    assert removed.json()["data"]["is_removed"] is True
    assert not any(VALUE in response.text for response in (first, again, removed))


async def test_one_of_my_own_is_another_secret(api: Api) -> None:
    caller = api.world.caller_with(EVERY_SCOPE, user_id=api.world.ids.new())
    headers = {"Authorization": api.allow("ada", caller)}
    body = {"value": VALUE, "scope": "user"}
    stored = await api.send("PUT", "/secrets/github", body, headers=headers)
    assert stored.json()["data"]["scope"] == "user"
    problem(await api.send("DELETE", "/secrets/github", headers=headers), 404, "not_found")
    removed = await api.send("DELETE", "/secrets/github?scope=user", headers=headers)
    assert removed.status_code == 200


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({}, "/value", "missing_field"),
        ({"value": ""}, "/value", "string_too_short"),
        ({"value": VALUE * 2000}, "/value", "string_too_long"),
        ({"value": 12345}, "/value", "string_type"),
        ({"value": VALUE, "scope": "all"}, "/scope", "literal_error"),
        ({"value": VALUE, "allowed_hosts": ["a/b"]}, "/allowed_hosts/0", "invalid_host"),
        ({"value": VALUE, "allowed_hosts": ["a.b"] * 33}, "/allowed_hosts", "too_long"),
        ({"value": VALUE, "s3cret-value": 1}, "/s3cret-value", "unknown_field"),
    ],
)
async def test_a_refusal_names_the_field_and_not_the_value(
    api: Api, body: dict[str, Any], path: str, code: str
) -> None:
    response = await api.send("PUT", "/secrets/github", body)
    assert problem(response, 422, "invalid") == [(path, code)]
    assert VALUE not in response.text.replace("/s3cret-value", "")
    assert api.store.events == []


async def test_an_upload_beyond_the_size_of_a_body_is_refused(api: Api) -> None:
    response = await api.send("PUT", "/secrets/github", {"value": "x" * (2 << 20)})
    problem(response, 413, "body_too_large")


@pytest.mark.parametrize("path", ["/secrets/a%20b", "/secrets/-a", "/secrets/" + "x" * 65])
async def test_a_name_that_no_reference_can_say_is_refused(api: Api, path: str) -> None:
    response = await api.send("PUT", path, {"value": VALUE})
    assert problem(response, 422, "invalid") == [("path:name", "invalid_name")]


async def test_a_scope_is_the_tenants_or_ones_own(api: Api) -> None:
    response = await api.send("DELETE", "/secrets/github?scope=all")
    assert problem(response, 422, "invalid") == [("query:scope", "invalid_scope")]


async def test_the_same_key_replays_an_answer_that_never_had_the_value(api: Api) -> None:
    headers = {"Idempotency-Key": "k"}
    for _ in range(2):
        response = await api.send("PUT", "/secrets/github", {"value": VALUE}, headers=headers)
        assert VALUE not in response.text
    assert response.headers["Idempotency-Replayed"] == "true"
