"""Settings that are more than one number."""

from uuid import UUID

import pytest
from pydantic import ValidationError

from cli.rate_limits import limits_of
from commands.plan_port import NobodyLimited
from domain.identifiers import TenantId
from infra.settings import Settings

TENANT = "019aa000-0000-7000-8000-000000000001"


def test_limits_per_node_type_are_written_as_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTLEDGER_WORKER_ATTEMPTS_PER_NODE_TYPE", "llm=64, http=32")
    assert Settings().worker_attempts_per_node_type == {"llm": 64, "http": 32}


def test_the_key_of_look_ups_is_told_while_the_master_key_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AGENTLEDGER_MASTER_KEY_PREVIOUS", "the old one")
    with pytest.raises(ValidationError, match="while the master key is changed"):
        Settings()
    monkeypatch.setenv("AGENTLEDGER_LOOKUP_KEY", "the old one")
    assert Settings().lookup_key is not None


def test_weights_are_written_as_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTLEDGER_TENANT_WEIGHTS", f"{TENANT}=4")
    assert Settings().tenant_weights == {UUID(TENANT): 4}


@pytest.mark.parametrize("text", ["llm", "llm=", "llm=0", "llm=many", "=3,llm=-1"])
def test_a_limit_that_is_no_number_above_zero_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("AGENTLEDGER_WORKER_ATTEMPTS_PER_NODE_TYPE", text)
    with pytest.raises(ValidationError):
        Settings()


@pytest.mark.parametrize("weight", ["0", "-1", "1000", "nan"])
def test_a_weight_that_would_starve_somebody_is_refused(
    monkeypatch: pytest.MonkeyPatch, weight: str
) -> None:
    monkeypatch.setenv("AGENTLEDGER_TENANT_WEIGHTS", f"{TENANT}={weight}")
    with pytest.raises(ValidationError):
        Settings()


def test_websites_are_written_as_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTLEDGER_CORS_ORIGINS", "https://app.example.com, http://localhost:3000")
    assert Settings().cors_origins == ("https://app.example.com", "http://localhost:3000")


@pytest.mark.parametrize(
    "text",
    [
        "*",
        "null",
        "app.example.com",
        "https://app.example.com/",
        "https://*.example.com",
        "https://",
    ],
)
def test_what_is_no_website_or_everybody_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("AGENTLEDGER_CORS_ORIGINS", text)
    with pytest.raises(ValidationError):
        Settings()


def test_a_proxy_that_is_everybody_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTLEDGER_TRUSTED_PROXIES", "10.0.0.0/8,0.0.0.0/0")
    with pytest.raises(ValidationError):
        Settings()
    monkeypatch.setenv("AGENTLEDGER_TRUSTED_PROXIES", "10.0.0.0/8")
    assert [str(network) for network in Settings().trusted_proxies] == ["10.0.0.0/8"]


async def test_a_tenant_with_a_rate_of_its_own_is_held_to_that_and_others_to_the_default() -> None:
    settings = Settings(
        rate_limit_tenant_per_min=10,
        rate_limit_tenants={UUID(TENANT): 20},
        rate_limit_key_per_min=5,
    )
    of_tenant = limits_of(settings, NobodyLimited())
    own, other = [await of_tenant(TenantId(one)) for one in (UUID(TENANT), UUID(int=1))]
    assert (own.tenant.per_min, own.key.per_min, own.user.per_min) == (20, 5, 20)
    assert (other.tenant.per_min, other.key.per_min, other.user.per_min) == (10, 5, 10)
