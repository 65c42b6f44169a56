"""Nobody plans a file of six thousand lines; it arrives one line at a time.

We aim at 40 lines for a function and 200 for a file, and refuse what is beyond the limits here.
"""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.architecture.sources import UNLAYERED, modules, parse, shown

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
POSITIONAL_PARAMETERS_MAX = 4

# Path or path:function -> the day it was let through. This list may only shrink.
ALLOWED: dict[str, str] = {}


class Function(NamedTuple):
    """positional: how many parameters without self and cls. name: path:function."""

    name: str
    lines: int
    positional: int
    is_decorated: bool


@cache
def functions() -> list[Function]:
    return [
        _measured(path, node)
        for path in modules()
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def _measured(path: Path, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    assert node.end_lineno is not None
    parameters = [*node.args.posonlyargs, *node.args.args]
    return Function(
        f"{shown(path)}:{node.name}",
        node.end_lineno - node.lineno + 1,
        len([each for each in parameters if each.arg not in {"self", "cls"}]),
        is_decorated=bool(node.decorator_list),
    )


def test_no_file_is_too_long() -> None:
    lengths = {shown(path): len(path.read_text("utf-8").splitlines()) for path in modules()}
    too_long = {path for path, lines in lengths.items() if lines > FILE_LINES_MAX}
    assert too_long - set(ALLOWED) == set()


def test_no_function_is_too_long() -> None:
    too_long = {one.name for one in functions() if one.lines > FUNCTION_LINES_MAX}
    assert too_long - set(ALLOWED) == set()


def test_no_function_takes_many_positional_arguments() -> None:
    """At a call of five positions nobody can tell which is which.

    What a decorator registers is called by its framework, by name.
    """
    many = {
        one.name
        for one in functions()
        if one.positional > POSITIONAL_PARAMETERS_MAX
        and one.name.partition("/")[0] not in UNLAYERED
        and not one.is_decorated
    }
    assert many - set(ALLOWED) == set()


def test_the_allow_list_names_only_what_exists() -> None:
    known = {one.name for one in functions()} | {shown(path) for path in modules()}
    assert set(ALLOWED) - known == set()
