"""Writes the three probe sets as PNG files: rooms, street, still_life.

``python -m studies.rooms.probes --data DIR --out probe_data``: rooms come from the rendered split ``probe``
(five buildings that no training picture shows), the other two are rendered here. Files that exist stay.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from studies.rooms import tracing
from studies.rooms.dataset import load
from studies.rooms.other_worlds import still_life_view, street_view
from studies.rooms.scene import seeded
from studies.rooms.tasks import IMAGE_SIZE
from tfattr.errors import TfattrError

#: Pictures in each of the two other worlds.
COUNT = 100
_WORLDS = {"street": street_view, "still_life": still_life_view}


def world_picture(world: str, index: int, size: int = IMAGE_SIZE, samples: int = 32) -> np.ndarray:
    """Picture ``index`` of ``street`` or ``still_life``, uint8 RGB [size,size,3]; the same on every run."""
    scene, camera = _WORLDS[world](index)
    loaded = tracing.load(scene)
    maps = tracing.geometry(loaded, camera, size)
    rng = seeded(world, "exposure", index)
    return tracing.picture(loaded, camera, maps, seed=index, spp=samples, rng=rng)


def _pictures(data: Path, name: str) -> Iterator[tuple[str, object]]:
    if name == "rooms":
        arrays = load(data, "probe", tasks=())
        for image_id, rgb in zip(arrays["image_id"], arrays["rgb"]):
            yield str(image_id).replace("probe_", "rooms_"), rgb
    else:
        for index in range(COUNT):
            yield f"{name}_{index:03d}", index


def write_probe_set(data: str | Path, out: str | Path, name: str) -> list[Path]:
    """Writes ``<out>/<name>/*.png`` and returns the paths, sorted. Raises SettingsError if ``probe`` is not rendered."""
    from PIL import Image

    folder = Path(out) / name
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for stem, source in _pictures(Path(data), name):
        path = folder / f"{stem}.png"
        paths.append(path)
        if path.exists():
            continue
        rgb = source if isinstance(source, np.ndarray) else world_picture(name, int(source))
        buffer = io.BytesIO()
        Image.fromarray(rgb).save(buffer, "PNG", optimize=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(buffer.getvalue())
        temporary.replace(path)
    return sorted(paths)


def main(argv: Sequence[str] | None = None) -> int:
    """The module's command line."""
    parser = argparse.ArgumentParser(
        prog="python -m studies.rooms.probes", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--data", required=True, help="folder of the data set (its split probe is read)")
    parser.add_argument("--out", default="probe_data")
    parser.add_argument("--sets", nargs="+", choices=["rooms", *_WORLDS], default=["rooms", *_WORLDS])
    args = parser.parse_args(argv)
    try:
        for name in args.sets:
            print(f"{name}: {len(write_probe_set(args.data, args.out, name))} pictures in {args.out}/{name}")
    except TfattrError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
