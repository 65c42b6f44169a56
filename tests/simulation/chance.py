"""The one source of chance, and what may go wrong in a run: both follow from the seed."""

import random
from dataclasses import dataclass

DELAY_S_MAX = 20.0


class Chance:
    """Streams of chance that do not disturb each other: `chance.of("client")`."""

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._random = random.Random(seed)
        self.choice = self._random.choice
        self.integer = self._random.randint
        self.shuffle = self._random.shuffle
        self.sample = self._random.sample

    def of(self, name: str) -> "Chance":
        return Chance(f"{self._seed}/{name}")

    def happens(self, probability: float) -> bool:
        # Also what cannot happen costs a draw, so that a run goes the same way up to a change.
        return self._random.random() < probability

    def delay_s(self, mean_s: float) -> float:
        return min(DELAY_S_MAX, self._random.expovariate(1 / mean_s))

    def between(self, least: float, most: float) -> float:
        return self._random.uniform(least, most)


@dataclass(slots=True)
class Faults:
    """Probabilities: of a call that ends so, or of something that happens in a second.

    Each run draws some of them and leaves out others: a run in which everything fails hides what
    needs two faults and nothing else (swarm testing).
    """

    chance: Chance
    is_on: bool = True
    store_refuses: float = 0.0
    store_keeps_silent: float = 0.0
    store_answers_late: float = 0.0
    send_is_lost: float = 0.0
    send_is_not_acknowledged: float = 0.0
    delivery_is_repeated: float = 0.0
    delivery_is_dropped: float = 0.0
    delivery_is_slow: float = 0.0
    effect_fails_before: float = 0.0
    effect_fails_for_good: float = 0.0
    effect_fails_after: float = 0.0
    effect_hangs: float = 0.0
    relay_dies: float = 0.0
    worker_dies: float = 0.0
    worker_stands_still: float = 0.0
    worker_is_cut_off: float = 0.0
    worker_clock_jumps: float = 0.0
    projector_dies: float = 0.0
    projector_stands_still: float = 0.0
    rebalances: float = 0.0

    def happens(self, probability: float) -> bool:
        return self.chance.happens(probability) and self.is_on


# The highest probability that is drawn.
HIGHEST = {
    "store_refuses": 0.06,
    "store_keeps_silent": 0.06,
    "store_answers_late": 0.06,
    "send_is_lost": 0.03,
    "send_is_not_acknowledged": 0.03,
    "delivery_is_repeated": 0.15,
    "delivery_is_dropped": 0.05,
    "delivery_is_slow": 0.1,
    "effect_fails_before": 0.25,
    "effect_fails_for_good": 0.1,
    "effect_fails_after": 0.15,
    "effect_hangs": 0.08,
    "relay_dies": 0.05,
    "worker_dies": 0.04,
    "worker_stands_still": 0.04,
    "worker_is_cut_off": 0.04,
    "worker_clock_jumps": 0.04,
    "projector_dies": 0.03,
    "projector_stands_still": 0.08,
    "rebalances": 0.05,
}


def drawn_faults(chance: Chance) -> Faults:
    faults = Faults(chance.of("faults"))
    for name, highest in HIGHEST.items():
        probability = highest * chance.between(0.2, 1.0)
        setattr(faults, name, probability if chance.happens(0.5) else 0.0)
    return faults
