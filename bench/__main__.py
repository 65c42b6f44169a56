"""`python -m bench [name]`: all measurements, or one.

The servers are made for the run and end with it.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path

import orjson
import uvloop
from rich.console import Console

from bench import (
    append,
    dashboard,
    graphql,
    growth,
    invoice,
    logins,
    metering,
    noisy,
    rebuild,
    recovery,
    rest,
    runs,
    seals,
    usage,
    visible,
)
from bench.conditions import print_conditions, read_conditions
from bench.contenders import TEMPORAL_ASKED
from bench.cpu import spent
from bench.report import Measurement, Report, as_json, print_measurement
from bench.stage import Asked, Stage, postgres_version, staged, temporary_directory

Measure = Callable[[Stage], Awaitable[Measurement]]

# A machine that needs longer for one is too slow for its figures to mean anything.
MEASUREMENT_MAX_S = 600
# What is asked for by an option may take as long as building a peer or storing a history does.
ASKED_MAX_S = 2 * 3600

MEASUREMENTS: Mapping[str, Measure] = {
    append.NAME: append.measure,
    rest.NAME: rest.measure,
    visible.NAME: visible.measure,
    rebuild.NAME: rebuild.measure,
    seals.NAME: seals.measure,
    graphql.NAME: graphql.measure,
    dashboard.NAME: dashboard.measure,
    usage.NAME: usage.measure,
    runs.NAME: runs.measure,
    recovery.NAME: recovery.measure,
    noisy.NAME: noisy.measure,
    metering.NAME: metering.measure,
    invoice.NAME: invoice.measure,
    growth.NAME: growth.measure,
    logins.NAME: logins.measure,
}


def bench(only: str | None, asked: Asked, json_file: Path | None = None) -> int:
    """1 when a measurement could not be made. A missed target is a finding, not a failure."""
    console = Console(width=None if sys.stdout.isatty() else 132)
    if only is not None and only not in MEASUREMENTS:
        console.print(f"There is no measurement {only}; there are {', '.join(MEASUREMENTS)}.")
        return 1
    names = [only] if only is not None else list(MEASUREMENTS)
    # Whoever ends us with SIGTERM gets the same orderly end as Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        report = _run(console, names, asked)
    except KeyboardInterrupt:
        return 130
    if json_file is not None:
        json_file.write_bytes(orjson.dumps(as_json(report), option=orjson.OPT_INDENT_2))
    return 1 if report.failed else 0


def _run(console: Console, names: list[str], asked: Asked) -> Report:
    load_average = round(os.getloadavg()[0], 2)
    with temporary_directory() as directory:
        found = read_conditions(directory, postgres_version(directory))
        report = Report(replace(found, load_average=load_average))
        print_conditions(console, report.conditions)
        with staged(directory, asked) as stage:
            for name in names:
                _make(console, report, name, stage)
    return report


def _make(console: Console, report: Report, name: str, stage: Stage) -> None:
    """One measurement; what goes wrong in it is reported, and the others are still made."""
    before = spent(stage)
    try:
        measurement = uvloop.run(_in_time(MEASUREMENTS[name](stage), stage.asked))
    except Exception as error:  # noqa: BLE001 # see the docstring
        report.failed[name] = f"{type(error).__name__}: {error}"
        console.print(f"[red]{name} could not be measured[/red]: ", report.failed[name], "\n")
    else:
        measurement = replace(measurement, others_share=spent(stage).others_share(before))
        report.measurements.append(measurement)
        print_measurement(console, measurement)


async def _in_time(work: Awaitable[Measurement], asked: Asked) -> Measurement:
    async with asyncio.timeout(MEASUREMENT_MAX_S if asked == Asked() else ASKED_MAX_S):
        return await work


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", nargs="?", help=f"{', '.join(MEASUREMENTS)}; all when absent")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the report here")
    parser.add_argument(
        "--with",
        action="append",
        default=[],
        dest="peers",
        choices=[TEMPORAL_ASKED],
        help="also this peer of `runs`, whose server is built first",
    )
    parser.add_argument(
        "--events",
        type=int,
        default=Asked().events,
        metavar="N",
        help="how many the large store of `growth` has; %(default)s when absent",
    )
    parser.add_argument(
        "--facts",
        type=int,
        metavar="N",
        help=(
            f"how many `usage` sums ({usage.FACTS_STORED:,} when absent) and `invoice` bills"
            f" ({invoice.FACTS_STORED:,})"
        ),
    )
    told = parser.parse_args()
    asked = Asked(frozenset(told.peers), told.events, told.facts)
    return bench(told.name, asked, told.json)


if __name__ == "__main__":
    sys.exit(main())
