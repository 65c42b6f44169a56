"""Who administrates a tenant: there is always somebody."""

from uuid import UUID

import pytest

from domain.administrators import Administrators, LastAdministrator, administrators_id
from domain.identifiers import TenantId

ADA, GRACE = UUID(int=1), UUID(int=2)


def of(*user_ids: UUID) -> Administrators:
    return Administrators(id=UUID(int=9), user_ids=[str(user_id) for user_id in user_ids])


def test_the_last_one_stays() -> None:
    administrators = of(ADA, GRACE)
    administrators.remove(GRACE)
    with pytest.raises(LastAdministrator):
        administrators.remove(ADA)
    administrators.add(GRACE)
    administrators.remove(ADA)
    assert administrators.user_ids == {str(GRACE)}


def test_who_administrates_nothing_leaves_without_a_trace() -> None:
    administrators = of(ADA)
    administrators.remove(GRACE)
    administrators.add(ADA)
    assert [type(event).__name__ for event in administrators.collect_events()] == ["Created"]


def test_each_tenant_has_one_stream() -> None:
    first, second = (administrators_id(TenantId(UUID(int=number))) for number in (1, 2))
    assert first != second
    assert first == administrators_id(TenantId(UUID(int=1)))
