"""What is not in its catalogue does not exist.

The catalogues are explicit, so that checkers and people see them on one screen; here the directory
is compared with the list, so that nobody forgets the line.
"""

import ast

from domain.catalogue import AGGREGATES
from domain.nodes.catalogue import NODE_TYPES
from sagas.nodes import RUNNERS
from tests.architecture.sources import ROOT, parse

UNLISTED = {"__init__", "catalogue"}


def files(folder: str) -> set[str]:
    return {path.stem for path in (ROOT / folder).glob("*.py")} - UNLISTED


def test_every_node_type_has_a_file_and_a_line() -> None:
    assert set(NODE_TYPES) == files("domain/nodes")
    for name, node_type in NODE_TYPES.items():
        assert node_type.__module__ == f"domain.nodes.{name}"


def test_every_node_type_has_a_test() -> None:
    tested = {path.stem.removeprefix("test_") for path in ROOT.glob("tests/domain/nodes/test_*.py")}
    assert tested == set(NODE_TYPES)


def test_every_effectful_node_type_has_a_runner_and_no_other_has() -> None:
    effectful = {name for name, node_type in NODE_TYPES.items() if not node_type.is_pure}
    assert set(RUNNERS) == effectful == files("sagas/nodes")


def test_a_node_type_says_so_when_it_reads_what_comes_in() -> None:
    """What nobody reads is not looked up."""
    reading = {name for name in NODE_TYPES if ".incoming" in _source_of(f"domain/nodes/{name}.py")}
    assert {name for name, kind in NODE_TYPES.items() if kind.reads_incoming} == reading


def _source_of(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def test_every_aggregate_is_in_the_catalogue() -> None:
    declared = {
        (f"domain.{path.stem}", node.name)
        for path in (ROOT / "domain").glob("*.py")
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ClassDef) and "Aggregate" in map(ast.unparse, node.bases)
    }
    assert {(kind.__module__, kind.__name__) for kind in AGGREGATES} == declared
    names = [kind.__name__ for kind in AGGREGATES]
    assert names == sorted(names)
