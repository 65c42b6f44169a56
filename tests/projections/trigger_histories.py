"""Histories of triggers."""

from domain.identifiers import TenantId
from domain.triggers import Trigger
from tests.projections.histories import IDS, Stream, a_tenant

POLICY = {
    "overlap": "skip",
    "catch_up_window_s": 3600,
    "catch_up_fires_max": 1,
    "pause_after_failures": None,
}
DECIDED = "2026-01-01T00:00:00+00:00"
NOMINAL = "2026-01-01T01:00:00+00:00"


def a_trigger(tenant_id: TenantId | None = None, **fields: object) -> Stream:
    told: dict[str, object] = {
        "workflow_id": str(IDS.new()),
        "name": "Hourly",
        "workflow_version": None,
        "schedule": {"every_s": 3600},
        "webhook": None,
        "input": {"at": "{{ input.scheduled_at }}"},
        "policy": POLICY,
        "decided_until": DECIDED,
        "created_by": "user:ada",
    }
    stream = Stream(Trigger, tenant_id or a_tenant())
    return stream.happens(Trigger.Created, **{**told, **fields})


def fired(stream: Stream, execution_id: str) -> Stream:
    told = {"kind": "schedule", "nominal_at": NOMINAL, "is_tracked": True}
    return stream.happens(Trigger.Fired, execution_id=execution_id, **told)


def missed(stream: Stream, count: int) -> Stream:
    span = {"from_at": DECIDED, "to_at": NOMINAL, "count": count, "reason": "too_late"}
    return stream.happens(Trigger.Missed, kind="schedule", **span)
