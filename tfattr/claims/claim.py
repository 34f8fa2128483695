"""What a claim says: the paper's words, our numbers, a verdict."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Number:
    """One measured number: ``what`` in words, its value, its 95 % interval, a p-value where there is one."""

    what: str
    value: float
    interval: tuple[float, float] | None = None
    p: float | None = None

    def text(self) -> str:
        """The number with its interval and p-value, for a sentence."""
        parts = [f"{self.value:.3f}".replace("0.", ".", 1) if abs(self.value) < 1 else f"{self.value:.3g}"]
        if self.interval is not None:
            parts.append(f"({self.interval[0]:.3f} to {self.interval[1]:.3f})".replace("0.", "."))
        if self.p is not None:
            parts.append(f"p = {self.p:.2g}")
        return " ".join(parts)


@dataclass(frozen=True)
class Claim:
    """A claim of the supplementary material, measured.

    Attributes:
        number: 1 to 6.
        title, statement: what it is called here, and the paper's claim in short.
        sentence: what was measured.
        holds: the verdict by the criterion in the sentence; None if it could not be measured.
        numbers: everything measured.
        missing: why it could not be measured.
    """

    number: int
    title: str
    statement: str
    sentence: str = ""
    holds: bool | None = None
    numbers: tuple[Number, ...] = field(default=())
    missing: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as in ``claims.json``; undefined numbers are None."""
        return _plain(asdict(self))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
