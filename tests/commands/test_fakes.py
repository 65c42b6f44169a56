"""The fake event store keeps the contract of the real one."""

import pytest

from domain.identifiers import TenantId
from tests.commands.event_store_contract import EventStoreContract, new_id
from tests.commands.fakes import FakeEventStore


class TestFakeEventStore(EventStoreContract):
    @pytest.fixture
    def store(self) -> FakeEventStore:
        return FakeEventStore()

    @pytest.fixture
    def tenant_id(self) -> TenantId:
        return TenantId(new_id())

    @pytest.fixture
    def other_tenant_id(self) -> TenantId:
        return TenantId(new_id())
