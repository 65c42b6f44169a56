"""providers."""

from domain.providers import Provider
from projections.fold import rows_after
from projections.providers import PROVIDERS
from tests.projections.histories import IDS, a_provider, at


def test_a_provider_says_whose_it_is_and_where_it_is() -> None:
    user_id = IDS.new()
    provider = a_provider(user_id=str(user_id))
    assert rows_after(PROVIDERS, provider.events) == [
        {
            "tenant_id": provider.tenant_id,
            "provider_id": provider.stream_id,
            "name": "ours",
            "user_id": user_id,
            "kind": "openai_compatible",
            "api_base": "https://models.example.com/v1",
            "models": ["llama-4"],
            "has_key": True,
            "key_from": "models-key",
            "provider_version": 1,
            "is_removed": False,
            "created_at": at(1),
            "updated_at": at(2),
            "version": 2,
        }
    ]


def test_a_removed_provider_is_marked() -> None:
    (row,) = rows_after(PROVIDERS, a_provider().happens(Provider.Removed).events)
    assert (row["is_removed"], row["updated_at"], row["version"]) == (True, at(3), 3)
