"""Everything of a tenant, and nothing of another."""

import orjson
import pytest

from domain.identifiers import TenantId
from infra.event_commitments import EventCommitments
from infra.seal_proofs import SealProofs
from infra.tenant_archive import ArchiveFile
from projections import tenant_export
from projections.catalogue import PROJECTIONS
from projections.tenant_export import PostgresTenantExport
from tests.infra.keys import data_keys_on
from tests.projections.histories import a_tenant, an_agent, the_tenant
from tests.projections.ledger import Ledger, batches


class NoPayloads:
    async def content(self, tenant_id: TenantId, sha256: bytes) -> bytes | None:
        raise AssertionError((tenant_id, sha256))


async def exported(ledger: Ledger, tenant_id: TenantId) -> list[ArchiveFile]:
    database = await ledger.database("api")
    commitments = EventCommitments(data_keys_on(database))
    export = PostgresTenantExport(
        database,
        ledger.opened,
        NoPayloads(),
        PROJECTIONS,
        SealProofs(database, commitments),
        commitments,
    )
    return [file async for file in export.files(tenant_id)]


def lines_of(files: list[ArchiveFile], kind: str) -> list[dict[str, object]]:
    chosen = [file for file in files if file.name.startswith(kind)]
    return [orjson.loads(line) for file in chosen for line in file.content.splitlines()]


async def test_an_export_has_every_event_and_row_of_the_tenant_and_of_no_other(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_export, "PAGE_ROWS", 2)
    ours, theirs = a_tenant(), a_tenant()
    streams = [the_tenant(ours), *(an_agent(ours) for _ in range(3))]
    others = [the_tenant(theirs), an_agent(theirs)]
    for stream in (*streams, *others):
        await ledger.append(stream.events)
    projector = await ledger.projector()
    await projector.handle(batches(await ledger.log()))
    files = await exported(ledger, ours)
    events = lines_of(files, "events/")
    assert {(e["stream_id"], e["version"]) for e in events} == {
        (str(event.stream_id), event.version) for stream in streams for event in stream.events
    }
    assert events[0]["data"]["name"] == "Ada & Co"  # pyright: ignore[reportIndexIssue] # an object
    assert len(lines_of(files, "read_models/agents/")) == 3
    (tenant,) = lines_of(files, "read_models/tenants/")
    assert tenant["tenant_id"] == str(ours)
    assert str(theirs).encode() not in b"".join(file.content for file in files)
    assert sum(file.lines for file in files) == sum(
        len(file.content.splitlines()) for file in files
    )
    assert max(file.lines for file in files) <= 2


async def test_a_tenant_that_has_nothing_exports_nothing(ledger: Ledger) -> None:
    assert await exported(ledger, a_tenant()) == []
