"""`agentledger replay`: the history of one aggregate, and the state that it adds up to at any
version or time.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import orjson
import typer
from rich.console import Console

from cli.complaints import complain
from cli.opening import opening
from cli.session import installation, owner_connection, run, settings_or_complain
from commands.ports import LoggedEvent, Position
from domain.identifiers import JsonObject
from infra.aggregate_states import aggregate_after, state_of
from infra.event_log import read_stream_unbound
from infra.postgres_log import cursor_position

PAGE = 1000


def replay(stream: str, *, as_of: str | None, is_json: bool) -> int:
    try:
        stream_id = UUID(stream)
    except ValueError:
        complain(f"--stream must be the id of an aggregate, not {stream!r}.")
    until = _until(as_of)

    async def work() -> int:
        async with (
            installation(settings_or_complain()) as settings,
            owner_connection(settings) as conn,
            opening(settings) as open_events,
        ):
            events: list[LoggedEvent] = []
            while True:
                after = events[-1].version if events else 0
                page = await read_stream_unbound(conn, stream_id, after_version=after, limit=PAGE)
                events.extend(await open_events(page))
                if len(page) < PAGE:
                    break
        shown = [event for event in events if _is_shown(event, until)]
        if not shown:
            complain(f"there is no stream {stream_id}" + (f" as of {as_of}." if as_of else "."))
        _print(shown, is_json=is_json)
        return 0

    return run(work)


Until = int | datetime | Position | None


def _until(as_of: str | None) -> Until:
    if as_of is None:
        return None
    if as_of.isdecimal():
        return int(as_of)
    try:
        # First: a day has the form of a position, but no era has four digits.
        moment = datetime.fromisoformat(as_of)
    except ValueError:
        if re.fullmatch(r"\d+-\d+-\d+", as_of):
            return cursor_position(as_of)
        complain(f"--as-of must be a version, a position or an RFC 3339 time, not {as_of!r}.")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_shown(event: LoggedEvent, until: Until) -> bool:
    match until:
        case None:
            return True
        case int():
            return event.version <= until
        case datetime():
            return event.recorded_at <= until
        case Position():
            return event.position <= until


def _print(events: Sequence[LoggedEvent], *, is_json: bool) -> None:
    aggregate = aggregate_after(events)
    state: JsonObject = {
        "id": str(aggregate.id),
        "version": aggregate.version,
        **state_of(aggregate),
    }
    if is_json:
        document = {"events": [_described(event) for event in events], "state": state}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        return
    console = Console()
    for event in events:
        payload = orjson.loads(event.state)
        payload.pop("timestamp", None)
        console.print(
            f"[dim]{event.recorded_at.isoformat(timespec='milliseconds')}[/dim]"
            f" {event.version:>4} [cyan]{event.topic}[/cyan] [dim]{event.actor}[/dim]"
        )
        console.print_json(data=payload)
    console.print(f"\n[bold]state at version {events[-1].version}[/bold]")
    console.print_json(orjson.dumps(state).decode())


def _described(event: LoggedEvent) -> JsonObject:
    return {
        "version": event.version,
        "topic": event.topic,
        "recorded_at": event.recorded_at.isoformat(),
        "actor": event.actor,
        "event_id": str(event.event_id),
        "command_id": _text(event.command_id),
        "causation_id": _text(event.causation_id),
        "correlation_id": _text(event.correlation_id),
        "data": orjson.loads(event.state),
    }


def _text(one: UUID | None) -> str | None:
    return None if one is None else str(one)
