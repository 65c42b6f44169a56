"""One of several models, drawn by weight. What could have been drawn, and how likely what was drawn
was, goes with the request: from that it can be said later what another choice would have cost.
"""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from domain.identifiers import JsonObject

WEIGHT_MAX = 10_000
_DRAWN_BYTES = 8


class Choice(NamedTuple):
    """routing: {candidates: [{model, weight}], propensity}, as the request has it."""

    model: str
    routing: JsonObject


def chosen(candidates: Sequence[tuple[str, int]], place: str) -> Choice:
    """candidates: models and their weights, at least 1 each. place: of the node run in the world;
    the same place draws the same, so that an attempt that is made again asks the same model.
    """
    total = sum(weight for _, weight in candidates)
    drawn = int.from_bytes(hashlib.sha256(place.encode()).digest()[:_DRAWN_BYTES])
    left = drawn * total >> 8 * _DRAWN_BYTES
    at = 0
    while left >= candidates[at][1]:
        left -= candidates[at][1]
        at += 1
    model = candidates[at][0]
    of_model = sum(weight for name, weight in candidates if name == model)
    told: JsonObject = {
        "candidates": [{"model": name, "weight": weight} for name, weight in candidates],
        "propensity": of_model / total,
    }
    return Choice(model, told)
