"""The picture of docs/why-not-the-sum.md: two encoders of one task and one of another, their sums and their spans.

    python benchmarks/spans_picture.py [--image 168] [--out docs/images/spans.png]

Sums: gradient * input of the sum of the units. Parts: gradient norms of the code's 8 channels, as ``--target channels``
stores them (8 x 8). The default is the picture whose three numbers are
nearest to their means over 200 pictures.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

import tfattr
from tfattr.attribution import AttributionSettings, attributions
from tfattr.figures import save_figure
from tfattr.figures.spans import Seen, spans_figure
from tfattr.probe import read_photo
from tfattr.runs.probes import find_probe

IMAGE = 168
SHOWN = {
    "rgb2sfnorm": "surface normals",
    "rgb2sfnorm_b": "surface normals,\nanother network",
    "denoise": "denoising",
}


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
