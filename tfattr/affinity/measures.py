"""Measures of affinity: what a model's maps of one image contribute, and how the contributions of two models compare.

A measure of your own is a class with the members of :class:`Measure` and one call of :func:`register`; ``--measure``,
``run.json``, captions and reports then know it by its name and description.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from scipy.stats import rankdata

from tfattr.errors import SettingsError

try:
    import numkong
except ImportError:  # no wheel for Python 3.9
    numkong = None  # type: ignore[assignment]

DEFAULT_MEASURE = "cosine"
PART_MEASURES = ("subspace", "explained")  # of runs with the target channels, where none is named
CUTOFF = 1e-3  # singular values below this part of the largest count as 0: float16 maps hold no more
_BLOCK = 4096  # columns per product, summed in float32; the sum of the products is float64
# Of halves, whose own rounding is hundred times the error of such sums: fewer calls wait less for the thread that reads.
_BLOCK_OF_HALVES = 16_384
_SIGN_AND_REST = np.int32(-0x70000001)  # clears the copies of the sign that the shift leaves below it


class Measure(Protocol):
    """How the maps of M models on one image become an ``[M, M]`` matrix; the affinity is its mean over images.

    Attributes:
        name: for ``--measure`` and files: letters, digits, underscores.
        description: what a figure's caption says the affinity is, such as "mean cosine".
        symmetric: whether ``compare`` always returns a symmetric matrix. If not, row = target, column = source.
        parts: whether the maps of a record's channels (colours, or the K parts of ``--target channels``) are
            compared as K maps, or their mean as one.
    """

    name: str
    description: str
    symmetric: bool
    parts: bool

    def contribution(self, maps: np.ndarray) -> Any | None:
        """One model's part: float16 or float32 ``[K, P]`` (K = 1 without ``parts``), finite, not all zero.

        None where the measure is not defined for these maps (a constant map has no correlation).
        """

    def compare(self, contributions: Sequence[Any]) -> np.ndarray:
        """The contributions of K models to float64 ``[K, K]``; the diagonal is set to 1 by the caller."""


class Cosine:
    """``<a, b> / (|a| |b|)`` (the authors' ``affinity.py``): products in float32, sums over blocks in float64."""

    name, description, symmetric, parts = "cosine", "mean cosine", True, False

    def contribution(self, maps: np.ndarray) -> np.ndarray | None:
        # A cosine does not depend on scale. At unit peak, as stored halves are, no product over- or underflows.
        return maps[0] if maps.dtype == np.float16 else maps[0] / np.abs(maps[0]).max()

    def compare(self, contributions: Sequence[np.ndarray]) -> np.ndarray:
        return _cosines(_gram(np.stack(contributions)))

    def compare_halves(self, rows: np.ndarray) -> np.ndarray | None:
        """:meth:`compare` of float16 ``[M, P]`` as they are; None unless all are finite and not zero.

        The state asks for it first: maps that are products anyway need not be looked through before.
        """
        if not _multiplies_halves():  # without it halves that are not finite are not seen in the products
            return None
        gram = _gram(rows)
        power = np.diagonal(gram)
        return _cosines(gram) if np.isfinite(power).all() and power.min() > 0 else None


class Pearson(Cosine):
    """Correlation of the maps' values: the cosine of maps less their means. Undefined for a constant map."""

    name, description = "pearson", "mean Pearson correlation"

    def contribution(self, maps: np.ndarray) -> np.ndarray | None:
        return _centred(maps[0].astype(np.float64))

    def compare_halves(self, rows: np.ndarray) -> np.ndarray | None:
        return None  # they are centred first


class Spearman(Pearson):
    """Rank correlation of the maps' values, ties at their mean rank. Undefined for a constant map."""

    name, description = "spearman", "mean rank correlation"

    def contribution(self, maps: np.ndarray) -> np.ndarray | None:
        return _centred(rankdata(maps[0]))


class Subspace:
    """``|Qa Qb'|^2 / sqrt(ra rb)``: the cosine of the projectors onto the spans of two models' K maps.

    Q: orthonormal rows ``[r, P]`` that span the maps, r their rank. 1 for equal spans, 0 for orthogonal ones;
    spans of r random directions give r / P. Between networks of one rank K it is ``|Qa Qb'|^2 / K``.
    """

    name, description, symmetric, parts = "subspace", "mean overlap of the spans", True, True

    def contribution(self, maps: np.ndarray) -> np.ndarray:
        return _spectrum(maps)[1]

    def compare(self, contributions: Sequence[np.ndarray]) -> np.ndarray:
        rank = np.sqrt([len(one) for one in contributions])
        return _shares(contributions, contributions) / np.outer(rank, rank)


class Explained:
    """``|A Qb'|^2 / |A|^2``: the share of the target's K maps A ``[K, P]`` that lies in the span of the source's.

    Not symmetric: row = target, column = source. Q as in :class:`Subspace`; all maps less their means over pixels, or
    any positive map would explain the mean of any other. Undefined for constant maps.
    """

    name, description, symmetric, parts = "explained", "mean share explained", False, True

    def contribution(self, maps: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        centred = maps.astype(np.float64)
        centred -= centred.mean(axis=1, keepdims=True)
        # Of constant maps rounding may leave a rest, which is no map.
        if np.abs(centred).max() <= 1e-7 * np.abs(maps).max():
            return None
        strengths, directions, all_directions = _spectrum(centred)
        weighted = strengths[:, None] * all_directions / np.linalg.norm(strengths)
        return weighted, directions

    def compare(self, contributions: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
        weighted, directions = zip(*contributions)
        return np.minimum(_shares(weighted, directions), 1.0)


_MEASURES: dict[str, Measure] = {}


def register(measure: Measure) -> Measure:
    """Makes a measure known by its name.

    Raises:
        SettingsError: another measure has this name.
    """
    known = _MEASURES.setdefault(measure.name, measure)
    if known is not measure:
        raise SettingsError(f"there is a measure {measure.name!r} already; give yours another name")
    return measure


for _one in (Cosine(), Pearson(), Spearman(), Subspace(), Explained()):
    register(_one)


def measure_names() -> tuple[str, ...]:
    """Names of all registered measures."""
    return tuple(_MEASURES)


def find_measure(name: str) -> Measure:
    """The measure of this name.

    Raises:
        SettingsError: there is none.
    """
    if name not in _MEASURES:
        raise SettingsError(f"no measure is named {name!r}; expected one of {', '.join(_MEASURES)}")
    return _MEASURES[name]


def entry_name(method: str, measure: str = DEFAULT_MEASURE) -> str:
    """What a method's affinity by a measure is called in files: the method, with ``_<measure>`` if not the cosine."""
    return method if measure == DEFAULT_MEASURE else f"{method}_{measure}"


def choose_entry(entries: Sequence[str], method: str, measure: str | None = None) -> str:
    """The entry of a method by a measure; without a measure that of its cosines, else its first.

    Args:
        entries: names as :func:`entry_name` makes them.
        method: a method, or an entry's whole name.

    Raises:
        SettingsError: there is none.
    """
    wanted = method if measure is None else entry_name(method, measure)
    if wanted in entries:
        return wanted
    near = [entry for entry in entries if measure is None and split_entry(entry)[0] == method]
    if not near:
        raise SettingsError(
            f"no method {method!r} by the measure {measure} in this run; there are {', '.join(entries)}"
            if measure
            else f"no method {method!r}; expected one of {', '.join(entries)}"
        )
    return near[0]


def described(measure: str) -> str:
    """A measure's description for a caption; its name if it is not registered here."""
    return _MEASURES[measure].description if measure in _MEASURES else measure


def split_entry(entry: str) -> tuple[str, str]:
    """(method, measure) of an :func:`entry_name`."""
    for name in _MEASURES:
        if entry.endswith(f"_{name}"):
            return entry[: -len(name) - 1], name
    return entry, DEFAULT_MEASURE


def _gram(rows: np.ndarray) -> np.ndarray:
    """Products of every two rows, float64 ``[M, M]``, of float16 or float32 ``[M, P]``.

    By blocks of all rows: they stay in the cache, and few long operations do not keep the thread that reads waiting.
    """
    half, gram = rows.dtype == np.float16, np.zeros((len(rows), len(rows)))
    at_once = half and _multiplies_halves()
    step = _BLOCK_OF_HALVES if at_once else _BLOCK
    for start in range(0, rows.shape[1], step):
        part = rows[:, start : start + step]
        if at_once:  # widens as it multiplies: half the time
            gram += np.triu(numkong.dots_symmetric(part))
        else:
            single = _widened(part) if half else part
            gram += np.triu(single @ single.T)
    return gram + np.triu(gram, 1).T


@functools.cache
def _multiplies_halves() -> bool:
    """Whether numkong is there and its products of halves are as exact as float32's: its code differs by processor."""
    if numkong is None:
        return False
    halves = np.random.default_rng(0).standard_normal((5, _BLOCK)).astype(np.float16)
    wide = halves.astype(np.float64)
    error = np.triu(numkong.dots_symmetric(halves)) - np.triu(wide @ wide.T)
    return bool(np.abs(error).max() < 1e-6 * _BLOCK)


def _cosines(gram: np.ndarray) -> np.ndarray:
    norm = np.sqrt(np.diagonal(gram))
    return np.clip(gram / np.outer(norm, norm), -1.0, 1.0)


def _centred(values: np.ndarray) -> np.ndarray | None:
    """Less the mean, at unit peak, float32; None if constant."""
    if values.max() == values.min():
        return None
    rest = values - values.mean()
    return (rest / np.abs(rest).max()).astype(np.float32)


def _spectrum(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Singular values ``[k]`` of ``[K, P]``; right singular vectors of those above CUTOFF ``[r, P]``; all ``[k, P]``."""
    single = maps.astype(np.float64)
    _, strengths, directions = np.linalg.svd(single / np.abs(single).max(), full_matrices=False)
    return strengths, directions[strengths > CUTOFF * strengths[0]], directions


def _shares(rows: Sequence[np.ndarray], columns: Sequence[np.ndarray]) -> np.ndarray:
    """``|Ai Bj'|^2`` of every pair: [Ki, P] and [rj, P] to float64 ``[M, M]``, one matrix product for all."""
    squares = (np.concatenate(rows) @ np.concatenate(columns).T) ** 2
    starts = [np.cumsum([0, *map(len, blocks[:-1])]) for blocks in (rows, columns)]
    return np.add.reduceat(np.add.reduceat(squares, starts[0], axis=0), starts[1], axis=1)


def _widened(half: np.ndarray) -> np.ndarray:
    """float16 to float32, exactly; finite values only. numpy's own cast takes twice the time.

    Moving a half's bits by 13 puts sign, exponent and fraction where float32 has them, with the exponent
    15 - 127 = -112 off.
    """
    bits = np.left_shift(half.view(np.int16), 13, dtype=np.int32)
    bits &= _SIGN_AND_REST
    single = bits.view(np.float32)
    single *= np.float32(2.0**112)
    return single
