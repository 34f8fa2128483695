"""How far rounding alone moves a map: gradient * input at x and at x * (1 + 1e-7), on pictures more and more flat.

    python benchmarks/ties.py [--photos DIR]

Max-pooling chooses one of equal values; where neighbours are equal (flat walls, saturated skies), the last bit decides
which, and the gradient goes there. So it is with the originals' own graphs: nothing here is particular to this package.
Prints for each net and kind of picture the share of equal neighbouring pixels and the cosine between both maps (the
least and the median over the pictures). The nets have the architectures of the originals, random weights and lively
batch norm statistics. Of the photographs in DIR those with the most equal neighbours are taken.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from tfattr.attribution import attribute
from tfattr.probe import list_probe, read_photo
from tfattr.resources import probe_data
from tfattr.trunk import Trunk
from tfattr.trunk.preprocessing import Preprocessing
from tfattr.zoo import family

NETS = {"resnet_v1_50": {}, "vgg_19": {"depth_multiplier": 0.25}, "inception_v3": {}}
SIDE = 224


def pictures(count: int) -> dict[str, list[np.ndarray]]:
    """Rendered rooms as they are, overexposed, in few grey levels, and drawings of flat rectangles."""
    paths = [image.path for image in list_probe(probe_data() / "rooms", limit=count)]
    rooms = [
        np.asarray(Image.fromarray(read_photo(path)).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        for path in paths
    ]
    random = np.random.default_rng(0)
    noise = [random.integers(0, 256, (SIDE, SIDE, 3), np.uint8) for _ in rooms]
    exposed = [np.clip(photo.astype(int) * 2, 0, 255).astype(np.uint8) for photo in rooms]
    levels = [(photo // 32 * 32).astype(np.uint8) for photo in rooms]
    drawings = []
    for _ in rooms:
        drawing = np.full((SIDE, SIDE, 3), 255, np.uint8)
        for _ in range(12):
            top, left = random.integers(0, SIDE - 40, 2)
            height, width = random.integers(20, 120, 2)
            drawing[top : top + height, left : left + width] = random.integers(0, 256, 3)
        drawings.append(drawing)
    return {
        "noise": noise, "rooms": rooms, "rooms, overexposed": exposed, "rooms, 8 grey levels": levels,
        "flat drawings": drawings,
    }  # fmt: skip


def equal_neighbours(photo: np.ndarray) -> float:
    """Share of pixels that equal the one to the right, in all channels."""
    return float((photo[:, 1:] == photo[:, :-1]).all(-1).mean())


def trunk(name: str, folder: Path) -> Trunk:
    known = family(name)
    frame = Preprocessing((SIDE, SIDE), known.color, known.range, known.mean)

    def build(images: tf.Tensor):
        return known.build(images, **NETS[name])

    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        build(tf.compat.v1.placeholder(tf.float32, [None, SIDE, SIDE, 3]))
        session.run(tf.compat.v1.global_variables_initializer())
        random = np.random.default_rng(1)
        for variable in tf.compat.v1.global_variables():
            shape = variable.shape.as_list()
            if variable.name.endswith("moving_variance:0"):
                variable.load(random.uniform(0.5, 2, shape), session)
            elif len(shape) == 1:
                variable.load(random.normal(variable.name.endswith("gamma:0"), 0.2, shape), session)
            if len(shape) == 4:  # He's scale, so that signals neither vanish nor explode
                inputs = shape[0] * shape[1] * (1 if "depthwise" in variable.name else shape[2])
                variable.load(random.normal(0, np.sqrt(2 / inputs), shape), session)
        prefix = tf.compat.v1.train.Saver().save(session, str(folder / name))
    return Trunk.from_checkpoint(prefix, build=build, output=known.output, preprocessing=frame, name=name)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=6)
    parser.add_argument("--photos", help="a folder of photographs")
    arguments = parser.parse_args()
    chosen = pictures(arguments.images)
    if arguments.photos:
        resized = Preprocessing((SIDE, SIDE), range="[0,255]")
        found = [
            resized([read_photo(image.path)])[0].round().astype(np.uint8)
            for image in list_probe(arguments.photos)
        ]
        chosen["photographs"] = sorted(found, key=equal_neighbours)[-arguments.images :]
    print(f"{'net':14} {'pictures':22} {'equal neighbours':>16} {'cosine: least':>14} {'median':>9}")
    for name in NETS:
        with tempfile.TemporaryDirectory() as folder:
            model = trunk(name, Path(folder))
        for kind, photos in chosen.items():
            cosines = []
            for photo in photos:
                fed = model.preprocess([photo])
                one, other = (
                    np.asarray(attribute(model, x, "grad_input"), np.float64).mean(-1).ravel()
                    for x in (fed, fed * np.float32(1 + 1e-7))
                )
                cosines.append(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
            flat = np.mean([equal_neighbours(photo) for photo in photos])
            print(
                f"{name:14} {kind:22} {flat:15.0%}  {min(cosines):14.6f} {np.median(cosines):9.6f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
