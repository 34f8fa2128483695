"""One picture through our trunk of an original and through the project's own graph: is it the same?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfattr import resources
from tfattr.errors import ModelFileError
from tfattr.zoo.originals import Entry

KEYS = ("fed", "representation", "grad_input")
# Of the peak: what another processor's order of summation may change; and the least cosine of the maps, which one
# flipped ReLU or max-pool decision moves.
LARGEST = {"fed": 1e-6, "representation": 1e-5}
LEAST_COSINE = 0.9999

_RECIPE = """\
# {name}: the same from the project's own graph. Needs its code and checkpoint, with the graph built (inference) and the
# weights restored in `sess`; `x` is the tensor that takes the picture, `y` the layer {target} ({layer}).
# fed: {picture} prepared by the project's own code ({native}).
import numpy as np
import tensorflow.compat.v1 as tf
fed = np.load("{ours}")["fed"]  # better: what the project's own preprocessing makes of {picture}
gradient = tf.gradients(y, x)[0]  # of the sum of all units
representation, gradient = sess.run([y, gradient], {{x: fed}})
np.savez("{theirs}", fed=fed, representation=representation, grad_input=gradient * fed)
# then: tfattr verify {id} --against .
"""


@dataclass(frozen=True)
class Compared:
    """One array of both sides: the largest difference over the peak, the cosine, and whether they are the same."""

    key: str
    difference: float
    cosine: float
    same: bool


def write_ours(
    original: Entry,
    folder: str | os.PathLike[str],
    checkpoint: str | os.PathLike[str] | None = None,
    feeding: str = "native",
) -> dict[str, np.ndarray]:
    """Our side of one shipped picture, as ``folder/<name>.npz``, with the picture and the recipe for the other side.

    Args:
        original: which model.
        folder: made if missing.
        checkpoint: weights of one's own; those of the cache if None.
        feeding: ``native`` or ``square``.

    Returns:
        float32 arrays: ``fed`` ``[1, H, W, C]``, ``representation``, ``grad_input`` (as ``fed``).

    Raises:
        ModelFileError: the weights are missing or another net's.
    """
    from PIL import Image

    from tfattr.attribution import attribute
    from tfattr.probe import read_photo
    from tfattr.zoo.loading import load

    folder = Path(folder)
    picture = sorted((resources.probe_data() / "rooms").glob("*.png"))[0]
    trunk = load(original.id, checkpoint, feeding=feeding)
    photo = read_photo(picture)
    fed = trunk.preprocess([photo])
    found = {
        "fed": fed,
        "representation": np.asarray(trunk(fed)),
        "grad_input": np.asarray(attribute(trunk, fed, "grad_input")),
    }
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo).save(folder / "picture.png")
    np.savez(folder / f"{original.name}.npz", **found)
    (folder / f"{original.name}_recipe.py").write_text(recipe(original), "utf-8")
    return found


def recipe(original: Entry) -> str:
    """Ten lines that make the same arrays from the original graph."""
    return _RECIPE.format(
        name=original.title,
        id=original.id,
        layer=original.layer,
        target=original.target,
        native=original.native,
        picture="picture.png",
        ours=f"{original.name}.npz",
        theirs=theirs(original),
    )


def theirs(original: Entry) -> str:
    """The file that the recipe writes."""
    return f"{original.name}_original.npz"


def read_theirs(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` by the recipe.

    Raises:
        ModelFileError: no such file, no ``.npz`` of plain arrays, or an array lacks.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {key: np.asarray(file[key], np.float32) for key in KEYS if key in file}
    except Exception as error:  # numpy and zipfile raise many kinds for a damaged or foreign file
        raise ModelFileError(
            f"{path}: not an .npz of arrays ({type(error).__name__}: {error}); make it by the recipe beside it."
        ) from error
    lacking = [key for key in KEYS if key not in found]
    if lacking:
        raise ModelFileError(f"{path}: it has no array {lacking[0]!r}; expected {', '.join(KEYS)}.")
    return found


def compare(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> list[Compared]:
    """Array by array. Another number of values is another array: difference infinite."""
    rows = []
    for key in KEYS:
        a, b = (np.asarray(side[key], np.float64).ravel() for side in (ours, theirs))
        if a.shape != b.shape or not np.isfinite(b).all():
            rows.append(Compared(key, np.inf, np.nan, False))
            continue
        peak = max(np.abs(b).max(), np.finfo(float).tiny)
        difference = float(np.abs(a - b).max() / peak)
        cosine = float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), np.finfo(float).tiny))
        same = (
            difference <= LARGEST[key] if key in LARGEST else bool(difference == 0 or cosine >= LEAST_COSINE)
        )
        rows.append(Compared(key, difference, cosine, same))
    return rows
