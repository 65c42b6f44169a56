"""What the prices that come with the release make of a measure."""

from domain.rating import rate
from domain.usage import Measured
from infra.models.prices import OFFLINE_PRICES, listed_prices


def cost_of(model: str, measured: Measured | None) -> int | None:
    """In pico-USD; None when no price is known."""
    assert measured is not None
    source = OFFLINE_PRICES if model.startswith("offline/") else listed_prices()
    rated = rate(measured.quantities, model, [source], is_standard=measured.is_standard)
    return rated.cost_usd_pico
