"""POST /users/{id}/erase and POST /data-subjects/erase: the erasure of one person, for good."""

from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, Field, StringConstraints, TypeAdapter
from starlette.responses import Response

from commands.subjects import EraseDataSubject, EraseUser
from domain.administrators import LastAdministrator
from domain.identity import UserNotFound
from domain.subjects import NAME_CHARACTERS_MAX, DataSubjectNotFound
from write_api.edge import Call
from write_api.openapi import Answered, documented
from write_api.routes import route
from write_api.shapes import STRICT

DataSubjectName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=NAME_CHARACTERS_MAX),
    Field(
        description="Whose data the run works on, by a name of your own: what it is given and makes"
        " is sealed with a key of theirs, and can be erased with them."
    ),
]


class EraseUserBody(BaseModel):
    """confirm_email: the address of the person, so that nobody is erased by a slip."""

    model_config = STRICT

    confirm_email: Annotated[str, StringConstraints(max_length=254)]


class EraseDataSubjectBody(BaseModel):
    """data_subject: the name that executions were given."""

    model_config = STRICT

    data_subject: Annotated[str, StringConstraints(min_length=1, max_length=NAME_CHARACTERS_MAX)]


class UserErasure(BaseModel):
    user_id: str
    is_erased: bool


class DataSubjectErasure(BaseModel):
    """subject_id: what is left of the name: nobody reads it back."""

    subject_id: str
    is_erased: bool


ERASE_USER_BODY = TypeAdapter(EraseUserBody)
ERASE_DATA_SUBJECT_BODY = TypeAdapter(EraseDataSubjectBody)


@route(
    "POST",
    "/api/v1/users/{user_id}/erase",
    documented(
        "eraseUser",
        "Erase a person: what is personal about them can never be read again",
        requires=EraseUser.requires,
        answers=Answered[UserErasure],
        body="EraseUserBody",
        example={"confirm_email": "grace@example.com"},
        refusals=[UserNotFound, LastAdministrator],
    ),
)
async def erase_user(call: Call) -> Response:
    body = await call.body(ERASE_USER_BODY)
    return await call.answer(EraseUser(call.id("user_id"), body.confirm_email), HTTPStatus.OK)


@route(
    "POST",
    "/api/v1/data-subjects/erase",
    documented(
        "eraseDataSubject",
        "Erase a data subject: what its executions were given and made can never be read again",
        requires=EraseDataSubject.requires,
        answers=Answered[DataSubjectErasure],
        body="EraseDataSubjectBody",
        example={"data_subject": "customer-4711"},
        refusals=[DataSubjectNotFound],
    ),
)
async def erase_data_subject(call: Call) -> Response:
    body = await call.body(ERASE_DATA_SUBJECT_BODY)
    return await call.answer(EraseDataSubject(body.data_subject), HTTPStatus.OK)


ROUTES = (erase_user, erase_data_subject)
BODIES = (ERASE_USER_BODY, ERASE_DATA_SUBJECT_BODY)
