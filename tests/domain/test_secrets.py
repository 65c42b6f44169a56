"""The history of a secret says that there is one, never what it is."""

from uuid import UUID

import pytest

from domain.identifiers import TenantId
from domain.secrets import Secret, SecretNotFound, secret_id
from tests.domain.given import Act, Story, given

TENANT, OTHER = TenantId(UUID(int=1)), TenantId(UUID(int=2))
ADA, BOB = UUID(int=3), UUID(int=4)


def a_secret() -> Story[Secret]:
    return Story(Secret(id=secret_id(TENANT, None, "github"), name="github", user_id=None))


def store(*hosts: str) -> Act:
    return lambda story: story.aggregate.store(hosts)


def remove() -> Act:
    return lambda story: story.aggregate.remove()


def test_every_value_is_a_new_version_though_nobody_sees_what_changed() -> None:
    hosts = ["https://api.github.com:443"]
    stored = ("secret.stored", {"value_version": 2, "allowed_hosts": hosts})
    given(a_secret(), store(*hosts)).when(store(*hosts)).then(stored)


def test_a_removed_secret_is_not_there_and_cannot_be_removed_again() -> None:
    story = given(a_secret(), store()).when(remove()).then(("secret.removed", {}))
    with pytest.raises(SecretNotFound):
        story.aggregate.remove()


def test_a_secret_that_comes_back_goes_on_counting() -> None:
    stored = ("secret.stored", {"value_version": 2, "allowed_hosts": []})
    story = given(a_secret(), store(), remove()).when(store()).then(stored)
    assert not story.aggregate.is_removed


def test_a_name_means_another_secret_to_every_tenant_and_person() -> None:
    ids = {secret_id(t, u, n) for t in (TENANT, OTHER) for u in (None, ADA, BOB) for n in "ab"}
    assert len(ids) == 12
