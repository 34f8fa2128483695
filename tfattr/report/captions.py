"""What each picture of ``figures/`` shows: its section, alternative text, caption and command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfattr.figures.names import METHODS, method_name
from tfattr.report.files import RunFiles
from tfattr.report.numbers import number, plural

# How a file's name begins, the section it goes to, and what makes it (a key of commands.command). The first that
# fits counts.
_KINDS = (
    ("affinity_sheet", "matrix", "sheets"),
    ("tree_sheet", "trees", "sheets"),
    ("sizes", "figures", "sheets"),
    ("size_curve", "figures", "sheets"),
    ("group", "figures", "sheets"),
    ("model_graph", "graph", "sheets"),
    ("affinity", "matrix", "affinity"),
    ("tree", "trees", "tree"),
    ("precision_recall", "evaluation", "evaluation"),
    ("maps", "maps", "maps"),
)


def section_of(stem: str) -> tuple[str, str]:
    """The section that a figure belongs to ("figures" for what has none), and the key of its command."""
    for start, section, made_by in _KINDS:
        if stem == start or stem.startswith(f"{start}_"):
            return section, made_by
    return "figures", "figures"


def figure_name(stem: str) -> str:
    """A short name to choose a figure by: its method, or the words of the file's name."""
    method = _method(stem)
    return method_name(method) if method else stem.replace("_", " ").replace("-", " ")


def caption(stem: str, run: RunFiles | None, entries: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Alternative text and caption of a figure: what is to be seen.

    Args:
        stem: the file's name without its ending.
        run: whose figure it is; None for a study's own.
        entries: the matrices that it may be of (:func:`tfattr.report.matrices.matrices`).
    """
    kind = next((start for start, _, _ in _KINDS if stem == start or stem.startswith(f"{start}_")), None)
    method = _method(stem)
    by = f" by {method_name(method)}" if method else ""
    entry = next((one for one in entries if one["method"] == method), None)
    if kind == "affinity" and entry:
        text = f"Affinity{by} of {plural(len(entry['models']), 'model')}"
        return (
            f"Heat map. {text}, models in the order of their tree where there is one. {_brightest(entry)}",
            f"{text} on {plural(entry['images'], 'image')}.",
        )
    if kind == "tree":
        return f"Similarity tree{by}.{_neighbours(entry)}", f"Similarity tree{by}."
    if kind == "maps" and run is not None:
        models = plural(len(run.manifest["models"]), "model")
        return (
            f"Attribution maps{by}: a row for each of {models}, a block of columns for each of the first probe images, "
            "the photographs on top.",
            f"Attribution maps{by} of {models} on the first probe images; each map is scaled by itself. Models that "
            "look at the same places of the same images have a high affinity.",
        )
    if kind == "model_graph":
        best = f" {_brightest(entry)}" if entry else ""
        return (
            f"Graph of the models{by}: each is joined to the models that are nearest to it.{best}",
            f"Model graph{by}: models are joined to those that are nearest by affinity.",
        )
    if kind == "precision_recall":
        return (
            "Two panels of curves: precision and recall at K against K, for each ranking, random and perfect.",
            "Precision and recall at K of the rankings against measured transfer.",
        )
    if kind == "affinity_sheet":
        return (
            "Sheet of heat maps of the affinity, one for every method and probe set, on one colour scale a method.",
            "Affinity by every method on every probe set (figure S2 of the paper): columns that look alike mean that "
            "the choice of images hardly matters.",
        )
    if kind == "tree_sheet":
        return (
            "Sheet of similarity trees, one for every method and probe set.",
            "Similarity trees by every method on every probe set (figure S3 of the paper).",
        )
    if kind == "sizes":
        return (
            f"Row of heat maps of the affinity{by}, computed from more and more of the probe images.",
            f"Affinity{by} on growing parts of the probe images (figure S4 of the paper).",
        )
    if kind == "size_curve":
        return (
            "Curves that rise towards 1: correlation with the affinity of all images against the number of images, "
            "for each method with a band of its spread.",
            "How well fewer images give the affinity of all: correlation against the number of images.",
        )
    if kind == "group":
        return (
            f"Heat map of the affinity{by} beside the similarity tree of the same models.{_neighbours(entry)}",
            f"Affinity and similarity tree{by} of all models together (as figures S5 to S7 of the paper).",
        )
    words = stem.replace("_", " ").replace("-", " ")
    return f"Figure: {words}.", f"{words[:1].upper()}{words[1:]}."


def _method(stem: str) -> str | None:
    """The method that a file's name ends in: ``tree_grad_input`` is of ``grad_input``."""
    known = [method for method in METHODS if stem == method or stem.endswith(f"_{method}")]
    if known:
        return max(known, key=len)
    for start in ("model_graph", "affinity", "tree", "group", "sizes"):
        if stem.startswith(f"{start}_") and stem not in ("affinity_sheet", "tree_sheet"):
            return stem[len(start) + 1 :]
    return None


def _neighbours(entry: Mapping[str, Any] | None) -> str:
    if entry is None or not entry["tree"]:
        return ""
    return f" Neighbours: {', '.join(entry['models'][row] for row in entry['tree'])}."


def _brightest(entry: Mapping[str, Any]) -> str:
    pairs = [
        (value, entry["models"][row], entry["models"][column])
        for row, values in enumerate(entry["value"])
        for column, value in enumerate(values)
        if column != row and value is not None
    ]
    if not pairs:
        return "No pair has an affinity."
    value, one, other = max(pairs, key=lambda pair: pair[0])
    return f"The highest affinity is that of {one} and {other}, {number(value, 2)}."
