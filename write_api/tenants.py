"""POST /tenants and what is done about one afterwards, by the operator or a reseller.

PATCH /tenant, PUT /retention: what a tenant says of itself.
"""

from http import HTTPStatus
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.tenants import (
    ChangeTenant,
    CreateTenant,
    KeepTenant,
    LeavePlatform,
    OffboardTenant,
    ResumeTenant,
    SetResellerQuota,
    SetRetention,
    StayOnPlatform,
    SuspendTenant,
)
from domain.errors import NotFound
from domain.quotas import QuotaReached
from domain.tenants import (
    TIME_ZONE_DEFAULT,
    OffboardedByOperator,
    SuspendedByOperator,
    TenantLeaves,
    TenantNotFound,
    TenantStays,
)
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT, Name, NewPassword

RETENTION_DAYS_MAX = 3650
CUSTOMERS_MAX = 1_000_000
GRACE_DAYS_MAX = 90
GRACE_DAYS_DEFAULT = 30

EmailAddress = Annotated[
    str, StringConstraints(min_length=3, max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")
]
Region = Annotated[
    str,
    StringConstraints(min_length=1, max_length=50),
    Field(description="One of the installation's; its first without it. It stays as it is."),
]


def _known_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = "a name of the IANA time zone database is expected, such as Europe/Oslo"
        raise ValueError(message) from None
    return name


TimeZone = Annotated[
    str,
    StringConstraints(min_length=1, max_length=64),
    AfterValidator(_known_time_zone),
    Field(description="A name of the IANA time zone database, such as Europe/Oslo."),
]


class AdminBody(BaseModel):
    model_config = STRICT

    email: EmailAddress
    password: NewPassword


class TenantBody(BaseModel):
    model_config = STRICT

    name: Name
    admin: AdminBody
    region: Region | None = None
    time_zone: TimeZone = TIME_ZONE_DEFAULT


class TenantCreated(BaseModel):
    """api_key: the administrator's first key. It is not stored: a replayed answer lacks it and has
    key_shown false.
    """

    tenant_id: str
    user_id: str
    api_key_id: str
    key_shown: bool
    api_key: str | None = None


class ChangeBody(BaseModel):
    """What is left out stays as it is."""

    model_config = STRICT

    name: Name | None = None
    time_zone: TimeZone | None = None


class TenantSettings(BaseModel):
    name: str
    time_zone: str
    region: str


class SuspendBody(BaseModel):
    model_config = STRICT

    reason: Annotated[str, StringConstraints(min_length=1, max_length=500)]


class TenantStanding(BaseModel):
    tenant_id: str
    standing: str


class OffboardBody(BaseModel):
    """grace_days: how long it can be cancelled; meanwhile the tenant reads and changes nothing."""

    model_config = STRICT

    grace_days: Annotated[int, Field(ge=0, le=GRACE_DAYS_MAX)] = GRACE_DAYS_DEFAULT


class LeaveBody(BaseModel):
    """confirm_name: the name of the tenant. grace_days: one at least: credentials get stolen."""

    model_config = STRICT

    confirm_name: Name
    grace_days: Annotated[int, Field(ge=1, le=GRACE_DAYS_MAX)] = GRACE_DAYS_DEFAULT


class Offboarding(BaseModel):
    tenant_id: str
    standing: str
    due_at: str


class ResellerQuotaBody(BaseModel):
    """customers_max: how many tenants it may have created at a time; 0: it is no reseller."""

    model_config = STRICT

    customers_max: Annotated[int, Field(ge=0, le=CUSTOMERS_MAX)]


class ResellerQuota(BaseModel):
    tenant_id: str
    customers_max: int


class RetentionBody(BaseModel):
    """payload_days: null keeps payloads for ever. It governs runs that begin after it was set."""

    model_config = STRICT

    payload_days: Annotated[int, Field(ge=1, le=RETENTION_DAYS_MAX)] | None


class Retention(BaseModel):
    payload_days: int | None


TENANT_BODY = TypeAdapter(TenantBody)
CHANGE_BODY = TypeAdapter(ChangeBody)
SUSPEND_BODY = TypeAdapter(SuspendBody)
OFFBOARD_BODY = TypeAdapter(OffboardBody)
LEAVE_BODY = TypeAdapter(LeaveBody)
RESELLER_QUOTA_BODY = TypeAdapter(ResellerQuotaBody)
RETENTION_BODY = TypeAdapter(RetentionBody)


@route(
    "POST",
    "/api/v1/tenants",
    documented(
        "createTenant",
        "Create a tenant with its administrator",
        requires=CreateTenant.requires,
        answers=Answered[TenantCreated],
        status=HTTPStatus.CREATED,
        body="TenantBody",
        example={
            "name": "Acme",
            "admin": {"email": "ada@example.com", "password": "correct horse battery"},
            "region": "eu",
            "time_zone": "Europe/Oslo",
        },
        refusals=[QuotaReached],
    ),
)
async def create(call: Call) -> Response:
    body = await call.body(TENANT_BODY)
    command = CreateTenant(
        body.name, body.admin.email, body.admin.password, body.region, body.time_zone
    )
    return await call.answer(command, HTTPStatus.CREATED)


@route(
    "PATCH",
    "/api/v1/tenant",
    documented(
        "changeTenant",
        "Change settings of one's own tenant",
        requires=ChangeTenant.requires,
        answers=Answered[TenantSettings],
        body="ChangeBody",
        example={"time_zone": "Europe/Oslo"},
        refusals=[TenantNotFound],
    ),
)
async def change(call: Call) -> Response:
    body = await call.body(CHANGE_BODY)
    return await call.answer(ChangeTenant(body.name, body.time_zone), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/tenants/{tenant_id}/suspend",
    documented(
        "suspendTenant",
        "Suspend a tenant: it reads and changes nothing, and its executions stand still",
        requires=SuspendTenant.requires,
        answers=Answered[TenantStanding],
        body="SuspendBody",
        example={"reason": "unpaid"},
        refusals=[TenantNotFound],
    ),
)
async def suspend(call: Call) -> Response:
    body = await call.body(SUSPEND_BODY)
    return await call.answer(SuspendTenant(call.id("tenant_id"), body.reason), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/tenants/{tenant_id}/resume",
    documented(
        "resumeTenant",
        "Let a suspended tenant and its executions go on",
        requires=ResumeTenant.requires,
        answers=Answered[TenantStanding],
        refusals=[TenantNotFound, SuspendedByOperator],
    ),
)
async def resume(call: Call) -> Response:
    return await call.answer(ResumeTenant(call.id("tenant_id")), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/tenants/{tenant_id}/offboard",
    documented(
        "offboardTenant",
        "See a tenant off: after the grace nothing of it can be read any more",
        requires=OffboardTenant.requires,
        answers=Answered[Offboarding],
        body="OffboardBody",
        example={"grace_days": 30},
        refusals=[TenantNotFound, TenantLeaves],
    ),
)
async def offboard(call: Call) -> Response:
    body = await call.body(OFFBOARD_BODY)
    command = OffboardTenant(call.id("tenant_id"), body.grace_days)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/tenants/{tenant_id}/offboard/cancel",
    documented(
        "keepTenant",
        "Cancel the offboarding of a tenant within its grace",
        requires=KeepTenant.requires,
        answers=Answered[TenantStanding],
        refusals=[TenantNotFound, TenantStays],
    ),
)
async def keep(call: Call) -> Response:
    return await call.answer(KeepTenant(call.id("tenant_id")), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/tenant/offboard",
    documented(
        "leavePlatform",
        "Leave with one's tenant: after the grace nothing of it can be read any more",
        requires=LeavePlatform.requires,
        answers=Answered[Offboarding],
        body="LeaveBody",
        example={"confirm_name": "Acme", "grace_days": 30},
        refusals=[TenantNotFound, TenantLeaves],
    ),
)
async def leave(call: Call) -> Response:
    body = await call.body(LEAVE_BODY)
    return await call.answer(LeavePlatform(body.grace_days, body.confirm_name), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/tenant/offboard/cancel",
    documented(
        "stayOnPlatform",
        "Stay after all, within the grace",
        requires=StayOnPlatform.requires,
        answers=Answered[TenantStanding],
        refusals=[TenantNotFound, TenantStays, OffboardedByOperator],
    ),
)
async def stay(call: Call) -> Response:
    return await call.answer(StayOnPlatform(), HTTPStatus.OK)


@route(
    "PUT",
    "/api/v1/tenants/{tenant_id}/reseller-quota",
    documented(
        "setResellerQuota",
        "Say how many tenants a tenant may create as a reseller",
        requires=SetResellerQuota.requires,
        answers=Answered[ResellerQuota],
        body="ResellerQuotaBody",
        example={"customers_max": 10},
        refusals=[TenantNotFound],
    ),
)
async def put_reseller_quota(call: Call) -> Response:
    body = await call.body(RESELLER_QUOTA_BODY)
    command = SetResellerQuota(call.id("tenant_id"), body.customers_max)
    return await call.answer(command, HTTPStatus.OK)


@route(
    "PUT",
    "/api/v1/retention",
    documented(
        "setRetention",
        "Remove the payloads of finished executions after some days",
        requires=SetRetention.requires,
        answers=Answered[Retention],
        body="RetentionBody",
        example={"payload_days": 30},
        refusals=[NotFound],
    ),
)
async def put_retention(call: Call) -> Response:
    body = await call.body(RETENTION_BODY)
    return await call.answer(SetRetention(body.payload_days), HTTPStatus.OK)


ROUTES = (
    create,
    change,
    suspend,
    resume,
    offboard,
    keep,
    leave,
    stay,
    put_reseller_quota,
    put_retention,
)
BODIES = (
    TENANT_BODY,
    CHANGE_BODY,
    SUSPEND_BODY,
    OFFBOARD_BODY,
    LEAVE_BODY,
    RESELLER_QUOTA_BODY,
    RETENTION_BODY,
)
