"""Which read models a release has left to be filled from the log."""

import random

from pydantic import SecretStr

from cli.filling import fill_new
from infra.settings import Settings
from projections.catalogue import PROJECTIONS
from projections.filling import unfilled
from projections.rebuild import rebuild
from projections.schema import create_missing_tables
from projections.table import AnyProjection
from projections.workflows import WORKFLOWS
from tests.projections.histories import a_tenant, interleaved
from tests.projections.ledger import Ledger, batches, folded_once
from tests.projections.tenant_histories import random_streams


async def names(ledger: Ledger) -> list[str]:
    return [projection.name for projection in await unfilled(ledger.owner)]


async def test_a_read_model_that_a_release_brings_is_filled_once(
    ledger: Ledger, master_key: str
) -> None:
    keys = {"database_url": ledger.url, "master_key": SecretStr(master_key)}
    settings = Settings().model_copy(update=keys)
    assert await fill_new(settings) == []
    assert await names(ledger) == []
    streams = random_streams(random.Random(2), a_tenant(), 5)
    await ledger.append(interleaved(random.Random(2), streams))
    known: list[AnyProjection] = [one for one in PROJECTIONS if one is not WORKFLOWS]
    await (await ledger.projector(known)).handle(batches(await ledger.log(), cursor="end"))
    assert await names(ledger) == ["workflows"]
    assert [told.projection for told in await fill_new(settings)] == ["workflows_v1"]
    assert await ledger.rows(WORKFLOWS) == folded_once(WORKFLOWS, streams)
    assert await names(ledger) == []


async def test_tables_of_another_shape_are_made_anew(ledger: Ledger) -> None:
    streams = random_streams(random.Random(3), a_tenant(), 5)
    await ledger.append(interleaved(random.Random(3), streams))
    await (await ledger.projector()).handle(batches(await ledger.log(), cursor="end"))
    await ledger.fetch("ALTER TABLE workflows_v1 DROP COLUMN name")
    await ledger.fetch("ALTER TABLE agents_v1 ADD COLUMN colour text")
    await ledger.fetch("DROP TABLE usage_facts_v2_hours CASCADE")
    assert await create_missing_tables(ledger.owner) == []
    assert sorted(await names(ledger)) == ["agents", "usage_facts", "workflows"]
    for projection in await unfilled(ledger.owner):
        await rebuild(projection, ledger.connect, ledger.opened)
        assert await ledger.rows(projection) == folded_once(projection, streams)
    assert await names(ledger) == []
    assert await ledger.violations() == []
