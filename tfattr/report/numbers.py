"""Numbers as the page writes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

MINUS = "\N{MINUS SIGN}"


def finite(value: Any, digits: int | None = None) -> float | None:
    """A finite float, rounded if asked; None for anything else (missing, NaN, infinite)."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if not math.isfinite(number):
        return None
    return round(number, digits) + 0.0 if digits is not None else number


def number(value: Any, digits: int = 3) -> str:
    """``0.531``; an en dash for what is not known."""
    known = finite(value)
    if known is None:
        return "\N{EN DASH}"
    text = f"{known:.{digits}f}"
    return text.replace("-", "" if float(text) == 0 else MINUS)


def general(value: Any) -> str:
    """A number of unknown size with four significant digits: ``12,345``, ``0.9731``, ``2.1e-05``."""
    known = finite(value)
    if known is None:
        return "\N{EN DASH}"
    if known == int(known) and abs(known) < 1e15:
        return f"{int(known):,}".replace("-", MINUS)
    if abs(known) >= 1000:
        return f"{known:,.0f}".replace("-", MINUS)
    return f"{known:.4g}".replace("-", MINUS)


def interval(bounds: Sequence[Any] | None, digits: int = 3) -> str:
    """``[0.50, 0.56]``; empty for what is not known."""
    pair = bounds_of(bounds)
    return f"[{number(pair[0], digits)}, {number(pair[1], digits)}]" if pair else ""


def bounds_of(bounds: Any) -> tuple[float, float] | None:
    """Both ends of an interval, if both are known."""
    if not isinstance(bounds, (list, tuple)) or len(bounds) != 2:
        return None
    low, high = finite(bounds[0]), finite(bounds[1])
    return None if low is None or high is None else (low, high)


def p_value(value: Any) -> str:
    """``0.012``, ``9e-4``; smaller ones by their power of ten."""
    known = finite(value)
    if known is None:
        return "\N{EN DASH}"
    if known >= 0.001 or known <= 0:
        return f"{known:.3f}"
    digits, _, power = f"{known:.0e}".partition("e")
    return f"{digits}e{MINUS}{abs(int(power))}"


def duration(seconds: Any) -> str:
    """``0.42 s``, ``12.3 s``, ``4 min 05 s``, ``2 h 10 min``."""
    known = finite(seconds)
    if known is None:
        return "\N{EN DASH}"
    if known < 1:
        return f"{known:.2f} s"
    if known < 60:
        return f"{known:.1f} s"
    if known < 3600:
        minutes, rest = divmod(round(known), 60)
        return f"{minutes} min {rest:02d} s"
    hours, rest = divmod(round(known / 60), 60)
    return f"{hours:,} h {rest:02d} min"


def plural(count: int, one: str, many: str | None = None) -> str:
    """``1 image``, ``2 images``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
