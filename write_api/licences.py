"""POST /licences with /renew, /revoke and /activations: what a reseller promises its customers.

GET /licences/{id}/document: the signed document. GET /licence-issuers/{id}/keys and /revocations:
what anybody verifies it with.
"""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.authorization import require
from commands.dispatch import Answer
from commands.licence_port import IssuerNotFound
from commands.licences import (
    ActivateLicence,
    IssueLicence,
    NotAReseller,
    ReleaseLicence,
    RenewLicence,
    RevokeLicence,
)
from domain.errors import Stale
from domain.identifiers import JsonObject, TenantId
from domain.licences import (
    SEATS_MAX,
    ActivationNotFound,
    LicenceNotBegun,
    LicenceNotFound,
    LicenceOver,
    LicenceRevoked,
    NoSeatLeft,
    TooManyRenewals,
)
from write_api.edge import Call, Edge, json_response
from write_api.openapi import Answered, documented, documented_open, documented_query
from write_api.routes import Route, route
from write_api.sessions import Jwk
from write_api.shapes import STRICT, Instant, Name

Seats = Annotated[int, Field(ge=1, le=SEATS_MAX)]
EXPIRES = "2030-01-01T00:00:00Z"
# A list is looked up again by whoever verifies, and says itself how long it may be relied on.
CACHED = {"Cache-Control": "public, max-age=60"}


class LicenceBody(BaseModel):
    """licensee: whom it is for. starts_at: null is now."""

    model_config = STRICT

    licensee: Name
    product: Name
    seats: Seats
    expires_at: Instant
    starts_at: Instant | None = None


class LicenceRenewBody(BaseModel):
    """seats: null leaves them. What is less than before revokes the documents before."""

    model_config = STRICT

    expires_at: Instant
    seats: Seats | None = None


class LicenceRevokeBody(BaseModel):
    model_config = STRICT

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class ActivationBody(BaseModel):
    """instance: what takes the seat: the same one has the same seat."""

    model_config = STRICT

    instance: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]


class LicenceTold(BaseModel):
    """document: signed; null where there is none that counts."""

    licence_id: str
    status: Literal["issued", "expired", "revoked"]
    serial: int
    licensee: str
    product: str
    seats: int
    seats_used: int
    starts_at: str
    expires_at: str
    version: int
    document: str | None


class LicenceDocument(BaseModel):
    document: str


class SeatTold(BaseModel):
    licence_id: str
    activation_id: str
    seats: int
    seats_used: int


class IssuerKeySet(BaseModel):
    """RFC 7517; all keys that ever signed, the newest first."""

    issuer_id: str
    keys: list[Jwk]


class SignedRevocations(BaseModel):
    """revocations: a signed document, with a number that grows and the time until which it may be
    relied on.
    """

    revocations: str


LICENCE_BODY = TypeAdapter(LicenceBody)
LICENCE_RENEW_BODY = TypeAdapter(LicenceRenewBody)
LICENCE_REVOKE_BODY = TypeAdapter(LicenceRevokeBody)
ACTIVATION_BODY = TypeAdapter(ActivationBody)


async def _with_document(call: Call, answer: Answer) -> Answer:
    licence_id, is_revoked = str(answer.result["licence_id"]), answer.result["status"] == "revoked"
    document = None if is_revoked else await _document(call, licence_id)
    return replace(answer, result={**answer.result, "document": document})


async def _document(call: Call, licence_id: str) -> str | None:
    """None: it was revoked since, which a replayed answer may not know."""
    assert call.caller.tenant_id is not None
    try:
        return await call.edge.licences.document(call.caller.tenant_id, UUID(licence_id))
    except LicenceRevoked:
        return None


@route(
    "POST",
    "/api/v1/licences",
    documented(
        "issueLicence",
        "Issue a licence to a customer of one's own, as a signed document",
        requires=IssueLicence.requires,
        answers=Answered[LicenceTold],
        status=HTTPStatus.CREATED,
        body="LicenceBody",
        example={"licensee": "Acme", "product": "Suite", "seats": 5, "expires_at": EXPIRES},
        refusals=[NotAReseller],
    ),
)
async def issue(call: Call) -> Response:
    body = await call.body(LICENCE_BODY)
    command = IssueLicence(body.licensee, body.product, body.seats, body.expires_at, body.starts_at)
    return await call.answer(command, HTTPStatus.CREATED, more=_with_document)


@route(
    "POST",
    "/api/v1/licences/{licence_id}/renew",
    documented(
        "renewLicence",
        "Renew a licence; a document that promised more is revoked",
        requires=RenewLicence.requires,
        answers=Answered[LicenceTold],
        body="LicenceRenewBody",
        example={"expires_at": EXPIRES, "seats": 10},
        refusals=[LicenceNotFound, LicenceRevoked, TooManyRenewals, Stale],
    ),
)
async def renew(call: Call) -> Response:
    body = await call.body(LICENCE_RENEW_BODY)
    command = RenewLicence(
        call.id("licence_id"), body.expires_at, body.seats, call.expected_version
    )
    return await call.answer(command, HTTPStatus.OK, more=_with_document)


@route(
    "POST",
    "/api/v1/licences/{licence_id}/revoke",
    documented(
        "revokeLicence",
        "Revoke a licence for ever; it is on the next list of revocations",
        requires=RevokeLicence.requires,
        answers=Answered[LicenceTold],
        body="LicenceRevokeBody",
        example={"reason": "not paid"},
        refusals=[LicenceNotFound, Stale],
    ),
)
async def revoke(call: Call) -> Response:
    body = await call.body(LICENCE_REVOKE_BODY)
    command = RevokeLicence(call.id("licence_id"), body.reason, call.expected_version)
    return await call.answer(command, HTTPStatus.OK, more=_with_document)


@route(
    "POST",
    "/api/v1/licences/{licence_id}/activations",
    documented(
        "activateLicence",
        "Take a seat of a licence",
        requires=ActivateLicence.requires,
        answers=Answered[SeatTold],
        status=HTTPStatus.CREATED,
        body="ActivationBody",
        example={"instance": "host-7f3a"},
        refusals=[LicenceNotFound, LicenceRevoked, LicenceNotBegun, LicenceOver, NoSeatLeft],
    ),
)
async def activate(call: Call) -> Response:
    body = await call.body(ACTIVATION_BODY)
    command = ActivateLicence(call.id("licence_id"), body.instance)
    return await call.answer(command, HTTPStatus.CREATED)


@route(
    "DELETE",
    "/api/v1/licences/{licence_id}/activations/{activation_id}",
    documented(
        "releaseLicence",
        "Give a seat of a licence back",
        requires=ReleaseLicence.requires,
        answers=Answered[SeatTold],
        refusals=[LicenceNotFound, ActivationNotFound],
    ),
)
async def release(call: Call) -> Response:
    command = ReleaseLicence(call.id("licence_id"), call.id("activation_id"))
    return await call.answer(command, HTTPStatus.OK)


@route(
    "GET",
    "/api/v1/licences/{licence_id}/document",
    documented_query(
        "licenceDocument",
        "The newest signed document of a licence",
        requires=IssueLicence.requires,
        answers=Answered[LicenceDocument],
        refusals=[LicenceNotFound, LicenceRevoked],
    ),
)
async def document(call: Call) -> Response:
    require(call.caller, IssueLicence.requires)
    assert call.caller.tenant_id is not None
    told = await call.edge.licences.document(call.caller.tenant_id, call.id("licence_id"))
    meta: JsonObject = {"position": None, "request_id": str(call.request_id)}
    return json_response({"data": {"document": told}, "meta": meta}, HTTPStatus.OK)


async def keys(call: Call) -> Response:
    issuer_id = TenantId(call.id("tenant_id"))
    return json_response(await call.edge.licences.keys(issuer_id), HTTPStatus.OK, CACHED)


async def revocations(call: Call) -> Response:
    told = await call.edge.licences.revocations(TenantId(call.id("tenant_id")))
    return json_response({"revocations": told}, HTTPStatus.OK, CACHED)


OPEN_ROUTES = (
    Route(
        "GET",
        "/api/v1/licence-issuers/{tenant_id}/keys",
        documented_open(
            "licenceKeys",
            "The public keys with which an issuer's licences are verified",
            answers=IssuerKeySet,
            body=None,
            example=None,
            refusals=[IssuerNotFound],
        ),
        keys,
        Edge.identify_anybody,
        is_sensitive=False,
    ),
    Route(
        "GET",
        "/api/v1/licence-issuers/{tenant_id}/revocations",
        documented_open(
            "licenceRevocations",
            "Which licences of an issuer do not count any more, signed",
            answers=SignedRevocations,
            body=None,
            example=None,
            refusals=[IssuerNotFound],
        ),
        revocations,
        Edge.identify_anybody,
        is_sensitive=False,
    ),
)
ROUTES = (issue, renew, revoke, activate, release, document, *OPEN_ROUTES)
BODIES = (LICENCE_BODY, LICENCE_RENEW_BODY, LICENCE_REVOKE_BODY, ACTIVATION_BODY)
