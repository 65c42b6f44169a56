"""API keys that are checked without asking anyone, and password hashes that bcrypt accepts."""

import asyncio
import hashlib
import os
import re
import sys
import threading
import time

import bcrypt
import pytest

from infra.secrets_source import PASSWORD_NICENESS, SecretsSource, has_valid_checksum

NICENESS_MAX = 19
FORM = re.compile(r"al_([0-9A-Za-z]{8})_[0-9A-Za-z]{36}")


@pytest.fixture
def source() -> SecretsSource:
    return SecretsSource(bcrypt_cost=4)


def test_a_key_has_its_form_and_is_found_by_its_id(source: SecretsSource) -> None:
    key = source.new_api_key()
    form = FORM.fullmatch(key.secret_text)
    assert form is not None
    assert form[1] == key.key_id
    assert key.secret_hash == hashlib.sha256(key.secret_text.encode()).digest()


def test_no_two_keys_are_alike(source: SecretsSource) -> None:
    keys = [source.new_api_key() for _ in range(1000)]
    assert len({key.secret_text for key in keys}) == 1000
    assert len({key.key_id for key in keys}) == 1000


def test_a_key_is_not_in_the_text_of_its_object(source: SecretsSource) -> None:
    key = source.new_api_key()
    assert key.secret_text not in repr(key)


def test_every_mistyped_key_is_recognised(source: SecretsSource) -> None:
    text = source.new_api_key().secret_text
    assert has_valid_checksum(text)
    for place, character in enumerate(text):
        other = "a" if character != "a" else "b"
        assert not has_valid_checksum(text[:place] + other + text[place + 1 :])


@pytest.mark.parametrize("text", ["", "al_", "x" * 48, "al_" + "é" * 45, "al_" + "0" * 1_000_000])
def test_what_cannot_be_a_key_is_recognised(text: str) -> None:
    assert not has_valid_checksum(text)


async def test_a_password_is_hashed_with_the_cost_that_was_asked_for() -> None:
    hashed = await SecretsSource(bcrypt_cost=5).hash_password("pässword of Ada")
    assert hashed.startswith("$2b$05$")
    assert bcrypt.checkpw("pässword of Ada".encode(), hashed.encode())
    assert not bcrypt.checkpw(b"password of Ada", hashed.encode())


async def test_hashing_does_not_hold_up_the_event_loop() -> None:
    hashing = asyncio.create_task(SecretsSource(bcrypt_cost=10).hash_password("a long password"))
    turns = 0
    deadline = time.monotonic() + 30
    while not hashing.done() and time.monotonic() < deadline:
        turns += 1
        await asyncio.sleep(0)
    await hashing
    assert turns > 10


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority")
async def test_hashing_gives_way_to_everybody_elses_requests() -> None:
    """Whoever tries passwords would otherwise slow down the commands of all tenants."""
    seen: list[int] = []

    class Watched(SecretsSource):
        def _hash(self, password: str) -> str:
            seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
            return super()._hash(password)

    own = os.getpriority(os.PRIO_PROCESS, 0)
    await Watched(bcrypt_cost=4).hash_password("correct horse battery")
    assert seen == [min(own + PASSWORD_NICENESS, NICENESS_MAX)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == own
