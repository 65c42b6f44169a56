"""POST /users, PATCH and DELETE /users/{id}, POST /users/{id}/invitation, and
POST /auth/invitations/accept, whose token is the credential.
"""

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.authorization import Caller
from commands.identity import (
    AcceptInvitation,
    ChangeUser,
    DeactivateUser,
    InviteUser,
    RenewInvitation,
    UserChanges,
)
from commands.memberships import EmailTaken
from domain.administrators import LastAdministrator
from domain.errors import Stale
from domain.identity import AlreadyAccepted, InvitationOver, NotAccepted, UserNotFound
from domain.invitations import TOKEN_CHARACTERS, InvitationToken
from write_api.edge import Call, Edge
from write_api.openapi import Answered, documented
from write_api.routes import Route, route
from write_api.shapes import STRICT, Name, NewPassword

EmailAddress = Annotated[
    str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")
]
RoleName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=36),
    Field(description="ADMIN, USER, VIEWER, RESELLER, or the id of a role of the tenant's own."),
]


class UserBody(BaseModel):
    model_config = STRICT

    email: EmailAddress
    role: RoleName
    name: Name | None = None


class UserPatch(BaseModel):
    """is_active: false deactivates, true brings back."""

    model_config = STRICT

    role: RoleName | None = None
    name: Name | None = None
    is_active: bool | None = None


class AcceptBody(BaseModel):
    model_config = STRICT

    token: Annotated[str, StringConstraints(max_length=TOKEN_CHARACTERS)]
    password: NewPassword
    name: Name | None = None


class UserTold(BaseModel):
    user_id: str
    role: str
    name: str | None
    status: str
    version: int


class Invited(UserTold):
    """is_mailed: whether the token was mailed; where no mail is sent it is here, and only in the
    first answer.
    """

    expires_at: str
    is_mailed: bool
    invitation_token: str | None = None


USER_BODY = TypeAdapter(UserBody)
USER_PATCH = TypeAdapter(UserPatch)
ACCEPT_BODY = TypeAdapter(AcceptBody)


@route(
    "POST",
    "/api/v1/users",
    documented(
        "inviteUser",
        "Invite somebody, with a role that holds no more than you do",
        requires=InviteUser.requires,
        answers=Answered[Invited],
        status=HTTPStatus.CREATED,
        body="UserBody",
        example={"email": "grace@example.com", "role": "VIEWER", "name": "Grace"},
        refusals=[EmailTaken],
    ),
)
async def invite(call: Call) -> Response:
    body = await call.body(USER_BODY)
    return await call.answer(InviteUser(body.email, body.role, body.name), HTTPStatus.CREATED)


@route(
    "POST",
    "/api/v1/users/{user_id}/invitation",
    documented(
        "renewInvitation",
        "Invite somebody again who has not accepted yet",
        requires=RenewInvitation.requires,
        answers=Answered[Invited],
        refusals=[UserNotFound, AlreadyAccepted],
    ),
)
async def renew(call: Call) -> Response:
    return await call.answer(RenewInvitation(call.id("user_id")), HTTPStatus.OK)


@route(
    "PATCH",
    "/api/v1/users/{user_id}",
    documented(
        "changeUser",
        "Give somebody another role or name, or bring them back",
        requires=ChangeUser.requires,
        answers=Answered[UserTold],
        body="UserPatch",
        example={"role": "VIEWER"},
        refusals=[UserNotFound, LastAdministrator, NotAccepted, Stale],
    ),
)
async def change(call: Call) -> Response:
    body = await call.body(USER_PATCH)
    changes = UserChanges()
    if body.role is not None:
        changes["role"] = body.role
    if "name" in body.model_fields_set:
        changes["name"] = body.name
    if body.is_active is not None:
        changes["is_active"] = body.is_active
    command = ChangeUser(call.id("user_id"), changes, call.expected_version)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/users/{user_id}",
    documented(
        "deactivateUser",
        "Deactivate somebody: their sessions and keys count for nothing from now on",
        requires=DeactivateUser.requires,
        answers=Answered[UserTold],
        refusals=[UserNotFound, LastAdministrator, Stale],
    ),
)
async def deactivate(call: Call) -> Response:
    command = DeactivateUser(call.id("user_id"), call.expected_version)
    return await call.answer(command, HTTPStatus.OK)


async def accept(call: Call) -> Response:
    body = await call.body(ACCEPT_BODY)
    token = InvitationToken.parse(body.token)
    if token is None:
        raise InvitationOver
    scopes = frozenset({AcceptInvitation.requires})
    caller = Caller(f"user:{token.user_id}", token.tenant_id, scopes, token.user_id)
    command = AcceptInvitation(token, body.password, body.name)
    return await replace(call, caller=caller).answer(command, HTTPStatus.OK)


ACCEPT = Route(
    "POST",
    "/api/v1/auth/invitations/accept",
    documented(
        "acceptInvitation",
        "Accept an invitation with the token of the mail",
        requires=None,
        answers=Answered[UserTold],
        body="AcceptBody",
        example={"token": "A" * TOKEN_CHARACTERS, "password": "correct horse battery"},
        refusals=[InvitationOver],
    ),
    accept,
    Edge.identify_stranger,
)
ROUTES = (invite, renew, change, deactivate, ACCEPT)
BODIES = (USER_BODY, USER_PATCH, ACCEPT_BODY)
