"""What surrounds every event: whose it is, who caused it, and what it followed from. Stored beside
the payload.
"""

from dataclasses import replace
from uuid import UUID

from domain.identifiers import TenantId
from domain.records import record


@record
class Envelope:
    """actor: `user:<id>`, `api_key:<id>`, `operator`, or `worker:<id>`; at most 200 characters.

    command_id: the command that decided; equal ids are the same decision (see
    commands/dispatch.py). causation_id: the event that led to the command. correlation_id: the
    request or run it all belongs to.
    """

    tenant_id: TenantId
    actor: str
    command_id: UUID | None = None
    causation_id: UUID | None = None
    correlation_id: UUID | None = None
    traceparent: str | None = None

    def traced(self, traceparent: str | None) -> "Envelope":
        return replace(self, traceparent=traceparent)
