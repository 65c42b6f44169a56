"""The bulk operation saga: works open operations off, page by page.

    claim ──► find a page ──► dispatch one command for each ──► append Progressed ──► release

One that is cancelled has its page under way finished and told, and no other begun.

Where there is no room to begin more, a page is recorded as far as it came, and the operation rests
until there may be.

A worker that dies leaves its lease to run out, and the next one repeats at most one page. That is
harmless: each command carries a key made of the operation and the execution, so the second time it
gets the first answer. If two workers come to the same page, only one of them can append it.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from commands.authorization import Caller
from commands.bulk_operations import command_for, filter_from
from commands.bulk_port import ExecutionSearch, OpenBulkOperation, OpenBulkOperations
from commands.dispatch import Contended, Dispatcher, Origin
from commands.ports import Clock, ClosedBulkOperation, EventStore, Ids
from domain.bulk_operations import BulkOperation, a_refusal
from domain.envelope import Envelope
from domain.errors import DomainError, OverLimit, Stale, Unavailable
from domain.identifiers import JsonObject, TenantId
from infra.crash_points import reach

log = logging.getLogger(__name__)

PAGE = 100
# Far longer than a page takes; when it runs out all the same, nothing is done twice.
LEASE_S = 60.0
# Room that comes back within this is waited for; what a month's quota refuses is refused.
REST_S_MAX = 60.0
# For so long after it came forward last; then those for which there is no room are refused.
ROOM_WAIT_S_MAX = 3600.0


class _Page(NamedTuple):
    """What was done of a page, as BulkOperation.progress takes it."""

    page: Sequence[UUID]
    refusals: Sequence[JsonObject]
    has_more: bool


@dataclass(frozen=True, slots=True)
class BulkOperationSaga:
    """actor: of the events that tell its progress. The commands are those of whoever began it."""

    open_operations: OpenBulkOperations
    search: ExecutionSearch
    events: EventStore
    dispatcher: Dispatcher
    clock: Clock
    ids: Ids
    actor: str
    poll_s: float

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            if not await self.work_once():
                await asyncio.sleep(self.poll_s)

    async def work_once(self) -> bool:
        """One page of one operation. False: there is nothing to do."""
        claimed = await self.open_operations.claim(LEASE_S)
        if claimed is None:
            return False
        reach("bulk.after_claim")
        rest_s = await self._work(claimed)
        await self.open_operations.release(claimed.operation_id, after_s=rest_s)
        reach("bulk.after_release")
        return True

    async def _work(self, claimed: OpenBulkOperation) -> float:
        """One page, as far as there is room; how long to rest after it, in seconds."""
        tenant_id = claimed.tenant_id
        operation = await self.events.load(BulkOperation, claimed.operation_id, tenant_id)
        if operation is None or operation.is_over:
            return 0.0  # Somebody else ended it after we had claimed it.
        limit = min(PAGE, operation.left_count)
        page = await self.search.find(
            tenant_id, filter_from(operation.filter), after=operation.cursor, limit=limit
        )
        decided = await asyncio.gather(*(self._decide(operation, claimed, one) for one in page))
        done_count, rest_s = self._as_far_as_there_is_room(operation, decided)
        refusals = [
            a_refusal(execution_id, refusal.code, refusal.detail)
            for execution_id, refusal in zip(page[:done_count], decided, strict=False)
            if refusal is not None
        ]
        has_more = len(page) == limit or done_count < len(page)
        done = _Page(page[:done_count], refusals, has_more=has_more)
        began_at = operation.cursor
        if not await self._recorded(operation, done, tenant_id):
            await self._record_of_cancelled(operation.id, done, began_at, tenant_id)
        return rest_s

    def _as_far_as_there_is_room(
        self, operation: BulkOperation, decided: Sequence[DomainError | None]
    ) -> tuple[int, float]:
        """How many of a page are decided for good, and how long to rest before the others are tried
        again. Those that succeeded after them are tried again too, and get their first answer.
        """
        stood_s = (self.clock.now() - operation.modified_on).total_seconds()
        if stood_s < ROOM_WAIT_S_MAX:
            for place, refusal in enumerate(decided):
                if isinstance(refusal, OverLimit) and refusal.retry_after_s <= REST_S_MAX:
                    return place, refusal.retry_after_s
        return len(decided), 0.0

    async def _recorded(self, operation: BulkOperation, done: _Page, tenant_id: TenantId) -> bool:
        operation.progress(done.page, done.refusals, has_more=done.has_more)
        if not operation.pending_events:
            return True
        closed = [ClosedBulkOperation(operation.id)] if operation.is_completed else []
        try:
            reach("bulk.before_progress")
            await self.events.append([operation], Envelope(tenant_id, self.actor), side_rows=closed)
            reach("bulk.after_progress")
        except Stale:
            return False
        return True

    async def _record_of_cancelled(
        self, operation_id: UUID, done: _Page, began_at: UUID, tenant_id: TenantId
    ) -> None:
        """Somebody else wrote meanwhile: who cancelled it, or a worker that did the same page."""
        operation = await self.events.load(BulkOperation, operation_id, tenant_id)
        is_ours = operation is not None and operation.is_cancelled and operation.cursor == began_at
        if operation is None or not is_ours:
            log.info("bulk operation %s: another worker did this page", operation_id)
        elif not await self._recorded(operation, done, tenant_id):
            log.info("bulk operation %s: another worker told this page", operation_id)

    async def _decide(
        self, operation: BulkOperation, claimed: OpenBulkOperation, execution_id: UUID
    ) -> DomainError | None:
        """Its refusal. Raises Unavailable."""
        command = command_for(operation.action, operation.parameters, execution_id)
        # Whoever began the operation was allowed to, whatever became of the credential since.
        caller = Caller(operation.created_by, claimed.tenant_id, frozenset({command.requires}))
        key = f"bulk/{operation.id}/{execution_id}"
        origin = Origin(self.ids.new(), idempotency_key=key, cause_id=claimed.cause_id)
        try:
            await self.dispatcher.dispatch(command, caller, origin)
            reach("bulk.after_command")
        except DomainError as refusal:
            if isinstance(refusal, Unavailable) and not isinstance(refusal, Contended):
                raise
            return refusal
        return None
