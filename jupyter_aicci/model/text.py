"""Reading and writing durations, sizes, money and lists for people; the only place where units are formatted.

Rule: numbers in, text out (or the other way round); no locale, no clock.
"""

from __future__ import annotations

import re

UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
SYMBOLS = {"USD": "$", "EUR": "€", "CNY": "¥"}
CURRENCY_EXPECTED = f"expected three capitals such as {', '.join(SYMBOLS)}"
NOT_SET = "price not set"  # said wherever an amount would stand that nobody knows; never 0
NS = 1_000_000_000
MICRO = 1_000_000


def parse_duration_s(text: str) -> float:
    """Seconds of `90`, `30s`, `2h`, `1h30m`; raises `ValueError` that says what is expected."""
    text = text.strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|min|s|m|h|d)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("expected a duration such as 30s, 90m or 1h30m")
    return sum(float(number) * UNIT_S[unit] for number, unit in parts)


def parse_names(text: str) -> tuple[str, ...]:
    """The names in `a,b`, blanks around them dropped."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def clock(seconds: float) -> str:
    """`0:07`, `12:43`, `1:20:04`, as on the run card."""
    whole = max(0, int(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{secs:02}" if hours else f"{minutes}:{secs:02}"


def duration(seconds: float) -> str:
    """`80 ms`, `4.2 s`, `38 s`, `12 min`, `3 h 20 min`; a limit counts after rounding, so `1.0 s`, never `1000 ms`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 119.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def money(micro: int, currency: str = "USD") -> str:
    """`$4.12`; more decimals below ten cents, so that a short run does not read as free."""
    sign, amount = SYMBOLS.get(currency, currency + " "), micro / MICRO
    digits = 2 if abs(micro) >= 100_000 or not micro else 4 if abs(micro) >= 100 else 6
    return f"{sign}{amount:.{digits}f}"


def is_currency(raw: object) -> bool:
    """Whether it is written as a code of ISO 4217 is: `USD`. Which codes there are is not looked up."""
    return isinstance(raw, str) and re.fullmatch(r"[A-Z]{3}", raw) is not None


def size(n_bytes: float) -> str:
    """`512 B`, `1.9 GB` in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(n_bytes) < 999.5 or unit == "TB":
            return f"{n_bytes:.0f} {unit}" if unit == "B" or abs(n_bytes) >= 99.95 else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    raise AssertionError("unreachable")


def number(value: float) -> str:
    """A logged value in at most five significant places: `1.92`, `0.00031`, `12.4k`."""
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    if abs(value) >= 9999.5:
        return f"{value / 1000:.1f}k" if abs(value) < 999_950 else f"{value:.3g}"
    return f"{value:.4g}"
