"""POST /trigger-webhooks/{trigger_id}/{key}, sent by somebody without an API key, and /rotate."""

import hashlib
import hmac
from collections.abc import Mapping
from uuid import UUID

import httpx
import orjson
import pytest

from commands.secrets import PutSecret
from domain.identifiers import TenantId
from domain.quotas import ExecutionQuotaReached
from infra.caller_limits import DELIVERIES
from infra.webhook_keys import TRIGGER_KEY_CHARACTERS
from tests.write_api.api import BODY_BYTES_MAX, RATE_LIMIT_IP_PER_MIN, Api, problem
from tests.write_api.triggers import a_trigger

WRONG_KEY = "A" * TRIGGER_KEY_CHARACTERS


async def a_webhook(api: Api, **webhook: object) -> tuple[str, str]:
    """A trigger, and where requests to it are sent."""
    made = await a_trigger(api, webhook=webhook)  # pyright: ignore[reportArgumentType] # an object
    return str(made["trigger_id"]), str(made["webhook_path"]).removeprefix("/api/v1/")


async def post(
    api: Api, path: str, body: object = None, headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """As a stranger does."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return await api.client.post(path, content=content, headers=headers or {})


async def test_a_stranger_posts_and_a_run_begins_with_the_body(api: Api) -> None:
    _, path = await a_webhook(api)
    response = await post(api, path, {"order": 17})
    assert response.status_code == 202, response.text
    assert set(response.json()["data"]) == {"execution_id"}
    assert api.store.topics[-1] == "execution.created"
    assert api.store.states[-1]["input"] == {"order": 17}


@pytest.mark.parametrize("name", ["Webhook-Id", "X-GitHub-Delivery", "Idempotency-Key"])
async def test_a_delivery_that_comes_again_begins_nothing(api: Api, name: str) -> None:
    _, path = await a_webhook(api)
    first = await post(api, path, {"order": 17}, {name: "delivery-1"})
    again = await post(api, path, {"order": 17}, {name: "delivery-1"})
    assert (again.status_code, again.json()["data"]) == (202, first.json()["data"])
    assert api.store.topics.count("execution.created") == 1


async def test_a_wrong_key_an_unknown_trigger_and_a_foreign_one_are_answered_the_same(
    api: Api,
) -> None:
    trigger_id, path = await a_webhook(api)
    unknown_id, stranger = api.world.ids.new(), TenantId(api.world.ids.new())
    foreign = api.webhook_keys.trigger_path(stranger, UUID(trigger_id), 1)
    later = api.webhook_keys.trigger_path(api.world.tenant_id, UUID(trigger_id), 2)
    stored_count = len(api.store.events)
    answers = [
        await post(api, f"trigger-webhooks/{trigger_id}/{WRONG_KEY}"),
        await post(api, f"trigger-webhooks/{trigger_id}/short"),
        await post(api, path.replace(trigger_id, str(unknown_id))),
        await post(api, foreign.removeprefix("/api/v1/")),
        await post(api, later.removeprefix("/api/v1/")),
    ]
    for answer in answers:
        problem(answer, 404, "not_found")
    told = [{**answer.json(), "request_id": ""} for answer in answers]
    assert all(one == told[0] for one in told)
    assert len(api.store.events) == stored_count


async def test_wrong_keys_are_held_to_their_address(api: Api) -> None:
    trigger_id, path = await a_webhook(api)
    for _ in range(RATE_LIMIT_IP_PER_MIN):
        await post(api, f"trigger-webhooks/{trigger_id}/{WRONG_KEY}")
    problem(await post(api, f"trigger-webhooks/{trigger_id}/{WRONG_KEY}"), 429, "too_many_attempts")
    assert (await post(api, path)).status_code == 202


async def test_a_trigger_takes_so_many_requests_and_no_more(api: Api) -> None:
    _, path = await a_webhook(api)
    answers = [await post(api, path, {}, {"Webhook-Id": "1"}) for _ in range(DELIVERIES.burst)]
    assert {answer.status_code for answer in answers} == {202}
    problem(await post(api, path), 429, "too_many_requests")


async def test_a_request_that_is_signed_is_taken_and_its_signature_does_not_enter_the_run(
    api: Api,
) -> None:
    await api.world.given(PutSecret("hook", "it is known"))
    made = await a_trigger(
        api,
        webhook={"signature": {"scheme": "github", "secret": "hook"}},
        input="{{ input.headers }}",
    )
    path = str(made["webhook_path"]).removeprefix("/api/v1/")
    raw = b'{ "order":17}'
    signature = "sha256=" + hmac.new(b"it is known", raw, hashlib.sha256).hexdigest()
    problem(await post(api, path, raw), 403, "signature_invalid")
    response = await post(api, path, raw, {"X-Hub-Signature-256": signature, "X-Shop": "Acme"})
    assert response.status_code == 202, response.text
    headers = api.store.states[-1]["input"]
    assert isinstance(headers, dict)
    assert (headers.get("x-shop"), headers.get("x-hub-signature-256")) == ("Acme", None)


async def test_another_path_makes_the_one_before_void(api: Api) -> None:
    trigger_id, path = await a_webhook(api)
    rotated = await api.send("POST", f"/triggers/{trigger_id}/rotate")
    assert rotated.status_code == 200, rotated.text
    other = rotated.json()["data"]["webhook_path"].removeprefix("/api/v1/")
    problem(await post(api, path), 404, "not_found")
    assert (await post(api, other)).status_code == 202
    assert path.rsplit("/", 1)[1] not in repr(api.store.states)


async def test_a_stranger_hears_that_there_is_no_room_and_nothing_of_the_plan(api: Api) -> None:
    _, path = await a_webhook(api)
    api.world.admission.refusal = ExecutionQuotaReached("The plan gold allows 5.", retry_after_s=9)
    response = await post(api, path)
    problem(response, 429, "no_room_for_run")
    assert response.headers["Retry-After"] == "9"
    assert "gold" not in response.text


async def test_what_is_no_json_or_too_large_is_refused(api: Api) -> None:
    _, path = await a_webhook(api)
    problem(await post(api, path, b"a=1"), 400, "unparsable_json")
    problem(await post(api, path, b"x" * (BODY_BYTES_MAX + 1)), 413, "body_too_large")


async def test_where_webhooks_are_switched_off_there_are_none(api: Api) -> None:
    _, path = await a_webhook(api)
    api.world.features.switch_off("webhooks")
    problem(await post(api, path), 404, "not_found")
