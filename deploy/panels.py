"""Panels and dashboards of Grafana, as the JSON that it imports."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Unit: TypeAlias = Literal[
    "short", "s", "bytes", "percentunit", "reqps", "ops", "currencyUSD", "none"
]

WIDTH = 24
PANEL_WIDTH, PANEL_HEIGHT, STAT_WIDTH, STAT_HEIGHT = 8, 8, 4, 4
SCHEMA_VERSION = 39
DATASOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Line:
    """legend: with labels as `{{route}}`."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """is_stat: one number, whose colour changes at `warn_at` and `bad_at`."""

    title: str
    lines: Sequence[Line]
    unit: Unit = "short"
    means: str = ""
    is_stat: bool = False
    warn_at: float | None = None
    bad_at: float | None = None

    def document(self, number: int, x: int, y: int) -> Json:
        width, height = (STAT_WIDTH, STAT_HEIGHT) if self.is_stat else (PANEL_WIDTH, PANEL_HEIGHT)
        targets: list[Json] = [
            {
                "datasource": DATASOURCE,
                "expr": line.expr,
                "legendFormat": line.legend or "__auto",
                "refId": chr(ord("A") + place),
            }
            for place, line in enumerate(self.lines)
        ]
        return {
            "id": number,
            "type": "stat" if self.is_stat else "timeseries",
            "title": self.title,
            "description": self.means,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": width, "h": height},
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": self._options(),
            "targets": targets,
        }

    def _defaults(self) -> Json:
        steps: list[Json] = [{"color": "green", "value": None}]
        if self.warn_at is not None:
            steps.append({"color": "orange", "value": self.warn_at})
        if self.bad_at is not None:
            steps.append({"color": "red", "value": self.bad_at})
        defaults: dict[str, Json] = {
            "unit": self.unit,
            "min": 0,
            "thresholds": {"mode": "absolute", "steps": steps},
        }
        if not self.is_stat:
            defaults["custom"] = {"lineWidth": 1, "fillOpacity": 10, "showPoints": "never"}
        return defaults

    def _options(self) -> Json:
        if self.is_stat:
            return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value"}
        return {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }


@dataclass(frozen=True, slots=True)
class Dashboard:
    name: str
    title: str
    panels: Sequence[Panel]

    def document(self) -> Json:
        return {
            "uid": f"agentledger-{self.name}",
            "title": f"AgentLedger: {self.title}",
            "tags": ["agentledger"],
            "timezone": "browser",
            "schemaVersion": SCHEMA_VERSION,
            "refresh": "30s",
            "time": {"from": "now-6h", "to": "now"},
            "templating": {
                "list": [
                    {
                        "name": "datasource",
                        "type": "datasource",
                        "query": "prometheus",
                        "label": "Prometheus",
                    }
                ]
            },
            "panels": self._placed(),
        }

    def _placed(self) -> list[Json]:
        """In rows: numbers first, then charts, from left to right."""
        placed: list[Json] = []
        x = y = height = 0
        for number, panel in enumerate(self.panels, start=1):
            width, tall = (
                (STAT_WIDTH, STAT_HEIGHT) if panel.is_stat else (PANEL_WIDTH, PANEL_HEIGHT)
            )
            if x + width > WIDTH or (x and tall != height):
                x, y = 0, y + height
            placed.append(panel.document(number, x, y))
            x, height = x + width, tall
        return placed


def stat(
    title: str,
    expr: str,
    unit: Unit = "short",
    *,
    warn_at: float | None = None,
    bad_at: float | None = None,
) -> Panel:
    return Panel(title, [Line(expr)], unit, is_stat=True, warn_at=warn_at, bad_at=bad_at)


def chart(title: str, *lines: Line, unit: Unit = "short", means: str = "") -> Panel:
    return Panel(title, lines, unit, means)


def quantiles(title: str, metric: str, by: str = "") -> Panel:
    """The median, the 95th and the 99th percentile of a histogram; by: a label, or none."""
    within = f"le, {by}" if by else "le"
    legend = f"{{{{{by}}}}} " if by else ""
    lines = [
        Line(
            f"histogram_quantile({part}, sum by ({within}) (rate({metric}_bucket[5m])))",
            f"{legend}p{round(part * 100)}",
        )
        for part in ((0.95,) if by else (0.5, 0.95, 0.99))
    ]
    return Panel(title, lines, "s")
