"""Executions begin in turn by tenant, at most so many at once, and a flood crowds out itself."""

from collections import Counter, OrderedDict
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.identifiers import TenantId
from sagas.start_queue import StartLimits, StartQueue

NOISY = TenantId(UUID(int=1))
QUIET = TenantId(UUID(int=2))
THIRD = TenantId(UUID(int=3))


class Runs:
    """A queue whose items are their tenants. Ids count up."""

    def __init__(self, limits: StartLimits) -> None:
        self.queue = StartQueue[TenantId](limits)
        self._count = 0

    def put(self, tenant_id: TenantId, count: int = 1) -> int:
        """How many were kept."""
        return sum(self.queue.put(tenant_id, self._new_id(), tenant_id) for _ in range(count))

    def taken(self) -> list[TenantId]:
        """All that may begin now."""
        return list(iter(self.queue.take, None))

    def _new_id(self) -> UUID:
        self._count += 1
        return UUID(int=self._count)


def test_starts_go_round_by_tenant() -> None:
    runs = Runs(StartLimits(drives_max=6, queued_max=100))
    runs.put(NOISY, 10)
    runs.put(QUIET, 2)
    assert runs.taken() == [NOISY, QUIET, NOISY, QUIET, NOISY, NOISY]


def test_no_more_are_driven_at_once_than_the_limit_says() -> None:
    runs = Runs(StartLimits(drives_max=2, queued_max=100))
    runs.put(NOISY, 5)
    assert len(runs.taken()) == runs.queue.driven_count == 2
    runs.queue.done(NOISY)
    assert runs.taken() == [NOISY]
    assert len(runs.queue) == 2


def test_a_tenant_at_its_limit_leaves_drives_to_others() -> None:
    runs = Runs(StartLimits(drives_max=4, queued_max=100, per_tenant_max=3))
    runs.put(NOISY, 10)
    assert runs.taken() == [NOISY] * 3
    runs.put(QUIET)
    assert runs.taken() == [QUIET]
    runs.queue.done(NOISY)
    assert runs.taken() == [NOISY]


def test_a_tenant_alone_leaves_an_eighth_of_the_drives_to_whoever_comes() -> None:
    runs = Runs(StartLimits(drives_max=80, queued_max=10_000))
    runs.put(NOISY, 10_000)
    assert len(runs.taken()) == 70
    runs.put(QUIET)
    assert runs.taken() == [QUIET]


def test_two_tenants_that_flood_still_leave_drives_to_a_third() -> None:
    runs = Runs(StartLimits(drives_max=150, queued_max=10_000))
    runs.put(NOISY, 5_000)
    runs.put(QUIET, 5_000)
    assert Counter(runs.taken()) == {NOISY: 70, QUIET: 70}
    runs.put(THIRD, 3)
    assert runs.taken() == [THIRD] * 3


def test_a_tenant_that_was_held_back_goes_on_when_drives_become_free() -> None:
    runs = Runs(StartLimits(drives_max=80, queued_max=10_000))
    runs.put(NOISY, 10_000)
    runs.taken()
    runs.put(QUIET, 5)
    assert runs.taken() == [QUIET] * 5
    # What the quiet tenant drives is not free: the noisy one goes on when that is over.
    runs.queue.done(NOISY)
    assert runs.taken() == []
    for _ in range(5):
        runs.queue.done(QUIET)
    assert runs.taken() == [NOISY]


def test_one_that_comes_begins_at_once_as_it_would_in_turn() -> None:
    at_once = Runs(StartLimits(drives_max=80, queued_max=100))
    assert [at_once.queue.try_take(NOISY) for _ in range(71)] == [True] * 70 + [False]
    in_turn = Runs(StartLimits(drives_max=80, queued_max=100))
    in_turn.put(NOISY, 71)
    assert len(in_turn.taken()) == at_once.queue.driven_count == 70
    assert not in_turn.queue.try_take(QUIET), "somebody waits"
    assert at_once.queue.try_take(QUIET)


def test_an_execution_that_waits_already_is_not_put_twice() -> None:
    queue = StartQueue[str](StartLimits(drives_max=4, queued_max=4))
    assert queue.put(NOISY, UUID(int=1), "from the log")
    assert queue.put(NOISY, UUID(int=1), "from the sweep")
    assert (queue.take(), queue.take()) == ("from the log", None)


def test_a_full_queue_takes_a_quiet_tenants_run_for_the_newest_of_the_flood() -> None:
    runs = Runs(StartLimits(drives_max=100, queued_max=10))
    assert runs.put(NOISY, 12) == 10
    assert runs.put(QUIET, 3) == 3
    assert len(runs.queue) == 10
    assert UUID(int=7) in runs.queue
    assert UUID(int=8) not in runs.queue
    assert Counter(runs.taken()) == {NOISY: 7, QUIET: 3}


def test_a_search_is_due_when_something_was_left_out_and_half_of_the_queue_is_free() -> None:
    runs = Runs(StartLimits(drives_max=100, queued_max=4))
    runs.put(NOISY, 4)
    assert not runs.queue.is_search_due
    runs.put(NOISY)
    assert not runs.queue.is_search_due
    runs.queue.take()
    runs.queue.take()
    assert runs.queue.is_search_due
    runs.queue.search_begins()
    assert not runs.queue.is_search_due


def test_what_is_discarded_does_not_begin() -> None:
    runs = Runs(StartLimits(drives_max=100, queued_max=10))
    runs.put(NOISY)
    runs.put(QUIET)
    for execution_id in [each for each in runs.queue if each == UUID(int=1)]:
        runs.queue.discard(execution_id)
    runs.queue.discard(UUID(int=99))
    assert runs.taken() == [QUIET]


def test_ten_thousand_queued_runs_of_one_tenant_do_not_double_the_p99_of_another() -> None:
    """In steps of a simulation: a run lasts 100, 50 are driven at once, a quiet tenant begins one
    every 7.
    """
    alone = _latencies_of_quiet(noisy_count=0)
    beside = _latencies_of_quiet(noisy_count=10_000)
    assert len(alone) == len(beside) == 1000
    assert _p99(beside) <= 2 * _p99(alone)


def _latencies_of_quiet(*, noisy_count: int) -> list[int]:
    runs = Runs(StartLimits(drives_max=50, queued_max=10_000))
    runs.put(NOISY, noisy_count)
    ends: dict[int, list[TenantId]] = {}
    arrivals: list[int] = []
    latencies: list[int] = []
    step = 0
    while len(latencies) < 1000:
        for tenant_id in ends.pop(step, []):
            runs.queue.done(tenant_id)
        if step % 7 == 0:
            runs.put(QUIET)
            arrivals.append(step)
        # Drives that began together would end together: at most one begins in a step.
        tenant_id = runs.queue.take()
        if tenant_id is not None:
            ends.setdefault(step + 100, []).append(tenant_id)
        if tenant_id == QUIET:
            latencies.append(step + 100 - arrivals[len(latencies)])
        step += 1
    return latencies


def _p99(latencies: list[int]) -> int:
    return sorted(latencies)[len(latencies) * 99 // 100]


class Starts(RuleBasedStateMachine):
    """Compared with lists per tenant."""

    limits = StartLimits(drives_max=3, queued_max=6, per_tenant_max=2)

    def __init__(self) -> None:
        super().__init__()
        self.queue = StartQueue[UUID](self.limits)
        self.waiting: dict[TenantId, OrderedDict[UUID, None]] = {
            tenant_id: OrderedDict() for tenant_id in (NOISY, QUIET, THIRD)
        }
        self.driven: list[TenantId] = []
        self.overtaken: dict[TenantId, Counter[TenantId]] = {}
        self.count = 0

    @rule(tenant_id=st.sampled_from([NOISY, NOISY, QUIET, THIRD]))
    def put(self, tenant_id: TenantId) -> None:
        self.count += 1
        execution_id = UUID(int=self.count)
        is_full = len(self.queue) == self.limits.queued_max
        longest = max(len(queue) for queue in self.waiting.values())
        is_kept = self.queue.put(tenant_id, execution_id, execution_id)
        assert is_kept == (not is_full or longest > len(self.waiting[tenant_id]) + 1)
        if is_kept and is_full:
            (evicted,) = [each for each in self._all_waiting() if each not in self.queue]
            owner = next(each for each, queue in self.waiting.items() if evicted in queue)
            assert len(self.waiting[owner]) == longest
            assert evicted == next(reversed(self.waiting[owner]))
            del self.waiting[owner][evicted]
        if is_kept:
            self.waiting[tenant_id][execution_id] = None

    @rule()
    def take(self) -> None:
        could = self._could_begin()
        execution_id = self.queue.take()
        assert (execution_id is None) == (not could)
        if execution_id is None:
            return
        tenant_id = next(each for each in could if execution_id in self.waiting[each])
        assert execution_id == next(iter(self.waiting[tenant_id]))
        del self.waiting[tenant_id][execution_id]
        self.driven.append(tenant_id)
        for other in set(could) - {tenant_id}:
            overtakes = self.overtaken.setdefault(other, Counter())
            overtakes[tenant_id] += 1
            assert overtakes[tenant_id] <= 1, "began twice while another could have begun"
        self.overtaken.pop(tenant_id, None)

    @rule(tenant_id=st.sampled_from([NOISY, NOISY, QUIET, THIRD]))
    def try_take(self, tenant_id: TenantId) -> None:
        is_next = not self._all_waiting() and self._may_begin(tenant_id)
        assert self.queue.try_take(tenant_id) == is_next
        if is_next:
            self.driven.append(tenant_id)

    @rule(data=st.data())
    @precondition(lambda self: self.driven)
    def done(self, data: st.DataObject) -> None:
        tenant_id = data.draw(st.sampled_from(self.driven))
        self.driven.remove(tenant_id)
        self.queue.done(tenant_id)

    @rule(data=st.data())
    @precondition(lambda self: self._all_waiting())
    def discard(self, data: st.DataObject) -> None:
        execution_id = data.draw(st.sampled_from(self._all_waiting()))
        self.queue.discard(execution_id)
        for tenant_id, queue in self.waiting.items():
            queue.pop(execution_id, None)
            if not queue:
                self.overtaken.pop(tenant_id, None)

    @invariant()
    def exactly_what_waits_is_held(self) -> None:
        assert sorted(self.queue) == sorted(self._all_waiting())
        assert len(self.queue) <= self.limits.queued_max
        assert self.queue.driven_count == len(self.driven) <= self.limits.drives_max

    def _all_waiting(self) -> list[UUID]:
        return [each for queue in self.waiting.values() for each in queue]

    def _could_begin(self) -> list[TenantId]:
        return [
            tenant_id
            for tenant_id, queue in self.waiting.items()
            if queue and self._may_begin(tenant_id)
        ]

    def _may_begin(self, tenant_id: TenantId) -> bool:
        is_free = len(self.driven) < self.limits.drives_max
        return is_free and self.driven.count(tenant_id) < 2


Starts.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestStarts = Starts.TestCase
