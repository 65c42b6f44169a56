"""/healthz: the process answers. /readyz: it can serve. /metrics: what it tells Prometheus."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus

import orjson
from starlette.requests import Request
from starlette.responses import Response

from infra.authentication import Unavailable
from infra.metrics import CONTENT_TYPE_LATEST
from projections.attention import needing_attention_count
from projections.catalogue import PROJECTIONS
from projections.lag import ProjectionStatus, projection_statuses
from projections.unsettled import Unsettled, unsettled_usage
from read_api.dependencies import ReadDependencies


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    is_ok: bool
    detail: str


class Health:
    def __init__(self, dependencies: ReadDependencies) -> None:
        self._dependencies = dependencies
        # Once the schema is current it stays so for the life of a process; asking costs a
        # connection.
        self._is_migrated = False

    async def healthz(self, _request: Request) -> Response:
        return _json({"status": "ok"}, HTTPStatus.OK)

    async def readyz(self, _request: Request) -> Response:
        """503 with the checks that fail: the database, its schema, the lag of the read models."""
        try:
            checks = [await self._schema(), *_lag_checks(await self._statuses(), self._lag_s_max)]
        except Unavailable as error:
            checks = [Check("database", is_ok=False, detail=error.detail)]
        is_ready = all(check.is_ok for check in checks)
        document = {
            "status": "ready" if is_ready else "not_ready",
            "checks": [asdict(check) for check in checks],
        }
        status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        return _json(document, status)

    async def metrics(self, _request: Request) -> Response:
        """Gauges of what is in the database are as of this scrape; without the database they stay
        as they were.
        """
        metrics = self._dependencies.metrics
        metrics.pool(self._dependencies.database.sizes())
        try:
            statuses, attention_count, unsettled = await self._numbers()
        except Unavailable:
            statuses = []
        else:
            metrics.executions_needing_attention.set(attention_count)
            metrics.usage_unpriced.set(unsettled.unpriced)
            metrics.usage_unresolved.set(unsettled.unresolved)
        for status in statuses:
            metrics.projection_events_behind.labels(status.name).set(status.events_behind)
            metrics.projection_seconds_behind.labels(status.name).set(status.seconds_behind)
            metrics.projection_parked_streams.labels(status.name).set(status.parked_count)
        return Response(metrics.exposition(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @property
    def _lag_s_max(self) -> float:
        return self._dependencies.limits.ready_lag_s_max

    async def _statuses(self) -> list[ProjectionStatus]:
        async with self._dependencies.database.connection() as conn:
            return await projection_statuses(conn, PROJECTIONS)

    async def _numbers(self) -> tuple[list[ProjectionStatus], int, Unsettled]:
        async with self._dependencies.database.connection() as conn:
            statuses = await projection_statuses(conn, PROJECTIONS)
            return statuses, await needing_attention_count(conn), await unsettled_usage(conn)

    async def _schema(self) -> Check:
        pending: Sequence[str] = ()
        if not self._is_migrated:
            pending = await self._dependencies.pending_migrations()
            self._is_migrated = not pending
        return Check(
            "migrations",
            is_ok=not pending,
            detail=f"not applied: {', '.join(pending)}" if pending else "current",
        )


def _lag_checks(statuses: list[ProjectionStatus], lag_s_max: float) -> list[Check]:
    return [
        Check(
            f"projection {status.name}",
            is_ok=status.seconds_behind <= lag_s_max,
            detail=f"{status.seconds_behind:.1f} s behind, {lag_s_max:g} s allowed",
        )
        for status in statuses
    ]


def _json(document: object, status: HTTPStatus) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")
