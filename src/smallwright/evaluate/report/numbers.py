"""How numbers are written for people: the same everywhere in the page and on the terminal.

Enters: plain numbers with their unit in the function's name; None for not measured. Leaves: short text.
Not here: markup.
"""

from __future__ import annotations

NOT_MEASURED = "not measured"
GAP = "\u00a0"  # between a number and its unit, so that no line breaks there


def size(size_bytes: float | None) -> str:
    """Decimal units, three significant digits: ``1.92 MB``."""
    if size_bytes is None:
        return NOT_MEASURED
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(size_bytes) >= limit * 0.9995:
            return f"{_three(size_bytes / limit)}{GAP}{unit}"
    return f"{size_bytes:.0f}{GAP}B"


def duration_ms(milliseconds: float | None) -> str:
    """``0.84 ms``, ``312 µs`` or ``1.2 s``, three significant digits."""
    if milliseconds is None:
        return NOT_MEASURED
    if milliseconds >= 999.5:
        return duration_s(milliseconds / 1e3)
    return f"{_three(milliseconds * 1e3)}{GAP}µs" if milliseconds < 0.1 else f"{_three(milliseconds)}{GAP}ms"


def duration_s(seconds: float | None) -> str:
    """``12.3 s``, ``4 min 05 s`` or ``1 h 12 min``."""
    if seconds is None:
        return NOT_MEASURED
    if seconds < 99.95:
        return f"{_three(seconds)}{GAP}s" if seconds >= 0.995 else f"{seconds:.2f}{GAP}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}{GAP}min{GAP}{whole % 60:02d}{GAP}s"
    minutes = round(seconds / 60)
    return f"{minutes // 60}{GAP}h{GAP}{minutes % 60:02d}{GAP}min"


def percent(share: float | None, digits: int = 1) -> str:
    """``95.4%``."""
    return NOT_MEASURED if share is None else f"{share * 100:.{digits}f}%"


def points(difference: float, digits: int = 1) -> str:
    """A difference of two shares in percentage points, signed: ``+2.1``."""
    return f"{difference * 100:+.{digits}f}".replace("-", "−")


def count(number: float | None) -> str:
    """Whole numbers with thin spaces between thousands: ``15 000``."""
    return NOT_MEASURED if number is None else f"{round(number):,}".replace(",", "\u202f")


def parameters(number: int) -> str:
    """``2.31 M`` parameters."""
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= limit * 0.9995:
            return f"{_three(number / limit)}{GAP}{unit}"
    return str(number)


def threads(number: int) -> str:
    """``1``, or ``all`` for 0."""
    return "all" if number == 0 else str(number)


def rate(per_second: float | None) -> str:
    """Tokens a second, three significant digits."""
    return NOT_MEASURED if per_second is None else f"{_three(per_second)}{GAP}tokens/s"


def quantity(value: float | None, unit: str) -> str:
    """A budget's number: ``unit`` is bytes, ms or share."""
    return {"bytes": size, "ms": duration_ms, "share": percent}[unit](value)


def probability(p: float) -> str:
    """A p-value: ``p < 0.001`` or ``p = 0.032``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _three(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"
