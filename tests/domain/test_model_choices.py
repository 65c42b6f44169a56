"""One of several models, drawn by weight."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from domain.model_choices import WEIGHT_MAX, chosen

CANDIDATES = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, WEIGHT_MAX)), min_size=1, max_size=6
)


def test_as_many_as_their_weights_say_are_drawn() -> None:
    drawn = Counter(chosen([("a", 3), ("b", 1)], f"run:{n}").model for n in range(4000))
    assert 2900 < drawn["a"] < 3100


@given(CANDIDATES, st.text())
def test_what_is_drawn_could_have_been_and_was_as_likely_as_it_is_told(
    candidates: list[tuple[str, int]], place: str
) -> None:
    choice = chosen(candidates, place)
    assert choice == chosen(candidates, place)
    weights: Counter[str] = Counter()
    for model, weight in candidates:
        weights[model] += weight
    assert choice.routing["propensity"] == weights[choice.model] / weights.total()


@given(CANDIDATES)
def test_propensities_of_all_that_can_be_drawn_add_up(candidates: list[tuple[str, int]]) -> None:
    """An estimate that divides by them is unbiased only then."""
    seen = {
        choice.model: choice.routing["propensity"]
        for choice in (chosen(candidates, str(place)) for place in range(50))
    }
    total = sum(part for part in seen.values() if isinstance(part, float))
    assert 0 < total <= 1 + 1e-9
    if len(seen) == len({model for model, _ in candidates}):
        assert abs(total - 1) < 1e-9
