"""Models through a provider of a tenant's own: who reaches which key, and which addresses."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from commands.authorization import EVERY_SCOPE
from commands.model_port import ModelFailed, ModelRequest, ModelResponse
from commands.providers import PutProvider, RemoveProvider
from commands.secrets import PutSecret
from domain.identifiers import TenantId
from infra.http_addresses import Origin
from infra.models import RoutedModels, build_models
from infra.models.guarded_posts import Guard
from infra.models.litellm_adapter import LitellmModels
from infra.models.openai_protocol import OpenAiProtocolModels
from infra.models.providers import PROVIDERS
from infra.models.tenant_providers import TenantProviders
from tests.commands.fakes import World
from tests.openai_server import Answer, OpenAiServer, openai_server
from tests.web_server import ToldLookup, WebServer, answer, web_server

KEY, OWN_KEY = "sk-of-the-tenant", "sk-of-ada"
ADA, BOB = UUID(int=11), UUID(int=12)
ENVIRONMENT = {"OPENAI_API_KEY": "sk-of-the-operator", "OPENAI_API_BASE": "http://127.0.0.1:9/v1"}


@pytest.fixture
async def server() -> AsyncIterator[OpenAiServer]:
    async with openai_server() as running:
        yield running


class Tenants:
    """A world whose people put providers, and the real way of a call from them to a server."""

    def __init__(self) -> None:
        self.world = World()
        self.providers = TenantProviders(self.world.vault)

    async def put(
        self, name: str, kind: str, *, user_id: UUID | None = None, **fields: Any
    ) -> None:
        caller = self.world.caller_with(EVERY_SCOPE, user_id=user_id)
        command = PutProvider(name, kind, is_own=user_id is not None, **fields)
        await self.world.when(command, caller=caller)

    async def keep(self, name: str, value: str, *hosts: str, user_id: UUID | None = None) -> None:
        caller = self.world.caller_with(EVERY_SCOPE, user_id=user_id)
        command = PutSecret(name, value, hosts, is_own=user_id is not None)
        await self.world.when(command, caller=caller)

    async def completes(
        self,
        model: str,
        *,
        user_id: UUID | None = None,
        tenant_id: TenantId | None = None,
        allowed: frozenset[Origin] = frozenset(),
        lookup: ToldLookup | None = None,
    ) -> ModelResponse:
        tenant = tenant_id or self.world.tenant_id
        access = await self.providers.access(tenant, user_id, model)
        assert access is not None
        client = OpenAiProtocolModels(ENVIRONMENT, connections_max=4, guard=Guard(allowed, lookup))
        models = RoutedModels(openai_protocol=client, litellm=LitellmModels())
        request = ModelRequest(
            access.model,
            [{"role": "user", "content": "Hi"}],
            {},
            1,
            10,
            "key",
            api_base=access.api_base,
            api_key=access.api_key,
        )
        try:
            return await models.complete(request)
        finally:
            await models.aclose()


def origin(server: OpenAiServer) -> frozenset[Origin]:
    return frozenset({("127.0.0.1", int(server.api_base.split(":")[2].split("/")[0]))})


def bearers(server: OpenAiServer) -> list[str | None]:
    return [request.headers.get("Authorization") for request in server.requests]


async def test_a_model_is_called_at_the_tenants_provider_with_its_key(server: OpenAiServer) -> None:
    tenants = Tenants()
    await tenants.put("ours", "openai_compatible", api_base=server.api_base, api_key=KEY)
    await tenants.completes("ours/meta/llama-4", allowed=origin(server))
    assert bearers(server) == [f"Bearer {KEY}"]
    assert server.requests[0].body["model"] == "meta/llama-4"


@pytest.mark.parametrize(
    ("kind", "path"),
    [("openai", "/v1"), ("azure", "/openai/v1"), ("ollama", "/v1"), ("mistral", "/v1")],
)
async def test_kinds_know_where_their_api_lies(kind: str, path: str) -> None:
    tenants = Tenants()
    async with web_server() as web:
        base = f"http://127.0.0.1:{web.port}"
        given = base if kind in {"azure", "ollama"} else f"{base}/v1"
        web.answers[f"{path}/chat/completions"] = answer(401)
        await tenants.put("ours", kind, api_base=given, api_key=KEY)
        with pytest.raises(ModelFailed) as failure:
            await tenants.completes("ours/m", allowed=frozenset({("127.0.0.1", web.port)}))
        assert failure.value.code == "unauthorized"
        assert [request.target for request in web.requests] == [f"{path}/chat/completions"]
        assert KEY not in failure.value.message


async def test_of_two_providers_of_a_name_the_persons_own_wins(server: OpenAiServer) -> None:
    tenants = Tenants()
    base: dict[str, Any] = {"api_base": server.api_base}
    await tenants.put("ours", "openai", api_key=KEY, **base)
    await tenants.put("ours", "openai", api_key=OWN_KEY, user_id=ADA, **base)
    for user_id in (ADA, BOB, None):
        await tenants.completes("ours/m", user_id=user_id, allowed=origin(server))
    assert bearers(server) == [f"Bearer {OWN_KEY}", f"Bearer {KEY}", f"Bearer {KEY}"]


async def test_a_provider_is_nobody_elses() -> None:
    tenants = Tenants()
    await tenants.put("ours", "openai", api_key=KEY)
    await tenants.put("adas", "openai", api_key=OWN_KEY, user_id=ADA)
    other = TenantId(UUID(int=99))
    access, mine = tenants.providers.access, tenants.world.tenant_id
    assert await access(other, None, "ours/m") is None
    assert await access(other, ADA, "adas/m") is None
    assert await access(mine, BOB, "adas/m") is None
    assert await access(mine, None, "adas/m") is None
    assert await access(mine, ADA, "adas/m") is not None


async def test_without_a_provider_of_ones_own_it_is_the_platforms() -> None:
    tenants = Tenants()
    assert await tenants.providers.access(tenants.world.tenant_id, ADA, "openai/m") is None
    tenants.world.vault.opened.clear()
    assert await tenants.providers.access(tenants.world.tenant_id, ADA, "offline/echo") is None
    assert tenants.world.vault.opened == []


async def test_a_removed_provider_and_a_new_key_count_at_once(server: OpenAiServer) -> None:
    tenants = Tenants()
    for key in (KEY, "sk-new-key"):
        await tenants.put("ours", "openai", api_base=server.api_base, api_key=key)
        await tenants.completes("ours/m", allowed=origin(server))
    assert bearers(server) == [f"Bearer {KEY}", "Bearer sk-new-key"]
    await tenants.world.given(RemoveProvider("ours"))
    tenants.world.vault.values.clear()
    assert await tenants.providers.access(tenants.world.tenant_id, None, "ours/m") is None


async def test_a_tenants_key_goes_to_the_provider_and_not_to_the_operators_address() -> None:
    tenants = Tenants()
    await tenants.put("openai", "openai", api_key=KEY)
    access = await tenants.providers.access(tenants.world.tenant_id, None, "openai/gpt-4o-mini")
    assert access is not None
    assert access.api_base == PROVIDERS["openai"].base == "https://api.openai.com/v1"


async def test_the_operators_key_never_goes_to_a_tenants_address(server: OpenAiServer) -> None:
    tenants = Tenants()
    await tenants.put("openai", "openai_compatible", api_base=server.api_base)
    await tenants.completes("openai/m", allowed=origin(server))
    assert bearers(server) == [None]


async def test_a_provider_may_be_for_some_models_only(server: OpenAiServer) -> None:
    tenants = Tenants()
    await tenants.put("ours", "openai", api_base=server.api_base, api_key=KEY, models=["a"])
    await tenants.completes("ours/a", allowed=origin(server))
    with pytest.raises(ModelFailed) as failure:
        await tenants.completes("ours/b", allowed=origin(server))
    assert failure.value.code == "unknown_model"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "127.1", "2130706433", "0177.0.0.1", "0x7f.0.0.1", "0", "localhost"),
        *("[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "[::127.0.0.1]"),
    ],
)
async def test_no_spelling_of_loopback_is_connected_to(host: str) -> None:
    tenants = Tenants()
    async with web_server() as web:
        base = f"http://{host}:{web.port}/v1"
        await tenants.put("ours", "openai_compatible", api_base=base, api_key=KEY)
        with pytest.raises(ModelFailed) as failure:
            await tenants.completes("ours/m")
        assert failure.value.code in {"invalid", "unavailable"}
        assert web.connections_count == 0


@pytest.mark.parametrize("address", ["169.254.169.254", "10.0.0.1", "192.168.1.1", "fd00::1"])
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    tenants = Tenants()
    lookup = ToldLookup({"models.example.com": [[address]]})
    await tenants.put("ours", "openai", api_base="https://models.example.com/v1", api_key=KEY)
    with pytest.raises(ModelFailed) as failure:
        await tenants.completes("ours/m", lookup=lookup)
    assert failure.value.code == "invalid"
    assert lookup.asked == ["models.example.com"]


async def test_a_name_is_asked_for_once_so_it_cannot_change_its_mind() -> None:
    tenants = Tenants()
    async with web_server() as web:
        lookup = ToldLookup({"models.example.com": [["192.0.2.1"], ["127.0.0.1"]]})
        base = f"http://models.example.com:{web.port}/v1"
        await tenants.put("ours", "openai", api_base=base, api_key=KEY)
        with pytest.raises(ModelFailed):
            await tenants.completes("ours/m", lookup=lookup)
        assert (lookup.asked, web.connections_count) == (["models.example.com"], 0)


async def test_no_redirect_is_followed() -> None:
    tenants = Tenants()
    async with web_server() as web, web_server() as inside:
        web.answers["/v1/chat/completions"] = answer(
            307, location=f"http://127.0.0.1:{inside.port}/v1/chat/completions"
        )
        await _put_at(tenants, web)
        with pytest.raises(ModelFailed):
            await tenants.completes("ours/m", allowed=frozenset({("127.0.0.1", web.port)}))
        assert inside.connections_count == 0


async def test_a_host_is_told_its_name_and_not_its_address() -> None:
    tenants = Tenants()
    async with web_server() as web:
        web.answers["/v1/chat/completions"] = answer(401)
        lookup = ToldLookup({"models.example.com": [["127.0.0.1"]]})
        base = f"http://models.example.com:{web.port}/v1"
        await tenants.put("ours", "openai", api_base=base, api_key=KEY)
        with pytest.raises(ModelFailed):
            await tenants.completes(
                "ours/m", lookup=lookup, allowed=frozenset({("models.example.com", web.port)})
            )
        assert web.requests[0].headers["host"] == f"models.example.com:{web.port}"


async def _put_at(tenants: Tenants, web: WebServer) -> None:
    base = f"http://127.0.0.1:{web.port}/v1"
    await tenants.put("ours", "openai", api_base=base, api_key=KEY)


async def test_litellm_is_never_given_an_address_of_a_tenant() -> None:
    models = build_models({})
    request = ModelRequest(
        "anthropic/claude", [], {}, 1, 5, "k", api_base="http://127.0.0.1:9", api_key=KEY
    )
    with pytest.raises(ModelFailed) as failure:
        await models.complete(request)
    await models.aclose()
    assert failure.value.code == "invalid"


async def test_a_key_may_be_a_secret_of_the_same_owner(server: OpenAiServer) -> None:
    tenants = Tenants()
    here = server.api_base.removesuffix("/v1")
    await tenants.keep("models-key", KEY, here)
    await tenants.put("ours", "openai", api_base=server.api_base, key_from="models-key")
    await tenants.completes("ours/m", user_id=ADA, allowed=origin(server))
    assert bearers(server) == [f"Bearer {KEY}"]


async def test_nobody_sends_a_secret_of_the_tenant_to_an_address_of_their_own(
    server: OpenAiServer,
) -> None:
    tenants = Tenants()
    await tenants.keep("payroll", KEY, "*", server.api_base.removesuffix("/v1"))
    base: dict[str, Any] = {"api_base": server.api_base, "key_from": "payroll"}
    await tenants.put("mine", "openai", user_id=ADA, **base)
    with pytest.raises(ModelFailed) as failure:
        await tenants.completes("mine/m", user_id=ADA, allowed=origin(server))
    assert failure.value.code == "secret_missing"
    await tenants.keep("payroll", KEY, "api.example.com")
    await tenants.put("ours", "openai", **base)
    with pytest.raises(ModelFailed) as failure:
        await tenants.completes("ours/m", allowed=origin(server))
    assert failure.value.code == "secret_not_allowed"
    assert server.requests == []


async def test_a_fallen_server_is_no_reason_to_tell_the_key(server: OpenAiServer) -> None:
    tenants = Tenants()
    await tenants.put("ours", "openai", api_base=server.api_base, api_key=KEY)
    body = f'{{"error": {{"message": "bad key {KEY}", "code": "invalid_api_key"}}}}'.encode()
    server.answers(Answer(status=401, body=body, headers={"Content-Type": "application/json"}))
    with pytest.raises(ModelFailed) as failure:
        await tenants.completes("ours/m", allowed=origin(server))
    assert KEY not in str(failure.value)
