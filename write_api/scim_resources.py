"""What a directory says over SCIM 2.0 (RFC 7643), and what we publish about ourselves. Only what is
used here is kept of a user; other attributes are read over, as directories send what they have.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from scim2_models import (
    URN,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    Context,
    ETag,
    Filter,
    InvalidValueException,
    Meta,
    Mutability,
    Patch,
    Reference,
    Required,
    Resource,
    ResourceType,
    ResponseParameters,
    Schema,
    ScimPolicy,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)

from domain.directory_groups import MEMBERS_MAX

PAGE_MAX = 200
PAGE_DEFAULT = 100
# Of each attribute that is one text, and of how often one may be there.
TEXT_CHARACTERS_MAX = 256
EMAILS_MAX = 20

# Some directories name entries that are not there yet, or say in the value what to remove.
POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)


class PersonName(ComplexAttribute):
    formatted: str | None = None
    family_name: str | None = None
    given_name: str | None = None


class EmailOfUser(ComplexAttribute):
    value: Annotated[str | None, Required.true] = None
    type: str | None = None
    primary: bool | None = None


class GroupOfUser(ComplexAttribute):
    value: Annotated[str | None, Mutability.read_only, CaseExact.true] = None
    display: Annotated[str | None, Mutability.read_only] = None


class User(Resource[Any]):
    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    name: PersonName | None = None
    display_name: str | None = None
    emails: Annotated[list[EmailOfUser] | None, Required.true] = None
    active: bool | None = None
    groups: Annotated[list[GroupOfUser] | None, Mutability.read_only] = None


class MemberOfGroup(ComplexAttribute):
    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    ref: Annotated[Reference["User"] | None, Mutability.immutable] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    type: Annotated[str | None, Mutability.immutable] = Field(None, examples=["User"])


class Group(Resource[Any]):
    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    members: list[MemberOfGroup] | None = None


RESOURCES: Sequence[type[Resource[Any]]] = (User, Group)
RESOURCE_TYPES: Mapping[str, ResourceType] = {
    str(one.id): one for one in map(ResourceType.from_resource, RESOURCES)
}
SCHEMAS: Mapping[str, Schema] = {
    str(one.id): one
    for one in (
        kind.to_schema() for kind in (*RESOURCES, ResourceType, ServiceProviderConfig, Schema)
    )
}


def require_bounded(resource: Resource[Any]) -> None:
    """Raises InvalidValueException, naming the attribute."""
    _require_text("externalId", resource.external_id)
    if isinstance(resource, User):
        _require_text("displayName", resource.display_name)
        name = resource.name or PersonName()
        _require_text("name.formatted", name.formatted)
        _require_text("name.familyName", name.family_name)
        _require_text("name.givenName", name.given_name)
        emails = resource.emails or []
        _require_count("emails", len(emails), EMAILS_MAX)
        for email in emails:
            _require_text("emails.value", email.value)
            _require_text("emails.type", email.type)
    if isinstance(resource, Group):
        _require_count("members", len(resource.members or []), MEMBERS_MAX)


def _require_text(attribute: str, text: str | None) -> None:
    if text is not None and len(text) > TEXT_CHARACTERS_MAX:
        detail = f"{attribute} has at most {TEXT_CHARACTERS_MAX} characters"
        raise InvalidValueException(detail=detail)


def _require_count(attribute: str, count: int, most: int) -> None:
    if count > most:
        raise InvalidValueException(detail=f"{attribute} has at most {most} values")


def service_provider_config() -> ServiceProviderConfig:
    """Made anew, for its place is written into it."""
    return ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
        filter=Filter(supported=True, max_results=PAGE_MAX),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=False),
        etag=ETag(supported=False),
        authentication_schemes=[
            AuthenticationScheme(
                type=AuthenticationScheme.Type.oauthbearertoken,
                name="Bearer token",
                description="The SCIM token of an identity provider.",
                primary=True,
            )
        ],
    )


def placed(resource: Resource[Any], base_url: str, path: str, kind: str) -> Resource[Any]:
    """With its meta, as far as it has no times."""
    resource.meta = Meta(resource_type=kind, location=f"{base_url}/{path}")
    return resource


def meta(kind: str, location: str, created: datetime, modified: datetime) -> Meta:
    return Meta(resource_type=kind, location=location, created=created, last_modified=modified)


def told(resource: Any, wanted: ResponseParameters[Any] | None = None) -> dict[str, Any]:
    """As JSON. wanted: attributes and excludedAttributes of the query."""
    return resource.model_dump(scim_ctx=Context.RESOURCE_QUERY_RESPONSE, response_parameters=wanted)


def uuid_or_none(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None
