"""Amounts as Stripe writes them: whole numbers of a currency's smallest unit, which is not always
ISO 4217's (https://docs.stripe.com/currencies).
"""

from decimal import Decimal

from commands.payment_port import PaymentProviderRefused

_WITHOUT_DECIMALS = frozenset(
    {
        *("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA"),
        *("PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"),
    }
)
# Of the last of the three only 0 is taken.
_WITH_THREE_DECIMALS = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# They have none any more, and Stripe goes on with two of them, which must be 00.
_WITH_DECIMALS_ALWAYS_ZERO = frozenset({"ISK", "UGX"})


def to_stripe(amount: str, currency: str) -> int:
    """Raises PaymentProviderRefused for what Stripe cannot take exactly."""
    scaled = Decimal(amount).scaleb(_decimals(currency))
    steps = 100 if currency in _WITH_DECIMALS_ALWAYS_ZERO else 1
    steps = 10 if currency in _WITH_THREE_DECIMALS else steps
    if scaled != scaled.to_integral_value() or scaled % steps:
        message = f"{amount} {currency} is finer than what can be paid through Stripe."
        raise PaymentProviderRefused(message, currency=currency)
    return int(scaled)


def from_stripe(number: int, currency: str) -> str:
    decimals = _decimals(currency)
    return f"{Decimal(number).scaleb(-decimals):.{decimals}f}"


def _decimals(currency: str) -> int:
    if currency in _WITHOUT_DECIMALS:
        return 0
    return 3 if currency in _WITH_THREE_DECIMALS else 2
