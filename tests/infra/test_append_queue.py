"""Who of many tenants is stored next: in turn, and in the order of coming within each."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from domain.envelope import Envelope
from domain.identifiers import TenantId
from infra.append_queue import SHARE_OF_FREE, AppendQueue
from infra.append_statement import Append
from infra.side_rows import SideStatement

NOISY, QUIET, OTHER = (TenantId(UUID(int=number)) for number in range(1, 4))
RARE = SideStatement("SELECT 1", ())
OTHER_RARE = SideStatement("SELECT 2", ())


def an_append(tenant_id: TenantId, *, size: int = 10, rare: Sequence[SideStatement] = ()) -> Append:
    event = (uuid4().bytes, bytes(8), "a.topic", bytes(size), uuid4().bytes, None)
    return Append(Envelope(tenant_id, "test"), [event], rare=rare)


def waiting(*appends: Append, appends_max: int = 100) -> AppendQueue:
    queue = AppendQueue(appends_max)
    assert all(queue.put(append) for append in appends)
    return queue


async def test_a_tenant_is_stored_in_the_order_of_its_coming() -> None:
    appends = [an_append(NOISY) for _ in range(5)]
    queue = waiting(*appends)
    assert [*queue.take(3, 100, 1000), *queue.take(3, 100, 1000)] == appends
    assert len(queue) == 0


async def test_whoever_has_many_lets_others_into_the_next_batch() -> None:
    noisy = [an_append(NOISY) for _ in range(20)]
    quiet, other = an_append(QUIET), an_append(OTHER)
    queue = waiting(*noisy, quiet, other)
    assert queue.take(4, 100, 1000) == [noisy[0], quiet, other, noisy[1]]
    assert queue.take(4, 100, 1000) == noisy[2:6]


async def test_a_batch_ends_at_rare_rows_and_the_next_begins_with_another_tenant() -> None:
    noisy = [an_append(NOISY, rare=[RARE, OTHER_RARE]) for _ in range(3)]
    quiet = an_append(QUIET)
    queue = waiting(*noisy, quiet)
    batches = [queue.take(10, 100, 1000) for _ in range(3)]
    assert batches == [noisy[:1], [quiet, noisy[1]], noisy[2:]]


async def test_rare_rows_of_one_kind_and_tenant_are_stored_together() -> None:
    noisy = [an_append(NOISY, rare=[RARE]) for _ in range(3)]
    different = an_append(NOISY, rare=[OTHER_RARE])
    quiet = [an_append(QUIET, rare=[RARE]), an_append(QUIET)]
    queue = waiting(*noisy, different, *quiet)
    batches = [queue.take(10, 100, 1000) for _ in range(4)]
    assert batches == [noisy, quiet[:1], [different], quiet[1:]]


@pytest.mark.parametrize("bounds", [(2, 1000), (100, 25)])
async def test_a_batch_keeps_to_its_bounds_but_for_its_first(bounds: tuple[int, int]) -> None:
    large, *small = [an_append(NOISY, size=50), *(an_append(NOISY) for _ in range(4))]
    queue = waiting(*small, large)
    assert [len(queue.take(10, *bounds)) for _ in range(3)] == [2, 2, 1]


async def test_one_tenant_alone_leaves_an_eighth_of_the_room_to_others() -> None:
    queue, count = AppendQueue(80), 0
    while queue.put(an_append(NOISY)):
        count += 1
    assert count == 80 * SHARE_OF_FREE // (SHARE_OF_FREE + 1)
    assert queue.put(an_append(QUIET))
    assert len(queue) == count + 1


async def test_nobody_waits_longer_than_their_time() -> None:
    first, second, quiet = an_append(NOISY), an_append(NOISY), an_append(QUIET)
    first.overdue_at, second.overdue_at, quiet.overdue_at = 1.0, 3.0, 1.5
    queue = waiting(first, second, quiet)
    assert queue.take_overdue(2.0) == [first, quiet]
    assert queue.take(10, 100, 1000) == [second]
    assert len(queue) == 0
