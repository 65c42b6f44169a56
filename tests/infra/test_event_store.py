"""The real event store keeps the contract that the fake keeps."""

import pytest

from domain.identifiers import TenantId
from infra.event_store import PostgresEventStore
from tests.commands.event_store_contract import EventStoreContract, new_id
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
