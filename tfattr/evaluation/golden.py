"""A run on the originals against the numbers of the authors' own pictures: reproduced or not, item by item."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfattr import resources
from tfattr.affinity import Tree
from tfattr.io import tomllib

FILE = "authors_figures.toml"


@dataclass(frozen=True)
class Verdict:
    """One item of the authors' figures.

    Attributes:
        item: what is compared.
        expected, found: as text.
        reproduced: whether they agree.
        source: the authors' picture.
    """

    item: str
    expected: str
    found: str
    reproduced: bool
    source: str


@functools.lru_cache(maxsize=1)
def authors_figures() -> dict[str, Any]:
    """The numbers as kept in ``checkpoints/authors_figures.toml``."""
    return tomllib.loads((resources.checkpoints() / FILE).read_text("utf-8"))


def precision_verdicts(hits: Mapping[str, Sequence[int]], probe: str, targets: int = 18) -> list[Verdict]:
    """Hit counts of a run against the authors', for K = 1 .. 6.

    Args:
        hits: ranking (``saliency``, ``grad_input``, ``elrp``, ``rsa``, ``depara``) to the hits at K = 1, 2, ... over
            all targets; others are left aside.
        probe: ``taskonomy``, ``coco`` or ``indoor``.
        targets: number of targets.
    """
    verdicts = []
    for figure in authors_figures()["precision"]:
        if figure["probe"] != probe:
            continue
        for ranking, theirs in figure["hits"].items():
            if ranking not in hits:
                continue
            for k, (expected, found) in enumerate(zip(theirs, map(int, hits[ranking])), 1):
                texts = f"{expected}/{targets * k}", f"{found}/{targets * k}"
                item = f"P@{k}, {ranking}, {probe}"
                verdicts.append(Verdict(item, *texts, found == expected, figure["source"]))
    return verdicts


def tree_verdicts(tree: Tree) -> list[Verdict]:
    """Clusters and merge heights of a tree of the 20 tasks against the authors' drawn tree."""
    golden = authors_figures()["tree"]
    members: list[frozenset[str]] = [frozenset([label]) for label in tree.labels]
    heights: dict[frozenset[str], float] = {}
    for left, right, height, _ in tree.linkage:
        members.append(members[int(left)] | members[int(right)])
        heights[members[-1]] = float(height)
    verdicts = []
    for merge in golden["merges"]:
        cluster = frozenset(merge["cluster"])
        found = heights.get(cluster)
        item = (
            f"tree: {len(cluster)} tasks, the last {merge['cluster'][-1]}"
            if len(cluster) > 2
            else f"tree: {' + '.join(merge['cluster'])}"
        )
        agree = found is not None and bool(np.abs(found - merge["height"]) <= golden["tolerance"])
        text = "no such cluster" if found is None else f"{found:.3f}"
        verdicts.append(Verdict(item, f"{merge['height']:.3f}", text, agree, golden["source"]))
    return verdicts
