"""What the OpenAPI document says of SCIM. Made of what SCIM publishes about itself (/ResourceTypes,
/Schemas), so a new attribute or collection is in both.
"""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from scim2_models import Error, ListResponse, PatchOp, SearchRequest
from scim2_models import Schema as Published

from commands.identity_providers import DIRECTORY_SCOPE
from write_api.openapi import SCHEMA_REF, SCIM_PREFIX, SCIM_SCHEME
from write_api.problem_details import TITLES
from write_api.scim import MEDIA_TYPE
from write_api.scim_resources import (
    EMAILS_MAX,
    PAGE_DEFAULT,
    PAGE_MAX,
    RESOURCE_TYPES,
    SCHEMAS,
    TEXT_CHARACTERS_MAX,
    told,
)

JsonSchema = dict[str, Any]

ERROR, PATCH, SEARCH = "ScimError", "ScimPatch", "ScimSearch"
STATUSES_ALWAYS = (400, 401, 403, 429, 503)
STATUSES_OF_CHANGES = (409, 412, 413)
TYPES: Mapping[str, JsonSchema] = {
    "string": {"type": "string"},
    "reference": {"type": "string"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "dateTime": {"type": "string", "format": "date-time"},
}
SENT_TEXT: JsonSchema = {"type": "string", "maxLength": TEXT_CHARACTERS_MAX}
# SCIM's name of each published kind of resource, and whether there is one or a list of them.
PUBLISHED: Mapping[str, tuple[str, Sequence[str]]] = {
    "ServiceProviderConfig": ("ServiceProviderConfig", ()),
    "ResourceTypes": ("ResourceType", sorted(RESOURCE_TYPES)),
    "Schemas": ("Schema", sorted(SCHEMAS)),
}
FILTER_EXAMPLES: Mapping[str, str] = {"User": "userName", "Group": "displayName"}
EXAMPLES: Mapping[str, JsonSchema] = {
    "User": {
        "userName": "ada",
        "externalId": "00u1",
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [{"value": "ada@acme.example", "type": "work", "primary": True}],
        "active": True,
    },
    "Group": {"displayName": "platform", "members": []},
}
WANTED = (
    ("attributes", "The only ones to tell, by name, with commas between them."),
    ("excludedAttributes", "Those not to tell."),
)


def scim_paths() -> JsonSchema:
    return {SCIM_PREFIX + path: operations for path, operations in _paths()}


def scim_schemas() -> JsonSchema:
    schemas = {
        name: _of_kind(published)
        for published in SCHEMAS.values()
        for name in [_name(str(published.name))]
    }
    bodies = {
        f"{_name(kind)}Body": _of_kind(SCHEMAS[str(resource.schema_)], is_sent=True)
        for kind, resource in RESOURCE_TYPES.items()
    }
    return {**schemas, **bodies, **_messages()}


def _paths() -> Iterator[tuple[str, JsonSchema]]:
    for path, (kind, entries) in PUBLISHED.items():
        answer = _list_of(_name(kind)) if entries else _ref(_name(kind))
        yield f"/{path}", {"get": _operation(f"readScim{path}", f"Read {path}", answer)}
        if entries:
            operation = _operation(f"readScim{kind}", f"Read one of {path}", _ref(_name(kind)))
            entry = {"schema": {"type": "string", "enum": list(entries)}}
            operation["parameters"] = [{"name": "entry", "in": "path", "required": True, **entry}]
            yield f"/{path}/{{entry}}", {"get": operation}
    for kind, resource in RESOURCE_TYPES.items():
        yield from _collection(kind, str(resource.endpoint), str(resource.schema_))


def _operation(
    operation_id: str,
    summary: str,
    answer: JsonSchema | None,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    body: str | None = None,
    example: JsonSchema | None = None,
    parameters: Sequence[JsonSchema] = (),
    refused: Sequence[int] = (),
) -> JsonSchema:
    answered: JsonSchema = {"description": status.phrase}
    if answer is not None:
        answered["content"] = _content(answer)
    refusals = {
        str(code): {"description": TITLES[code], "content": _content(_ref(ERROR))}
        for code in sorted({*STATUSES_ALWAYS, *refused})
    }
    operation: JsonSchema = {
        "summary": summary,
        "operationId": operation_id,
        "tags": ["SCIM 2.0"],
        "security": [{SCIM_SCHEME: []}],
        "x-required-scope": DIRECTORY_SCOPE,
        "parameters": list(parameters),
        "responses": {str(status.value): answered, **refusals},
    }
    if body is not None:
        content = _content(_ref(body))
        content[MEDIA_TYPE]["example"] = example
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _collection(kind: str, path: str, urn: str) -> Iterator[tuple[str, JsonSchema]]:
    name, body = _name(kind), f"{_name(kind)}Body"
    example = {"schemas": [urn], **EXAMPLES[kind]}
    by_name = FILTER_EXAMPLES[kind]
    found = _list_of(name)
    created = _operation(
        f"createScim{kind}", f"Bring a {kind.lower()}", _ref(name),
        status=HTTPStatus.CREATED, body=body, example=example, refused=STATUSES_OF_CHANGES,
    )  # fmt: skip
    location = {"description": "Where it is.", "schema": {"type": "string"}}
    created["responses"]["201"]["headers"] = {"Location": location}
    yield path, {
        "get": _operation(
            f"listScim{kind}s", f"The directory's {kind.lower()}s", found,
            parameters=[*_searching(by_name), *_wanting()],
        ),
        "post": created,
    }  # fmt: skip
    yield f"{path}/.search", {
        "post": _operation(
            f"searchScim{kind}s", "The same as a list, with the query as a body", found,
            body=SEARCH, example={"filter": f'{by_name} eq "ada"'}, refused=[413],
        ),
    }  # fmt: skip
    entry_id: JsonSchema = {
        "name": f"directory_{kind.lower()}_id", "in": "path", "required": True,
        "schema": {"type": "string", "format": "uuid"},
    }  # fmt: skip
    yield f"{path}/{{{entry_id['name']}}}", _entry(kind, entry_id, example)


def _entry(kind: str, entry_id: JsonSchema, example: JsonSchema) -> JsonSchema:
    name, wanting = _name(kind), [entry_id, *_wanting()]
    changes = (404, *STATUSES_OF_CHANGES)
    operations = [{"op": "replace", "path": "externalId", "value": "00u2"}]
    patch = {"schemas": [str(PatchOp.__schema__)], "Operations": operations}
    return {
        "get": _operation(
            f"readScim{kind}", f"One {kind.lower()}", _ref(name),
            parameters=wanting, refused=[404],
        ),
        "put": _operation(
            f"replaceScim{kind}", "Replace what is told of it", _ref(name),
            parameters=wanting, body=f"{name}Body", example=example, refused=changes,
        ),
        "patch": _operation(
            f"patchScim{kind}", "Change some of what is told of it", _ref(name),
            parameters=wanting, body=PATCH, example=patch, refused=changes,
        ),
        "delete": _operation(
            f"removeScim{kind}", "Take it away; who is out of the directory is out at once",
            None, status=HTTPStatus.NO_CONTENT, parameters=[entry_id], refused=[404, 409, 412],
        ),
    }  # fmt: skip


def _content(schema: JsonSchema) -> JsonSchema:
    return {MEDIA_TYPE: {"schema": schema}}


def _searching(by_name: str) -> Iterator[JsonSchema]:
    text = f'`{by_name} eq "..."` or `externalId eq "..."`'
    yield {"name": "filter", "in": "query", "description": text, "schema": {"type": "string"}}
    for name, least, default in (("startIndex", 1, 1), ("count", 0, PAGE_DEFAULT)):
        schema: JsonSchema = {"type": "integer", "minimum": least, "default": default}
        if name == "count":
            schema["maximum"] = PAGE_MAX
        yield {"name": name, "in": "query", "schema": schema}


def _wanting() -> Iterator[JsonSchema]:
    for name, text in WANTED:
        yield {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}


def _name(kind: str) -> str:
    """Of a schema in the document: there are others of users."""
    return f"Scim{kind}".replace(" ", "")


def _ref(name: str) -> JsonSchema:
    return {"$ref": SCHEMA_REF.format(model=name)}


def _of_kind(published: Published, *, is_sent: bool = False) -> JsonSchema:
    """is_sent: what a directory may send, where what only we say is read over. Of an answer little
    is certain: the directory may have asked for some attributes only.
    """
    described = told(published)
    attributes = [
        one for one in described["attributes"] if not (is_sent and one["mutability"] == "readOnly")
    ]
    urn: JsonSchema = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    if is_sent:
        urn["contains"] = {"const": str(published.id)}
    properties: JsonSchema = {
        "schemas": urn,
        "externalId": SENT_TEXT if is_sent else TYPES["string"],
        **{one["name"]: _of_attribute(one, is_sent=is_sent) for one in attributes},
    }
    required = ["schemas"]
    if is_sent:
        required += [one["name"] for one in attributes if one["required"]]
    else:
        properties |= {"id": {"type": "string"}, "meta": {"type": "object"}}
    return {"type": "object", "properties": properties, "required": required}


def _of_attribute(attribute: Mapping[str, Any], *, is_sent: bool) -> JsonSchema:
    if attribute["type"] == "complex":
        parts = attribute.get("subAttributes", ())
        schema: JsonSchema = {
            "type": "object",
            "properties": {one["name"]: _of_attribute(one, is_sent=is_sent) for one in parts},
        }
        required = [one["name"] for one in parts if is_sent and one["required"]]
        if required:
            schema["required"] = required
    else:
        schema = TYPES[attribute["type"]]
        if is_sent and schema == TYPES["string"]:
            schema = SENT_TEXT
    if not attribute["multiValued"]:
        return schema
    most = {"maxItems": EMAILS_MAX} if attribute["name"] == "emails" else {}
    return {"type": "array", "items": schema, **most}


def _list_of(name: str) -> JsonSchema:
    numbers = ("totalResults", "startIndex", "itemsPerPage")
    return {
        "type": "object",
        "properties": {
            "schemas": {"const": [str(ListResponse.__schema__)]},
            **{one: {"type": "integer", "minimum": 0} for one in numbers},
            "Resources": {"type": "array", "items": _ref(name)},
        },
        "required": ["schemas", *numbers, "Resources"],
    }


def _messages() -> JsonSchema:
    texts = {"type": "array", "items": {"type": "string"}}
    operation: JsonSchema = {
        "type": "object",
        "properties": {
            "op": {"enum": ["add", "remove", "replace"]},
            "path": {"type": "string"},
            "value": {},
        },
        "required": ["op"],
    }
    return {
        ERROR: {
            "type": "object",
            "description": "RFC 7644, section 3.12.",
            "properties": {
                "schemas": {"const": [str(Error.__schema__)]},
                "status": {"type": "string", "pattern": "^[45][0-9]{2}$"},
                "scimType": {"type": "string"},
                "detail": {"type": "string"},
            },
            "required": ["schemas", "status"],
        },
        PATCH: {
            "type": "object",
            "properties": {
                "schemas": {"const": [str(PatchOp.__schema__)]},
                "Operations": {"type": "array", "items": operation, "minItems": 1},
            },
            "required": ["schemas", "Operations"],
        },
        SEARCH: {
            "type": "object",
            "properties": {
                "schemas": {"const": [str(SearchRequest.__schema__)]},
                "filter": {"type": "string"},
                "startIndex": {"type": "integer", "minimum": 1},
                "count": {"type": "integer", "minimum": 0, "maximum": PAGE_MAX},
                **{name: texts for name, _ in WANTED},
            },
        },
    }
