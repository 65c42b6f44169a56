"""Blotting out secrets in what comes back: a server that repeats the header it was sent must not
put it into the history of the run.

Found as it was sent, whatever its case, and as JSON, URLs and Base64 write it. What a server
encrypts, reverses or hands out in pieces is not found.
"""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from html import escape
from urllib.parse import quote, quote_plus

from domain.identifiers import Json, JsonObject

# What is shorter would be found everywhere.
FORM_CHARACTERS_MIN = 4


class Blots:
    """values: by the name of the secret, which stands in the place of its value."""

    def __init__(self, values: Mapping[str, str]) -> None:
        written = {
            form.lower(): f"[secret {name}]"
            for name, value in values.items()
            for form in _forms(value)
            if len(form) >= FORM_CHARACTERS_MIN
        }
        self._written = written
        # The longest first: one may contain the other.
        forms = sorted(written, key=len, reverse=True)
        pattern = "|".join(map(re.escape, forms))
        self._pattern = re.compile(pattern, re.IGNORECASE) if forms else None
        self.form_characters_max = len(forms[0]) if forms else 0

    def text(self, text: str) -> str:
        if self._pattern is None:
            return text
        return self._pattern.sub(self._blot, text)

    def json(self, value: JsonObject) -> JsonObject:
        return {self.text(key): self._any(child) for key, child in value.items()}

    def _any(self, value: Json) -> Json:
        if self._pattern is None:
            return value
        match value:
            case str():
                return self.text(value)
            case dict():
                return self.json(value)
            case list():
                return [self._any(child) for child in value]
            case bool() | None:
                return value
            case _:
                # A number is sent as its digits.
                digits = str(value)
                blotted = self.text(digits)
                return value if blotted == digits else blotted

    def _blot(self, found: re.Match[str]) -> str:
        # What re takes for the same letter need not have the same lower case.
        return self._written.get(found[0].lower(), "[secret]")


def _forms(value: str) -> Iterator[str]:
    raw = value.encode()
    yield value
    yield value.strip()
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield quote(value, safe="")
    yield quote(value)
    yield quote_plus(value)
    yield escape(value)
    yield b64encode(raw).decode().rstrip("=")
    yield urlsafe_b64encode(raw).decode().rstrip("=")
