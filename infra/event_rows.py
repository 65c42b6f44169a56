"""What aggregates have pending as rows of the log and payloads beside it, sealed."""

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TypeAlias
from uuid import UUID

from commands.ports import SideRow
from commands.sealing_port import DestroyedSubjectKey
from domain.aggregates import Aggregate
from domain.external_identities import ExternalIdentity
from domain.identifiers import TenantId
from infra.append_statement import EventRow, SubjectRow
from infra.blobs import BLOBS, sealed_blob
from infra.causes import Causes
from infra.data_keys import DataKeys, TenantKey
from infra.event_codec import encoded
from infra.event_sealing import nested, sealed, version_bytes
from infra.payload_offloading import DOLLAR, Blob, divided
from infra.personal_members import subject_of

# By subject. Mostly there are none.
SubjectKeys: TypeAlias = Mapping[UUID, TenantKey]


def subjects_of(aggregates: Sequence[Aggregate]) -> set[UUID]:
    """The data subjects that something of this append is about; mostly none."""
    return {
        subject_id
        for aggregate in aggregates
        if (subject_id := subject_of(aggregate)) is not None and aggregate.pending_events
    }


async def keys_of_subjects(
    keys: DataKeys, tenant_id: TenantId, subject_ids: Collection[UUID]
) -> SubjectKeys:
    found: dict[UUID, TenantKey] = {}
    for subject_id in subject_ids:
        key = keys.kept(tenant_id, subject_id)
        found[subject_id] = key or await keys.of(tenant_id, subject_id)
    return found


def event_rows(
    aggregates: Sequence[Aggregate],
    key: TenantKey,
    subject_keys: SubjectKeys,
    *,
    inline_bytes_max: int,
    new_id: Callable[[], bytes],
    causes: Causes,
) -> tuple[list[EventRow], list[Blob]]:
    """Collects the pending events. inline_bytes_max: larger payloads lie beside the log."""
    rows: list[EventRow] = []
    blobs: list[Blob] = []
    for aggregate in aggregates:
        subject_key = None
        if subject_keys and (subject_id := subject_of(aggregate)) is not None:
            subject_key = subject_keys.get(subject_id)
        # Of somebody who is erased nothing lies beside the log.
        is_erased = subject_key is not None and subject_key.is_destroyed
        bytes_max = sys.maxsize if is_erased else inline_bytes_max
        own_key = key if subject_key is None or is_erased else subject_key
        causes.of(aggregate)
        stream = aggregate.id.bytes
        for event in aggregate.collect_events():
            topic, state = encoded(event)
            if len(state) > bytes_max or DOLLAR in state:
                address = partial(_address, own_key)
                state, beside = divided(
                    event, topic, state, inline_bytes_max=bytes_max, address=address
                )
                blobs += [sealed_blob(blob, key, subject_key) for blob in beside]
            version = version_bytes(event.originator_version)
            bound_to = stream + version
            if subject_key is not None:
                state = nested(topic, state, subject_key, bound_to)
            event_id = new_id()
            cause = causes.next(event, event_id)
            state = sealed(topic, state, key, bound_to)
            rows.append((stream, version, topic, state, event_id, cause))
    return rows, blobs


def _address(key: TenantKey, content: bytes) -> bytes:
    """What a payload is found by: the same for the same content of one tenant or data subject."""
    return key.cipher(BLOBS).digest(content)


def beginning_of_subjects(aggregates: Sequence[Aggregate]) -> list[SubjectRow]:
    """The streams that are a data subject's from now on. Only of an identity that is linked again
    does that change later.
    """
    return [
        (subject_id, aggregate.id, str(vars(type(aggregate))["TOPIC"]))
        for aggregate in aggregates
        if (subject_id := subject_of(aggregate)) is not None
        and (pending := aggregate.pending_events)
        and (pending[0].originator_version == 1 or isinstance(aggregate, ExternalIdentity))
    ]


def key_of_answer(subject_keys: SubjectKeys, side_rows: Sequence[SideRow]) -> TenantKey | None:
    """An answer about a person goes with them; but that they were erased can be told again."""
    if any(isinstance(row, DestroyedSubjectKey) for row in side_rows):
        return None
    alive = [key for key in subject_keys.values() if not key.is_destroyed]
    return alive[0] if alive else None
