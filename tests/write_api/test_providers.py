"""PUT and DELETE /providers/{name}, POST /providers/{name}/test."""

from typing import Any

import pytest

from infra.models.failures import failed
from tests.write_api.api import Api, problem

KEY = "sk-canary-key"
BODY = {"kind": "openai", "api_key": KEY}


async def test_a_provider_is_configured_tested_and_removed(api: Api) -> None:
    configured = await api.send("PUT", "/providers/openai", BODY)
    assert configured.json()["data"]["has_key"] is True
    tested = await api.send("POST", "/providers/openai/test", {"model": "gpt-4o-mini"})
    assert tested.json()["data"] == {
        "ok": True,
        "model": "openai/gpt-4o-mini",
        "code": None,
        "message": None,
    }
    (call,) = api.models.asked
    assert (call.model, call.api_key, call.parameters) == (
        "openai/gpt-4o-mini",
        KEY,
        {"max_tokens": 1},
    )
    removed = await api.send("DELETE", "/providers/openai")
    assert removed.json()["data"]["is_removed"] is True
    assert not any(KEY in response.text for response in (configured, tested, removed))


async def test_a_test_says_why_not_without_the_key(api: Api) -> None:
    await api.send("PUT", "/providers/openai", BODY)
    api.models.failure = failed("unauthorized", "openai answered 401")
    tested = await api.send("POST", "/providers/openai/test", {"model": "gpt-4o-mini"})
    assert tested.status_code == 200
    assert tested.json()["data"] == {
        "ok": False,
        "model": "openai/gpt-4o-mini",
        "code": "unauthorized",
        "message": "openai answered 401",
    }


async def test_what_is_not_there_cannot_be_tested(api: Api) -> None:
    tested = await api.send("POST", "/providers/openai/test", {"model": "gpt-4o-mini"})
    problem(tested, 404, "not_found")
    assert api.models.asked == []


async def test_a_key_may_be_a_secret_by_its_name(api: Api) -> None:
    body = {"kind": "openai", "api_key": {"$secret": "openai-key"}}
    configured = await api.send("PUT", "/providers/openai", body)
    assert configured.json()["data"]["key_from"] == "openai-key"
    tested = await api.send("POST", "/providers/openai/test", {"model": "gpt-4o-mini"})
    assert tested.json()["data"]["code"] == "secret_missing"


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({}, "/kind", "missing_field"),
        ({**BODY, "kind": "unheard-of"}, "/kind", "unknown_kind"),
        ({**BODY, "api_key": ""}, "/api_key", "invalid_key"),
        ({**BODY, "api_key": 7}, "/api_key", "invalid_key"),
        ({**BODY, "api_key": {"$secret": "a b"}}, "/api_key", "invalid_key"),
        ({**BODY, "api_key": {"$secret": "a", "prefix": "b"}}, "/api_key", "invalid_key"),
        ({**BODY, "api_base": "https://u:p@a.b"}, "/api_base", "invalid_address"),
        ({**BODY, "models": ["m"] * 201}, "/models", "too_long"),
        ({**BODY, "organization": "x"}, "/organization", "unknown_field"),
    ],
)
async def test_a_refusal_names_the_field_and_not_the_key(
    api: Api, body: dict[str, Any], path: str, code: str
) -> None:
    response = await api.send("PUT", "/providers/openai", body)
    assert problem(response, 422, "invalid") == [(path, code)]
    assert KEY not in response.text
    assert api.store.events == []


async def test_a_test_needs_the_scope_of_who_configures(api: Api) -> None:
    await api.send("PUT", "/providers/openai", BODY)
    credential = api.allow("narrow", api.world.caller_with("read", "agents:execute"))
    tested = await api.send(
        "POST",
        "/providers/openai/test",
        {"model": "gpt-4o-mini"},
        headers={"Authorization": credential},
    )
    problem(tested, 403, "forbidden")
    assert api.models.asked == []
