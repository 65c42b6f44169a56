"""The real event store keeps the contract that the fake keeps."""

import pytest

from domain.identifiers import TenantId
from infra.event_store import PostgresEventStore
from tests.commands.event_store_contract import (
    EventStoreContract,
    an_envelope,
    loaded,
    new_id,
    stored,
)
from tests.infra.conftest import Parts


class TestPostgresEventStore(EventStoreContract):
    @pytest.fixture
    def store(self, parts: Parts) -> PostgresEventStore:
        return parts.store

    @pytest.fixture
    def tenant_id(self) -> TenantId:
        return TenantId(new_id())

    @pytest.fixture
    def other_tenant_id(self) -> TenantId:
        return TenantId(new_id())

    async def test_what_another_process_appended_is_there_though_nobody_tells_of_it(
        self, parts: Parts, tenant_id: TenantId
    ) -> None:
        here, elsewhere = parts.store, parts.new_store()
        agent = await stored(here, tenant_id)
        here.keep(agent, tenant_id)
        revised = await loaded(elsewhere, agent.id, tenant_id)
        revised.revise({"name": "Editor"})
        await elsewhere.append([revised], an_envelope(tenant_id))

        newest = await loaded(here, agent.id, tenant_id)
        assert (newest.version, newest.profile()[1]["name"]) == (2, "Editor")

    async def test_who_is_told_of_appends_keeps_what_there_is_until_then(
        self, parts: Parts, tenant_id: TenantId
    ) -> None:
        here, elsewhere = parts.store, parts.new_store()
        here.is_told = True
        agent = await stored(here, tenant_id)
        here.keep(agent, tenant_id)
        revised = await loaded(elsewhere, agent.id, tenant_id)
        revised.revise({"name": "Editor"})
        await elsewhere.append([revised], an_envelope(tenant_id))

        kept = await loaded(here, agent.id, tenant_id)
        assert kept is agent
        here.keep(kept, tenant_id)
        here.forget(agent.id, revised.version)
        assert (await loaded(here, agent.id, tenant_id)).version == 2
