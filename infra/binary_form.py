"""Values and arrays in PostgreSQL's binary form (array_send), for infra/prepared_statements.py.

psycopg finds out anew, at each execution, how every element is to be sent (docs/decisions/0012).
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID

SMALLINT, BIGINT = struct.Struct("!h").pack, struct.Struct("!q").pack

# An array is a head, then every element behind its length.
ARRAY_HEAD = struct.Struct("!iiIii")  # dimensions, whether nulls may follow, type, count, first
EMPTY_HEAD = struct.Struct("!iiI")
LENGTH = struct.Struct("!i").pack
NULL = LENGTH(-1)
UUID_LENGTH, BIGINT_LENGTH = LENGTH(16), LENGTH(8)
SMALLINT_ELEMENT = struct.Struct("!ih").pack
BIGINT_ELEMENT = struct.Struct("!iq").pack
BYTEA_OID, BIGINT_OID, SMALLINT_OID, TEXT_OID = 17, 20, 21, 25
TIMESTAMPTZ_OID, UUID_OID, XID8_OID = 1184, 2950, 5069
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def array(element_oid: int, count: int, elements: Iterable[bytes]) -> bytes:
    if not count:
        return EMPTY_HEAD.pack(0, 0, element_oid)
    return ARRAY_HEAD.pack(1, 1, element_oid, count, 1) + b"".join(elements)


def uuid_array(values: Sequence[bytes]) -> bytes:
    """By their bytes."""
    return _array_of_one_length(UUID_OID, UUID_LENGTH, values)


def bigint_array(values: Sequence[bytes]) -> bytes:
    """By their bytes."""
    return _array_of_one_length(BIGINT_OID, BIGINT_LENGTH, values)


def _array_of_one_length(element_oid: int, length: bytes, values: Sequence[bytes]) -> bytes:
    """Of many: the length stands between them."""
    if not values:
        return EMPTY_HEAD.pack(0, 0, element_oid)
    head = ARRAY_HEAD.pack(1, 1, element_oid, len(values), 1)
    return head + length + length.join(values)


def smallint_array(values: Sequence[int]) -> bytes:
    return array(SMALLINT_OID, len(values), [smallint_element(value) for value in values])


def text_array(values: Sequence[str]) -> bytes:
    return array(TEXT_OID, len(values), [text_element(value) for value in values])


def uuid_element(value: UUID | None) -> bytes:
    return NULL if value is None else UUID_LENGTH + value.int.to_bytes(16)


def smallint_element(value: int) -> bytes:
    return SMALLINT_ELEMENT(2, value)


def bigint_element(value: int) -> bytes:
    return BIGINT_ELEMENT(8, value)


def bytes_element(value: bytes) -> bytes:
    return LENGTH(len(value)) + value


def text_element(value: str | None) -> bytes:
    return NULL if value is None else bytes_element(value.encode())


@lru_cache(maxsize=1024)
def short_text_element(value: str) -> bytes:
    """Topics and actors: few, and the same again and again."""
    return text_element(value)


def time_element(value: datetime | None) -> bytes:
    return NULL if value is None else bigint_element((value - POSTGRES_EPOCH) // MICROSECOND)
