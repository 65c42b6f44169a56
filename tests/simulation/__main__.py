"""python -m tests.simulation --seeds 10000: many runs on all cores; what fails says how to see it
again.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation.bugs import BUGS
from tests.simulation.runs import Verdict, play

CHUNK = 25
TAIL_LINES = 60
SHOWN_MAX = 20


def played(first: int, count: int, bug: str | None) -> tuple[int, int, list[Verdict]]:
    """How many runs and events, and the verdicts on runs that failed, without their traces."""
    failed: list[Verdict] = []
    events = 0
    for seed in range(first, first + count):
        verdict = play(seed, None if bug is None else BUGS[bug]())
        events += verdict.events_count
        if verdict.violations:
            failed.append(Verdict(seed, verdict.violations, (), verdict.events_count))
    return count, events, failed


def chunks(first: int, count: int) -> Iterator[tuple[int, int]]:
    for begin in range(first, first + count, CHUNK):
        yield begin, min(CHUNK, first + count - begin)


def main(
    seeds: Annotated[int, typer.Option(help="How many runs.")] = 500,
    first: Annotated[int, typer.Option("--from", help="The first seed.")] = 0,
    seed: Annotated[int | None, typer.Option(help="Play this one again, with its trace.")] = None,
    bug: Annotated[str | None, typer.Option(help="Plant this mistake.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes; one per core.")] = None,
    *,
    list_bugs: Annotated[bool, typer.Option("--list-bugs", help="What can be planted.")] = False,
) -> None:
    console = Console()
    if list_bugs:
        for name, plant in BUGS.items():
            console.print(f"{name}  [dim]{' '.join((plant.__doc__ or '').split())}[/]")
        return
    if bug is not None and bug not in BUGS:
        raise typer.BadParameter(f"there is no bug {bug}; see --list-bugs")
    if seed is not None:
        raise typer.Exit(_replay(console, seed, bug))
    raise typer.Exit(_play_many(console, first, seeds, bug=bug, workers=workers))


def _replay(console: Console, seed: int, bug: str | None) -> int:
    verdict = play(seed, None if bug is None else BUGS[bug]())
    for line in verdict.trace:
        console.out(line, highlight=False)
    _show(console, verdict, bug)
    return 1 if verdict.violations else 0


def _play_many(
    console: Console, first: int, seeds: int, *, bug: str | None, workers: int | None
) -> int:
    started_at = time.monotonic()
    failed: list[Verdict] = []
    events = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        Progress(*columns, TimeRemainingColumn(), console=console) as progress,
        ProcessPoolExecutor(workers or os.cpu_count()) as pool,
    ):
        task = progress.add_task("simulated runs", total=seeds)
        parts = [pool.submit(played, *chunk, bug) for chunk in chunks(first, seeds)]
        for part in as_completed(parts):
            count, found_events, found = part.result()
            events += found_events
            failed += found
            progress.update(task, advance=count, description=f"{len(failed)} failed")
    took_s = time.monotonic() - started_at
    console.print(f"{seeds} seeds, {events} events, {took_s:.0f} s: {len(failed)} failed")
    for verdict in sorted(failed, key=lambda one: one.seed)[:SHOWN_MAX]:
        _show(console, verdict, bug)
    if failed:
        shortest = min(failed, key=lambda one: one.events_count)
        console.print(f"\nThe shortest of them, seed {shortest.seed}, ends with:")
        again = play(shortest.seed, None if bug is None else BUGS[bug]())
        for line in again.trace[-TAIL_LINES:]:
            console.out(line, highlight=False)
    return 1 if failed else 0


def _show(console: Console, verdict: Verdict, bug: str | None) -> None:
    if not verdict.violations:
        console.print(f"seed {verdict.seed}: everything holds", highlight=False)
        return
    planted = "" if bug is None else f" --bug {bug}"
    console.print(f"\n[red]seed {verdict.seed}[/] ({verdict.events_count} events); again with:")
    console.print(f"  python -m tests.simulation --seed {verdict.seed}{planted}", highlight=False)
    for line in verdict.violations:
        console.out(f"  {line}", highlight=False)


if __name__ == "__main__":
    typer.run(main)
