"""`offline/hash`: texts as vectors without a provider, by the words and the parts of words that
they have in common. Deterministic for ever, free, and of no understanding: "invoice" is near
"invoices", not near "bill".
"""

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator

from commands.embedding_port import Embedding
from commands.model_port import ModelRequest
from domain.usage import Measured
from infra.models.failures import failed
from infra.models.offline import prompt_text

HASH = "offline/hash"
DIMENSIONS = 256
GRAM_CHARACTERS = 3
# A word in common says more than three letters in common.
WORD_WEIGHT = 2.0
_WORD = re.compile(r"\w+")


class OfflineEmbeddings:
    """The port Embeddings for names that begin with `offline/`."""

    async def embed(self, request: ModelRequest) -> Embedding:
        if request.model != HASH:
            raise failed("unknown_model", f"the offline embedding model is {HASH}")
        return Embedding(hashed(prompt_text(request.messages)), Measured({}), "offline")


def hashed(text: str) -> list[float]:
    """Of length 1, or all zeros for a text without words. Each feature goes to one of the
    dimensions, with a sign, so that those that meet there cancel out on average.
    """
    vector = [0.0] * DIMENSIONS
    for (feature, weight), count in Counter(_features(text)).items():
        spread = zlib.crc32(feature.encode())
        sign = 1.0 if spread & 1 else -1.0
        vector[(spread >> 1) % DIMENSIONS] += sign * weight * (1.0 + math.log(count))
    length = math.sqrt(sum(number * number for number in vector))
    return [number / length for number in vector] if length else vector


def _features(text: str) -> Iterator[tuple[str, float]]:
    for word in _WORD.findall(text.casefold()):
        yield word, WORD_WEIGHT
        framed = f"<{word}>"
        for at in range(len(framed) - GRAM_CHARACTERS + 1):
            yield framed[at : at + GRAM_CHARACTERS], 1.0
