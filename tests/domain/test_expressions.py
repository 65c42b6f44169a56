"""CEL over a run: what is refused when it is written, and what fails when it runs, and why."""

import cel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.expressions import (
    CHARACTERS_MAX,
    FUNCTIONS,
    TYPE_NAMES,
    Expression,
    ExpressionFailed,
    ExpressionRefused,
)
from domain.identifiers import Json

ROOTS: dict[str, Json] = {
    "input": {
        "n": 3,
        "ratio": 1.5,
        "name": "Ada",
        "none": None,
        "yes": True,
        "list": [1, 2, 3],
        "items": [{"id": "a", "price": 5}, {"id": "b", "price": 15}],
        "for": "a reserved word",
        "with space": 1,
    },
    "nodes": {
        "draft": {"output": {"text": "Hello"}},
        "my-node": {"output": 7},
        "broken": {"error": {"code": "timeout", "message": "no", "attempt": 2}},
    },
    "execution": {"id": "e1", "created_at": "2026-11-21T12:00:00+00:00"},
}


def value(text: str) -> Json:
    return Expression(text).evaluate(ROOTS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("input.n", 3),
        ("input . name", "Ada"),
        ("input.for", "a reserved word"),
        ('input["with space"]', 1),
        ("input.list[1]", 2),
        ("input.items[1].id", "b"),
        ("input.none", None),
        ("nodes.draft.output.text", "Hello"),
        ('nodes["my-node"].output', 7),
        ("nodes.broken.error.attempt", 2),
        ("execution.id", "e1"),
        ("size(nodes.draft.output.text) > 3", True),
        ("input.name.startsWith('A') && input.n == 3", True),
        ('input.name + "!"', "Ada!"),
        ("'input.n'", "input.n"),
        ("'it\\'s ' + input.name", "it's Ada"),
        ("r'\\d' + input.name", "\\dAda"),
        ("input.n > 2 ? 'many' : 'few'", "many"),
        ("input.list.map(x, x * input.n)", [3, 6, 9]),
        ("input.items.filter(i, i.price > 10).map(i, i.id)", ["b"]),
        ("input.items.exists(i, i.id == 'a')", True),
        ("input.list.all(x, input.list.exists(y, y == x))", True),
        ("{'n': input.n, 'all': input.list}", {"n": 3, "all": [1, 2, 3]}),
        ("has(input.n)", True),
        ("has(input.nope)", False),
        ("has(nodes.nope)", False),
        ("!has(input.nope) || input.nope > 1", True),
        ("input.nope > 1 || input.n == 3", True),
        ("input.n == 3 ? 1 : input.nope", 1),
        ("nodes[input.name == 'Ada' ? 'draft' : 'x'].output.text", "Hello"),
        ("nodes.exists(id, id == 'draft')", True),
        ("type(input.n) == int", True),
        ("timestamp(execution.created_at).getFullYear()", 2026),
        ("timestamp('2026-01-01T00:00:00Z')", "2026-01-01T00:00:00Z"),
        ("string(duration('90s'))", "1m30s"),
        ("input.name.matches('^[A-Z][a-z]+$')", True),
        ("// the number\ninput.n", 3),
        ("3u", 3),
    ],
)
def test_an_expression_has_a_json_value(text: str, expected: Json) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1: unexpected end"),
        ("1 +", "line 1, column 4: unexpected end"),
        ("input. + 1", "line 1, column 8: unexpected `. +`"),
        ("input.n >\n  * 2", "line 2, column 3: unexpected `*`"),
        ("nodes.draft.output.text >> 2", "line 1, column 26: unexpected `>`"),
        ("'open", "line 1, column 1: unexpected `'open`"),
        ("inputs.n", "line 1, column 1: `inputs` is unknown; there are execution, input, nodes"),
        ("input.inputs + inputs", "line 1, column 16: `inputs` is unknown"),
        ("input.n + x", "line 1, column 11: `x` is unknown"),
        ("input.list.map(x, y)", "line 1, column 19: `y` is unknown"),
        ("now()", "line 1, column 1: `now` is not a function"),
        ("input.name.shout()", "line 1, column 12: `shout` is not a function"),
        ("[1].map(input, input.n)", "line 1, column 9: `input` cannot be the variable"),
        ("_1 + 1", "line 1, column 1: the name `_1` is reserved"),
        ("Foo{a: 1}", "line 1, column 1: there is no message type `Foo`"),
        ("has(input)", "line 1, column 5: invalid argument to has() macro"),
        ("input.name.matches(input.name)", "line 1, column 12: the pattern of `matches` must be"),
        ("input.name.matches('(a{90}){90}{90}')", "column 12: the patterns of `matches` repeat"),
        ("input.name.matches(r'\\w{300}')", "column 12: the patterns of `matches` repeat"),
        ("x" * (CHARACTERS_MAX + 1), "an expression has at most 4096 characters"),
        ("(" * 200 + "1" + ")" * 200, "line 1, column 97"),
    ],
)
def test_a_mistake_is_refused_with_position_and_reason(text: str, message: str) -> None:
    with pytest.raises(ExpressionRefused) as refusal:
        Expression(text)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("input.nope", "`input.nope`: there is no `nope` in `input`"),
        ("input.n.nope", "`input.n` is a number, so it has no `nope`"),
        ("input.none.x", "`input.none` is null, so it has no `x`"),
        ("input.list[7]", "`input.list` has 3 elements, so there is no [7]"),
        ("input.list.first", "`input.list` is a list, so it has no `first`"),
        ("input.nope > 1", "`input.nope > 1`: there is no `nope` in `input`"),
        ("nodes.later.output", "node `later` did not run before this one"),
        ("nodes.broken.output", "there is no `output` in `nodes.broken`"),
        ("has(input.nope.x)", "there is no `nope` in `input`"),
        ("input.items.map(i, i.nope)", "there is no `nope`"),
        ("input.n + input.name", "No such overload"),
        ("input.name + 1", "Unsupported operation: string + int"),
        ("input.n / 0", "division by zero"),
        ("input.list[input.n]", "index out of bounds: 3"),
        ("9223372036854775807 + input.n", "overflow"),
        ("int(input.name)", "invalid digit"),
        ("string(input.yes)", "`string` does not take values of these types"),
        ("input.list.map(x, x) + x", "`x` is not known here"),
        ("1.0 / 0.0", "the result is not a finite number"),
        ("duration('5s')", "the result is a duration; use string(...) of it"),
        ("b'abc'", "the result is bytes; use string(...) of it"),
        ("{1: 2}", "the result has a key that is not a string"),
        ("[duration('5s')]", "the result is a duration"),
    ],
)
def test_what_fails_in_a_run_says_why(text: str, reason: str) -> None:
    expression = Expression(text)
    expression.place = "/prompt"
    with pytest.raises(ExpressionFailed) as failure:
        expression.evaluate(ROOTS)
    assert reason in failure.value.reason
    assert str(failure.value).startswith("/prompt: `")


def test_an_expression_knows_which_nodes_it_names() -> None:
    text = """nodes.a.output + nodes["b-c"].output + "nodes.d" + (has(nodes.e) ? "" : "x")"""
    assert Expression(text).nodes_read == {"a", "b-c", "e"}
    assert not Expression(text).reads_any_node
    assert Expression("nodes[input.which].output").reads_any_node
    assert Expression("size(nodes)").reads_any_node


def test_a_path_passes_its_value_on_without_a_copy() -> None:
    assert value("input.items") is ROOTS["input"]["items"]  # pyright: ignore[reportArgumentType, reportIndexIssue, reportOptionalSubscript, reportCallIssue]


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_known_function_is_one_of_the_library(name: str) -> None:
    """Called with what it takes, or else the library would say that it is undefined."""
    moment, text = "timestamp('2026-01-01T00:00:00Z')", "'text'"
    call = {
        "contains": f"{text}.contains('x')",
        "duration": "duration('1s')",
        "endsWith": f"{text}.endsWith('x')",
        "matches": f"{text}.matches('x')",
        "startsWith": f"{text}.startsWith('x')",
        "timestamp": moment,
        **{name: f"{name}(1)" for name in ("double", "dyn", "int", "string", "type", "uint")},
        **{name: f"{name}({text})" for name in ("bytes", "size")},
    }.get(name, f"{moment}.{name}()")
    Expression(call)
    cel.compile(call).execute({})


def test_every_known_type_is_one_of_the_library() -> None:
    assert {name for name in TYPE_NAMES if cel.compile(name).execute({}) == name} == TYPE_NAMES


EXPENSIVE = [
    "input.map(a, input.map(b, 1))",
    "input.map(a, a)",
    "input.filter(a, a > 0)",
    "input.all(a, input.all(b, b > a))",
    "input.map(a, input)",
    "(input + input).map(a, a)",
    "[" + ", ".join(["input"] * 300) + "]",
    " + ".join(["input"] * 100),
]


@pytest.mark.parametrize("text", EXPENSIVE)
def test_an_expression_that_would_take_too_long_fails_at_once(text: str) -> None:
    with pytest.raises(ExpressionFailed, match="too long"):
        Expression(text).evaluate({"input": list(range(20_000))})
    Expression(text).evaluate({"input": [1]})


@pytest.mark.parametrize(
    "text",
    [
        "input.items.map(i, i.id)",
        "input.items.filter(i, i.price > 100)",
        "input.items.all(i, i.price >= 0)",
        "input.items.exists(i, input.items.exists(j, i.id == j.id))",
    ],
)
def test_a_list_of_some_hundred_objects_is_no_trouble(text: str) -> None:
    items: Json = [{"id": str(index), "price": index} for index in range(300)]
    Expression(text).evaluate({"input": {"items": items}})


def test_a_string_that_a_comprehension_repeats_is_weighed() -> None:
    expression = Expression("input.list.map(x, input.text)")
    short: Json = {"list": list(range(50)), "text": "x" * 100}
    expression.evaluate({"input": short})
    with pytest.raises(ExpressionFailed, match="too long"):
        expression.evaluate({"input": {"list": list(range(500)), "text": "x" * 60_000}})


PIECES = [
    *("input", "nodes", "execution", ".n", ".list", ".name", ".draft.output", "[0]", '["n"]', "1"),
    *(" + ", " > ", " == ", " && ", " ? ", " : ", "!", "-", "(", ")", "[", "]", "{", "}", ",", " "),
    *("has(", "size(", "string(", ".map(x, ", ".exists(x, ", "x", "'a'", '"', "'", "\\", "\n"),
    *("// c", "true", "null", " in ", "é", "_0", "0x", "r'", '"""', "b'", "1.5", "2u", "Foo{"),
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_text_is_refused_or_fails_or_has_the_value_that_the_library_gives(text: str) -> None:
    """Placeholders for paths change how values reach the library, and nothing else."""
    try:
        expression = Expression(text)
    except ExpressionRefused:
        return
    try:
        ours = expression.evaluate(ROOTS)
    except ExpressionFailed:
        return
    assert ours == cel.compile(text).execute(ROOTS)
