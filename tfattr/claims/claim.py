"""What a claim says: the paper's words, our numbers, a verdict; and the correlation that most are measured by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tfattr.affinity import both_directions

#: The paper's claims: what each is called here, and its statement in short.
CLAIMS = {
    1: (
        "Insensitive to the probe set",
        "For each attribution method, no matter which probe data is adopted, the affinity matrices are highly similar.",
    ),
    2: (
        "Epsilon-LRP and gradient * input agree, saliency differs",
        "Affinities by epsilon-LRP are similar to gradient * input; saliency's are more dissimilar, and less consistent "
        "with measured transfer.",
    ),
    3: (
        "Insensitive to the number of images",
        "With more probe images the relatedness keeps almost unchanged; a few hundreds of images are sufficient.",
    ),
    4: (
        "Same task, different data",
        "Models of the same task, although trained on data from different domains, tend to cluster together.",
    ),
    5: (
        "Local structure is preserved in the merged group",
        "The global task structure (all models) preserves the local one (a fraction of the models) in most cases.",
    ),
    6: (
        "A newcomer finds its kin",
        "A further colorization model ranks the taskonomy colorization model first among all others.",
    ),
}


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

    @classmethod
    def of(
        cls,
        number: int,
        sentence: str = "",
        holds: bool | None = None,
        numbers: Sequence[Number] = (),
        missing: str | None = None,
    ) -> Claim:
        """With the title and statement of :data:`CLAIMS`."""
        return cls(number, *CLAIMS[number], sentence, holds, tuple(numbers), missing)

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


def pairs_of(matrices: np.ndarray) -> np.ndarray:
    """The entries above the diagonal, mean of both directions: ``[..., M, M]`` to ``[..., M (M - 1) / 2]``."""
    rows, columns = np.triu_indices(matrices.shape[-1], 1)
    return both_directions(matrices)[..., rows, columns]


def correlate(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Pearson correlation along the last axis, over entries that both have: ``[..., P]`` twice to ``[...]``."""
    known = np.isfinite(left) & np.isfinite(right)
    count = known.sum(axis=-1, keepdims=True)
    left, right = np.where(known, left, 0.0), np.where(known, right, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        left = np.where(known, left - left.sum(axis=-1, keepdims=True) / count, 0.0)
        right = np.where(known, right - right.sum(axis=-1, keepdims=True) / count, 0.0)
        scale = np.sqrt((left**2).sum(axis=-1) * (right**2).sum(axis=-1))
        return (left * right).sum(axis=-1) / scale


def matrix_correlation(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Pearson correlation of two affinities ``[..., M, M]`` over pairs of models.

    Of two trees' cophenetic distances it is the cophenetic correlation (Sokal and Rohlf 1962).
    """
    return correlate(pairs_of(left), pairs_of(right))


def common(first: Sequence[str], *others: Sequence[str]) -> list[str]:
    """Names that all have, in the order of the first."""
    return [name for name in first if all(name in other for other in others)]
