"""A key opens the webhooks of one run of one tenant, and no other."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

import pytest

from domain.identifiers import TenantId
from infra.webhook_keys import (
    KEY_CHARACTERS,
    TRIGGER_KEY_CHARACTERS,
    TRIGGERS_PATH,
    WEBHOOKS_PATH,
    WebhookKeys,
)

KEYS = WebhookKeys("a master key of the tests")
OURS = TenantId(UUID("01890000-0000-7000-8000-00000000000a"))
THEIRS = TenantId(UUID("0189ffff-0000-7000-8000-00000000000b"))
RUN = UUID("01890000-0000-7000-8000-000000000001")
OTHER_RUN = UUID("01890000-0000-7000-8000-000000000002")


def key_of(tenant_id: TenantId, execution_id: UUID, keys: WebhookKeys = KEYS) -> str:
    prefix, key = keys.path(tenant_id, execution_id).rsplit("/", 1)
    assert prefix == f"{WEBHOOKS_PATH}/{execution_id}"
    return key


def test_the_key_of_a_run_tells_its_tenant() -> None:
    key = key_of(OURS, RUN)
    assert len(key) == KEY_CHARACTERS
    assert KEYS.tenant(RUN, key) == OURS
    assert WebhookKeys("a master key of the tests").tenant(RUN, key) == OURS


def test_the_key_of_one_run_is_none_of_another() -> None:
    assert KEYS.tenant(OTHER_RUN, key_of(OURS, RUN)) is None


def test_another_master_key_makes_other_keys() -> None:
    assert KEYS.tenant(RUN, key_of(OURS, RUN, WebhookKeys("another"))) is None


def test_a_key_cannot_be_turned_to_another_tenant() -> None:
    mine = urlsafe_b64decode(key_of(OURS, RUN))
    turned = urlsafe_b64encode(THEIRS.bytes + mine[16:]).decode()
    assert KEYS.tenant(RUN, turned) is None


def test_a_key_with_one_character_changed_is_none() -> None:
    key = key_of(OURS, RUN)
    for place, character in enumerate(key):
        changed = "A" if character != "A" else "B"
        assert KEYS.tenant(RUN, key[:place] + changed + key[place + 1 :]) is None


@pytest.mark.parametrize(
    "key", ["", "a", "=" * 64, "A" * 63, "A" * 65, "A" * 64, "\n" * 64, "ä" * 64, "A" * 63 + "\n"]
)
def test_what_is_no_key_opens_nothing(key: str) -> None:
    assert KEYS.tenant(RUN, key) is None


def test_a_key_of_the_previous_master_key_works_while_that_is_known() -> None:
    changed = WebhookKeys("the next master key", "a master key of the tests")
    assert changed.tenant(RUN, key_of(OURS, RUN)) == OURS
    made_now = key_of(OURS, RUN, changed)
    assert made_now != key_of(OURS, RUN)
    assert changed.tenant(RUN, made_now) == OURS
    assert WebhookKeys("the next master key").tenant(RUN, key_of(OURS, RUN)) is None


def trigger_key_of(tenant_id: TenantId, generation: int, keys: WebhookKeys = KEYS) -> str:
    prefix, key = keys.trigger_path(tenant_id, RUN, generation).rsplit("/", 1)
    assert prefix == f"{TRIGGERS_PATH}/{RUN}"
    return key


def test_the_key_of_a_trigger_tells_its_tenant_and_which_of_its_keys_it_is() -> None:
    for generation in (1, 2, 2**24 - 1):
        key = trigger_key_of(OURS, generation)
        assert len(key) == TRIGGER_KEY_CHARACTERS
        assert KEYS.trigger(RUN, key) == (OURS, generation)
        assert KEYS.trigger(OTHER_RUN, key) is None
        assert WebhookKeys("another").trigger(RUN, key) is None


def test_a_key_of_a_trigger_cannot_be_turned_to_another_tenant_or_a_later_one() -> None:
    mine = urlsafe_b64decode(trigger_key_of(OURS, 1))
    for head in (THEIRS.bytes + mine[16:19], OURS.bytes + b"\0\0\2"):
        turned = urlsafe_b64encode(head + mine[19:]).decode()
        assert KEYS.trigger(RUN, turned) is None


def test_the_key_of_a_run_opens_no_trigger_and_the_other_way_round() -> None:
    assert KEYS.trigger(RUN, key_of(OURS, RUN)) is None
    assert KEYS.tenant(RUN, trigger_key_of(OURS, 1)) is None


@pytest.mark.parametrize("key", ["", "a", "=" * 68, "A" * 67, "A" * 69, "A" * 68, "\n" * 68])
def test_what_is_no_key_opens_no_trigger(key: str) -> None:
    assert KEYS.trigger(RUN, key) is None
