"""/healthz: the process answers. /readyz: it can serve. /metrics: what it tells Prometheus, to
those who may know (infra/metrics_access.py).
"""

from collections.abc import Sequence
from contextlib import suppress
from http import HTTPStatus

import orjson
from starlette.requests import Request
from starlette.responses import Response

from infra.authentication import DomainError, Forbidden, Unavailable
from infra.metrics import CONTENT_TYPE_LATEST
from infra.readiness import Check, SchemaChecks
from projections.catalogue import PROJECTIONS
from projections.lag import lag_checks, projection_statuses
from projections.platform import tell_database_numbers
from read_api.dependencies import ReadDependencies
from read_api.edge import identify, origin_of, problem_of


class Health:
    def __init__(self, dependencies: ReadDependencies) -> None:
        self._dependencies = dependencies
        self._schema = SchemaChecks(dependencies.database, dependencies.pending_migrations)

    async def healthz(self, _request: Request) -> Response:
        return json_answer({"status": "ok"}, HTTPStatus.OK)

    async def readyz(self, _request: Request) -> Response:
        """503 with the checks that fail: stopping, the database, its schema, the lag of the read
        models, and the log of the other roles in this process.
        """
        is_ready, document = await self._dependencies.readiness.document(self._schema, self._lags)
        status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        return json_answer(document, status)

    async def metrics(self, request: Request) -> Response:
        """Gauges of what is in the database are as of this scrape; without the database they stay
        as they were.
        """
        if not self._dependencies.metrics_access.is_open_to(request.scope):
            try:
                caller = await identify(self._dependencies, request)
                if not caller.is_operator:
                    raise Forbidden
            except DomainError as error:
                return problem_of(error, origin_of(self._dependencies, request).request_id)
        with suppress(Unavailable):
            await tell_database_numbers(self._dependencies.database, self._dependencies.metrics)
        text = self._dependencies.scrape.exposition()
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _lags(self) -> Sequence[Check]:
        async with self._dependencies.database.connection() as conn:
            statuses = await projection_statuses(conn, PROJECTIONS)
        return lag_checks(statuses, self._dependencies.limits.ready_lag_s_max)


def json_answer(document: object, status: HTTPStatus) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")
