"""The time of a run as usage, where somebody sells it. Numbers are worked by hand."""

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from typing import Any

from domain.identifiers import Json
from domain.price_books import PriceVersion
from domain.prices import UnitPrice
from domain.run_metering import meter_run
from tests.domain.given import (
    NOON,
    Act,
    Run,
    a_node,
    a_run,
    advance,
    an_effect,
    an_llm,
    cancel,
    compensate,
    complete,
    fail,
    given,
    pause,
    resume,
    retry,
    signal,
)

A_CENT = 10**10


def a_book(meter: str = "run_seconds") -> PriceVersion:
    return PriceVersion("tenant/3", NOON, Fraction(0), {"*": {meter: UnitPrice(A_CENT)}})


def later(seconds: float, act: Act) -> Act:
    def acted(run: Run) -> object:
        run.now += timedelta(seconds=seconds)
        return act(run)

    return acted


def stored(act: Act, book: PriceVersion | None = None) -> Act:
    """With what the append adds to what an act decided."""

    def acted(run: Run) -> object:
        answer = act(run)
        meter_run(run.aggregate, [book or a_book()])
        return answer

    return acted


def one_call(**fields: Json) -> Run:
    return a_run([an_llm("a", **fields)], ["start -> a", "a -> end"])


def lines(run: Run) -> list[Sequence[Json]]:
    """Of what the last act said of time."""
    told: list[dict[str, Any]] = [
        fields for topic, fields in run.recorded if topic == "execution.run_metered"
    ]
    return [line for fields in told for line in fields["usage"]["lines"]]


def test_each_second_that_was_begun_is_told_with_the_end_and_priced() -> None:
    run = given(one_call(), advance(), later(2.001, complete("a")))
    run.when(stored(advance()))
    run.then_topics("execution.node_completed", "execution.completed", "execution.run_metered")
    assert lines(run) == [["run_seconds", 3, 3 * A_CENT]]
    told = run.recorded[-1][1]
    assert (told["attempt"], told["cost_usd_pico"]) == (1, 3 * A_CENT)
    assert (told["usage"]["prices"], told["usage"]["source"]) == ("tenant/3", "measured")
    assert told["usage"]["created_by"] == "user:ada"


def test_where_nobody_sells_time_nothing_is_told_and_nothing_is_unpriced() -> None:
    run = given(one_call(), advance(), later(2, complete("a")))
    run.when(stored(advance(), a_book("pages")))
    run.then_topics("execution.node_completed", "execution.completed")


def test_while_it_goes_on_nothing_is_told() -> None:
    run = given(one_call(), advance()).when(later(5, stored(complete("a"))))
    run.then_topics("execution.node_completed")


def test_time_in_which_nobody_works_on_it_is_not_sold() -> None:
    wait = a_node("signal", "wait", name="go")
    run = a_run([wait, an_llm("a")], ["start -> wait", "wait -> a", "a -> end"])
    given(run, advance(), later(86_400, signal("go")), advance(), later(2, pause()))
    given(run, later(3_600, resume()), advance(), later(4, complete("a")))
    run.when(stored(advance()))
    assert lines(run) == [["run_seconds", 6, 6 * A_CENT]]


def test_what_never_began_takes_no_time() -> None:
    one_call().when(later(60, stored(cancel()))).then_topics("execution.cancelled")


def test_an_end_is_told_once_however_often_its_append_is_made_up() -> None:
    run = given(one_call(), advance(), later(1, complete("a")))
    run.when(stored(stored(advance())))
    assert lines(run) == [["run_seconds", 1, A_CENT]]


def test_a_run_that_is_tried_again_ends_again_and_only_the_time_since_is_told() -> None:
    run = given(one_call(retry={"max_attempts": 1}), advance(), later(7, fail("a")))
    run.when(stored(advance()))
    assert lines(run) == [["run_seconds", 7, 7 * A_CENT]]
    given(run, later(500, retry()), advance(), later(2, complete("a", attempt=2)))
    run.when(stored(advance()))
    assert lines(run) == [["run_seconds", 2, 2 * A_CENT]]
    assert run.recorded[-1][1]["attempt"] == 2


def test_undoing_takes_time_too() -> None:
    run = a_run([an_effect("a")], ["start -> a", "a -> end"])
    given(run, advance(), later(1, complete("a")), stored(advance()))
    given(run, later(900, compensate()), advance(), later(3, complete("a/compensate")))
    run.when(stored(advance()))
    assert lines(run) == [["run_seconds", 3, 3 * A_CENT]]
