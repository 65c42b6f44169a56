"""Money is an integer count of pico-USD (1e-12 USD), so that sums are exact. Text at the edge,
never a float.
"""

from decimal import Decimal

PICO_PER_USD = 10**12


def usd_text(cost_usd_pico: int) -> str:
    """The exact decimal string in USD, no trailing zeros: 1_500_000_000_000 -> "1.5"; 0 -> "0"."""
    sign = "-" if cost_usd_pico < 0 else ""
    whole, fraction = divmod(abs(cost_usd_pico), PICO_PER_USD)
    if not fraction:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction:012d}".rstrip("0")


def usd_pico(text: str) -> int:
    """Pico-USD of a decimal string. Raises ValueError below 1e-12 USD, for it cannot be held
    exactly.
    """
    scaled = Decimal(text) * PICO_PER_USD
    if scaled != scaled.to_integral_value():
        message = f"{text} USD is finer than a pico-USD"
        raise ValueError(message)
    return int(scaled)
