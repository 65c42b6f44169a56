"""Histories of what tenants count themselves, of the time of runs, and of calls beside them."""

from domain.embedding_calls import EmbeddingCall
from domain.executions import Execution
from domain.identifiers import TenantId
from domain.storage_measurements import StorageMeasurement
from domain.usage_events import UsageEvent
from tests.projections.histories import USAGE, Stream, a_tenant

# Ten pages for 5 USD, over a period: each page counts as half a USD until it is billed.
PACKAGE_PRICE = {
    "id": "0123456789abcdef",
    "kind": "package",
    "usd_pico": 5 * 10**12,
    "size": 10,
    "over": "period",
}
PROVISIONAL_USAGE = {
    **USAGE["usage"],
    "source": "sent",
    "provider": "",
    "prices": "tenant/1",
    "lines": [["pages_printed", 12, 6 * 10**12, PACKAGE_PRICE]],
}


def a_sent_event(tenant_id: TenantId | None = None, **fields: object) -> Stream:
    lines = [["pages_printed", 12, None]]
    sent: dict[str, object] = {
        "source": "/printers/1",
        "event_id": "a-1",
        "meter": "pages_printed",
        "subject": None,
        "happened_at": "2026-01-05T10:00:00+00:00",
        "data": {},
        "fingerprint": "0" * 64,
        "usage": {**USAGE["usage"], "source": "sent", "provider": "", "prices": "", "lines": lines},
        "counters": [],
    }
    stream = Stream(UsageEvent, tenant_id or a_tenant())
    return stream.happens(UsageEvent.Created, **{**sent, **fields})


def run_metered(run: Stream, attempt: int = 1, *, seconds: int = 3) -> Stream:
    """Sold for a cent a second."""
    cost = seconds * 10**10
    lines = [["run_seconds", seconds, cost]]
    usage = {**USAGE["usage"], "source": "measured", "provider": "", "prices": "tenant/3"}
    return run.happens(
        Execution.RunMetered,
        attempt=attempt,
        cost_usd_pico=cost,
        usage={**usage, "lines": lines},
    )


def storage_measured(tenant_id: TenantId | None = None) -> Stream:
    """On the fifth of January, and sold by nobody."""
    usage = {**USAGE["usage"], "source": "measured", "provider": "", "prices": ""}
    return Stream(StorageMeasurement, tenant_id or a_tenant()).happens(
        StorageMeasurement.Created,
        day="2026-01-05",
        happened_at="2026-01-05T23:59:59.999999+00:00",
        payload_bytes=1_000,
        log_bytes=500,
        log_to=[1, 7, -1],
        usage={**usage, "created_by": "worker:one", "lines": [["storage_bytes", 1_500, 0]]},
    )


def an_embedding_call(tenant_id: TenantId | None = None) -> Stream:
    """Seven tokens at two hundredths of a millionth of a dollar."""
    lines = [["requests", 1, 0], ["embedding_tokens", 7, 140_000]]
    usage = {**USAGE["usage"], "provider": "openai", "prices": "litellm/1", "lines": lines}
    call = begun_embedding(tenant_id)
    facts = {"model": "ours/embedder", "cost_usd_pico": 140_000, "usage": usage}
    return call.happens(EmbeddingCall.Completed, path="search", attempt=1, **facts)


def begun_embedding(tenant_id: TenantId | None = None) -> Stream:
    return Stream(EmbeddingCall, tenant_id or a_tenant()).happens(
        EmbeddingCall.Created,
        purpose="search",
        model="ours/embedder",
        happened_at="2026-01-06T10:00:00+00:00",
        created_by="user:ada",
        reserved=None,
        usage=None,
        counters=[],
    )


def unresolved_embedding(tenant_id: TenantId | None = None) -> Stream:
    return begun_embedding(tenant_id).happens(
        EmbeddingCall.UsageUnresolved,
        path="search",
        attempt=1,
        model="ours/embedder",
        created_by="user:ada",
        code="interrupted",
        message="nobody told",
    )


def resolved_embedding(call: Stream) -> Stream:
    lines = [["requests", 1, 0], ["embedding_tokens", 5, 100_000]]
    usage = {**USAGE["usage"], "source": "resolved", "lines": lines}
    facts = {"model": "openai/embedder", "cost_usd_pico": 100_000, "usage": usage}
    place = {"path": "search", "attempt": 1, "reason": "a report"}
    return call.happens(EmbeddingCall.UsageResolved, **place, **facts)
