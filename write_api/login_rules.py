"""GET and PUT /login-rules: what a tenant asks of its people when they log in."""

from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, Field, TypeAdapter
from starlette.responses import Response

from commands.authorization import require
from commands.login_rules import SetLoginRules, told_rules
from domain.errors import Forbidden
from write_api.edge import Call
from write_api.identity import RoleName
from write_api.openapi import Answered, documented, documented_query
from write_api.routes import route
from write_api.shapes import STRICT

MFA_ROLES_MAX = 50


class LoginRulesBody(BaseModel):
    """mfa_roles: whom require_mfa concerns; none named: everybody. trust_identity_providers:
    whoever signed in at an identity provider has done enough there; otherwise its ID token has to
    name `mfa` in `amr`, or a second factor is asked for here.
    """

    model_config = STRICT

    require_mfa: bool
    mfa_roles: Annotated[list[RoleName], Field(max_length=MFA_ROLES_MAX)] = []
    trust_identity_providers: bool = False


class LoginRulesTold(BaseModel):
    require_mfa: bool
    mfa_roles: list[str]
    trust_identity_providers: bool


LOGIN_RULES_BODY = TypeAdapter(LoginRulesBody)


@route(
    "GET",
    "/api/v1/login-rules",
    documented_query(
        "loginRules",
        "What is asked of people who log in",
        requires=SetLoginRules.requires,
        answers=Answered[LoginRulesTold],
    ),
    is_sensitive=False,
)
async def get_rules(call: Call) -> Response:
    require(call.caller, SetLoginRules.requires)
    if call.caller.tenant_id is None:
        raise Forbidden
    rules = await call.edge.logins.flow.rules(call.caller.tenant_id)
    return call.secret_answer(told_rules(rules), HTTPStatus.OK)


@route(
    "PUT",
    "/api/v1/login-rules",
    documented(
        "setLoginRules",
        "Say what is asked of people who log in",
        requires=SetLoginRules.requires,
        answers=Answered[LoginRulesTold],
        body="LoginRulesBody",
        example={"require_mfa": True, "mfa_roles": ["ADMIN"]},
    ),
)
async def put_rules(call: Call) -> Response:
    body = await call.body(LOGIN_RULES_BODY)
    command = SetLoginRules(body.require_mfa, tuple(body.mfa_roles), body.trust_identity_providers)
    return await call.answer(command, HTTPStatus.OK)


ROUTES = (get_rules, put_rules)
BODIES = (LOGIN_RULES_BODY,)
