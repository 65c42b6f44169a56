"""Histories for the tests of projections: events as the log hands them out, from the real codec."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from eventsourcing.domain import DomainEventProtocol
from eventsourcing.utils import get_topic

from commands.ports import LoggedEvent, Position
from domain.agents import Agent
from domain.aggregates import Aggregate
from domain.bulk_operations import BulkOperation
from domain.credentials import ApiKey
from domain.executions import Execution
from domain.identifiers import TenantId, shard_of
from domain.identity import User
from domain.providers import Provider
from domain.roles import Role
from domain.secrets import Secret
from domain.tenants import Tenant
from domain.workflows import Workflow
from infra.clock import Uuid7Ids
from infra.event_codec import mapper

IDS = Uuid7Ids()
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)

LINES = [["requests", 1, 0], ["input_tokens", 3, 3_000_000], ["output_tokens", 5, 10_000_000]]
USAGE = {
    "model": "offline/echo",
    "tokens_in": 3,
    "tokens_out": 5,
    "cost_usd_pico": 13_000_000,
    "usage": {
        "provider": "offline",
        "agent_id": None,
        "workflow_id": None,
        "created_by": "api_key:test",
        "source": "provider",
        "prices": "offline/1",
        "lines": LINES,
    },
}
FREE = {"model": None, "tokens_in": 0, "tokens_out": 0, "cost_usd_pico": 0, "usage": None}
PROFILE = {"name": "writer", "role": None, "model": "offline/echo", "instructions": "Write."}
REFUSAL = {"execution_id": str(UUID(int=7)), "code": "refused", "detail": "It has ended."}


@dataclass
class Stream:
    """One stream that grows. Each event is recorded a second after the one before."""

    aggregate: type[Aggregate]
    tenant_id: TenantId
    stream_id: UUID = field(default_factory=IDS.new)
    events: list[LoggedEvent] = field(default_factory=list[LoggedEvent])
    actor: str | None = "user:ada"

    def happens(self, kind: type[DomainEventProtocol[UUID]], /, **fields: Any) -> "Stream":
        version = len(self.events) + 1
        if issubclass(kind, Aggregate.Created):
            fields["originator_topic"] = get_topic(self.aggregate)
        place = {"originator_id": self.stream_id, "originator_version": version}
        fact = kind(**place, timestamp=EPOCH, **fields)
        stored = mapper.to_stored_event(fact)
        return self.logs(stored.topic, stored.state)

    def logs(self, topic: str, state: bytes) -> "Stream":
        """A stored event that no program of ours would write."""
        version = len(self.events) + 1
        event = LoggedEvent(
            position=Position(1, 0, 0),
            stream_id=self.stream_id,
            version=version,
            topic=topic,
            state=state,
            tenant_id=self.tenant_id,
            shard=shard_of(self.stream_id),
            event_id=IDS.new(),
            actor=self.actor,
            command_id=None,
            causation_id=None,
            correlation_id=None,
            traceparent=None,
            recorded_at=EPOCH + timedelta(seconds=version),
        )
        self.events.append(event)
        return self


def a_tenant() -> TenantId:
    return TenantId(IDS.new())


def at(second: int) -> datetime:
    """When the event of this version was recorded."""
    return EPOCH + timedelta(seconds=second)


def an_execution(tenant_id: TenantId | None = None, **fields: object) -> Stream:
    created = {
        "workflow_id": None,
        "workflow_version": None,
        "agent_id": None,
        "definition_hash": "cafe",
        "input": {"question": "why?"},
        "created_by": "api_key:1",
        "parent_id": None,
        "parent_path": None,
        "depth": 0,
        "forked_from_id": None,
        "forked_from_node": None,
        "subject_id": None,
        "data_subject": None,
        **fields,
    }
    stream = Stream(Execution, tenant_id or a_tenant())
    return stream.happens(Execution.Created, **created)


def started(run: Stream, path: str, attempt: int = 1) -> Stream:
    return run.happens(
        Execution.NodeStarted,
        path=path,
        node_type="llm",
        attempt=attempt,
        request={"prompt": f"attempt {attempt}"},
        idempotency_key=f"{path}:{attempt}",
        reserved=None,
    )


def completed(run: Stream, path: str, attempt: int = 1, **fields: object) -> Stream:
    outcome = {"node_type": "llm", "output": {"text": path}, "ports": [], **USAGE, **fields}
    return run.happens(Execution.NodeCompleted, path=path, attempt=attempt, **outcome)


def failed(run: Stream, path: str, attempt: int = 1, **fields: object) -> Stream:
    outcome = {"node_type": "llm", "code": "timeout", "message": "too slow", "retry_at": None}
    outcome |= {**FREE, **fields}
    return run.happens(Execution.NodeFailed, path=path, attempt=attempt, **outcome)


def a_finished_run(tenant_id: TenantId | None = None, **fields: object) -> Stream:
    run = an_execution(tenant_id, **fields).happens(Execution.Started)
    completed(run, "start", node_type="start", **FREE)
    completed(started(run, "draft"), "draft")
    completed(run, "end", node_type="end", **FREE)
    return run.happens(Execution.Completed, output={"answer": "because"})


def an_agent(tenant_id: TenantId | None = None) -> Stream:
    return Stream(Agent, tenant_id or a_tenant()).happens(Agent.Created, profile=PROFILE)


def a_workflow(tenant_id: TenantId | None = None) -> Stream:
    content = workflow_content("v1")
    return Stream(Workflow, tenant_id or a_tenant()).happens(Workflow.Created, **content)


def workflow_content(name: str) -> dict[str, object]:
    return {
        "name": name,
        "description": None,
        "is_public": False,
        "definition": {"nodes": [name], "edges": []},
        "definition_hash": f"hash of {name}",
    }


def an_api_key(tenant_id: TenantId | None = None, **fields: object) -> Stream:
    created = {
        "name": "ci",
        "prefix": "al_ci",
        "scopes": ["agents:read", "workflows:execute"],
        "user_id": None,
        "expires_at": None,
        **fields,
    }
    return Stream(ApiKey, tenant_id or a_tenant()).happens(ApiKey.Created, **created)


def a_secret(tenant_id: TenantId | None = None, **fields: object) -> Stream:
    created = {"name": "github", "user_id": None, **fields}
    hosts = ["https://api.github.com:443"]
    return (
        Stream(Secret, tenant_id or a_tenant())
        .happens(Secret.Created, **created)
        .happens(Secret.Stored, value_version=1, allowed_hosts=hosts)
    )


def a_rotated_key(tenant_id: TenantId | None = None, **fields: object) -> Stream:
    key = an_api_key(tenant_id, **fields)
    key.happens(ApiKey.AddressesRestricted, allowed_addresses=["192.0.2.0/24"])
    key.happens(ApiKey.Rotated, prefix="al_new", previous_until="2026-06-01T00:00:00+00:00")
    return key.happens(ApiKey.ScopesChanged, scopes=["agents:write", "read"])


def a_provider(tenant_id: TenantId | None = None, **fields: object) -> Stream:
    created = {"name": "ours", "user_id": None, **fields}
    return (
        Stream(Provider, tenant_id or a_tenant())
        .happens(Provider.Created, **created)
        .happens(
            Provider.Configured,
            provider_version=1,
            kind="openai_compatible",
            api_base="https://models.example.com/v1",
            models=["llama-4"],
            has_key=True,
            key_from="models-key",
        )
    )


def a_bulk_operation(tenant_id: TenantId | None = None, **fields: object) -> Stream:
    created = {
        "action": "cancel",
        "filter": {"status": "WAITING"},
        "parameters": {"reason": "a mistake"},
        "cursor": str(IDS.new()),
        "executions_max": 250,
        "created_by": "user:ada",
        **fields,
    }
    return Stream(BulkOperation, tenant_id or a_tenant()).happens(BulkOperation.Created, **created)


def a_page_of(operation: Stream, *refusals: object, done: int = 99) -> Stream:
    return operation.happens(
        BulkOperation.Progressed,
        cursor=str(IDS.new()),
        done_count=done,
        refused_count=len(refusals),
        refusals=list(refusals),
    )


def a_user(tenant_id: TenantId | None = None) -> Stream:
    return Stream(User, tenant_id or a_tenant()).happens(
        User.Created, email="ada@example.com", role="ADMIN", name="Ada"
    )


def a_role(tenant_id: TenantId | None = None) -> Stream:
    return Stream(Role, tenant_id or a_tenant()).happens(
        Role.Created, name="Auditor", permissions=["read"]
    )


def the_tenant(tenant_id: TenantId) -> Stream:
    tenant = Stream(Tenant, tenant_id, stream_id=tenant_id)
    settings = {"region": "eu", "time_zone": "Europe/Oslo", "reseller_id": None}
    return tenant.happens(Tenant.Created, name="Ada & Co", **settings)


def opened(run: Stream, path: str, node_type: str = "map") -> Stream:
    return run.happens(Execution.NodeOpened, path=path, node_type=node_type, keeps_results=True)


def iteration_ended(run: Stream, path: str, index: int) -> Stream:
    ended = {"output": index, "error": None, "compensations": []}
    return run.happens(Execution.IterationEnded, path=path, index=index, **ended)


def suspended(run: Stream, path: str, until: str | None = None, **fields: object) -> Stream:
    """A node that waits."""
    waits = {"node_type": "signal", "attempt": 1, "request": {"name": "paid"}, **fields}
    return run.happens(Execution.NodeSuspended, path=path, until=until, **waits)


def child_started(run: Stream, path: str, child_id: UUID, *, is_awaited: bool = True) -> Stream:
    child = {"node_type": "sub_workflow", "attempt": 1, "on_parent_close": "cancel"}
    return run.happens(
        Execution.ChildStarted, path=path, child_id=str(child_id), is_awaited=is_awaited, **child
    )


def child_ended(run: Stream, path: str, child_id: UUID) -> Stream:
    end = {"status": "COMPLETED", "output": 1, "error": None}
    return run.happens(Execution.ChildEnded, path=path, child_id=str(child_id), **end)


def compensation_started(run: Stream, *stopped: str, **fields: object) -> Stream:
    why = {"reason": "requested", "message": None, "error": None, **fields}
    return run.happens(Execution.CompensationStarted, stopped_paths=list(stopped), **why)


def resolved(run: Stream, path: str, outcome: str = "done", output: object = None) -> Stream:
    said = {"node_type": "http", "outcome": outcome, "output": output}
    return run.happens(Execution.Resolved, path=path, **said)


def random_run(draw: random.Random, tenant_id: TenantId) -> Stream:
    """A history that a run could have: retries, waits, bodies, skips, failures and any end, or none
    yet; then it may be tried again or undone.
    """
    run = an_execution(tenant_id)
    run.happens(Execution.Started)
    waiting: list[str] = []
    done: list[str] = []
    for number in range(draw.randrange(5)):
        path = f"n{number}"
        for attempt in range(1, draw.choice([1, 1, 2, 3]) + 1):
            started(run, path, attempt)
            if attempt > 1:
                waiting.remove(path)
            waiting.append(path)
            if draw.random() < 0.3:
                failed(run, path, attempt, retry_at="2026-01-01T00:00:00Z", **USAGE)
            else:
                completed(run, path, attempt, cost_usd_pico=draw.choice([None, 7, 10**13]))
                waiting.remove(path)
                done.append(path)
                break
    if draw.random() < 0.4:
        run.happens(Execution.NodesSkipped, paths=["left", "right"])
    if draw.random() < 0.4:
        _iterates(run)
    if draw.random() < 0.4:
        waiting += _waits(run)
    _ends(draw, run, waiting, done)
    return run


def _iterates(run: Stream) -> None:
    opened(run, "each")
    for index in range(2):
        completed(started(run, f"each[{index}]/draft"), f"each[{index}]/draft")
        iteration_ended(run, "each", index)
    completed(run, "each", node_type="map", **FREE)


def _waits(run: Stream) -> list[str]:
    """The paths that still wait after it."""
    suspended(run, "signal", until="2026-02-01T00:00:00Z")
    child_id = IDS.new()
    child_started(run, "child", child_id)
    run.happens(Execution.Suspended, wake_at="2026-02-01T00:00:00Z")
    run.happens(Execution.Signalled, name="paid", payload={"amount": 12})
    completed(run, "signal", node_type="signal", **FREE)
    child_ended(run, "child", child_id)
    run.happens(Execution.Paused).happens(Execution.Resumed)
    return ["child"]


def _ends(draw: random.Random, run: Stream, waiting: list[str], done: list[str]) -> None:
    match draw.randrange(6):
        case 0:
            run.happens(Execution.Completed, output={"text": "\u0000 é 🙂", "n": draw.random()})
        case 1:
            run.happens(
                Execution.Cancelled, reason=draw.choice([None, "late"]), stopped_paths=waiting
            )
        case 2:
            why = {"path": None, "attempt": None, "code": "stuck", "message": "no end"}
            run.happens(Execution.Failed, stopped_paths=waiting, **why)
            if draw.random() < 0.5:
                run.happens(Execution.Retried, paths=waiting)
        case 3:
            _is_undone(draw, run, waiting, done)
        case _:
            pass


def _is_undone(draw: random.Random, run: Stream, waiting: list[str], done: list[str]) -> None:
    error = {"code": "stuck", "message": "no end", "path": None, "attempt": None}
    compensation_started(run, *waiting, reason="failed", error=error)
    for path in reversed(done):
        own_path = f"{path}/compensate"
        if draw.random() < 0.5:
            completed(started(run, own_path), own_path)
            continue
        failed(started(run, own_path), own_path)
        run.happens(Execution.AttentionNeeded, message="look", paths=[path], done_paths=[])
        resolved(run, own_path, draw.choice(["done", "skip"]))
    run.happens(Execution.Compensated, paths=done)


def interleaved(draw: random.Random, streams: Sequence[Stream]) -> list[LoggedEvent]:
    """The events of all streams in some order that keeps each stream's."""
    left = [list(stream.events) for stream in streams]
    events: list[LoggedEvent] = []
    while left:
        chosen = draw.choice(left)
        events.append(chosen.pop(0))
        left = [rest for rest in left if rest]
    return events


def placed(events: Sequence[LoggedEvent]) -> list[LoggedEvent]:
    """Given places in commit order."""
    return [event._replace(position=Position(1, 1000, n)) for n, event in enumerate(events)]
