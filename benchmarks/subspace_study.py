"""A study of attribution subspaces on the rooms zoo: chosen on one half of the truth, judged on the other.

    python benchmarks/subspace_study.py maps out/subspace            (about 40 minutes on 2 cores)
    python benchmarks/subspace_study.py judge out/subspace           (5 minutes)

The protocol, written down before any candidate was scored here, but for the rule which one is judged (step 5, last
sentence), which came when steps 1 to 3 were known:

* Zoo: the 20 encoders of the rooms; the 3 repeats only for claim 6. Truth: checkpoints/rooms/transfer.csv, 18 targets.
* Choice: probe sets street and still_life, 9 of the 18 targets (the halves of benchmarks/recommendation_study.py). Verdict: probe
  set rooms, the other 9 targets, looked at once.
* Criterion: Spearman correlation of a target's 19 sources with the truth, mean over targets and the two probe sets.
  Candidates within .005 of the best count as equal; the best mean P@5 decides, then the order of the family (simple first).
* Family, in this order; every matrix that is scored counts as tried:
  1   maps of the code's 8 channels (flat codes reshaped): gradient * input (mean over colours) or gradient norm; grid 16,
      32 or 8; plain or centred; compared by subspace, explained or CKA (|A B'|^2 / (|A A'| |B B'|)).
  2   around the winner: singular values cut off at 1e-3 (the base), 1e-2, .1 of the largest; a ridge of .01, .1, 1 of the
      mean square on them.
  3   images weighted: by the inverse of their mean affinity, or its spread over pairs of models.
  4   parts (of the winners of both kinds of map): 4 of the 8 channels; random +-1 mixtures of all 2,048 units, 4, 8, 16; channels of the spatial codes and 8
      mixtures of the flat ones (what --target channels does); every second model with 4 channels (other widths).
  5   the sum of the ranks by the winner from gradient * input and by the winner from gradient norm.
  Judged is the winner of step 1 (a package has it as a default; steps 2 to 5 say what changes it), and beside it what
  scored best of all.
* Known before: a lead's trial on probe set rooms and all 18 targets (gradient norm centred and explained is best there,
  mixtures do as well as channels), so that the verdict's probe set is not unseen for that choice of family.
* In the outcome below the random mixtures were drawn by another call of numpy's generator than tfattr's.

The outcome (63 matrices tried; one look at the verdict, a second time after an image without any gradient, which had made
nan of most of its rows, was left out as tfattr does, and a third with rows added below). The choice fell on explained,
gradient norm, grid 8, centred: Spearman .578, P@5 .656 on the half of the choice (the paper's sum .200, .433; SVCCA .628,
.622; DDS .460, .589). The verdict, on the targets held out: .613 (.579 to .636 over images) and .622; as --target channels
has it, flat codes mixed, .665 (.629 to .682) and .667; the paper's sum .126 (.022 to .159) and .378, p = .004; RSA .597 and
.689, SVCCA .619 and .689, DDS .711 and .800 (p = .29). So it does not beat the best baseline, and is level with two.
What changes it (half of the choice): cut-off .1 -.007, ridge .01 +.014 (held out -.014), 1 -.059; images weighted +.001 and
-.003; 4 of 8 channels -.07; every second model with 4 channels -.14: spans of other dimension do not compare, give every
network the same K. Mixtures of all units: a gradient norm is no linear thing, so mixtures of units do badly there (8: -.31;
held out .455); gradient * input of 8 mixtures wants grid 16 (.352; at grid 8 the signs cancel, .221; held out .460), 16 of
them gain .007. Ranks of both maps +.02, held out +.03. 10 images give .579 (.512 to .635 over draws), 40 .600, 100 .609, 200
.613; the paper's sum .048, .081, .109, .126. A repeat's kin among 22 others, by the winner / by the sum, on street,
still_life, rooms: autoencoder_b 2 2 2 / 3 2 3; rgb2sfnorm_b 1 1 1 / 9 5 1; rgb2depth_plain 2 4 2 / 5 7 5: first in 1 of 3
as before, but never below fourth. Hence the defaults: explained compares centred maps; gradient norms are stored at 8 x 8,
gradient * input at 16 x 16.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from recommendation_study import CHOICE, CLOSE, VERDICT, halves, per_target, sign_flips
from scipy.stats import rankdata

from tfattr.baselines import prepare
from tfattr.evaluation import Truth, find_truth, interval, read_truth, resamples, score
from tfattr.io import atomic_write
from tfattr.zoo.file import open_zoo

MAPS, GRIDS, FORMS, COMPARISONS = (
    ("gi", "gn"),
    (16, 32, 8),
    ("plain", "centred"),
    ("explained", "subspace", "cka"),
)
NAMES = {"gi": "gradient * input", "gn": "gradient norm"}
FLAT = ("class_1000", "class_places", "room_layout", "vanishing_point")
REPEATS = {"autoencoder_b": "autoencoder", "rgb2sfnorm_b": "rgb2sfnorm", "rgb2depth_plain": "rgb2depth"}
CUTOFF, FINEST, MIXED = 1e-3, 32, 16
SIZES = (10, 40, 100, 200)
MEASURES = {
    "rsa": ("rsa", {}),
    "svcca": ("svcca", {}),
    "linear_cka": ("linear_cka", {}),
    "linear_cka, debiased": ("linear_cka", {"debiased": True}),
    "dds": ("dds", {}),
}


# --- maps


def make_maps(folder: Path) -> None:
    """Writes ``<probe>/<model>.npz``: gi, gn (channels), gi_mix, gn_mix (mixtures), float16 ``[N, K, 32, 32]``, code."""
    import tensorflow as tf

    from tfattr.affinity.area import area_matrix
    from tfattr.attribution.parts import mixtures
    from tfattr.probe import read_photo
    from tfattr.runs.probes import find_probe

    units = mixtures(2048, MIXED)
    channels = np.tile(np.eye(8, dtype=np.float32), (1, 256))
    down = area_matrix(64, FINEST)

    def maps_of(trunk, x, weights):
        @tf.function(autograph=False)
        def of_batch(batch):
            with tf.GradientTape(persistent=True) as tape:
                tape.watch(batch)
                y = trunk.function(batch)
                flat = tf.reshape(y, [-1, 2048])
                scores = [tf.reduce_sum(tf.linalg.matvec(flat, row)) for row in weights]
            slopes = [tape.gradient(one, batch) for one in scores]
            fine = [
                [tf.reduce_mean(one * batch, -1) for one in slopes],
                [tf.norm(one, axis=-1) for one in slopes],
            ]
            return [tf.einsum("gh,nkhw,iw->nkgi", down, tf.stack(one, 1), down) for one in fine], y

        parts = [of_batch(tf.constant(x[start : start + 25])) for start in range(0, len(x), 25)]
        found = [np.concatenate([maps[which].numpy() for maps, _ in parts]) for which in (0, 1)]
        return [_unit_peak(one).astype(np.float16) for one in found], np.concatenate(
            [y.numpy() for _, y in parts]
        )

    for probe in (*CHOICE, VERDICT):
        photos = [read_photo(image.path) for image in find_probe(probe, limit=max(SIZES))]
        for spec in open_zoo("rooms"):
            path = folder / probe / f"{spec.name}.npz"
            if path.exists():
                continue
            trunk = spec.load()
            x = trunk.preprocess(photos)
            (gi, gn), code = maps_of(trunk, x, channels)
            (gi_mix, gn_mix), _ = maps_of(trunk, x, units)
            with atomic_write(path) as temporary, open(temporary, "wb") as file:
                np.savez(file, gi=gi, gn=gn, gi_mix=gi_mix, gn_mix=gn_mix, code=code.reshape(-1, 16, 16, 8))
            print(probe, spec.name, flush=True)


def _unit_peak(maps: np.ndarray) -> np.ndarray:
    return maps / (np.abs(maps).max(axis=(1, 2, 3), keepdims=True) + 1e-30)


class Probe:
    """A probe set's maps, read when asked for: float32 ``[M, N, K, grid * grid]``."""

    def __init__(self, folder: Path, name: str, models: tuple[str, ...]) -> None:
        self.name, self.models, self._folder = name, models, folder / name
        self._kept: dict[str, np.ndarray] = {}
        self._spectra: dict[tuple, list] = {}

    def raw(self, key: str) -> np.ndarray:
        if key not in self._kept:
            files = [np.load(self._folder / f"{model}.npz")[key] for model in self.models]
            count = min(map(len, files))
            self._kept[key] = np.stack([one[:count] for one in files])
        return self._kept[key]

    def spectra(self, *which: Any) -> list[tuple[np.ndarray, np.ndarray]]:
        """Singular values ``[N, k]`` and right singular vectors ``[N, k, P]`` of each model's :meth:`maps`."""
        if which not in self._spectra:
            self._spectra[which] = [np.linalg.svd(one, full_matrices=False)[1:] for one in self.maps(*which)]
        return self._spectra[which]

    def maps(self, kind: str, grid: int, form: str, parts: str = "channels") -> list[np.ndarray]:
        """Of each model ``[N, K, P]``; parts: see step 4 of the protocol."""
        mixed, count = parts.startswith("mixtures"), int(parts.split()[-1]) if parts[-1].isdigit() else 8
        raw = self.raw(f"{kind}_mix" if mixed else kind)
        found = [_form(one[:, :count], grid, form) for one in raw]
        if parts == "as implemented":
            other = self.raw(f"{kind}_mix")
            count = other.shape[1]
            found = [one[: len(other[0])] for one in found]
            found = [
                _form(other[at][:, :8], grid, form) if model in FLAT else one
                for at, (model, one) in enumerate(zip(self.models, found))
            ]
        if parts == "other widths":
            found = [one[:, :4] if at % 2 else one for at, one in enumerate(found)]
        return found


def _form(maps: np.ndarray, grid: int, form: str) -> np.ndarray:
    images, parts, side, _ = maps.shape
    block = side // grid
    pooled = maps.astype(np.float32).reshape(images, parts, grid, block, grid, block).mean(axis=(3, 5))
    flat = pooled.reshape(images, parts, -1)
    return flat - flat.mean(axis=-1, keepdims=True) if form == "centred" else flat


# --- comparisons of all models on each image: ``[N, M, M]``, row = target


def compare(found: list[tuple], by: str, cutoff: float = CUTOFF, ridge: float = 0.0) -> np.ndarray:
    """From the :meth:`Probe.spectra`."""
    whole = [strengths[..., None] * rows for strengths, rows in found]
    with np.errstate(invalid="ignore"):  # an image on which all of a model's maps are zero
        whole = [one / np.linalg.norm(one, axis=(1, 2), keepdims=True) for one in whole]
    spans = []
    for strengths, rows in found:
        shrunk = strengths**2 / (strengths**2 + ridge * (strengths**2).mean(axis=-1, keepdims=True))
        spans.append(rows * (np.sqrt(shrunk) * (strengths > cutoff * strengths[:, :1]))[..., None])
    left, right = {"explained": (whole, spans), "subspace": (spans, spans), "cka": (whole, whole)}[by]
    size = [np.concatenate([[0], np.cumsum([one.shape[1] for one in side])[:-1]]) for side in (left, right)]
    squares = (np.concatenate(left, axis=1) @ np.concatenate(right, axis=1).transpose(0, 2, 1)) ** 2
    shares = np.add.reduceat(np.add.reduceat(squares, size[0], axis=1), size[1], axis=2).astype(np.float64)
    if by == "explained":
        return shares
    own = np.sqrt(np.diagonal(shares, axis1=1, axis2=2))
    return shares / (own[:, :, None] * own[:, None, :])


def summed(maps: list[np.ndarray]) -> np.ndarray:
    """The paper's: cosines of the channels' sum."""
    rows = np.stack([one.sum(axis=1) for one in maps], axis=1)
    rows = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return rows @ rows.transpose(0, 2, 1)


def mean(images: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Mean over images; a pair counts where both models' maps are not zero, as in tfattr's affinity."""
    known = np.isfinite(images)
    weights = np.ones(len(images)) if weights is None else weights
    return np.tensordot(weights, np.where(known, images, 0), 1) / np.tensordot(weights, known, 1)


def weighted(images: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    off = images[:, ~np.eye(images.shape[1], dtype=bool)]
    for name, weights in (
        ("by inverse mean", 1 / np.nanmean(off, axis=1)),
        ("by spread", np.nanstd(off, axis=1)),
    ):
        yield name, mean(images, weights)


def ranks(matrix: np.ndarray) -> np.ndarray:
    return rankdata(np.where(np.eye(len(matrix), dtype=bool), np.inf, matrix), axis=1)


# --- choice


class Search:
    """Candidates by name, scored on the half of the choice."""

    def __init__(self, probes: list[Probe], truth: Truth) -> None:
        self.probes, self.truth = probes, truth
        self.scores: dict[str, tuple[float, float]] = {}
        self.matrices: dict[str, list[np.ndarray]] = {}

    def add(self, name: str, make: Callable[[Probe], np.ndarray]) -> None:
        self.matrices[name] = [make(probe) for probe in self.probes]
        found = [score(matrix, self.probes[0].models, self.truth) for matrix in self.matrices[name]]
        self.scores[name] = (
            float(np.mean([one.spearman.mean() for one in found])),
            float(np.mean([one.precision[4] for one in found])),
        )
        print(f"  {name:76s} {self.scores[name][0]:6.3f} {self.scores[name][1]:6.3f}", flush=True)

    def best(self, start: str = "") -> str:
        names = [name for name in self.scores if name.startswith(start) and not name.startswith("0")]
        top = max(self.scores[name][0] for name in names)
        return max(
            (name for name in names if self.scores[name][0] >= top - CLOSE),
            key=lambda name: self.scores[name][1],
        )


def base_name(kind: str, grid: int, form: str, by: str) -> str:
    return f"1 {by}, {NAMES[kind]}, grid {grid}, {form}"


def search(probes: list[Probe], truth: Truth) -> tuple[Search, tuple, dict[str, tuple]]:
    found = Search(probes, truth)
    for kind in MAPS:
        found.add(
            f"0 sum, {NAMES[kind]}, grid 32",
            lambda probe, kind=kind: mean(summed(probe.maps(kind, 32, "plain"))),
        )
    for label, (name, options) in MEASURES.items():
        found.add(f"0 {label}", lambda probe, name=name, options=options: baseline(probe, name, options))
    family = list(itertools.product(COMPARISONS, MAPS, GRIDS, FORMS))
    for by, kind, grid, form in family:
        found.add(
            base_name(kind, grid, form, by),
            lambda probe, by=by, one=(kind, grid, form): mean(compare(probe.spectra(*one), by)),
        )
    named = {base_name(kind, grid, form, by): (kind, grid, form, by) for by, kind, grid, form in family}
    kind, grid, form, by = winner = named[found.best("1")]
    winners = {"all": winner}
    for one in MAPS:
        top = max((name for name in named if named[name][0] == one), key=lambda name: found.scores[name])
        winners[one] = named[top]
    print("winner:", base_name(*winner))
    for cutoff in (1e-2, 0.1):
        found.add(
            f"2 cut-off {cutoff}",
            lambda probe, c=cutoff: mean(compare(probe.spectra(kind, grid, form), by, c)),
        )
    for ridge in (0.01, 0.1, 1.0):
        found.add(
            f"2 ridge {ridge}",
            lambda probe, r=ridge: mean(compare(probe.spectra(kind, grid, form), by, ridge=r)),
        )
    for name in ("by inverse mean", "by spread"):
        found.add(
            f"3 images {name}",
            lambda probe, n=name: dict(weighted(compare(probe.spectra(kind, grid, form), by)))[n],
        )
    for parts in ("channels 4", "mixtures 4", "mixtures 8", "mixtures 16", "as implemented", "other widths"):
        found.add(f"4 {parts}", lambda probe, p=parts: mean(compare(probe.spectra(kind, grid, form, p), by)))
    for parts, side in itertools.product(("mixtures 4", "mixtures 8", "mixtures 16"), (16, 8)):
        found.add(
            f"4 {parts}, {NAMES['gi']}, grid {side}, explained",
            lambda probe, p=parts, g=side: mean(compare(probe.spectra("gi", g, "centred", p), "explained")),
        )
    found.add("5 ranks of both maps", lambda probe: both(probe, winners))
    return found, winner, winners


def both(probe: Probe, winners: dict[str, tuple]) -> np.ndarray:
    return sum(ranks(mean(compare(probe.spectra(*winners[kind][:3]), winners[kind][3]))) for kind in MAPS)


def baseline(probe: Probe, name: str, options: dict, rows: np.ndarray | None = None) -> np.ndarray:
    codes = dict(zip(probe.models, probe.raw("code")))
    prepared = prepare(name, codes, **options)
    return prepared.affinity() if rows is None else prepared.affinity(rows)


# --- verdict


def verdict(probe: Probe, held_out: Truth, winner: tuple, winners: dict[str, tuple], draws: int) -> None:
    """One look: every measure's Spearman and P@5 on the targets held out, with the difference to the winner."""
    kind, grid, form, by = winner
    images = {f"winner: {base_name(*winner)[2:]}": compare(probe.spectra(kind, grid, form), by)}
    for one, other in itertools.product(MAPS, ("explained", "subspace")):
        for shape in FORMS:
            images[f"{other}, {NAMES[one]}, grid 16, {shape}"] = compare(probe.spectra(one, 16, shape), other)
    images["winner, ridge .01"] = compare(probe.spectra(kind, grid, form), by, ridge=0.01)
    images["winner, as implemented (flat codes mixed)"] = compare(
        probe.spectra(kind, grid, form, "as implemented"), by
    )
    images["winner, 8 mixtures of all units"] = compare(probe.spectra(kind, grid, form, "mixtures 8"), by)
    images["explained, gradient * input, grid 16, 8 mixtures of all units"] = compare(
        probe.spectra("gi", 16, "plain", "mixtures 8"), "explained"
    )
    images["the paper's: sum, gradient * input, grid 32"] = summed(probe.maps("gi", 32, "plain"))
    own = next(iter(images))
    found = {}
    for name, one in images.items():
        weights = np.concatenate([np.ones((1, len(one)), int), resamples(len(one), draws)])
        found[name] = per_target(np.stack([mean(one, row) for row in weights]), held_out)
    found["ranks of both maps"] = per_target(both(probe, winners)[None], held_out)
    for label, (name, options) in MEASURES.items():
        found[label] = per_target(baseline(probe, name, options)[None], held_out)
    print(
        f"\nVerdict: {probe.name}, {len(held_out.targets)} targets held out; Spearman (95 %, images), P@5, | winner less it, p"
    )
    for name in sorted(found, key=lambda one: -found[one][0][0].mean()):
        spearman, hits = found[name]
        ends = interval(spearman[1:].mean(axis=1)) if len(spearman) > 1 else (np.nan, np.nan)
        difference = found[own][0][0] - spearman[0]
        print(
            f"  {name:62s} {spearman[0].mean():6.3f} ({ends[0]:5.3f}, {ends[1]:5.3f}) {hits[0].mean() / 5:6.3f} | "
            f"{difference.mean():6.3f}  {sign_flips(difference):.3f}"
        )
    print("\nImages: Spearman on the targets held out, mean (5 %, 95 % over 50 draws of that many images)")
    random = np.random.default_rng(0)
    for name in (own, "the paper's: sum, gradient * input, grid 32"):
        cells = []
        for size in [size for size in SIZES if size <= len(images[name])]:
            count = len(images[name])
            chosen = [random.permutation(count)[:size] for _ in range(50 if size < count else 1)]
            values = per_target(np.stack([mean(images[name][some]) for some in chosen]), held_out)[0].mean(
                axis=1
            )
            cells.append(
                f"{size}: {values.mean():.3f} ({np.quantile(values, 0.05):.3f}, {np.quantile(values, 0.95):.3f})"
            )
        print(f"  {name:62s} " + "  ".join(cells))


def repeats(folder: Path, winner: tuple) -> None:
    """Claim 6: the place of a repeat's kin among all others, by probe set."""
    models = tuple(model.name for model in open_zoo("rooms"))
    kind, grid, form, by = winner
    print("\nRepeats: place of the kin among 22, by the winner / by the paper's sum")
    for name in (*CHOICE, VERDICT):
        probe = Probe(folder, name, models)
        made = [
            mean(compare(probe.spectra(kind, grid, form), by)),
            mean(summed(probe.maps("gi", 32, "plain"))),
        ]
        cells = []
        for repeat, kin in REPEATS.items():
            row, column = models.index(repeat), models.index(kin)
            places = [1 + int((np.delete(one[row], [row, column]) > one[row, column]).sum()) for one in made]
            cells.append(f"{repeat} {places[0]} / {places[1]}")
        print(f"  {name:12s} " + "   ".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=["maps", "choose", "judge"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=200, help="bootstrap draws of the images")
    arguments = parser.parse_args()
    if arguments.step == "maps":
        return make_maps(arguments.folder)
    zoo = open_zoo("rooms")
    truth = read_truth(find_truth("rooms"), [model.name for model in zoo])
    choice, held_out = halves(truth, zoo.groups)
    start = time.perf_counter()
    print(f"Choice ({', '.join(CHOICE)}; {', '.join(choice.targets)}): mean Spearman, P@5")
    found, winner, winners = search([Probe(arguments.folder, name, truth.sources) for name in CHOICE], choice)
    print(
        f"{len(found.scores)} matrices tried; best of all: {found.best()}; {time.perf_counter() - start:.0f} s"
    )
    if arguments.step == "judge":
        verdict(Probe(arguments.folder, VERDICT, truth.sources), held_out, winner, winners, arguments.draws)
        repeats(arguments.folder, winner)
    return None


if __name__ == "__main__":
    main()
