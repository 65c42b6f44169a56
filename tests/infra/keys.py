"""The key hierarchy as the tests build it: real, with a scrypt that costs nothing."""

import asyncio
from collections.abc import Sequence

from infra.data_keys import DataKeys
from infra.key_encryption import KeyEncryption
from infra.postgres import Database

MASTER_KEY = "a master key of the tests, thirty-two bytes or more"
SCRYPT_N = 16


def data_keys_on(database: Database, *, master_keys: Sequence[str] = (MASTER_KEY,)) -> DataKeys:
    """As one process has them."""
    encryption = KeyEncryption(database, master_keys, scrypt_n=SCRYPT_N)
    return DataKeys(database, encryption, monotonic_s=asyncio.get_running_loop().time)
