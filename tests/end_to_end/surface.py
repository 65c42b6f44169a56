"""Requests that nobody wrote: made from the OpenAPI document and the GraphQL schema that a server
tells, so that a route or field which is added tomorrow is asked tomorrow.
"""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx

from commands.authorization import RESELLER_SCOPES

# What a path or body may hold that no answer gives.
TOLD = {
    "name": "surface",
    "node_id": "ok",
    "sha256": "a" * 64,
    "provider": "surface",
    "key": "k" * 64,
    "trigger_key": "k" * 68,
}
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PARAMETER = re.compile(r"\{(\w+)\}")
DEPTH_MAX = 4
# Of each list. What leads from an event to others makes a page of them too much to ask for.
ROWS = 5
ROUNDS_MAX = 4

INTROSPECTION = """{ __schema { queryType { name } types { name kind
  fields { name args { name defaultValue type { ...T } } type { ...T } }
  inputFields { name type { ...T } } enumValues { name } } } }
  fragment T on __Type { kind name
    ofType { kind name ofType { kind name ofType { kind name } } } }"""


@dataclass(frozen=True)
class Operation:
    """Of the OpenAPI document. example: a body that is right; None where there is none."""

    method: str
    path: str
    name: str
    is_of_tenant: bool
    example: Any

    @property
    def parameters(self) -> list[str]:
        return PARAMETER.findall(self.path)

    @property
    def ids(self) -> list[str]:
        return [name for name in self.parameters if name.endswith("_id")]

    def request(self, known: Mapping[str, str]) -> tuple[str, str, Any]:
        """With ids from `known` in the place of all ids. Raises KeyError when one is missing."""
        path = PARAMETER.sub(lambda found: known[found[1]], self.path)
        return self.method, path, with_ids(deepcopy(self.example), known)


def operations(document: Mapping[str, Any]) -> list[Operation]:
    return [
        Operation(method.upper(), path, told["operationId"], is_of_tenant(told), example_of(told))
        for path, methods in document["paths"].items()
        for method, told in methods.items()
    ]


def is_of_tenant(told: Mapping[str, Any]) -> bool:
    """Of every tenant: what only resellers do is tried where there is one."""
    is_of_resellers = told.get("x-required-scope") in RESELLER_SCOPES
    return {"api_key": []} in told.get("security", []) and not is_of_resellers


def example_of(told: Mapping[str, Any]) -> Any:
    """Fails the test when a body is asked for and none is shown."""
    body = told.get("requestBody")
    if body is None:
        return None
    content = next(iter(body["content"].values()))
    assert "example" in content or not body.get("required"), f"{told['operationId']} shows no body"
    return content.get("example")


def is_id(value: object) -> bool:
    return isinstance(value, str) and ID.fullmatch(value) is not None


def with_ids(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: known.get(key, one)
            if isinstance(one, str) and ID.fullmatch(one)
            else with_ids(one, known)
            for key, one in value.items()
        }
    return [with_ids(one, known) for one in value] if isinstance(value, list) else value


@dataclass
class Owner:
    """A tenant's client. known: one id of each kind of thing that it made."""

    http: httpx.AsyncClient
    known: dict[str, str] = field(default_factory=lambda: dict(TOLD))

    async def make_one_of_everything(self, all_of_them: list[Operation]) -> None:
        """Creations first, then whatever may be done to what was made; nothing is removed."""
        todo = [one for one in all_of_them if one.method == "POST" and one.is_of_tenant]
        for _ in range(ROUNDS_MAX):
            ready = [one for one in todo if set(one.parameters) <= self.known.keys()]
            for one in ready:
                todo.remove(one)
                method, path, body = one.request(self.known)
                self.learn(await self.http.request(method, path, json=body))

    def learn(self, answer: httpx.Response) -> None:
        data = answer.json().get("data") if answer.is_success and answer.content else None
        if isinstance(data, dict):
            for name, value in data.items():
                if name.endswith("_id") and isinstance(value, str):
                    self.known.setdefault(name, value)

    def strangers(self) -> dict[str, str]:
        """The same names with ids of nothing."""
        return {name: str(uuid4()) if ID.fullmatch(v) else v for name, v in self.known.items()}

    @property
    def ids(self) -> set[str]:
        return {value for value in self.known.values() if ID.fullmatch(value)}


def shape_of(answer: httpx.Response, ids: Mapping[str, str]) -> tuple[int, str]:
    """Status and text without what differs between any two requests."""
    text = answer.text
    for value in ids.values():
        if ID.fullmatch(value):
            text = text.replace(value, "<id>")
    return answer.status_code, re.sub(r'"request_id":"[^"]*"', "", text)


# GraphQL.


class Fields:
    """The schema, as introspection tells it."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._types = {one["name"]: one for one in schema["types"]}
        self.query = self._types[schema["queryType"]["name"]]["fields"]

    def queries(self, ids: list[str]) -> Iterator[tuple[str, str]]:
        """(field, query) for every root field, once per id where one is asked for."""
        for one in self.query:
            takes_id = [arg["name"] for arg in one["args"] if self._leaf(arg["type"]) == "ID"]
            for value in ids if takes_id else ids[:1]:
                given = dict.fromkeys(takes_id, f'"{value}"')
                if any(arg["name"] == "first" for arg in one["args"]):
                    given["first"] = str(ROWS)
                yield one["name"], "{ " + self._field(one, (), given) + " }"

    def _field(
        self, told: Mapping[str, Any], within: tuple[str, ...], given: Mapping[str, str]
    ) -> str:
        arguments = [
            f"{arg['name']}: {given.get(arg['name']) or self._value(arg['type'])}"
            for arg in told["args"]
            if arg["name"] in given or self._is_required(arg)
        ]
        text = told["name"] + (f"({', '.join(arguments)})" if arguments else "")
        inner = self._types[self._leaf(told["type"])]
        if inner["kind"] != "OBJECT":
            return text
        return f"{text} {{ {self._selection(inner, within)} }}"

    def _selection(self, inner: Mapping[str, Any], within: tuple[str, ...]) -> str:
        """Of a type within itself what is no object, for that would never end."""
        is_last = len(within) + 1 == DEPTH_MAX or inner["name"] in within
        parts = [
            self._field(one, (*within, inner["name"]), {})
            for one in inner["fields"]
            if not is_last or self._types[self._leaf(one["type"])]["kind"] != "OBJECT"
        ]
        return " ".join(parts) or "__typename"

    def _is_required(self, arg: Mapping[str, Any]) -> bool:
        return arg["type"]["kind"] == "NON_NULL" and arg["defaultValue"] is None

    def _leaf(self, told: Mapping[str, Any]) -> str:
        while told["name"] is None:
            told = told["ofType"]
        return str(told["name"])

    def _value(self, told: Mapping[str, Any]) -> str:
        """Fails the test for a type that nobody taught it."""
        leaf = self._leaf(told)
        made = {
            "ID": f'"{UUID(int=0)}"',
            "String": '"surface"',
            "Int": "1",
            "Float": "1.0",
            "Boolean": "true",
            "DateTime": '"2026-01-01T00:00:00Z"',
        }
        if leaf in made:
            return made[leaf]
        enum = self._types[leaf]
        assert enum["enumValues"], f"no value of the type {leaf} can be made"
        return str(enum["enumValues"][0]["name"])
