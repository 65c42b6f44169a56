"""One operation from its text to its answer: document, variables, cost, permission, position,
execution.

Used by every transport. RequestRefused means that nothing was read; errors of single fields are in
the answer.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from inspect import isawaitable
from time import perf_counter
from typing import Any, TypeAlias, cast
from uuid import UUID

from graphql import ExecutionResult, GraphQLError
from graphql import execute as execute_document  # pyright: ignore[reportUnknownVariableType] # partly typed
from graphql import subscribe as subscribe_document  # pyright: ignore[reportUnknownVariableType] # partly typed
from graphql.execution.values import VariableValues

from infra.authentication import Caller, DomainError
from infra.logs import SLOW, told
from infra.tracing import span
from read_api.context import ReadContext, sources_of
from read_api.dependencies import ReadDependencies
from read_api.documents import Document, Documents
from read_api.edge import ReadOrigin
from read_api.errors import RequestRefused, coded, formatted, refuse
from read_api.executor import ReadExecutor
from read_api.positions import parse_position
from read_api.root_fields import audited_fields, audited_refusal, check_root_field
from read_api.schema import build_schema, build_shaper, core_schema

log = logging.getLogger(__name__)

Answer: TypeAlias = dict[str, Any]
# The name of an operation is the client's own, and may say anything; its root fields are ours.
GRAPHQL = {"graphql.operation.type": "query"}


@dataclass(frozen=True, slots=True)
class Operation:
    """What a client sent. min_position: the header of a request."""

    query: str
    variables: Mapping[str, Any]
    operation_name: str | None = None
    min_position: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    operation: Operation
    context: ReadContext

    @property
    def is_subscription(self) -> bool:
        return self.context.document.is_subscription


class Operations:
    def __init__(self, dependencies: ReadDependencies) -> None:
        self._dependencies = dependencies
        self._limits = dependencies.limits
        schema = build_schema()
        self._schema = core_schema(schema)
        self._shaper = build_shaper(schema)
        self._documents = Documents(
            self._schema,
            self._limits,
            is_introspection_allowed=dependencies.is_introspection_allowed,
        )
        self._sources = sources_of(dependencies)
        self._audit = dependencies.audit

    async def prepare(
        self,
        operation: Operation,
        caller: Caller,
        origin: ReadOrigin,
        followed: set[str] | None = None,
    ) -> Prepared:
        """followed: the fields that are on record as followed on this connection, which is added
        to: who looks away and back listens still. Raises RequestRefused, and Unavailable when a
        reading cannot be put on record.
        """
        try:
            prepared = await self._prepared(operation, caller, origin.request_id)
        except RequestRefused as refused:
            action, code, outcome = audited_refusal(refused)
            await self._audit.refused_with(origin.asked(caller, action), code, outcome)
            raise
        known = followed if followed is not None and prepared.is_subscription else set[str]()
        for name in audited_fields(prepared.context.document):
            if name not in known:
                await self._audit.read(origin.asked(caller, name))
                known.add(name)
        return prepared

    async def _prepared(self, operation: Operation, caller: Caller, request_id: UUID) -> Prepared:
        document = self._documents.read(operation.query)
        _require_name(document, operation.operation_name)
        variables = self._documents.variables(document, operation.variables)
        self._documents.check_cost(document, variables)
        await self._check_root_fields(operation, document, variables, caller)
        context = ReadContext(self._sources, caller, document, self._shaper, request_id)
        return Prepared(operation, context)

    async def execute(self, prepared: Prepared) -> Answer:
        """A query's answer; its values are JSON, some of it as orjson.Fragment."""
        with span("GraphQL query", attributes=GRAPHQL) as made:
            if made.is_recording:
                fields = [root.name for root in prepared.context.document.roots.values()]
                made.set({"graphql.root_fields": fields})
            began_s = perf_counter()
            answer = await self._executed(prepared)
            if "errors" in answer:
                made.fail("graphql_errors", is_error=False)
            seconds = perf_counter() - began_s
            if 0 < SLOW.query_s < seconds:
                _tell_slow(prepared, seconds)
            return answer

    async def _executed(self, prepared: Prepared) -> Answer:
        result = execute_document(
            self._schema,
            prepared.context.document.ast,
            context_value=prepared.context,
            variable_values=dict(prepared.operation.variables),
            executor_class=ReadExecutor,
            hide_suggestions=self._documents.hides_suggestions,
        )
        if isawaitable(result):
            result = await result
        return self._answer(result, prepared.context.request_id)

    async def follow(self, prepared: Prepared) -> AsyncGenerator[Answer]:
        """The answers of a subscription. Raises RequestRefused, also when its source fails."""
        source = subscribe_document(
            self._schema,
            prepared.context.document.ast,
            context_value=prepared.context,
            variable_values=dict(prepared.operation.variables),
            executor_class=ReadExecutor,
            hide_suggestions=self._documents.hides_suggestions,
        )
        if isawaitable(source):
            source = await source
        if isinstance(source, ExecutionResult):
            raise RequestRefused(source.errors or ())
        answers = cast("AsyncGenerator[ExecutionResult]", source)
        async with aclosing(answers) as results:
            try:
                async for result in results:
                    yield self._answer(result, prepared.context.request_id)
            except RequestRefused:
                raise
            except GraphQLError as error:
                raise RequestRefused([error]) from None
            except Exception as error:
                raise RequestRefused([GraphQLError(str(error), original_error=error)]) from error

    def refusal(self, refused: RequestRefused, request_id: UUID) -> list[Any]:
        return [formatted(error, request_id) for error in refused.errors]

    def _answer(self, result: ExecutionResult, request_id: UUID) -> Answer:
        answer: Answer = {"data": result.data}
        if result.errors:
            answer["errors"] = [formatted(error, request_id) for error in result.errors]
        return answer

    async def _check_root_fields(
        self,
        operation: Operation,
        document: Document,
        variables: VariableValues,
        caller: Caller,
    ) -> None:
        """Before anything is read, so that a mistake in one field is not answered with half a
        result.
        """
        positions = set[str]()
        if operation.min_position is not None:
            positions.add(operation.min_position)
        for root in document.roots.values():
            arguments: Mapping[str, Any] = {}
            if not root.name.startswith("__"):
                arguments = self._documents.arguments(document, root, variables)
            check_root_field(root.name, arguments, caller, self._limits)
            min_position = arguments.get("minPosition")
            if min_position is not None:
                positions.add(min_position)
        if positions:
            await self._wait_until_applied(positions)

    async def _wait_until_applied(self, positions: set[str]) -> None:
        tokens = [parse_position(text) for text in positions]
        wait_s = self._limits.min_position_wait_s
        waits = (
            self._dependencies.positions.wait_until_applied(token, timeout_s=wait_s)
            for token in tokens
        )
        if not all(await asyncio.gather(*waits)):
            raise refuse(
                "position_not_applied",
                f"The read model has not come to this position within {wait_s:g} s; try again.",
            )


def parse_operation(body: Any, *, min_position: str | None = None) -> Operation:
    """The parts of a request: query, variables, operationName. Raises RequestRefused."""
    if isinstance(body, list):
        raise refuse("no_batching", "Send one operation per request.")
    if not isinstance(body, dict):
        raise refuse("bad_request", "The body is a JSON object with `query`.")
    query, variables, name = (body.get(key) for key in ("query", "variables", "operationName"))  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] # JSON
    if not isinstance(query, str) or not query:
        raise refuse("bad_request", "`query` is missing.")
    if not isinstance(variables, dict | None):
        raise refuse("bad_request", "`variables` is a JSON object.")
    if not isinstance(name, str | None):
        raise refuse("bad_request", "`operationName` is a string.")
    return Operation(query, variables or {}, name or None, min_position)  # pyright: ignore[reportUnknownArgumentType] # JSON


def refusal_of(error: DomainError) -> RequestRefused:
    return RequestRefused([coded(error.code, error.detail)])


def _tell_slow(prepared: Prepared, seconds: float) -> None:
    fields = ", ".join(root.name for root in prepared.context.document.roots.values())
    extra = told("slow_query", fields=fields, seconds=round(seconds, 3))
    log.warning("the query of %s took %.1f s", fields, seconds, extra=extra)


def _require_name(document: Document, name: str | None) -> None:
    own = document.operation.name
    if name is not None and (own is None or own.value != name):
        raise refuse("unknown_operation", "The document has no operation of this name.")
