"""Names of providers and models as labels of metrics: those of the price list, and not more than an
operator can look at. Everything else, a tenant's own above all, is `other`.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from infra.models.prices import is_listed

Kept = TypeVar("Kept")

OTHER = "other"
# Of one process. The list has thousands; a tenant may try them all.
LABELS_MAX = 200

_labels: dict[str, tuple[str, str]] = {}


def label_of(model: str) -> tuple[str, str]:
    """(provider, model)."""
    known = _labels.get(model)
    if known is not None:
        return known
    if len(_labels) >= LABELS_MAX or not is_listed(model):
        return OTHER, OTHER
    provider, _, name = model.partition("/")
    _labels[model] = (provider, model) if name else (OTHER, model)
    return _labels[model]


class OfModels(dict[str, Kept], Generic[Kept]):
    """What is kept for each model, found by its name: made once for a label."""

    def __init__(self, make: Callable[[tuple[str, str]], Kept]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, model: str) -> Kept:
        label = label_of(model)
        _, name = label  # Either the model's own, or that of all others.
        kept = self.get(name)
        if kept is None:
            kept = self[name] = self._make(label)
        return kept
