"""The picture of spans: what it writes is what least squares says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.spans_picture import Seen, spans_figure
from tfattr.errors import SettingsError


def seen(name, seed, side=4, parts=3):
    random = np.random.default_rng(seed)
    return Seen(name, random.standard_normal((8, 8)), random.standard_normal((parts, side, side)))


def test_shares_and_cosines_are_written():
    photo, target, source = np.zeros((8, 8, 3), np.uint8), seen("t", 0), seen("s", 1)
    figure = spans_figure(photo, target, [source], shown=2)
    a, b = (one.parts.reshape(3, -1).T - one.parts.mean(axis=(1, 2)) for one in (target, source))
    share = 1 - ((a - b @ np.linalg.lstsq(b, a, rcond=None)[0]) ** 2).sum() / (a**2).sum()
    cosine = (
        (target.whole.ravel() @ source.whole.ravel())
        / np.linalg.norm(target.whole)
        / np.linalg.norm(source.whole)
    )
    text = " ".join(one.get_text() for axes in figure.axes for one in axes.texts)
    assert f"{share:.0%}" in text
    assert f"cosine {cosine:.2f}" in text
    assert sum(bool(axes.images) for axes in figure.axes) == 1 + 2 * (1 + 2)


def test_parts_of_one_grid():
    with pytest.raises(SettingsError, match="on one grid"):
        spans_figure(np.zeros((8, 8, 3), np.uint8), seen("t", 0), [seen("s", 1, side=5)])
