"""A module's name is its boundary.

A file called utils has none and grows without end, and a package name that something else on the
path also has would import the other one's code.
"""

import importlib.util

import pytest

from tests.architecture.sources import ROOT, modules, packages, shown

BANNED = {
    *("utils", "util", "helpers", "helper", "common", "misc", "base", "core", "data", "info"),
    *("manager", "managers", "service", "services", "processor", "processors", "views"),
}
# A data key is what cryptographers call a key that encrypts data and no keys.
TERMS = {"data_keys"}


def test_no_module_has_a_name_without_a_boundary() -> None:
    boundless = [
        shown(path)
        for path in modules()
        if BANNED & {path.stem, *_words(path.stem), *path.relative_to(ROOT).parts[:-1]}
    ]
    assert boundless == []


def _words(stem: str) -> set[str]:
    named = stem
    for term in TERMS:
        named = named.replace(term, "")
    return set(named.split("_"))


@pytest.mark.parametrize("name", sorted(packages()))
def test_a_package_name_means_our_package(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin == str(ROOT / name / "__init__.py")
