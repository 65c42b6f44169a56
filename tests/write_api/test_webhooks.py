"""POST, PUT and GET /webhooks/{execution_id}/{key}/{name}, sent by somebody without an API key."""

from collections.abc import Mapping
from uuid import UUID

import httpx
import orjson
import pytest

from domain.identifiers import JsonObject, TenantId
from domain.signals import PENDING_MAX
from infra.webhook_keys import KEY_CHARACTERS
from tests.commands.steps import a_chain
from tests.write_api.api import BODY_BYTES_MAX, RATE_LIMIT_IP_PER_MIN, Api, problem
from tests.write_api.runs import begun, driven
from write_api.webhooks import HEADER_CHARACTERS_MAX, HEADERS_MAX, QUERY_FIELDS_MAX

CHAIN = a_chain({"id": "paid", "type": "webhook", "config": {}})
WRONG_KEY = "A" * KEY_CHARACTERS


def path_of(api: Api, execution_id: str, tenant_id: TenantId | None = None) -> str:
    path = api.webhook_keys.path(tenant_id or api.world.tenant_id, UUID(execution_id))
    return path.removeprefix("/api/v1/")


async def waiting(api: Api) -> tuple[str, str]:
    """A run that waits for a request: its id, and where to send it."""
    execution_id = await begun(api, CHAIN)
    assert (await driven(api, execution_id)).status == "WAITING"
    return execution_id, path_of(api, execution_id) + "/paid"


async def post(
    api: Api, path: str, body: object = None, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """As a stranger does."""
    given = {"content-type": "application/json", **(headers or {})}
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return await api.client.post(path, content=content, headers=given)


async def received(api: Api, execution_id: str) -> JsonObject:
    """What the node got, with which the run ended."""
    execution = await driven(api, execution_id)
    assert execution.status == "COMPLETED"
    assert isinstance(execution.output, dict)
    return execution.output


async def test_a_stranger_posts_and_the_run_goes_on_with_the_request(api: Api) -> None:
    execution_id, path = await waiting(api)
    response = await post(api, path + "?a=1&b=2&b=3&c=", {"amount": 7}, {"X-Shop": "Acme"})
    assert response.status_code == 202
    assert response.json()["data"] == {"execution_id": execution_id, "name": "paid"}
    request = await received(api, execution_id)
    assert (request["method"], request["body"]) == ("POST", {"amount": 7})
    assert request["query"] == {"a": "1", "b": ["2", "3"], "c": ""}
    assert isinstance(request["headers"], dict)
    assert request["headers"]["x-shop"] == "Acme"


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_link_and_a_put_are_requests_too(api: Api, method: str) -> None:
    execution_id, path = await waiting(api)
    assert (await api.client.request(method, path + "?token=t")).status_code == 202
    request = await received(api, execution_id)
    assert (request["method"], request["query"], request["body"]) == (method, {"token": "t"}, None)


async def test_other_methods_are_none(api: Api) -> None:
    _, path = await waiting(api)
    for method in ("DELETE", "HEAD", "OPTIONS"):
        assert (await api.client.request(method, path)).status_code == 405


@pytest.mark.parametrize(
    ("content_type", "content", "body"),
    [
        ("application/cloudevents+json; charset=utf-8", b"[1]", [1]),
        ("application/x-www-form-urlencoded", b"a=1&b=2", "a=1&b=2"),
        ("text/plain", "grüße".encode(), "grüße"),
        ("", b'{"a": 1}', '{"a": 1}'),
        ("application/json", b"", None),
    ],
)
async def test_the_body_is_json_when_it_says_so_and_text_otherwise(
    api: Api, content_type: str, content: bytes, body: object
) -> None:
    execution_id, path = await waiting(api)
    assert (await post(api, path, content, {"content-type": content_type})).status_code == 202
    assert (await received(api, execution_id))["body"] == body


async def test_credentials_and_endless_headers_do_not_enter_the_run(api: Api) -> None:
    execution_id, path = await waiting(api)
    secrets = {
        "Authorization": "Bearer s3cret",
        "Cookie": "session=s3cret",
        "Proxy-Authorization": "s3cret",
        "X-Operator-Key": "s3cret",
    }
    many = {f"x-{number}": "1" for number in range(HEADERS_MAX)}
    long = {"X-Long": "x" * (HEADER_CHARACTERS_MAX + 1)}
    assert (await post(api, path, 1, {**long, **secrets, **many})).status_code == 202
    headers = (await received(api, execution_id))["headers"]
    assert isinstance(headers, dict)
    assert len(headers) == HEADERS_MAX
    assert not headers.keys() & {"x-long", *(name.lower() for name in secrets)}
    assert "s3cret" not in repr(api.store.states)


async def test_a_request_that_comes_before_the_node_waits_is_kept_for_it(api: Api) -> None:
    execution_id = await begun(api, CHAIN)
    assert (await post(api, path_of(api, execution_id) + "/paid", "early")).status_code == 202
    assert (await received(api, execution_id))["body"] == "early"


async def test_a_wrong_key_an_unknown_run_and_a_foreign_run_are_answered_the_same(
    api: Api,
) -> None:
    execution_id, path = await waiting(api)
    stored_count = len(api.store.events)
    unknown_id, stranger = str(api.world.ids.new()), TenantId(api.world.ids.new())
    answers = [
        await post(api, f"webhooks/{execution_id}/{WRONG_KEY}/paid"),
        await post(api, f"webhooks/{execution_id}/short/paid"),
        await post(api, path_of(api, unknown_id) + "/paid"),
        await post(api, path.replace(execution_id, unknown_id)),
        await post(api, path_of(api, execution_id, stranger) + "/paid"),
    ]
    for answer in answers:
        problem(answer, 404, "not_found")
    told = [{**answer.json(), "request_id": ""} for answer in answers]
    assert all(one == told[0] for one in told)
    assert len(api.store.events) == stored_count


async def test_wrong_keys_are_held_to_their_address_and_right_ones_are_not(api: Api) -> None:
    execution_id, path = await waiting(api)
    wrong = f"webhooks/{execution_id}/{WRONG_KEY}/paid"
    for _ in range(RATE_LIMIT_IP_PER_MIN):
        problem(await post(api, wrong), 404, "not_found")
    response = await post(api, wrong)
    problem(response, 429, "too_many_attempts")
    assert response.headers["Retry-After"]
    assert (await post(api, path)).status_code == 202


@pytest.mark.parametrize("header", ["Idempotency-Key", "Webhook-Id"])
async def test_a_delivery_that_is_repeated_is_answered_the_same_and_stored_once(
    api: Api, header: str
) -> None:
    execution_id, path = await waiting(api)
    first = await post(api, path, 1, {header: "msg_1", "Webhook-Timestamp": "1"})
    await driven(api, execution_id)
    again = await post(api, path, 1, {header: "msg_1", "Webhook-Timestamp": "2"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json()["data"] == first.json()["data"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert api.store.topics.count("execution.signalled") == 1
    problem(await post(api, path, 1, {header: "a b"}), 422, "invalid")


async def test_two_webhooks_of_a_run_may_hear_of_one_delivery(api: Api) -> None:
    execution_id, path = await waiting(api)
    other = path_of(api, execution_id) + "/shipped"
    for each in (path, other):
        assert (await post(api, each, 1, {"Webhook-Id": "msg_1"})).status_code == 202
    assert api.store.topics.count("execution.signalled") == 2


async def test_a_run_that_has_ended_refuses(api: Api) -> None:
    execution_id, path = await waiting(api)
    await post(api, path, 1)
    await driven(api, execution_id)
    problem(await post(api, path, 2), 409, "refused")


async def test_as_many_as_may_wait_are_kept(api: Api) -> None:
    execution_id = await begun(api, CHAIN)
    path = path_of(api, execution_id) + "/other"
    for _ in range(PENDING_MAX):
        assert (await post(api, path)).status_code == 202
    problem(await post(api, path), 409, "too_many_signals")
    signalled = await api.send("POST", f"/executions/{execution_id}/signals/other", {})
    assert signalled.status_code == 200


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"x" * (BODY_BYTES_MAX + 1), {}, 413, "body_too_large"),
        (b'{"a": 1, "a": 2}', {}, 400, "unparsable_json"),
        (b"\xff", {"content-type": "text/plain"}, 400, "unparsable_json"),
        (b"a\x00b", {"content-type": "text/plain"}, 422, "invalid"),
        (b"1", {"content-encoding": "gzip"}, 415, "unsupported_media_type"),
    ],
)
async def test_a_body_that_cannot_be_kept_as_it_is_is_refused(
    api: Api, content: bytes, headers: Mapping[str, str], status: int, code: str
) -> None:
    _, path = await waiting(api)
    problem(await post(api, path, content, headers), status, code)
    assert "execution.signalled" not in api.store.topics


async def test_a_query_is_bounded_and_has_no_character_that_cannot_be_stored(api: Api) -> None:
    _, path = await waiting(api)
    for query, code in (
        ("&".join("a" * (QUERY_FIELDS_MAX + 1)), "too_many_fields"),
        ("a=%00", "nul_character"),
    ):
        ((_, told),) = problem(await post(api, f"{path}?{query}"), 422, "invalid")
        assert told == code
    assert "execution.signalled" not in api.store.topics


async def test_the_key_opens_nothing_else(api: Api) -> None:
    """It is no API key, and no name reaches a signal."""
    execution_id, path = await waiting(api)
    key = path.split("/")[2]
    headers = {"Authorization": f"Bearer {key}"}
    response = await api.send("POST", f"/executions/{execution_id}/cancel", {}, headers=headers)
    problem(response, 401, "unauthenticated")
    for name in ("webhook:paid", "x" * 65):
        response = await post(api, path_of(api, execution_id) + f"/{name}")
        assert problem(response, 422, "invalid") == [("path:name", "invalid_name")]
