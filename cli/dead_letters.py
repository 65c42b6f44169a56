"""`agentledger dead-letters`: what a projection could not apply, and applying it again."""

from dataclasses import asdict
from uuid import UUID

import orjson
import typer
from rich.console import Console
from rich.table import Table

from cli.complaints import complain
from cli.opening import opening
from cli.rebuild import named_projections
from cli.session import installation, owner_connection, run, settings_or_complain
from projections.dead_letters import DeadLetter, NotParked, Replayed, parked_streams
from projections.dead_letters import replay as replay_stream


def list_parked(*, is_json: bool) -> int:
    async def work() -> int:
        async with (
            installation(settings_or_complain()) as settings,
            owner_connection(settings) as conn,
        ):
            letters = [
                letter
                for projection in named_projections("all")
                async for letter in parked_streams(conn, projection)
            ]
        _print_letters(letters, is_json=is_json)
        return 0

    return run(work)


def replay_parked(*, projection: str | None, stream: str | None, is_json: bool) -> int:
    """Exit 1 when something stays parked."""
    chosen = named_projections(projection or "all")
    only = _stream(stream)

    async def work() -> int:
        replayed: list[Replayed] = []
        async with (
            installation(settings_or_complain()) as settings,
            owner_connection(settings) as conn,
            opening(settings) as open_events,
        ):
            for one in chosen:
                parked = [letter.stream_id async for letter in parked_streams(conn, one)]
                replayed += [
                    await replay_stream(conn, one, open_events, stream_id)
                    for stream_id in parked
                    if only in {None, stream_id}
                ]
        if only is not None and not replayed:
            raise NotParked(f"no projection has parked the stream {only}")
        _print_replayed(replayed, is_json=is_json)
        return 1 if any(one.error for one in replayed) else 0

    return run(work)


def _stream(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        complain(f"--stream must be the id of an aggregate, not {text!r}.")


def _print_letters(letters: list[DeadLetter], *, is_json: bool) -> None:
    if is_json:
        document = {"dead_letters": [asdict(letter) for letter in letters]}
        typer.echo(orjson.dumps(document).decode())
        return
    if not letters:
        typer.echo("nothing is parked")
        return
    table = Table("projection", "stream", "version", "topic", "attempts", "parked at", "error")
    for letter in letters:
        table.add_row(
            letter.projection,
            str(letter.stream_id),
            str(letter.version),
            letter.topic,
            str(letter.attempts),
            letter.parked_at.isoformat(timespec="seconds"),
            letter.error,
        )
    Console().print(table)


def _print_replayed(replayed: list[Replayed], *, is_json: bool) -> None:
    if is_json:
        typer.echo(orjson.dumps({"replayed": [asdict(one) for one in replayed]}).decode())
        return
    for one in replayed:
        state = (
            f"still parked: {one.error}" if one.error else f"applied up to version {one.version}"
        )
        typer.echo(f"{one.projection} {one.stream_id}: {state}")
    if not replayed:
        typer.echo("nothing is parked")
