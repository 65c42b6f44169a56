"""`{"$secret": "name"}`: where a config wants a secret. The value is known only to the worker, at
the moment of the effect; what is stored, rendered and recorded is this reference.

Only a reference that stands in the definition itself counts. One that an expression brings is data
like any other: whoever gives a run its input cannot make it send a secret.
"""

import re
from typing import NamedTuple, TypeGuard

from domain.identifiers import Json, JsonObject

SECRET = "$secret"  # noqa: S105 # the member that names one
NAME_PATTERN = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"
PREFIX_CHARACTERS_MAX = 64

_NAME = re.compile(NAME_PATTERN)
_MEMBERS = frozenset({SECRET, "prefix"})


class SecretReference(NamedTuple):
    """place: JSON pointer into the config, and into the request that is rendered from it.

    prefix: text before the value, such as `Bearer `.
    """

    place: str
    name: str
    prefix: str = ""


def is_reference(raw: Json) -> TypeGuard[JsonObject]:
    """Whether this means a secret; see reference_mistake for whether it does so rightly."""
    return isinstance(raw, dict) and SECRET in raw


def is_secret_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def reference_mistake(raw: JsonObject) -> str | None:
    """Why this is no reference; None when it is one."""
    name, prefix = raw[SECRET], raw.get("prefix", "")
    if raw.keys() - _MEMBERS:
        return 'beside "$secret" there may only be "prefix"'
    if not isinstance(name, str) or not is_secret_name(name):
        return f"the name of a secret is text like {NAME_PATTERN}, and no expression"
    if not isinstance(prefix, str) or "{{" in prefix or len(prefix) > PREFIX_CHARACTERS_MAX:
        return f"prefix is text of at most {PREFIX_CHARACTERS_MAX} characters, and no expression"
    return None


def reference_at(place: str, raw: JsonObject) -> SecretReference:
    """raw: without a mistake."""
    return SecretReference(place, str(raw[SECRET]), str(raw.get("prefix", "")))
