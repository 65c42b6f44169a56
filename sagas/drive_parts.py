"""What the drives of a worker share: ports, slots, and the definitions that their runs pin."""

import asyncio
import sys
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

from commands.admission_port import Admission
from commands.budget_port import Budgets, NobodyBudgeted, TenantBudgets
from commands.plan_port import NobodyLimited, Plans, TenantPlan
from commands.ports import Clock, EventStore, Ids
from domain.budget_rules import Counter
from domain.definitions import Definition, parse_definition
from domain.errors import Unavailable
from domain.executions import Execution
from domain.identifiers import TenantId
from domain.records import record
from infra.admission import EveryoneAdmitted
from sagas.call_slots import CallSlots
from sagas.effects import Effects, Run, Runner
from sagas.fairness import FairSlots
from sagas.lines import Lines
from sagas.step_turns import StepTurns

DEFINITIONS_MAX = 1024
IDS_MAX = 1024
DEFINITION_WAIT_S = 10.0
RELOAD_PAUSE_MIN_S = 0.1
RELOAD_PAUSE_MAX_S = 5.0


class DriveEnded(Exception):
    """This worker lets go of an execution that is not ended; the owner of its shard finds it."""


@record
class Moment:
    """What holds for a tenant, as far as is known. has_room: for large payloads."""

    has_room: bool
    plan: TenantPlan
    budgets: TenantBudgets


@dataclass(eq=False)
class DriveParts:
    """What all drives of a worker share. attempts: how many effects may be in flight in this
    process. steps: whose is next. webhook_path: of a run, where strangers may send it requests.
    plans: how long runs of a tenant may take, and how many there may be. admission: whether there
    is room for runs that a run begins. budgets: what they may spend. call_slots: what calls of
    models hold of limits. is_held: whether a tenant is suspended, so that its runs stand still.
    on_ended: told of each run that has ended, after that is stored. offer: told of other runs that
    were stored with one of ours.
    """

    actor: str
    events: EventStore
    effects: Effects
    runners: Mapping[str, Runner]
    clock: Clock
    ids: Ids
    attempts: FairSlots
    webhook_path: Callable[[TenantId, UUID], str]
    steps: StepTurns
    plans: Plans = field(default_factory=NobodyLimited)
    admission: Admission = field(default_factory=EveryoneAdmitted)
    budgets: Budgets = field(default_factory=NobodyBudgeted)
    budget_lines: Lines[Counter] = field(default_factory=Lines[Counter])
    call_slots: CallSlots = field(default_factory=CallSlots)
    is_held: Callable[[TenantId], bool] = lambda _: False
    on_ended: Callable[[Execution], None] = lambda _: None
    offer: Callable[[TenantId, Execution], None] = lambda _tenant_id, _execution: None
    # By the number of the tenant, and the hash.
    definitions: OrderedDict[tuple[int, str], asyncio.Future[Definition]] = field(
        default_factory=OrderedDict[tuple[int, str], "asyncio.Future[Definition]"]
    )

    # By the number of the tenant.
    _moments: dict[int, Moment] = field(default_factory=dict[int, Moment])

    async def ask_limits(self, tenant_id: TenantId) -> None:
        """So that plan and budgets are known without waiting; where nobody answers, they are as was
        known last.
        """
        try:
            await self.plans.of(tenant_id)
            await self.budgets.of(tenant_id)
        except Unavailable:
            return
        finally:
            self._moments.pop(tenant_id.int, None)

    def moment(self, tenant_id: TenantId) -> Moment:
        """Looked up once for each turn of the event loop: one answer of the database lets many runs
        of a tenant go on.
        """
        moment = self._moments.get(tenant_id.int)
        if moment is None:
            if not self._moments:
                asyncio.get_running_loop().call_soon(self._moments.clear)
            moment = self._moments[tenant_id.int] = Moment(
                self.events.has_room(tenant_id),
                self.plans.known(tenant_id),
                self.budgets.known(tenant_id),
            )
        return moment

    async def load(self, tenant_id: TenantId, execution_id: UUID) -> Execution | None:
        return await self.events.load(Execution, execution_id, tenant_id)

    async def reload(self, tenant_id: TenantId, execution_id: UUID) -> Execution:
        """Waits for the store as long as it takes; the run waits with it."""
        pause_s = RELOAD_PAUSE_MIN_S
        while True:
            try:
                execution = await self.load(tenant_id, execution_id)
            except Unavailable:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, RELOAD_PAUSE_MAX_S)
            else:
                assert execution is not None
                return execution

    async def definition(self, tenant_id: TenantId, definition_hash: str) -> Definition:
        """Read and parsed once, also when a thousand runs are taken up together."""
        key = (tenant_id.int, definition_hash)
        known = self.definitions.get(key)
        if known is None:
            known = asyncio.ensure_future(self._read_definition(tenant_id, definition_hash))
            known.add_done_callback(partial(self._forget_failed, key))
            self.definitions[key] = known
            if len(self.definitions) > DEFINITIONS_MAX:
                self.definitions.popitem(last=False)
        # Whoever waits may be cancelled; the others still want it.
        return known.result() if known.done() else await asyncio.shield(known)

    def _forget_failed(self, key: tuple[int, str], read: "asyncio.Future[Definition]") -> None:
        if read.cancelled() or read.exception() is not None:
            self.definitions.pop(key, None)

    async def _read_definition(self, tenant_id: TenantId, definition_hash: str) -> Definition:
        # All runs of it wait for this one answer, so it may not stay away for ever.
        try:
            async with asyncio.timeout(DEFINITION_WAIT_S):
                canonical = await self.events.definition(tenant_id, definition_hash)
        except TimeoutError:
            message = f"definition {definition_hash} could not be read in time"
            raise DriveEnded(message) from None
        if canonical is None:
            message = f"definition {definition_hash} is not stored"
            raise DriveEnded(message)
        return parse_definition(canonical)


# Many runs are of few workflows: to parse an id takes as long as ten look-ups.
_parsed = lru_cache(IDS_MAX)(UUID)


def run_of(tenant_id: TenantId, execution: Execution, definition: Definition) -> Run:
    workflow_id = execution.workflow_id
    return Run(
        tenant_id,
        execution.id,
        execution.depth,
        execution.created_by,
        None if workflow_id is None else _parsed(workflow_id),
        definition.named,
        definition.concurrent_calls,
    )


if sys.version_info >= (3, 12):

    def begun_task(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that runs to its first wait at once: many effects need no more."""
        return asyncio.Task(work, loop=asyncio.get_running_loop(), eager_start=True)

else:

    def begun_task(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task; this Python cannot run it to its first wait at once."""
        return asyncio.create_task(work)
