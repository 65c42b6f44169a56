"""Histories of what tenants count themselves."""

from domain.identifiers import TenantId
from domain.usage_events import UsageEvent
from tests.projections.histories import USAGE, Stream, a_tenant


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
