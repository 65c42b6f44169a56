"""Settings that are more than one number."""

from uuid import UUID

import pytest
from pydantic import ValidationError

from infra.settings import Settings

TENANT = "019aa000-0000-7000-8000-000000000001"


def test_limits_per_node_type_are_written_as_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTLEDGER_WORKER_ATTEMPTS_PER_NODE_TYPE", "llm=64, http=32")
    assert Settings().worker_attempts_per_node_type == {"llm": 64, "http": 32}


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
