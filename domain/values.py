"""Values: what is made at every step of a run, read a few times and thrown away."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

Made = TypeVar("Made")


@dataclass_transform(frozen_default=True)
def value(made: type[Made]) -> type[Made]:
    """A frozen dataclass to whoever checks types, so that nobody changes one. While a program runs
    it is not frozen: that takes three times as long to make. A named tuple takes one and a half
    times as long, and three times to read.
    """
    return dataclass(slots=True, unsafe_hash=True)(made)
