"""What stories record: events as (topic, fields), compared whole."""

from typing import Any
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from domain.attempts import Usage
from domain.identifiers import Json
from infra.event_codec import mapper

EXECUTION_ID = UUID("01890000-0000-7000-8000-000000000001")
USAGE = Usage("offline/echo", tokens_in=3, tokens_out=5, cost_usd_pico=13_000_000)
Fact = tuple[str, dict[str, Any]]


def fact_of(event: Any) -> Fact:
    hidden = {"originator_id", "originator_version", "originator_topic", "timestamp"}
    fields = {name: value for name, value in vars(event).items() if name not in hidden}
    return type(event).TOPIC, fields


def fact_of_stored(stored_event: StoredEvent) -> Fact:
    return fact_of(mapper.to_domain_event(stored_event))


def started() -> Fact:
    return "execution.started", {}


def node_started(path: str, *, attempt: int = 1, key_of: int | None = None, **fields: Any) -> Fact:
    """key_of: the attempt whose idempotency key it carries; its own unless said otherwise."""
    request = {"model": "offline/echo", "messages": [{"role": "user", "content": "Hello"}]}
    return "execution.node_started", {
        "path": path,
        "node_type": "llm",
        "attempt": attempt,
        "request": request,
        "idempotency_key": f"{EXECUTION_ID}:{path}:{key_of or attempt}",
        "reserved": None,
        **fields,
    }


def node_completed(path: str, node_type: str, output: Any = None, *ports: str) -> Fact:
    """A pure node."""
    return "execution.node_completed", {
        "path": path,
        "node_type": node_type,
        "attempt": 1,
        "output": output,
        "ports": list(ports),
        "model": None,
        "tokens_in": 0,
        "tokens_out": 0,
        "cost_usd_pico": 0,
        "usage": None,
    }


def llm_completed(path: str, output: Json = "done", *, attempt: int = 1) -> Fact:
    _, fields = node_completed(path, "llm", output)
    return "execution.node_completed", {
        **fields,
        "attempt": attempt,
        **USAGE.facts(workflow_id=None, created_by=""),
    }


def node_failed(path: str, code: str, message: str = "no", **fields: Any) -> Fact:
    return "execution.node_failed", {
        "path": path,
        "node_type": "llm",
        "attempt": 1,
        "code": code,
        "message": message,
        "retry_at": None,
        "model": None,
        "tokens_in": 0,
        "tokens_out": 0,
        "cost_usd_pico": 0,
        "usage": None,
        **fields,
    }


def usage_unresolved(path: str, *, attempt: int = 1, model: str | None = None) -> Fact:
    return "execution.usage_unresolved", {
        "path": path,
        "node_type": "llm",
        "attempt": attempt,
        "model": model,
        "workflow_id": None,
        "created_by": "user:ada",
    }


def nodes_skipped(*paths: str) -> Fact:
    return "execution.nodes_skipped", {"paths": list(paths)}


def completed(output: Any) -> Fact:
    return "execution.completed", {"output": output}


def failed(
    path: str | None, code: str, message: str, *stopped: str, attempt: int | None = 1
) -> Fact:
    return "execution.failed", {
        "path": path,
        "attempt": attempt,
        "code": code,
        "message": message,
        "stopped_paths": list(stopped),
    }


def fact(name: str, /, **fields: Any) -> Fact:
    """An event that no test but a few has to spell out."""
    return f"execution.{name}", fields


def cancelled(reason: str | None, *stopped: str) -> Fact:
    return "execution.cancelled", {"reason": reason, "stopped_paths": list(stopped)}
