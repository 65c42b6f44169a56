"""Errors as a GraphQL client sees them: a message and `extensions.code`; what nobody foresaw says
only where to look.
"""

import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from graphql import GraphQLError, GraphQLFormattedError, GraphQLSyntaxError

from infra.authentication import DomainError

log = logging.getLogger(__name__)

SYNTAX = "graphql_syntax"
VALIDATION = "graphql_validation"
INTERNAL = "internal"
UNAVAILABLE = "unavailable"


class RequestRefused(Exception):
    """The request as a whole is refused before anything was read."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = tuple(errors)


def coded(code: str, message: str, **extensions: object) -> GraphQLError:
    return GraphQLError(message, extensions={"code": code, **extensions})


def refuse(code: str, message: str, **extensions: object) -> RequestRefused:
    return RequestRefused([coded(code, message, **extensions)])


def formatted(
    error: GraphQLError, request_id: UUID, *, code: str = VALIDATION
) -> GraphQLFormattedError:
    """code: for errors that graphql-core raised itself, which carry none."""
    reason = _reason(error)
    if isinstance(reason, DomainError):
        return _described(error, reason.detail, {"code": reason.code})
    if not isinstance(reason, GraphQLError):
        log.error("request %s failed", request_id, exc_info=reason)
        message = "Something went wrong here; the log has it under the request id."
        return _described(error, message, {"code": INTERNAL, "request_id": str(request_id)})
    own = SYNTAX if isinstance(error, GraphQLSyntaxError) else code
    return _described(error, error.message, {"code": own, **(error.extensions or {})})


def _reason(error: GraphQLError) -> Exception:
    """What was raised first: graphql-core wraps it, once per level that it passes through."""
    reason: Exception = error
    while isinstance(reason, GraphQLError) and reason.original_error is not None:
        reason = reason.original_error
    return reason


def _described(
    error: GraphQLError, message: str, extensions: dict[str, Any]
) -> GraphQLFormattedError:
    described = error.formatted
    described["message"] = message
    described["extensions"] = extensions
    return described
