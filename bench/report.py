"""What a measurement says: figures, the rounds they are the median of, and their targets."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from bench.conditions import Conditions
from domain.identifiers import JsonObject

ROUNDS = 3
# Beyond this a figure says more about the neighbours than about us.
OTHERS_SHARE_MAX = 0.10

Round = TypeVar("Round")


@dataclass(frozen=True, slots=True)
class Target:
    """limit: the worst value that meets it. is_floor: should be at least that, else at most."""

    limit: float
    is_floor: bool

    def shortfall(self, value: float) -> float | None:
        """By which part of the limit the value falls short; None when the target is met."""
        missing = (self.limit - value if self.is_floor else value - self.limit) / self.limit
        return missing if missing > 0 else None


def at_least(limit: float) -> Target:
    return Target(limit, is_floor=True)


def at_most(limit: float) -> Target:
    return Target(limit, is_floor=False)


@dataclass(frozen=True, slots=True)
class Figure:
    """rounds: one value each, in the order they were measured. The figure is their median."""

    what: str
    unit: str
    rounds: Sequence[float]
    target: Target | None = None

    @property
    def value(self) -> float:
        return median(self.rounds)


@dataclass(frozen=True, slots=True)
class Measurement:
    """figures: ours and the peers'. notes: what a reader must know to believe them.

    others_share: the part of the machine's processors that strangers used meanwhile.
    """

    name: str
    title: str
    figures: Sequence[Figure]
    notes: Sequence[str] = ()
    others_share: float = 0.0


@dataclass(slots=True)
class Report:
    conditions: Conditions
    measurements: list[Measurement] = field(default_factory=list[Measurement])
    failed: dict[str, str] = field(default_factory=dict[str, str])


async def in_turn(
    *contenders: Callable[[], Awaitable[Round]], rounds: int = ROUNDS
) -> list[list[Round]]:
    """The rounds of each contender.

    They alternate, so that a machine that slows down slows all of them, and go there and back, so
    that nobody always comes behind the same one.
    """
    results: list[list[Round]] = [[] for _ in contenders]
    order = list(zip(contenders, results, strict=True))
    for _ in range(rounds):
        for contender, own in order:
            own.append(await contender())
        order.reverse()
    return results


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Round by round, so that what slowed one round down is on both sides."""
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def print_measurement(console: Console, measurement: Measurement) -> None:
    table = Table(title=f"{measurement.name}: {measurement.title}", title_justify="left")
    table.add_column("figure", max_width=64)
    table.add_column("median", justify="right", style="bold", no_wrap=True)
    table.add_column("unit", no_wrap=True)
    table.add_column("rounds", justify="right", no_wrap=True)
    table.add_column("target", no_wrap=True)
    for figure in measurement.figures:
        table.add_row(
            figure.what,
            shown(figure.value),
            figure.unit,
            " ".join(shown(value) for value in figure.rounds),
            _verdict(figure),
        )
    console.print(table)
    for note in measurement.notes:
        console.print(f"  - {note}", highlight=False)
    if measurement.others_share > OTHERS_SHARE_MAX:
        console.print(
            f"  [bold red]not valid[/bold red]: others used {measurement.others_share:.0%} of the"
            " processors meanwhile",
            highlight=False,
        )
    console.print()


def as_json(report: Report) -> JsonObject:
    return {
        "conditions": report.conditions.as_json(),
        "failed": {**report.failed},
        "measurements": [
            {
                "name": measurement.name,
                "title": measurement.title,
                "figures": [_figure_json(figure) for figure in measurement.figures],
                "notes": list(measurement.notes),
                "others_share": round(measurement.others_share, 3),
                "is_valid": measurement.others_share <= OTHERS_SHARE_MAX,
            }
            for measurement in report.measurements
        ],
    }


def shown(value: float) -> str:
    """Three digits are what such a measurement is worth."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _verdict(figure: Figure) -> str:
    target = figure.target
    if target is None:
        return ""
    sign = ">=" if target.is_floor else "<="
    shortfall = target.shortfall(figure.value)
    verdict = "[green]met[/green]" if shortfall is None else f"[red]missed by {shortfall:.0%}[/red]"
    return f"{sign} {shown(target.limit)}  {verdict}"


def _figure_json(figure: Figure) -> JsonObject:
    target = figure.target
    return {
        "what": figure.what,
        "unit": figure.unit,
        "median": figure.value,
        "rounds": list(figure.rounds),
        "target": None
        if target is None
        else {
            "limit": target.limit,
            "is_floor": target.is_floor,
            "is_met": target.shortfall(figure.value) is None,
        },
    }
