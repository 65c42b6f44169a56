"""Dashboards and rules name what exists, and what is committed is what is generated."""

import json
import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from deploy.__main__ import DIRECTORY, files
from deploy.alerts import ALERTS
from deploy.dashboards import DASHBOARDS
from deploy.examples import alertmanager
from infra.metrics import METRICS
from tests.deploy.expressions import EXPRESSIONS, RECORDED, grouped_labels, selectors

FILES = files()
# What Prometheus itself says of what it scrapes, and puts on every series.
OF_PROMETHEUS = {"up": {"job"}}
SCRAPED = {"instance", "job"}
OVER_TIME = {"rate", "increase", "irate"}


def families() -> dict[str, tuple[str, set[str]]]:
    """By the name of a series: its type and its labels, of every metric that this process has."""
    found: dict[str, tuple[str, set[str]]] = {}
    declared = METRICS.registry._collector_to_names  # its labels are told nowhere else
    for collector, names in declared.items():
        labels: set[str] = set(getattr(collector, "_labelnames", ()))
        kind = getattr(collector, "_type", "gauge")
        for name in names:
            own: set[str] = {*labels, "le"} if name.endswith("_bucket") else labels
            found[name] = (str(kind), own)
    for family in METRICS.registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, (family.type, set(sample.labels)))
    return found


FAMILIES = families()


def labels_of(name: str) -> set[str]:
    if name in OF_PROMETHEUS:
        return OF_PROMETHEUS[name] | SCRAPED
    return FAMILIES[name][1] | SCRAPED


@pytest.mark.parametrize("path", sorted(FILES))
def test_what_is_committed_is_what_is_generated(path: str) -> None:
    assert (DIRECTORY / path).read_text("utf-8") == FILES[path]


def test_nothing_else_is_committed_where_files_are_generated() -> None:
    directories = {Path(path).parts[0] for path in FILES}
    committed = {
        path.relative_to(DIRECTORY).as_posix()
        for directory in directories
        for path in (DIRECTORY / directory).rglob("*")
    }
    assert committed == set(FILES)


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_an_expression_is_about_metrics_that_exist(where: str) -> None:
    parsed = promql_parser.parse(EXPRESSIONS[where])
    found = list(selectors(parsed))
    assert found
    for selector, function in found:
        if selector.name in RECORDED:
            continue
        assert selector.name in FAMILIES or selector.name in OF_PROMETHEUS, selector.name
        matched = {matcher.name for matcher in selector.matchers.matchers}
        assert matched <= labels_of(selector.name), selector
        kind = FAMILIES.get(selector.name, ("gauge", set()))[0]
        assert (kind in {"counter", "histogram"}) == (function in OVER_TIME), selector
    for labels, aggregated in grouped_labels(parsed):
        for selector, _ in selectors(aggregated):
            assert labels <= labels_of(selector.name), (labels, selector.name)


@pytest.mark.parametrize(
    "wrong",
    ["rate(no_such_metric[5m])", "sum by (nobody) (dlq_depth)", 'dlq_depth{tenant="x"}'],
)
def test_a_name_that_nobody_tells_is_found(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXPRESSIONS, "wrong", wrong)
    with pytest.raises(AssertionError):
        test_an_expression_is_about_metrics_that_exist("wrong")


def test_every_alert_says_what_to_do() -> None:
    runbook = (DIRECTORY.parent / "docs/observability.md").read_text("utf-8")
    headings = set(re.findall(r"^\| `(\w+)` \|", runbook, re.MULTILINE))
    names = {alert.name for alerts in ALERTS.values() for alert in alerts}
    assert names <= headings, names - headings


def test_every_metric_is_in_the_documentation() -> None:
    told = (DIRECTORY.parent / "docs/observability.md").read_text("utf-8")
    names = {family.name for family in METRICS.registry.collect()}
    own = {name for name in names if not name.startswith("process_")}
    assert {name for name in own if f"`{name}" not in told} == set()


def test_each_severity_has_somebody_who_hears_of_it() -> None:
    document: Any = alertmanager()
    receivers = {receiver["name"] for receiver in document["receivers"]}
    routes = [document["route"], *document["route"]["routes"]]
    assert {route["receiver"] for route in routes} <= receivers
    matched = {matcher for route in routes[1:] for matcher in route["matchers"]}
    severities = {f'severity="{one.severity}"' for all_of in ALERTS.values() for one in all_of}
    assert matched <= severities


def test_the_config_maps_hold_the_files_of_their_names() -> None:
    for name in ("dashboards", "rules", "alerts"):
        document = yaml.safe_load(FILES[f"kubernetes/{name}.yaml"])
        assert (document["kind"], document["metadata"]["name"]) == ("ConfigMap", name)
    held = yaml.safe_load(FILES["kubernetes/dashboards.yaml"])["data"]
    assert {json.loads(text)["uid"] for text in held.values()} == {
        f"agentledger-{one.name}" for one in DASHBOARDS
    }


def test_panels_do_not_lie_on_each_other() -> None:
    for dashboard in DASHBOARDS:
        document: Any = dashboard.document()
        taken: set[tuple[int, int]] = set()
        for panel in document["panels"]:
            place = panel["gridPos"]
            cells = {
                (place["x"] + dx, place["y"] + dy)
                for dx in range(place["w"])
                for dy in range(place["h"])
            }
            assert not cells & taken
            assert max(x for x, _ in cells) < 24
            taken |= cells
