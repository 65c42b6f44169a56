"""The history of a provider says whose models are called by which name, never with which key."""

from uuid import UUID

import pytest

from domain.identifiers import TenantId
from domain.providers import (
    KINDS,
    Provider,
    ProviderNotFound,
    ProviderText,
    address_mistake,
    provider_id,
)
from infra.models.providers import PROVIDERS, WITH_ADDRESS_ONLY
from tests.domain.given import Act, Story, given

TENANT = TenantId(UUID(int=1))
OPENAI = ProviderText("openai", None, ("gpt-4o-mini",), has_key=True)


def a_provider() -> Story[Provider]:
    return Story(Provider(id=provider_id(TENANT, None, "ours"), name="ours", user_id=None))


def configure(text: ProviderText) -> Act:
    return lambda story: story.aggregate.configure(text)


def remove() -> Act:
    return lambda story: story.aggregate.remove()


def test_each_time_all_of_it_is_replaced() -> None:
    configured = (
        "provider.configured",
        {
            "provider_version": 2,
            "kind": "ollama",
            "api_base": "https://llama.example.com",
            "models": [],
            "has_key": False,
            "key_from": None,
        },
    )
    ollama = ProviderText("ollama", "https://llama.example.com")
    story = given(a_provider(), configure(OPENAI)).when(configure(ollama)).then(configured)
    assert story.aggregate.text == ollama


def test_a_removed_provider_is_not_there() -> None:
    story = given(a_provider(), configure(OPENAI)).when(remove()).then(("provider.removed", {}))
    with pytest.raises(ProviderNotFound):
        story.aggregate.remove()


def test_what_was_never_configured_cannot_be_removed() -> None:
    with pytest.raises(ProviderNotFound):
        a_provider().aggregate.remove()


@pytest.mark.parametrize(
    "address",
    [
        *("", "example.com", "ftp://example.com", "http://", "https://user@example.com"),
        *("https://u:p@example.com", "https://example.com?key=x", "https://example.com#x"),
        *("https://exa mple.com", "https://example.com\\@evil.test", "https://éxample.com"),
        *("https://example.com:0", "https://example.com:99999", "http://[::1", "x" * 3000),
    ],
)
def test_an_address_is_plain(address: str) -> None:
    assert address_mistake(address) is not None


@pytest.mark.parametrize("address", ["https://example.com/v1", "http://10.0.0.1:11434"])
def test_where_an_address_leads_is_not_known_before_it_is_called(address: str) -> None:
    assert address_mistake(address) is None


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_address_of_ones_own_is_only_for_what_our_guarded_client_speaks(kind: str) -> None:
    spoken = {*PROVIDERS, *WITH_ADDRESS_ONLY, "openai_compatible"}
    assert (KINDS[kind].address != "fixed") == (kind in spoken)
    if KINDS[kind].address == "optional":
        base = PROVIDERS[kind].base
        assert base is not None
        assert base.startswith("https://")
