"""Imports point one way.

A rule nobody runs rots: a new package would stand outside every contract without a word.
"""

import ast
import subprocess
import sys

import pytest

from tests.architecture.sources import ROOT, UNLAYERED, packages, parse, project


def test_every_import_contract_holds() -> None:
    command = [f"{sys.prefix}/bin/lint-imports", "--no-cache"]
    linted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_every_package_is_under_the_contracts() -> None:
    contracted = project()["tool"]["importlinter"]["root_packages"]
    assert set(contracted) == packages() - UNLAYERED


@pytest.mark.parametrize(
    ("contract", "package"), [("aggregates-apart", "domain"), ("views-apart", "projections")]
)
def test_what_the_catalogue_holds_is_kept_apart(contract: str, package: str) -> None:
    """A new aggregate or projection that no contract names could lean on its neighbours."""
    contracts = project()["tool"]["importlinter"]["contracts"]
    (kept_apart,) = [each["modules"] for each in contracts if each["id"] == contract]
    imported = {
        node.module
        for node in ast.walk(parse(ROOT / package / "catalogue.py"))
        if isinstance(node, ast.ImportFrom) and node.module
    }
    listed = {name for name in imported if name.startswith(f"{package}.")}
    assert set(kept_apart) == listed - {"domain.aggregates", "projections.table"}


def test_every_package_is_installed() -> None:
    wheel = project()["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["packages"]) == packages() - {"deploy", "tests"}
