"""Amounts: integers of micros, 10**-6 of a currency's major unit. Text and `Decimal` at the edges, `float` nowhere.

Rates live in nanos (10**-9) a minute, so that no carrier's decimals are lost; see `rating.charge` for the one rounding.
"""

import re
from functools import lru_cache

from callgate.errors import AmountInvalid

MICROS = 1_000_000
"""Micros in one major unit."""

NANOS_PER_MICRO = 1_000

MAX_MICROS = 10**15
"""Largest amount that we take from outside, a thousand million units: sums of many stay far inside 64 bits."""

CURRENCIES = frozenset(
    """AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY
    COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS
    INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP
    MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR
    SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND
    VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG""".split()  # noqa: SIM905 - a list of one word a line is seven screens long
)
"""ISO 4217 codes in use as money."""

_NO_MINOR_UNIT = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split())  # noqa: SIM905
_THREE_DIGITS = frozenset("BHD IQD JOD KWD LYD OMR TND".split())  # noqa: SIM905


def minor_digits(currency: str) -> int:
    """Decimals that amounts of a currency are shown with, two where it is not known. Source: ISO 4217, minor units."""
    if currency in _NO_MINOR_UNIT:
        return 0
    return 3 if currency in _THREE_DIGITS else 2


_DECIMAL = re.compile(r"([+-]?)(?=\.?\d)(\d{0,18})(?:\.(\d{1,18}))?", re.ASCII)


def ceil_div(dividend: int, divisor: int) -> int:
    """Divide and round up; exact for integers of any size."""
    return -(-dividend // divisor)


def parse_currency(text: str, where: str = "currency") -> str:
    """Read an ISO 4217 code in any case. Raises `AmountInvalid`."""
    code = text.strip().upper()
    if code not in CURRENCIES:
        raise AmountInvalid(where, repr(text), "an ISO 4217 code such as USD")
    return code


def parse_micros(text: str, where: str = "amount") -> int:
    """Read a decimal such as `25.00` as micros, exactly: more than six decimals are refused, never rounded away.

    Raises `AmountInvalid` for anything but plain digits with one point, and beyond `MAX_MICROS`.
    """
    micros = parse_scaled(text, MICROS, where)
    if abs(micros) > MAX_MICROS:
        raise AmountInvalid(where, repr(text), f"from -{MAX_MICROS // MICROS} to {MAX_MICROS // MICROS}")
    return micros


def parse_scaled(text: str, scale: int, where: str) -> int:
    """Read a decimal as an integer of 1/`scale`, a power of ten. Raises `AmountInvalid` where digits would be lost."""
    if (match := _DECIMAL.fullmatch(text.strip())) is None:
        raise AmountInvalid(where, repr(text), "a decimal such as 25.00")
    sign, units, decimals = match.groups(default="")
    # Digits, not Decimal: its arithmetic rounds silently beyond the precision that the process has set.
    scaled: int
    scaled, lost = divmod(int(units + decimals) * scale, 10 ** len(decimals))
    if lost:
        raise AmountInvalid(where, repr(text), f"at most {len(str(scale)) - 1} decimals")
    return -scaled if sign == "-" else scaled


def format_micros(micros: int) -> str:
    """Write micros as a plain decimal with at least two decimals and no more than are needed: `0.07`, `0.009659`."""
    return _format(micros, 6)


def format_nanos(nanos: int) -> str:
    """Write nanos as a plain decimal, as `format_micros` does: a rate per minute such as `0.0000005`."""
    return _format(nanos, 9)


@lru_cache(maxsize=4_096)
def _format(scaled: int, decimals: int) -> str:
    sign = "-" if scaled < 0 else ""
    units, rest = divmod(abs(scaled), 10**decimals)
    return f"{sign}{units}.{f'{rest:0{decimals}}'.rstrip('0').ljust(2, '0')}"
