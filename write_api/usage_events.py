"""POST /usage-events: what a tenant counts itself, as CloudEvents 1.0, one or a batch."""

from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.usage_events import SendUsageEvents, SentEvent
from domain.usage import QUANTITY_MAX
from domain.usage_events import UsageEventConflict
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import Documentation, route
from write_api.shapes import STRICT, Instant

BATCH_MAX = 100
# What CloudEvents are sent as, beside JSON; one or a list may come as any of them.
MEDIA_TYPES = (b"application/cloudevents+json", b"application/cloudevents-batch+json")
ATTRIBUTE_CHARACTERS_MAX = 300
DETAILS_MAX = 20

Attribute = Annotated[str, StringConstraints(min_length=1, max_length=ATTRIBUTE_CHARACTERS_MAX)]
Detail = Annotated[str, StringConstraints(max_length=ATTRIBUTE_CHARACTERS_MAX)]
MeterType = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9_.]{0,63}$"),
    Field(description="The meter: lower case letters, digits, `_` and `.`."),
]


class UsageData(BaseModel):
    """quantity: a whole number; choose the unit so that it is one."""

    model_config = STRICT

    quantity: Annotated[int, Field(ge=0, le=QUANTITY_MAX)] = 1
    details: Annotated[dict[Attribute, Detail], Field(max_length=DETAILS_MAX)] = {}


class CloudEvent(BaseModel):
    """The same source and id is the same event, for ever. Other attributes are not looked at."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)

    specversion: Literal["1.0"]
    id: Attribute
    source: Attribute
    type: MeterType
    subject: Attribute | None = None
    time: Instant | None = None
    datacontenttype: Literal["application/json"] = "application/json"
    data: UsageData = UsageData()


class UsageCounted(BaseModel):
    accepted: int
    duplicates: int


def _as_batch(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


CLOUD_EVENT_BODY = TypeAdapter(CloudEvent)
BATCH_BODY: TypeAdapter[list[CloudEvent]] = TypeAdapter(
    Annotated[
        list[CloudEvent],
        Field(min_length=1, max_length=BATCH_MAX),
        BeforeValidator(_as_batch),
    ]
)


def _documentation() -> Documentation:
    told = documented(
        "sendUsageEvents",
        "Count usage: a CloudEvent, or a list of up to 100, all of them or none",
        requires=SendUsageEvents.requires,
        answers=Answered[UsageCounted],
        body="CloudEvent",
        example={
            "specversion": "1.0",
            "id": "1",
            "source": "/reports",
            "type": "pages_printed",
            "data": {"quantity": 12},
        },
        refusals=[UsageEventConflict],
    )
    content = told["openapi_extra"]["requestBody"]["content"]
    content |= {name.decode(): content["application/json"] for name in MEDIA_TYPES}
    return told


@route("POST", "/api/v1/usage-events", _documentation())
async def send(call: Call) -> Response:
    body = await call.body(BATCH_BODY, *MEDIA_TYPES)
    return await call.answer(SendUsageEvents([_sent(one) for one in body]), HTTPStatus.OK)


def _sent(event: CloudEvent) -> SentEvent:
    return SentEvent(
        event.source, event.id, event.type, event.subject, event.time, event.data.model_dump()
    )


ROUTES = (send,)
BODIES = (CLOUD_EVENT_BODY,)
