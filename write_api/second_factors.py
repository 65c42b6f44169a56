"""POST /auth/login/totp/enrol and /confirm: for who may not log in without a second factor and has
none yet. DELETE /users/{user_id}/totp: for somebody who has lost theirs.
"""

from http import HTTPStatus

from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from commands.logins import ResetSecondFactor
from domain.errors import Forbidden, Unauthenticated
from domain.identifiers import Json, JsonObject
from domain.identity import UserNotFound
from domain.logins import OwnSecondFactor, SecondFactorMissing, SecondFactorPresent
from write_api.edge import Call, Edge
from write_api.logins import SecondFactorSecret
from write_api.openapi import Answered, documented, documented_open
from write_api.routes import Route, route
from write_api.sessions import SECOND_FACTOR_BODY, SessionTokens, Token, session_tokens
from write_api.shapes import STRICT


class SetupBody(BaseModel):
    """mfa_token: of the login that answered with mfa_setup_required."""

    model_config = STRICT

    mfa_token: Token


class SetupFinished(SessionTokens):
    """recovery_codes: shown once; each counts once, in place of a code of the authenticator."""

    recovery_codes: list[str]


class SecondFactorRemoved(BaseModel):
    """ended_count: of that person's sessions."""

    user_id: str
    ended_count: int


SETUP_BODY = TypeAdapter(SetupBody)


async def set_up(call: Call) -> Response:
    body = await call.body(SETUP_BODY)
    made = await call.edge.logins.account.set_up(body.mfa_token)
    told: dict[str, Json] = {"secret": made.secret, "otpauth_uri": made.otpauth_uri}
    return call.secret_answer(told, HTTPStatus.OK)


async def finish_setup(call: Call) -> Response:
    body = await call.body(SECOND_FACTOR_BODY)
    account = call.edge.logins.account
    session, codes = await account.finish_setup(body.mfa_token, body.code, call.origin())
    call.became(session.tenant_id, session.user_id)
    told: JsonObject = {**session_tokens(session), "recovery_codes": list[Json](codes)}
    return call.secret_answer(told, HTTPStatus.OK)


@route(
    "DELETE",
    "/api/v1/users/{user_id}/totp",
    documented(
        "resetSecondFactor",
        "Remove the second factor of somebody who has lost it; their sessions end",
        requires=ResetSecondFactor.requires,
        answers=Answered[SecondFactorRemoved],
        refusals=[UserNotFound, OwnSecondFactor, SecondFactorMissing],
    ),
)
async def reset(call: Call) -> Response:
    return await call.answer(ResetSecondFactor(call.id("user_id")), HTTPStatus.OK)


ROUTES = (
    Route(
        "POST",
        "/api/v1/auth/login/totp/enrol",
        documented_open(
            "setUpSecondFactor",
            "Begin the second factor that one's tenant asks for",
            answers=Answered[SecondFactorSecret],
            body="SetupBody",
            example={"mfa_token": "eyJ..."},
            refusals=[Unauthenticated, SecondFactorPresent],
        ),
        set_up,
        Edge.identify_stranger,
    ),
    Route(
        "POST",
        "/api/v1/auth/login/totp/confirm",
        documented_open(
            "finishSecondFactorSetup",
            "Confirm it with its first code, and be logged in",
            answers=Answered[SetupFinished],
            body="SecondFactorBody",
            example={"mfa_token": "eyJ...", "code": "123456"},
            refusals=[Unauthenticated, Forbidden, SecondFactorPresent],
        ),
        finish_setup,
        Edge.identify_stranger,
    ),
    reset,
)
BODIES = (SETUP_BODY,)
