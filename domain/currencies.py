"""Currencies and how finely each is counted, as ISO 4217 says (list one, SIX Interbank Clearing,
2026-01-01): the number of decimals of its smallest unit. Metals, test codes and bond units are no
money that somebody is invoiced in.
"""

from collections.abc import Mapping
from fractions import Fraction

_NONE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_TWO = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE
CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD
HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK
MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD
RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH
USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
"""
_THREE = "BHD IQD JOD KWD LYD OMR TND"
_FOUR = "CLF UYW"

EXPONENTS: Mapping[str, int] = {
    code: exponent
    for exponent, codes in ((0, _NONE), (2, _TWO), (3, _THREE), (4, _FOUR))
    for code in codes.split()
}


def round_half_even(amount: Fraction) -> int:
    """Of Fraction itself, which rounds so: said by name because money depends on it."""
    return round(amount)


def usd_of_smallest(currency: str, usd_rate: str) -> Fraction:
    """What the smallest unit of a currency is worth, of which a USD is `usd_rate`."""
    return 1 / (Fraction(usd_rate) * 10 ** EXPONENTS[currency])


def in_smallest_unit(amount: Fraction, currency: str) -> int:
    """An amount of the currency, rounded once, half to even."""
    return round_half_even(amount * 10 ** EXPONENTS[currency])


def amount_text(smallest: int, currency: str) -> str:
    """With all decimals of the currency: 1190 EUR -> "11.90"; 12 JPY -> "12"."""
    exponent = EXPONENTS[currency]
    sign = "-" if smallest < 0 else ""
    digits = f"{abs(smallest):0{exponent + 1}d}"
    if exponent == 0:
        return sign + digits
    return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}"


def smallest_of(text: str, currency: str) -> int:
    """The reverse. Raises ValueError for what is finer than the currency, or no number."""
    exact = Fraction(text) * 10 ** EXPONENTS[currency]
    if exact.denominator != 1:
        message = f"{text} is finer than {currency} is counted"
        raise ValueError(message)
    return exact.numerator
