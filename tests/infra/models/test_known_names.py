"""What is kept of models is kept once for a label, and tenants make none of their own."""

from infra.models.known_names import OTHER, OfModels


def test_models_of_a_label_share_what_is_kept_for_it() -> None:
    made: list[tuple[str, str]] = []
    kept = OfModels(lambda label: made.append(label) or len(made))

    found = [kept[name] for name in ("offline/echo", "mine/a", "mine/b", "offline/echo", "mine/a")]

    assert found == [1, 2, 2, 1, 2]
    assert made == [("offline", "offline/echo"), (OTHER, OTHER)]


def test_names_that_nobody_knows_are_not_remembered() -> None:
    kept = OfModels(len)
    for number in range(3):
        assert kept[f"mine/{number}"] == 2
    assert kept.keys() == {OTHER}
