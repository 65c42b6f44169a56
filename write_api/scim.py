"""SCIM 2.0 (RFC 7643, RFC 7644) under /scim/v2: how the directory of an identity provider brings
users and groups. Errors are in SCIM's own form.

    /ServiceProviderConfig /ResourceTypes[/id] /Schemas[/id]      GET
    /Users /Groups                                                GET, POST
    /Users/.search /Groups/.search                                POST
    /Users/{id} /Groups/{id}                                      GET, PUT, PATCH, DELETE
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import parse_qsl
from uuid import UUID

import orjson
from pydantic import ValidationError
from scim2_models import (
    Error,
    InvalidFilterException,
    InvalidSyntaxException,
    ListResponse,
    NotFoundException,
    NotImplementedException,
    ResponseParameters,
    SCIMException,
)
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from commands.authorization import require
from commands.decisions import Tenancy
from commands.directory_groups import GroupNameTaken
from commands.directory_users import UserNameTaken, directory_of
from commands.identity_providers import DIRECTORY_SCOPE
from commands.memberships import EmailTaken
from domain.errors import DomainError, Invalid, Unauthenticated
from domain.feature_flags import SCIM
from write_api.audited import POSITION_SCOPE_KEY
from write_api.directory_groups import Groups
from write_api.directory_users import Users
from write_api.edge import Call, Edge, ScimParts
from write_api.openapi import SCIM_PREFIX
from write_api.problem_details import headers_of, status_of
from write_api.requests import parse_json, read_body
from write_api.scim_call import Collection, ScimCall
from write_api.scim_resources import (
    PAGE_DEFAULT,
    PAGE_MAX,
    RESOURCE_TYPES,
    SCHEMAS,
    placed,
    service_provider_config,
    told,
    uuid_or_none,
)

MEDIA_TYPE = "application/scim+json"
QUERY_FIELDS_MAX = 20
START_INDEX_MAX = 10_000_000
# What the audit trail calls them.
ACTIONS: Mapping[str, str] = {
    "GET": "readDirectory",
    "POST": "addToDirectory",
    "PUT": "replaceInDirectory",
    "PATCH": "patchInDirectory",
    "DELETE": "removeFromDirectory",
}
OTHER_ACTION = "askDirectory"
TAKEN = (EmailTaken, GroupNameTaken, UserNameTaken)
COLLECTIONS: Mapping[str, Collection] = {"Users": Users(), "Groups": Groups()}

_FILTER = re.compile(r'\s*([A-Za-z]+)\s+[eE][qQ]\s+("(?:[^"\\]|\\.){0,400}")\s*')


class MethodNotAllowed(SCIMException):
    status = 405
    _default_detail = "This resource does not have the method."


@dataclass(frozen=True, slots=True)
class Scim:
    """Takes every request under its prefix, for answers of the framework are not SCIM's."""

    edge: Edge
    parts: ScimParts

    @property
    def base_url(self) -> str:
        return self.parts.public_url + SCIM_PREFIX

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._response(scope, receive)
        await response(scope, receive, send)

    async def _response(self, scope: Scope, receive: Receive) -> Response:
        """On record like every other request (write_api/routes.py)."""
        audit, action, call = self.edge.audit, ACTIONS.get(scope["method"], OTHER_ACTION), None
        try:
            call = await self.edge.identify(scope, receive)
            on = await self._directory(call)
            response = await self._answered(on, scope["method"], scope["path_params"]["path"])
            if action == ACTIONS["GET"]:
                await audit.read(self.edge.asked(scope, action, call))
        except DomainError as error:
            await audit.refused(self.edge.asked(scope, action, call), error)
            return _refusal(error)
        except (SCIMException, ValidationError) as error:
            await audit.refused(self.edge.asked(scope, action, call), Invalid())
            if isinstance(error, SCIMException):
                return _error(error.to_error())
            return _error(Error.from_validation_errors(error)[0])
        if action != ACTIONS["GET"]:
            asked = self.edge.asked(scope, action, call)
            audit.accepted(asked, scope.get(POSITION_SCOPE_KEY))
        return response

    async def _directory(self, call: Call) -> ScimCall:
        """Raises MissingScope, NotADirectory, FeatureOff."""
        require(call.caller, DIRECTORY_SCOPE)
        if call.caller.tenant_id is None:
            raise Unauthenticated
        on = Tenancy(self.parts.ports, call.caller, call.caller.tenant_id)
        await directory_of(on)
        await on.require_feature(SCIM)
        return ScimCall(call, on, self.base_url)

    async def _answered(self, call: ScimCall, method: str, path: str) -> Response:
        match path.split("/"):
            case ["ServiceProviderConfig" | "ResourceTypes" | "Schemas" as name, *rest]:
                _require(method, "GET")
                return self._discovered(name, rest)
            case [".search"]:
                raise NotImplementedException(detail="Search /Users or /Groups.")
            case [name, *rest] if name in COLLECTIONS:
                return await self._collected(call, method, COLLECTIONS[name], rest)
            case _:
                raise NotFoundException

    def _discovered(self, name: str, rest: list[str]) -> Response:
        published = {"ResourceTypes": RESOURCE_TYPES, "Schemas": SCHEMAS}.get(name, {})
        match rest:
            case [] if published:
                return self._published(name)
            case []:
                return _told(placed(service_provider_config(), self.base_url, name, name))
            case [entry] if entry in published:
                kind, path = name.removesuffix("s"), f"{name}/{entry}"
                return _told(placed(published[entry], self.base_url, path, kind))
            case _:
                raise NotFoundException

    async def _collected(
        self, call: ScimCall, method: str, collection: Collection, rest: list[str]
    ) -> Response:
        match rest:
            case [] if method == "POST":
                return await self._create(call, collection)
            case []:
                _require(method, "GET")
                return await self._page(call, collection, _query(call))
            case [".search"]:
                _require(method, "POST")
                return await self._page(call, collection, _searched(await _body(call)))
            case [entry] if (entry_id := uuid_or_none(entry)) is not None:
                return await self._one(call, method, collection, entry_id)
            case _:
                raise NotFoundException

    def _published(self, name: str) -> Response:
        published = RESOURCE_TYPES if name == "ResourceTypes" else SCHEMAS
        kind = name.removesuffix("s")
        resources = [
            told(placed(one, self.base_url, f"{name}/{entry}", kind))
            for entry, one in published.items()
        ]
        return _listed(resources, len(resources), 1)

    async def _create(self, call: ScimCall, collection: Collection) -> Response:
        entry_id = await collection.create(call, await _body(call))
        resource = await collection.read(call, entry_id)
        assert resource.meta is not None
        headers = {"Location": str(resource.meta.location)}
        return _told(resource, HTTPStatus.CREATED, headers=headers)

    async def _one(
        self, call: ScimCall, method: str, collection: Collection, entry_id: UUID
    ) -> Response:
        call.call.scope["path_params"]["entry_id"] = str(entry_id)  # For the audit trail.
        query = _query(call)
        _require(method, "GET", "PUT", "PATCH", "DELETE")
        if method == "DELETE":
            await collection.remove(call, entry_id)
            return Response(status_code=HTTPStatus.NO_CONTENT.value)
        if method == "PUT":
            await collection.replace(call, entry_id, await _body(call))
        if method == "PATCH":
            await collection.patch(call, entry_id, await _body(call))
        wanted = _wanted(collection, query)
        return _told(await collection.read(call, entry_id), wanted=wanted)

    async def _page(
        self, call: ScimCall, collection: Collection, query: Mapping[str, str]
    ) -> Response:
        wanted = _wanted(collection, query)
        start = _number(query, "startIndex", 1, least=1, most=START_INDEX_MAX)
        count = _number(query, "count", PAGE_DEFAULT, least=0, most=PAGE_MAX)
        provider = await directory_of(call.on)
        found = await call.on.directory.page(
            call.on.tenant_id,
            provider.id,
            collection.kind,
            **_asked(collection, query.get("filter")),
            offset=start - 1,
            limit=count,
        )
        resources = [
            told(await collection.read(call, entry_id), wanted) for entry_id in found.entry_ids
        ]
        return _listed(resources, found.total, start)


def _require(method: str, *allowed: str) -> None:
    if method not in allowed:
        raise MethodNotAllowed


def _asked(collection: Collection, text: str | None) -> dict[str, str]:
    """The filters that directories find their own entries by. Raises InvalidFilterException."""
    if text is None:
        return {}
    match = _FILTER.fullmatch(text)
    names = {collection.name_attribute: "name", "externalid": "external_id"}
    if match is None or match[1].lower() not in names:
        reason = f"filters are {collection.name_attribute} eq and externalId eq, with a text"
        raise InvalidFilterException(detail=reason)
    try:
        return {names[match[1].lower()]: orjson.loads(match[2])}
    except orjson.JSONDecodeError:
        raise InvalidFilterException(detail="the text of the filter cannot be read") from None


def _query(call: ScimCall) -> dict[str, str]:
    """Of a parameter that is there twice the first counts."""
    raw = call.call.scope["query_string"].decode("latin-1")
    try:
        pairs = parse_qsl(raw, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
    except ValueError:
        reason = f"at most {QUERY_FIELDS_MAX} parameters are read"
        raise InvalidFilterException(detail=reason) from None
    return dict(reversed(pairs))


def _searched(body: Any) -> dict[str, str]:
    """RFC 7644 section 3.4.3: the same query, in a body. Raises InvalidSyntaxException."""
    if not isinstance(body, dict):
        raise InvalidSyntaxException
    found: dict[str, str] = {}
    for name, value in cast("dict[str, object]", body).items():
        if isinstance(value, list):
            found[name] = ",".join(str(one) for one in cast("list[object]", value))
        elif name != "schemas":
            found[name] = str(value)
    return found


def _wanted(collection: Collection, query: Mapping[str, str]) -> ResponseParameters[Any]:
    """Attributes and excludedAttributes. Raises ValidationError."""
    names = ("attributes", "excludedAttributes")
    asked = {name: query[name] for name in names if name in query}
    return ResponseParameters[collection.resource].model_validate(asked)


def _number(query: Mapping[str, str], name: str, default: int, *, least: int, most: int) -> int:
    """RFC 7644 section 3.4.2.4: what is too small counts as the least. Raises InvalidValue."""
    text = query.get(name)
    if text is None:
        return default
    if re.fullmatch(r"-?[0-9]{1,9}", text) is None:
        raise InvalidFilterException(detail=f"{name} is a number")
    return max(least, min(most, int(text)))


async def _body(call: ScimCall) -> Any:
    raw = await read_body(
        call.call.receive, call.call.headers, bytes_max=call.call.edge.body_bytes_max
    )
    return parse_json(raw)


def _told(
    resource: Any,
    status: HTTPStatus = HTTPStatus.OK,
    *,
    wanted: ResponseParameters[Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    return _json(told(resource, wanted), status.value, headers)


def _listed(resources: list[dict[str, Any]], total: int, start: int) -> Response:
    return _json(
        {
            "schemas": [str(ListResponse.__schema__)],
            "totalResults": total,
            "startIndex": start,
            "itemsPerPage": len(resources),
            "Resources": resources,
        },
        HTTPStatus.OK.value,
    )


def _refusal(refused: DomainError) -> Response:
    """In SCIM's own words, as far as it has some."""
    status, scim_type = status_of(type(refused)), None
    detail = refused.detail
    if isinstance(refused, Invalid):
        status, scim_type = HTTPStatus.BAD_REQUEST.value, "invalidValue"
        detail = "; ".join(f"{one.path}: {one.message}" for one in refused.errors) or detail
    if isinstance(refused, TAKEN):
        scim_type = "uniqueness"
    error = Error(status=status, scim_type=scim_type, detail=detail)
    return _error(error, headers_of(refused))


def _error(error: Error, headers: dict[str, str] | None = None) -> Response:
    return _json(error.model_dump(), error.status or HTTPStatus.BAD_REQUEST.value, headers)


def _json(document: dict[str, Any], status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(orjson.dumps(document), status, headers=headers, media_type=MEDIA_TYPE)
