"""The picture of docs/why-not-the-sum.md: two encoders of one task and one of another, their sums and their spans.

    python benchmarks/spans_picture.py [--image 168] [--out docs/images/spans.png]

Sums: gradient * input of the sum of the units. Parts: gradient norms of the code's 8 channels, as ``--target channels``
stores them (8 x 8). The default is the picture whose three numbers are
nearest to their means over 200 pictures.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from matplotlib.figure import Figure

import tfattr
from tfattr.attribution import AttributionSettings, attributions
from tfattr.errors import SettingsError
from tfattr.figures import save_figure
from tfattr.figures.style import FONT, new_figure
from tfattr.probe import read_photo
from tfattr.runs.probes import find_probe

IMAGE = 168
SHOWN = {
    "rgb2sfnorm": "surface normals",
    "rgb2sfnorm_b": "surface normals,\nanother network",
    "denoise": "denoising",
}


class Seen(NamedTuple):
    """One network on one image: its name, the map of its representation's sum ``[H, W]``, those of parts ``[K, h, w]``."""

    name: str
    whole: np.ndarray
    parts: np.ndarray


def spans_figure(photo: np.ndarray, target: Seen, sources: Sequence[Seen], shown: int = 4) -> Figure:
    """Draws a target's sum and parts above each source's sum, and the target's parts as the source's span holds them.

    At the left the maps of the sums, each with its cosine to the target's; at the right the target's ``shown`` strongest
    parts (centred, on one scale) and their projections onto the span of all of a source's parts, each row with the share
    explained (as :class:`tfattr.affinity.measures.Explained` has it).

    Args:
        photo: uint8 ``[H, W, 3]``.
        target, sources: networks on that image; all parts on one grid.
        shown: parts drawn.

    Raises:
        SettingsError: no source, or parts on different grids.
    """
    if not sources or len({one.parts.shape[1:] for one in (target, *sources)}) != 1:
        raise SettingsError("the spans of networks need at least one source, and maps of parts on one grid")
    wanted = _centred(target.parts)
    order = np.argsort(-np.linalg.norm(wanted, axis=1), kind="stable")[:shown]
    peak = np.abs(wanted[order]).max()
    figure = new_figure(1.95 + 1.3 * (shown + 1), 1.5 * (len(sources) + 1) + 0.2)
    axes = figure.subplots(
        len(sources) + 1, shown + 2, gridspec_kw={"width_ratios": [1.25, 1] + [1] * shown}, squeeze=False
    )
    for one in axes.flat:
        one.set_axis_off()
    axes[0, 0].imshow(photo)
    axes[0, 0].set_title("what all look at", fontsize=FONT)
    axes[0, 1].set_title("map of the sum\nof its units", fontsize=FONT)
    axes[0, 2].set_title("maps of single channels of its code", fontsize=FONT, loc="left")
    for row, seen in enumerate((target, *sources)):
        top = np.abs(seen.whole).max()
        axes[row, 1].imshow(seen.whole, cmap="RdBu_r", vmin=-top, vmax=top)
        if row:
            basis = np.linalg.svd(_centred(seen.parts), full_matrices=False)[2]
            maps = wanted @ basis.T @ basis
            share = (maps**2).sum() / (wanted**2).sum()
            cosine = (
                (seen.whole * target.whole).sum() / np.linalg.norm(seen.whole) / np.linalg.norm(target.whole)
            )
            said = (
                f"{seen.name}\n\nsums: cosine {cosine:.2f}\nits channels explain\n{share:.0%} of the target's"
            )
            axes[row, 2].set_title("the target's maps, rebuilt from its channels", fontsize=FONT, loc="left")
            axes[row, 0].text(0, 0.5, said, fontsize=FONT, va="center", transform=axes[row, 0].transAxes)
        else:
            maps = wanted
            axes[row, 0].text(
                0.5,
                -0.12,
                f"target: {target.name}",
                fontsize=FONT,
                ha="center",
                va="top",
                transform=axes[0, 0].transAxes,
            )
        for column, part in enumerate(order):
            axes[row, 2 + column].imshow(
                maps[part].reshape(seen.parts.shape[1:]), cmap="RdBu_r", vmin=-peak, vmax=peak
            )
    figure.set_layout_engine("tight")
    return figure


def _centred(parts: np.ndarray) -> np.ndarray:
    flat = parts.reshape(len(parts), -1).astype(np.float64)
    return flat - flat.mean(axis=1, keepdims=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", type=int, default=IMAGE)
    parser.add_argument("--out", type=Path, default=Path("docs/images/spans.png"))
    given = parser.parse_args()
    photo = read_photo(find_probe("rooms")[given.image].path)
    seen = []
    for model in (tfattr.open_zoo("rooms").only(list(SHOWN))).models:
        trunk = model.load()
        x = trunk.preprocess([photo])
        whole = attributions(trunk, x, AttributionSettings(("grad_input",)))["grad_input"]
        parts = attributions(trunk, x, AttributionSettings(("gradient_norm",), target="channels:8"))
        maps = np.moveaxis(parts["gradient_norm"][0], -1, 0)
        seen.append((model.name, Seen(SHOWN[model.name], whole[0].mean(axis=-1), maps)))
    ordered = [dict(seen)[name] for name in SHOWN]
    save_figure(spans_figure(np.asarray(photo), ordered[0], ordered[1:]), given.out)


if __name__ == "__main__":
    main()
