"""Nobody plans a file of six thousand lines; it arrives one line at a time.

We aim at 40 lines for a function and 200 for a file, and refuse what is beyond the limits here.
"""

import ast

from tests.architecture.sources import UNLAYERED, modules, parse, shown

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70
POSITIONAL_PARAMETERS_MAX = 4

# Path or path:function -> the day it was let through. This list may only shrink.
ALLOWED: dict[str, str] = {}


def functions() -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    return [
        (f"{shown(path)}:{node.name}", node)
        for path in modules()
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_no_file_is_too_long() -> None:
    lengths = {shown(path): len(path.read_text("utf-8").splitlines()) for path in modules()}
    too_long = {path for path, lines in lengths.items() if lines > FILE_LINES_MAX}
    assert too_long - set(ALLOWED) == set()


def test_no_function_is_too_long() -> None:
    too_long = {
        name: node.end_lineno - node.lineno + 1
        for name, node in functions()
        if node.end_lineno and node.end_lineno - node.lineno >= FUNCTION_LINES_MAX
    }
    assert too_long.keys() - set(ALLOWED) == set()


def test_no_function_takes_many_positional_arguments() -> None:
    """At a call of five positions nobody can tell which is which.

    What a decorator registers is called by its framework, by name.
    """
    many: dict[str, int] = {}
    for name, node in functions():
        parameters = [*node.args.posonlyargs, *node.args.args]
        count = len([each for each in parameters if each.arg not in {"self", "cls"}])
        is_free = name.partition("/")[0] in UNLAYERED or bool(node.decorator_list)
        if count > POSITIONAL_PARAMETERS_MAX and not is_free:
            many[name] = count
    assert many.keys() - set(ALLOWED) == set()


def test_the_allow_list_names_only_what_exists() -> None:
    known = {name for name, _ in functions()} | {shown(path) for path in modules()}
    assert set(ALLOWED) - known == set()
