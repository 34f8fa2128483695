"""A measure of tfattr's own for the rooms zoo: chosen on one half of the truth, judged on the other.

    tfattr reproduce rooms --targets sum,energy --out out/study
    tfattr run rooms --probe street --target energy --out out/study/street_energy          (and still_life likewise)
    python benchmarks/own_measure.py out/study

The protocol, written down before any candidate was scored:

* Zoo: the 20 encoders of the rooms (no repeats). Truth: checkpoints/rooms/transfer.csv, 18 targets.
* Choice: probe sets street and still_life, 9 of the 18 targets. Verdict: probe set rooms, the other 9 targets. The
  targets are shuffled within 2D, 3D and the rest (numpy's default_rng(0)), laid end to end, and dealt out in turn.
* Criterion: Spearman correlation of a target's 19 sources with the truth, mean over targets and the two probe sets.
  Candidates within .005 of the best count as equal; the best mean P@5 decides, then the order of the family (simple first).
* Family, in this order; later steps build on the winners of earlier ones, every matrix that is scored counts as tried:
  A   cosines of maps: saliency or grad_input; target sum or energy; grid 64, 32, 16, 8; maps plain, centred, as ranks, or
      without what they have in common (the mean over models of an image's unit maps).
  A2  the winner of A with images weighted: by the norms of the two maps; by the spread of the image's affinities over
      pairs of models; by the inverse of their mean (images on which all models agree say little).
  B   linear predictivity: ridge regression of the target's code on the source's, position by position, from a window of
      1, 3 or 5 positions, or from one position with squares and products; the target's channels at unit variance or as
      they are; positions alike, or weighted by the target's saliency or |grad_input| (energy) there. Share of the target's
      variance predicted in images that the regression did not see (5 blocks of images, each left out in turn).
      Asymmetric, as transfer is; no labels; closed form.
  B2  the same from the target's maps (saliency and |grad_input|, energy, at the code's grid) instead of its code; window
      1, 3, 5.
  B3  the same with whole images as points: kernel ridge regression of the code on the code, linear or Gaussian kernel,
      ridge .1 or 1.
  C   hubs removed: of the winners of A and B, of DDS and of linear CKA the matrix with its columns centred; centred and
      scaled; CSLS (5 neighbours); mutual proximity; symmetric (mean of both directions, of B only).
  D   mean over measures of each target's ranks, or z-scores, of its sources: winner of A, winner of B, and the rival
      that is best on the half of the choice, in pairs and all three; before or after C as is better.
* The rivals are judged by the same code: tfattr.rivals (RSA, SVCCA, linear CKA plain and debiased, DDS, DEPARA) and the
  plain affinities (three methods, two targets, four grids).
* The measure beats the rivals if on the held-out half its mean Spearman is above that of every one of them; the
  interval of the difference to the best one (bootstrap over images, and over images and targets) and a paired test over
  targets (exact sign flips) say how sure that is. One look.
* Known before: the README's table of six plain affinities on all 18 targets, a crude trial that found the energy target
  and coarse grids good, and how the readouts of the truth are built (two 3x3 convolutions). The two halves share sources
  and both directions of some pairs, so they are not independent data sets.

The outcome (one look): the choice fell on the mean rank under maps without what they have in common, linear
predictivity and SVCCA (tfattr.measures.consensus). On the held-out half it does not beat every rival: DDS is ahead.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.linalg
from scipy.stats import norm, rankdata

from tfattr.evaluation import Truth, find_truth, interval, read_truth, resamples, score
from tfattr.measures import consensus, mean_ranks
from tfattr.records import map_directory, read_maps, whole_file
from tfattr.rivals import depara, prepare
from tfattr.runs.representations import Representations
from tfattr.zoo.file import open_zoo

CHOICE, VERDICT = ("street", "still_life"), "rooms"
GRIDS = (64, 32, 16, 8)
CLOSE = 0.005  # Spearman: closer than this counts as equal
BLOCKS = 5
RIDGE = 1e-3
TARGETS = {"sum": "", "energy": "_energy"}
MEASURES = {
    "rsa": ("rsa", {}),
    "svcca": ("svcca", {}),
    "linear_cka": ("linear_cka", {}),
    "linear_cka, debiased": ("linear_cka", {"debiased": True}),
    "dds": ("dds", {}),
    "depara": ("depara_edges", {}),
}

# What the choice came to, and tfattr.measures implements: written down before the verdict was looked at.
SINGLE = "B predictivity, window 3, positions grad_input, unit variance"
CHOSEN = f"D mean of ranks: CA A grad_input, energy, grid 16, less common: columns centred + {SINGLE} + svcca"
CONSENSUS, PREDICTIVITY, RESIDUAL = OWN = "consensus", "linear predictivity", "residual maps, centred"


@dataclass(frozen=True)
class Probe:
    """One probe set's runs: maps and representations, cached as arrays."""

    study: Path
    cache: Path
    name: str
    models: tuple[str, ...]

    def maps(self, method: str, target: str) -> np.ndarray:
        """float32 ``[M, N, 64, 64]``."""
        run = self.study / f"{self.name}{TARGETS[target]}"

        def read() -> np.ndarray:
            return np.stack(
                [
                    np.stack(
                        [record.map.mean(axis=-1) for record in read_maps(map_directory(run, model, method))]
                    )
                    for model in self.models
                ]
            )

        return self.kept(f"maps_{method}_{target}", read)

    def codes(self) -> np.ndarray:
        """float32 ``[M, N, 16, 16, 8]``."""

        def read() -> np.ndarray:
            found = Representations(self.study / self.name, self.models)
            return np.stack([found[model].reshape(-1, 16, 16, 8) for model in self.models])

        return self.kept("codes", read)

    def kept(self, name: str, make, *arguments) -> np.ndarray:
        path = self.cache / f"{self.name}_{name}.npy"
        if not path.exists():
            array = make(*arguments)
            with whole_file(path) as temporary, open(temporary, "wb") as file:
                np.save(file, array)
        return np.load(path)


# --- A: cosines of maps


def pooled(maps: np.ndarray, grid: int) -> np.ndarray:
    """``[M, N, 64, 64]`` to block means ``[M, N, grid * grid]``."""
    models, images, side, _ = maps.shape
    block = side // grid
    return (
        maps.reshape(models, images, grid, block, grid, block).mean(axis=(3, 5)).reshape(models, images, -1)
    )


def unit(maps: np.ndarray) -> np.ndarray:
    return maps / np.linalg.norm(maps, axis=-1, keepdims=True)


FORMS = {
    "plain": unit,
    "centred": lambda maps: unit(maps - maps.mean(axis=-1, keepdims=True)),
    "ranks": lambda maps: FORMS["centred"](rankdata(maps, axis=-1)),
    "less common": lambda maps: unit(unit(maps) - unit(maps).mean(axis=0)),
}


def cosines(maps: np.ndarray, form: str) -> np.ndarray:
    """Cosines of every image: ``[N, M, M]``."""
    units = FORMS[form](maps.astype(np.float64)).transpose(1, 0, 2)
    return units @ units.transpose(0, 2, 1)


def map_affinity(probe: Probe, method: str, target: str, grid: int, form: str) -> np.ndarray:
    """Mean cosine over the images, ``[M, M]``, cached."""

    def mean() -> np.ndarray:
        return cosines(pooled(probe.maps(method, target), grid), form).mean(axis=0)

    return probe.kept(f"cosine_{method}_{target}_{grid}_{form}", mean)


def image_weights(found: np.ndarray, maps: np.ndarray) -> dict[str, np.ndarray]:
    """Weights of the images, ``[N, M, M]`` or ``[N, 1, 1]``."""
    off = ~np.eye(found.shape[1], dtype=bool)
    sizes = np.linalg.norm(maps, axis=-1)
    sizes = (sizes / sizes.mean(axis=1, keepdims=True)).T
    return {
        "norms": sizes[:, :, None] * sizes[:, None, :],
        "spread": found[:, off].std(axis=1)[:, None, None],
        "inverse mean": 1 / np.maximum(found[:, off].mean(axis=1), 0.05)[:, None, None],
    }


# --- B: linear predictivity


def standard(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """``[N, h, w, c]`` with every channel at mean 0 and variance 1 (0 where it is constant), and the variances."""
    codes = codes.astype(np.float64)
    deviation = codes.std(axis=(0, 1, 2))
    codes = codes - codes.mean(axis=(0, 1, 2))
    return codes / np.where(deviation > 0, deviation, 1.0), deviation**2


def features(code: np.ndarray, window: int, squares: bool) -> np.ndarray:
    """``[N, 16, 16, c]`` standardised, to float32 ``[BLOCKS, n, f]``, the last feature constant."""
    images, height, width, channels = code.shape
    if squares:
        upper = np.triu_indices(channels)
        products = (code[..., None] * code[..., None, :])[..., upper[0], upper[1]]
        code = np.concatenate([code, standard(products)[0]], axis=-1)
    margin = window // 2
    padded = np.pad(code, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    shifts = itertools.product(range(window), range(window))
    parts = [padded[:, y : y + height, x : x + width] for y, x in shifts]
    parts.append(np.ones((*code.shape[:3], 1)))
    return np.concatenate(parts, axis=-1, dtype=np.float32).reshape(
        BLOCKS, -1, parts[0].shape[-1] * window**2 + 1
    )


def unpredicted(x: np.ndarray, y: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Squared errors of ridge regression in the block left out, and squares around the mean: ``[c]`` each."""
    weighted = x if weights is None else x * weights[..., None]
    gram = (weighted.transpose(0, 2, 1) @ x).astype(np.float64)
    cross = (weighted.transpose(0, 2, 1) @ y).astype(np.float64)
    squares = (y.astype(np.float64) ** 2 * (1.0 if weights is None else weights[..., None])).sum(axis=1)
    errors = np.zeros(y.shape[-1])
    for block in range(BLOCKS):
        train = gram.sum(axis=0) - gram[block]
        ridge = np.full(len(train), RIDGE * train[-1, -1])
        ridge[-1] = 0.0
        beta = scipy.linalg.solve(train + np.diag(ridge), cross.sum(axis=0) - cross[block], assume_a="pos")
        errors += squares[block] - 2 * (beta * cross[block]).sum(axis=0)
        errors += (beta * (gram[block] @ beta)).sum(axis=0)
    total = gram[:, -1, -1].sum()
    return errors, squares.sum(axis=0) - cross[:, -1].sum(axis=0) ** 2 / total


def predicted(probe: Probe) -> Iterator[tuple[str, np.ndarray]]:
    """Candidates of B and B2."""
    codes = [standard(code) for code in probe.codes()]
    images = codes[0][0].shape[0]
    positions = {"alike": None}
    energy = {
        method: pooled(np.abs(probe.maps(method, "energy")), 16) for method in ("saliency", "grad_input")
    }
    for method, maps in energy.items():
        positions[method] = (maps / maps.mean(axis=(1, 2), keepdims=True)).astype(np.float32)
    answers = [np.stack([energy[method][t] for method in energy], -1) for t in range(len(codes))]
    answers = [standard(one.reshape(images, 16, 16, 2))[0] for one in answers]
    for window, squares in ((1, False), (3, False), (5, False), (1, True)):
        xs = [features(code, window, squares) for code, _ in codes]
        label = f"window {window}{', squares' if squares else ''}"
        for weighting, weights in positions.items():
            unit_variance, as_is = np.ones((2, len(xs), len(xs)))
            for t, s in itertools.permutations(range(len(xs)), 2):
                y = codes[t][0].reshape(BLOCKS, -1, codes[t][0].shape[-1]).astype(np.float32)
                weight = None if weights is None else weights[t].reshape(BLOCKS, -1)
                errors, total = unpredicted(xs[s], y, weight)
                live = codes[t][1] > 0
                unit_variance[t, s] = 1 - (errors[live] / total[live]).mean()
                as_is[t, s] = 1 - (errors @ codes[t][1]) / (total @ codes[t][1])
            yield f"B predictivity, {label}, positions {weighting}, unit variance", unit_variance
            yield f"B predictivity, {label}, positions {weighting}, as is", as_is
        if not squares:
            matrix = np.eye(len(xs))
            for t, s in itertools.permutations(range(len(xs)), 2):
                errors, total = unpredicted(xs[s], answers[t].reshape(BLOCKS, -1, 2).astype(np.float32), None)
                matrix[t, s] = 1 - (errors / total).mean()
            yield f"B2 predictivity of maps, {label}", matrix


def kernel_predicted(probe: Probe) -> Iterator[tuple[str, np.ndarray]]:
    """Candidates of B3."""
    rows = [unit_features(code.reshape(len(code), -1)) for code in probe.codes()]
    for kernel, ridge in itertools.product(("linear", "Gaussian"), (0.1, 1.0)):
        matrix = np.eye(len(rows))
        for s, x in enumerate(rows):
            k = x @ x.T / x.shape[1]
            if kernel == "Gaussian":
                squared = np.add.outer(np.diag(k), np.diag(k)) - 2 * k
                k = np.exp(-squared / np.median(squared[np.triu_indices(len(k), 1)]))
            guess = [np.empty_like(y) for y in rows]
            for part in np.array_split(np.arange(len(k)), BLOCKS):
                rest = np.setdiff1d(np.arange(len(k)), part)
                inner = k[np.ix_(rest, rest)]
                hat = k[np.ix_(part, rest)] @ np.linalg.inv(inner + ridge * np.eye(len(rest)))
                for y, out in zip(rows, guess):
                    mean = y[rest].mean(axis=0)
                    out[part] = mean + hat @ (y[rest] - mean)
            for t, y in enumerate(rows):
                if t != s:
                    matrix[t, s] = 1 - ((y - guess[t]) ** 2).sum() / (y**2).sum()
        yield f"B3 kernel predictivity, {kernel}, ridge {ridge}", matrix


def unit_features(rows: np.ndarray) -> np.ndarray:
    """Units at mean 0 and variance 1; those that never change are left out."""
    rows = rows[:, rows.max(axis=0) > rows.min(axis=0)].astype(np.float64)
    return (rows - rows.mean(axis=0)) / rows.std(axis=0)


# --- C and D: matrices made of matrices


def off_diagonal(matrix: np.ndarray) -> np.ndarray:
    return np.where(np.eye(len(matrix), dtype=bool), np.nan, matrix)


def csls(matrix: np.ndarray, neighbours: int = 5) -> np.ndarray:
    """Cross-domain similarity local scaling (Conneau et al., ICLR 2018)."""
    off = off_diagonal(matrix)
    near = [
        np.sort(side, axis=1)[:, : len(matrix) - 1][:, -neighbours:].mean(axis=1) for side in (off, off.T)
    ]
    return 2 * matrix - near[0][:, None] - near[1][None, :]


def mutual_proximity(matrix: np.ndarray) -> np.ndarray:
    """Mutual proximity, independent Gaussians (Schnitzer et al., JMLR 2012)."""
    off = off_diagonal(matrix)
    row = norm.cdf((matrix - np.nanmean(off, axis=1)[:, None]) / np.nanstd(off, axis=1)[:, None])
    return row * norm.cdf((matrix - np.nanmean(off, axis=0)) / np.nanstd(off, axis=0))


HUBS = {
    "columns centred": lambda matrix: matrix - np.nanmean(off_diagonal(matrix), axis=0),
    "columns scaled": lambda matrix: (
        (matrix - np.nanmean(off_diagonal(matrix), axis=0)) / np.nanstd(off_diagonal(matrix), axis=0)
    ),
    "CSLS": csls,
    "mutual proximity": mutual_proximity,
}


def row_ranks(matrix: np.ndarray) -> np.ndarray:
    return rankdata(np.where(np.eye(len(matrix), dtype=bool), np.inf, matrix), axis=1)


def row_scores(matrix: np.ndarray) -> np.ndarray:
    off = off_diagonal(matrix)
    return (matrix - np.nanmean(off, axis=1)[:, None]) / np.nanstd(off, axis=1)[:, None]


# --- rivals


def rival(name: str, probe: Probe, options: dict) -> np.ndarray:
    return prepare(name, dict(zip(probe.models, probe.codes())), **options).affinity()


def rivals(probe: Probe) -> dict[str, np.ndarray]:
    """All of them, from the cache where it has them."""
    found = {
        label: probe.kept(f"rival_{label}", rival, name, probe, options)
        for label, (name, options) in MEASURES.items()
        if name != "depara_edges"
    }
    for method, target, grid in itertools.product(("saliency", "grad_input", "elrp"), TARGETS, GRIDS):
        found[f"{method}, {target}, grid {grid}"] = map_affinity(probe, method, target, grid, "plain")
    edges = probe.kept("rival_edges", rival, "depara_edges", probe, {})
    found["depara"] = depara(found["grad_input, sum, grid 64"], edges)
    return found


# --- choosing


def halves(truth: Truth, groups: dict[str, str]) -> tuple[Truth, Truth]:
    """The targets of the choice and those of the verdict."""
    strata: dict[str, list[str]] = {"2D": [], "3D": [], "rest": []}
    for target in truth.targets:
        strata[groups[target] if groups[target] in strata else "rest"].append(target)
    random = np.random.default_rng(0)
    dealt = [target for stratum in strata.values() for target in random.permutation(stratum)]
    parts = []
    for half in (dealt[::2], dealt[1::2]):
        rows = [row for row, target in enumerate(truth.targets) if target in half]
        parts.append(
            replace(truth, targets=tuple(truth.targets[row] for row in rows), affinity=truth.affinity[rows])
        )
    return parts[0], parts[1]


class Search:
    """Candidates with their scores on the half of the choice."""

    def __init__(self, probes: list[Probe], truth: Truth) -> None:
        self.probes, self.truth = probes, truth
        self.matrices: dict[str, list[np.ndarray]] = {}
        self.scores: dict[str, tuple[float, float]] = {}
        self.candidates: list[str] = []

    def add(self, name: str, matrices: list[np.ndarray], candidate: bool = True) -> None:
        found = [score(matrix, self.probes[0].models, self.truth) for matrix in matrices]
        self.matrices[name] = matrices
        self.scores[name] = (
            float(np.mean([one.spearman.mean() for one in found])),
            float(np.mean([one.precision[4] for one in found])),
        )
        if candidate:
            self.candidates.append(name)

    def best(self, *starts: str) -> str:
        """The best candidate whose name starts so; of nearly equal ones that of higher P@5, then the earlier."""
        names = [name for name in self.candidates if name.startswith(starts)]
        top = max(self.scores[name][0] for name in names)
        near = [name for name in names if self.scores[name][0] >= top - CLOSE]
        return max(near, key=lambda name: self.scores[name][1])

    def table(self, names) -> str:
        rows = sorted(names, key=lambda name: -self.scores[name][0])
        return "\n".join(
            f"  {name:86s} {self.scores[name][0]:6.3f} {self.scores[name][1]:6.3f}" for name in rows
        )


def search(probes: list[Probe], truth: Truth) -> tuple[Search, list[str]]:
    """All candidates in the order of the protocol, and the rivals' names."""
    found = Search(probes, truth)
    beside = [rivals(probe) for probe in probes]
    for name in beside[0]:
        found.add(name, [one[name] for one in beside], candidate=False)
    rival_names = list(found.scores)
    combinations = list(itertools.product(("saliency", "grad_input"), TARGETS, GRIDS, FORMS))
    for method, target, grid, form in combinations:
        found.add(
            f"A {method}, {target}, grid {grid}, {form}",
            [map_affinity(probe, method, target, grid, form) for probe in probes],
        )
    method, target, grid, form = next(
        one for one in combinations if f"A {one[0]}, {one[1]}, grid {one[2]}, {one[3]}" == found.best("A ")
    )
    weighted: dict[str, list[np.ndarray]] = {}
    for probe in probes:
        maps = pooled(probe.maps(method, target), grid)
        images = cosines(maps, form)
        for name, weights in image_weights(images, maps).items():
            weighted.setdefault(name, []).append((weights * images).sum(axis=0) / weights.sum(axis=0))
    for name, matrices in weighted.items():
        found.add(f"A2 {found.best('A ')[2:]}, images by {name}", matrices)
    for make in (predicted, kernel_predicted):
        for name, matrices in several(probes, make):
            found.add(name, matrices)
    bases = {"A ": found.best("A ", "A2"), "B ": found.best("B"), "dds": "dds", "linear_cka": "linear_cka"}
    for start, base in bases.items():
        for name, change in HUBS.items():
            found.add(f"C{start.strip()} {base}: {name}", [change(matrix) for matrix in found.matrices[base]])
    both = [(matrix + matrix.T) / 2 for matrix in found.matrices[bases["B "]]]
    found.add(f"CB {bases['B ']}: symmetric", both)
    rival = max(rival_names, key=lambda name: found.scores[name])
    parts = [found.best("A ", "A2", "CA"), found.best("B", "CB"), rival]
    for count in (2, 3):
        for chosen in itertools.combinations(parts, count):
            for label, change in (("ranks", row_ranks), ("z-scores", row_scores)):
                matrices = [
                    np.mean([change(found.matrices[one][at]) for one in chosen], axis=0)
                    for at in range(len(probes))
                ]
                found.add(f"D mean of {label}: {' + '.join(chosen)}", matrices)
    return found, rival_names


def several(probes: list[Probe], make) -> list[tuple[str, list[np.ndarray]]]:
    """A family's matrices for all probe sets, cached."""
    kept = []
    for probe in probes:
        path = probe.cache / f"{probe.name}_{make.__name__}.npz"
        if not path.exists():
            matrices = dict(make(probe))
            with whole_file(path) as temporary, open(temporary, "wb") as file:
                np.savez(file, **matrices)
        with np.load(path) as file:
            kept.append({name: file[name] for name in file.files})
    return [(name, [one[name] for one in kept]) for name in kept[0]]


# --- the verdict


def resampled(probe: Probe, weights: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Own measures, then every rival: name and affinities ``[B, M, M]`` under image weights ``[B, N]``."""
    representations = dict(zip(probe.models, probe.codes()))
    own = consensus(representations, dict(zip(probe.models, probe.maps("grad_input", "energy"))))
    parts = own.parts(weights)
    yield CONSENSUS, np.stack([mean_ranks(matrices) for matrices in zip(*parts.values())])
    yield PREDICTIVITY, parts["predictivity"]
    yield RESIDUAL, parts["residual maps"]
    for method, target, grid in itertools.product(("saliency", "grad_input", "elrp"), TARGETS, GRIDS):
        images = cosines(pooled(probe.maps(method, target), grid), "plain")
        found = np.tensordot(weights / weights.sum(axis=1, keepdims=True), images, 1)
        yield f"{method}, {target}, grid {grid}", found
        if (method, target, grid) == ("grad_input", "sum", 64):
            nodes = found
    rows = [np.repeat(np.arange(len(row)), row) for row in weights]
    for label, (name, options) in MEASURES.items():
        prepared = prepare(name, representations, **options)
        found = np.stack([prepared.affinity(row) for row in rows])
        yield ("depara", depara(nodes, found)) if name == "depara_edges" else (label, found)


def per_target(matrices: np.ndarray, truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    """Spearman correlations and hits at 5 of each target: ``[B, T]`` each."""
    rows = np.array([truth.sources.index(target) for target in truth.targets])
    candidates = np.arange(len(truth.sources))[None] != rows[:, None]
    shape = (len(rows), len(truth.sources) - 1)
    relevant = truth.relevant(5)[candidates].reshape(shape)

    def standard_ranks(values: np.ndarray) -> np.ndarray:
        ranks = rankdata(values, axis=-1)
        return (ranks - ranks.mean(axis=-1, keepdims=True)) / ranks.std(axis=-1, keepdims=True)

    own = np.stack([matrix[rows][candidates].reshape(shape) for matrix in matrices])
    true = standard_ranks(truth.affinity[candidates].reshape(shape))
    first = np.argsort(-own, axis=-1, kind="stable")[..., :5]
    hits = np.take_along_axis(np.broadcast_to(relevant, own.shape), first, axis=-1).sum(axis=-1)
    return (standard_ranks(own) * true).mean(axis=-1), hits


def sign_flips(differences: np.ndarray) -> float:
    """Two-sided p-value of a mean difference over targets: exact, all 2 ** T signs."""
    signs = np.array(list(itertools.product((1, -1), repeat=len(differences))))
    return float((np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12).mean())


def verdict_table(
    names: list[str], found: dict[str, tuple[np.ndarray, np.ndarray]], own: str, seed: int = 0
) -> str:
    """Every measure and the difference of ``own`` to it: the estimate is row 0, the draws are the others."""
    draws, targets = found[own][0].shape[0] - 1, found[own][0].shape[1]
    again = np.random.default_rng(seed).integers(targets, size=(draws, targets))
    lines = [
        f"  {'':26s} Spearman (95 %, images)   P@5 | {own} less it: (images) (images, targets)  p (signs)"
    ]
    for name in sorted(names, key=lambda one: -found[one][0][0].mean()):
        spearman, hits = found[name]
        low, high = interval(spearman[1:].mean(axis=1))
        line = f"  {name:26s} {spearman[0].mean():6.3f} ({low:5.3f}, {high:5.3f})  {hits[0].mean() / 5:5.3f}"
        if name != own:
            difference = found[own][0] - spearman
            ends = [
                interval(difference[1:].mean(axis=1)),
                interval(np.take_along_axis(difference[1:], again, axis=1).mean(axis=1)),
            ]
            line += f" | {difference[0].mean():6.3f} "
            line += " ".join(f"({low:6.3f}, {high:6.3f})" for low, high in ends)
            line += f"  {sign_flips(difference[0]):.3f}"
        lines.append(line)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/own/cache"))
    parser.add_argument("--draws", type=int, default=200, help="bootstrap draws of the images")
    arguments = parser.parse_args()
    zoo = open_zoo("rooms")
    truth = read_truth(find_truth("rooms"), [model.name for model in zoo])
    choice, held_out = halves(truth, zoo.groups)
    print("targets of the choice:", ", ".join(choice.targets))
    print("targets of the verdict:", ", ".join(held_out.targets))
    probes = [Probe(arguments.study, arguments.cache, name, truth.sources) for name in CHOICE]
    found, rival_names = search(probes, choice)
    print(f"\nChoice ({', '.join(CHOICE)}): mean Spearman, P@5\nrivals")
    print(found.table(rival_names))
    print(f"{len(found.candidates)} candidates")
    print(found.table(found.candidates))
    chosen = found.best("")
    single = found.best("B", "CB")
    print("chosen:", chosen)
    print("best without a rival's part:", single)
    if (chosen, single) != (CHOSEN, SINGLE):
        raise SystemExit("the choice is not what tfattr.measures implements; no verdict")

    last = Probe(arguments.study, arguments.cache, VERDICT, truth.sources)
    images = len(last.codes()[0])
    weights = np.concatenate([np.ones((1, images), int), resamples(images, arguments.draws)])
    stacks = several_draws(last, weights)
    names = list(stacks)
    rivals_only = [name for name in names if name not in OWN]
    judged = {name: per_target(stack, held_out) for name, stack in stacks.items()}
    print(f"\nVerdict (probe set {VERDICT}, {len(held_out.targets)} targets held out, {images} images)")
    print(verdict_table([CONSENSUS, *rivals_only], judged, CONSENSUS))
    print("\nThe same for the best single measure")
    print(verdict_table([PREDICTIVITY, *rivals_only], judged, PREDICTIVITY))
    best = max(rivals_only, key=lambda name: judged[name][0][0].mean())
    shown = [*OWN, best]
    print("\nSpearman of each target held out: " + ", ".join(shown))
    for at, target in enumerate(held_out.targets):
        print(f"  {target:18s}" + "".join(f" {judged[name][0][0, at]:6.3f}" for name in shown))
    print(
        f"\nFor the record, all 18 targets (half of them were chosen on), probe set {VERDICT}: Spearman, P@1, P@5"
    )
    for name in names:
        whole = score(stacks[name][0], truth.sources, truth)
        print(
            f"  {name:26s} {whole.spearman.mean():6.3f} {whole.precision[0]:6.3f} {whole.precision[4]:6.3f}"
        )
    print(
        "\nFor the record, looked at after the verdict: Spearman by probe set, targets of the choice / held out"
    )
    cells = {VERDICT: stacks}
    for probe in probes:
        cells[probe.name] = several_draws(probe, np.ones((1, len(probe.codes()[0])), int))
    print(f"  {'':26s}" + "".join(f"{name:>17s}" for name in cells))
    for name in [*OWN, *MEASURES]:
        row = [
            [per_target(made[name][:1], half)[0].mean() for half in (choice, held_out)]
            for made in cells.values()
        ]
        print(f"  {name:26s}" + "".join(f"    {one:6.3f} /{two:6.3f}" for one, two in row))


def several_draws(probe: Probe, weights: np.ndarray) -> dict[str, np.ndarray]:
    """:func:`resampled`, cached."""
    path = probe.cache / f"{probe.name}_draws_{len(weights)}.npz"
    if not path.exists():
        matrices = dict(resampled(probe, weights))
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **matrices)
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


if __name__ == "__main__":
    main()
