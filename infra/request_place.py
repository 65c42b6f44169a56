"""Whose a request is, once that is known: for its lines in the log and for its span."""

from uuid import UUID

from infra import logs, tracing


def note_tenant(tenant_id: UUID | None) -> None:
    logs.note_tenant(tenant_id)
    tracing.note_tenant(tenant_id)
