"""POST /auth/password, /auth/password-reset and its confirm; POST /auth/totp, its confirm, disable
and recovery-codes. For people: an API key is not enough.
"""

from http import HTTPStatus

from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from commands.account_flow import ResetRefused
from commands.logins import ChangePassword
from domain.identifiers import Json
from domain.logins import SecondFactorMissing, SecondFactorPresent
from write_api.edge import Call, Edge
from write_api.openapi import Answered, documented_open, documented_personal
from write_api.routes import Route, route
from write_api.sessions import Code, GivenPassword, SessionsEnded, Token, require_given
from write_api.shapes import STRICT, NewPassword
from write_api.tenants import EmailAddress

REQUIRES = ChangePassword.requires


class PasswordBody(BaseModel):
    model_config = STRICT

    old_password: GivenPassword
    new_password: NewPassword


class ResetBody(BaseModel):
    model_config = STRICT

    email: EmailAddress


class ResetConfirmBody(BaseModel):
    """token: of the mail."""

    model_config = STRICT

    token: Token
    password: NewPassword


class ProofBody(BaseModel):
    """The password once more."""

    model_config = STRICT

    password: GivenPassword


class CodeBody(BaseModel):
    model_config = STRICT

    code: Code


class ProofAndCodeBody(BaseModel):
    """code: of the authenticator, or a recovery code."""

    model_config = STRICT

    password: GivenPassword
    code: Code


class Accepted(BaseModel):
    """The same whether anybody has this address or not."""

    is_accepted: bool


class PasswordReset(BaseModel):
    is_changed: bool


class SecondFactorSecret(BaseModel):
    """Shown once. otpauth_uri: for an authenticator, mostly as a QR code."""

    secret: str
    otpauth_uri: str


class RecoveryCodes(BaseModel):
    """Shown once; each counts once, in place of a code of the authenticator."""

    recovery_codes: list[str]


class SecondFactorState(BaseModel):
    is_enabled: bool


PASSWORD_BODY = TypeAdapter(PasswordBody)
RESET_BODY = TypeAdapter(ResetBody)
RESET_CONFIRM_BODY = TypeAdapter(ResetConfirmBody)
PROOF_BODY = TypeAdapter(ProofBody)
CODE_BODY = TypeAdapter(CodeBody)
PROOF_AND_CODE_BODY = TypeAdapter(ProofAndCodeBody)


@route(
    "POST",
    "/api/v1/auth/password",
    documented_personal(
        "changePassword",
        "Change one's password; all other sessions end",
        requires=REQUIRES,
        answers=Answered[SessionsEnded],
        body="PasswordBody",
        example={
            "old_password": "correct horse battery",
            "new_password": "incorrect donkey fuel cell",
        },
    ),
)
async def change_password(call: Call) -> Response:
    body = await call.body(PASSWORD_BODY)
    require_given(body.old_password, "/old_password")
    ended_count = await call.edge.logins.account.change_password(
        call.caller, body.old_password, body.new_password, call.origin()
    )
    return call.secret_answer({"ended_count": ended_count}, HTTPStatus.OK)


async def request_reset(call: Call) -> Response:
    body = await call.body(RESET_BODY)
    account, origin = call.edge.logins.account, call.origin()
    await account.admit_reset(body.email, origin)
    call.edge.later.do("a password reset", account.request_reset(body.email, origin))
    return call.secret_answer({"is_accepted": True}, HTTPStatus.ACCEPTED)


async def confirm_reset(call: Call) -> Response:
    body = await call.body(RESET_CONFIRM_BODY)
    await call.edge.logins.account.confirm_reset(body.token, body.password, call.origin())
    return call.secret_answer({"is_changed": True}, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/auth/totp",
    documented_personal(
        "enrolSecondFactor",
        "Begin a second factor; it counts once it is confirmed",
        requires=REQUIRES,
        answers=Answered[SecondFactorSecret],
        body="ProofBody",
        example={"password": "correct horse battery"},
        refusals=[SecondFactorPresent],
    ),
)
async def enrol(call: Call) -> Response:
    body = await call.body(PROOF_BODY)
    require_given(body.password, "/password")
    made = await call.edge.logins.account.enrol(call.caller, body.password, call.origin())
    told: dict[str, Json] = {"secret": made.secret, "otpauth_uri": made.otpauth_uri}
    return call.secret_answer(told, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/auth/totp/confirm",
    documented_personal(
        "confirmSecondFactor",
        "Confirm the second factor with its first code",
        requires=REQUIRES,
        answers=Answered[RecoveryCodes],
        body="CodeBody",
        example={"code": "123456"},
        refusals=[SecondFactorPresent],
    ),
)
async def confirm(call: Call) -> Response:
    body = await call.body(CODE_BODY)
    codes = await call.edge.logins.account.confirm(call.caller, body.code, call.origin())
    return call.secret_answer({"recovery_codes": list[Json](codes)}, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/auth/totp/disable",
    documented_personal(
        "disableSecondFactor",
        "Remove the second factor",
        requires=REQUIRES,
        answers=Answered[SecondFactorState],
        body="ProofAndCodeBody",
        example={"password": "correct horse battery", "code": "123456"},
        refusals=[SecondFactorMissing],
    ),
)
async def disable(call: Call) -> Response:
    body = await call.body(PROOF_AND_CODE_BODY)
    require_given(body.password, "/password")
    account = call.edge.logins.account
    await account.disable(call.caller, body.password, body.code, call.origin())
    return call.secret_answer({"is_enabled": False}, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/auth/totp/recovery-codes",
    documented_personal(
        "renewRecoveryCodes",
        "Get new recovery codes; the old ones count no more",
        requires=REQUIRES,
        answers=Answered[RecoveryCodes],
        body="ProofAndCodeBody",
        example={"password": "correct horse battery", "code": "123456"},
        refusals=[SecondFactorMissing],
    ),
)
async def renew_codes(call: Call) -> Response:
    body = await call.body(PROOF_AND_CODE_BODY)
    require_given(body.password, "/password")
    account = call.edge.logins.account
    codes = await account.renew_codes(call.caller, body.password, body.code, call.origin())
    return call.secret_answer({"recovery_codes": list[Json](codes)}, HTTPStatus.OK)


ROUTES = (
    change_password,
    Route(
        "POST",
        "/api/v1/auth/password-reset",
        documented_open(
            "requestPasswordReset",
            "Mail a token that sets a new password",
            answers=Answered[Accepted],
            body="ResetBody",
            example={"email": "ada@example.com"},
            status=HTTPStatus.ACCEPTED,
        ),
        request_reset,
        Edge.identify_stranger,
    ),
    Route(
        "POST",
        "/api/v1/auth/password-reset/confirm",
        documented_open(
            "confirmPasswordReset",
            "Set a new password with the token of the mail; all sessions end",
            answers=Answered[PasswordReset],
            body="ResetConfirmBody",
            example={"token": "alp_...", "password": "incorrect donkey fuel cell"},
            refusals=[ResetRefused],
        ),
        confirm_reset,
        Edge.identify_stranger,
    ),
    enrol,
    confirm,
    disable,
    renew_codes,
)
BODIES = (
    PASSWORD_BODY,
    RESET_BODY,
    RESET_CONFIRM_BODY,
    PROOF_BODY,
    CODE_BODY,
    PROOF_AND_CODE_BODY,
)
