"""Seals: no two of one key under one IV, whoever makes them."""

import os
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from infra.sealing import HEAD_BYTES, IV_BYTES, IVS_DRAWN, KEY_BYTES, Cipher

SEALS = 2 * IVS_DRAWN


def an_iv(cipher: Cipher) -> bytes:
    return cipher.seal(b"{}", b"place")[HEAD_BYTES : HEAD_BYTES + IV_BYTES]


def a_cipher() -> Cipher:
    return Cipher(bytes(KEY_BYTES), UUID(int=1), "events")


def test_no_iv_is_used_twice_also_by_threads() -> None:
    ciphers = [a_cipher()] * (4 * SEALS)
    with ThreadPoolExecutor(4) as threads:
        ivs = list(threads.map(an_iv, ciphers))
    assert len(set(ivs)) == len(ivs) == 4 * SEALS


def test_a_forked_process_draws_ivs_of_its_own() -> None:
    cipher = a_cipher()
    an_iv(cipher)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"".join(an_iv(cipher) for _ in range(IVS_DRAWN // 8)))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        told = answer.read()
    os.waitpid(child, 0)
    of_child = {told[at : at + IV_BYTES] for at in range(0, len(told), IV_BYTES)}
    assert len(of_child) == IVS_DRAWN // 8
    assert of_child.isdisjoint(an_iv(cipher) for _ in range(SEALS))
