"""Everything that the page says, as plain values for the template: a pure function of what was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfattr.errors import RecordsError
from tfattr.figures.names import method_name
from tfattr.report.captions import caption, figure_name, section_of
from tfattr.report.commands import command
from tfattr.report.evaluation import evaluation_view
from tfattr.report.files import Results, RunFiles
from tfattr.report.matrices import LEVEL, RESAMPLES, matrices, palettes
from tfattr.report.numbers import plural
from tfattr.report.pictures import Picture, embed, embed_photo
from tfattr.report.recommended import recommended_view
from tfattr.report.sections import claims_view, cost_view, provenance_view, warnings_view
from tfattr.report.summary import best_sources, leading, sentences
from tfattr.report.trees import drawing

SECTIONS = (
    ("recommended", "Recommended sources"),
    ("summary", "In short"),
    ("run", "What was run"),
    ("matrix", "Affinity matrix"),
    ("sources", "Best sources"),
    ("trees", "Similarity tree"),
    ("evaluation", "Against measured transfer"),
    ("claims", "The paper\N{RIGHT SINGLE QUOTATION MARK}s claims"),
    ("graph", "Model graph"),
    ("maps", "Attribution maps"),
    ("figures", "Further figures"),
    ("costs", "Costs"),
    ("warnings", "Warnings"),
    ("provenance", "Provenance"),
)

_TARGETS = {
    "sum": "sum of the representation (the paper's)",
    "energy": "half the squared norm of the representation",
}


def content(results: Results) -> dict[str, Any]:
    """What the page shows of a run or a study; JSON values and :class:`Picture`."""
    by_run = [matrices(run) for run in results.runs]
    entries = [entry for several in by_run for entry in several]
    figures, left_out = _figures(results, by_run)
    notes = [f"{path.name} is too large for this page; look at it in figures/." for path in left_out]
    notes += _interval_notes(results, by_run)
    warned = warnings_view(results, notes)
    evaluations = _evaluations(results)
    trees = _trees(results, figures)
    shown = _placed(results, figures, trees, evaluations)
    first = leading(entries)
    page = {
        "title": _title(results),
        "study": results.study,
        "recommended": recommended_view(results.runs[0].ranking, results.runs[0].groups),
        "summary": sentences(results, entries, len(warned)),
        "runs": [_facts(run, several) for run, several in zip(results.runs, by_run)],
        "data": {
            "matrices": entries,
            "palettes": palettes(entries),
            "start": entries.index(first) if first else 0,
            "resamples": RESAMPLES,
            "level": round(100 * LEVEL),
            "study": results.study,
        },
        "best": best_sources(entries, results.study),
        "trees": trees,
        "evaluations": evaluations,
        "claims": claims_view(results.claims) if results.claims else [],
        "costs": [{"label": label, **cost_view(cost)} for label, cost in _each(results, "cost")],
        "warnings": warned,
        "provenance": [provenance_view(run) for run in results.runs],
        "photos": [(name, embed_photo(photo)) for name, photo in results.runs[0].photos],
        "shown": shown,
        "made_by": command("report", results.folder),
        "version": results.runs[0].manifest["versions"].get("tfattr", "unknown"),
    }
    page["run_columns"] = list(dict.fromkeys(name for one in page["runs"] for name in one["facts"]))
    page["missing"] = _missing(results, page)
    # "Further figures" is no section of its own right: without any it is not there.
    page["toc"] = [(key, title) for key, title in SECTIONS if key != "figures" or shown["figures"]]
    page["titles"] = dict(SECTIONS)
    return page


def _title(results: Results) -> str:
    name = results.zoo or results.runs[0].label
    return f"{name.rsplit('.', 1)[0] if name.endswith('.toml') else name}: which model is the best source?"


def _facts(run: RunFiles, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    manifest = run.manifest
    models = list(manifest["models"])
    groups = Counter(run.groups[model] for model in models if model in run.groups)
    methods = [entry["name"] for entry in entries]
    grids = dict.fromkeys(" × ".join(map(str, entry["grid"])) for entry in entries if entry["grid"])
    target = str(manifest["settings"].get("target") or "")
    said = _TARGETS.get(target, target)
    if target.startswith("channels:"):
        said = f"each of {target[9:]} parts of the representation (channels, or mixtures of them)"
    facts = [
        ("Zoo", str(manifest["source"].get("zoo") or "").rsplit("/", 1)[-1]),
        (
            "Models",
            f"{len(models)}"
            + (f" ({', '.join(f'{n} {name}' for name, n in groups.items())})" if groups else ""),
        ),
        ("Probe set", run.probe or ""),
        ("Images", plural(len(manifest["probe"]), "image") + ", no labels used"),
        ("Methods", ", ".join(methods)),
        ("Target", said),
        ("Maps compared at", ", ".join(grids) + " pixels" if grids else ""),
    ]
    return {"label": run.label, "facts": {name: text for name, text in facts if text}}


def _each(results: Results, what: str) -> list[tuple[str, Any]]:
    """The study's own file first, then those of its runs; for a run just its own. Absent ones are left out."""
    own = [("all runs" if results.study else results.runs[0].label, getattr(results, what))]
    runs = [(run.label, getattr(run, what)) for run in results.runs] if results.study else []
    return [(label, found) for label, found in own + runs if found]


def _evaluations(results: Results) -> list[dict[str, Any]]:
    return [{"label": label, **evaluation_view(found)} for label, found in _each(results, "evaluation")]


def _figures(
    results: Results, by_run: Sequence[Sequence[Mapping[str, Any]]]
) -> tuple[list[dict[str, Any]], list[Path]]:
    """Every figure with its section and words; trees and curves that are drawn anew are dropped later."""
    found = []
    scopes: list[tuple[RunFiles | None, Mapping[str, Path], Sequence[Mapping[str, Any]]]] = []
    if results.study:
        scopes.append((None, results.figures, [entry for entries in by_run for entry in entries]))
    scopes += [(run, run.figures, entries) for run, entries in zip(results.runs, by_run)]
    for run, figures, entries in scopes:
        folder = run.folder if run else results.folder
        drawn = {f"tree_{method}" for method in run.trees} if run else set()
        for stem, path in figures.items():
            section, made_by = section_of(stem)
            if stem in drawn:
                continue
            alt, text = caption(stem, run, entries)
            found.append(
                {
                    "path": path,
                    "section": section,
                    "label": run.label if run and results.study else "",
                    "name": f"{run.label}, {figure_name(stem)}"
                    if run and results.study
                    else figure_name(stem),
                    "leads": stem.endswith("_grad_input"),
                    "wide": made_by == "sheets",
                    "alt": alt,
                    "caption": text,
                    "file": f"figures/{path.name}",
                    "command": command(made_by, folder, _parts(results) if run else 1),
                }
            )
    pictures, left_out = embed([figure["path"] for figure in found])
    kept = [{**figure, "picture": pictures[figure["path"]]} for figure in found if figure["path"] in pictures]
    for figure in kept:
        del figure["path"]
    return kept, left_out


def _placed(
    results: Results,
    figures: Sequence[dict[str, Any]],
    trees: Sequence[Mapping[str, Any]],
    evaluations: Sequence[Mapping[str, Any]],
) -> dict[str, list[dict[str, Any]]]:
    """Figures by section. Curves that the page draws itself are not shown a second time."""
    curves = {one["label"] for one in evaluations if one["curves"]}
    own = "all runs" if results.study else results.runs[0].label
    placed: dict[str, list[dict[str, Any]]] = {key: [] for key, _ in SECTIONS}
    for figure in figures:
        if figure["section"] == "evaluation" and (figure["label"] or own) in curves:
            continue
        placed[figure["section"]].append(figure)
    # The method that leads elsewhere leads here too; a study's own figures stay before those of its runs.
    labels = list(dict.fromkeys(figure["label"] for figure in placed["graph"]))
    placed["graph"].sort(key=lambda figure: (labels.index(figure["label"]), not figure["leads"]))
    return placed


def _trees(results: Results, figures: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for run in results.runs:
        for method, text in run.trees.items():
            label = f"{run.label}, {method_name(method)}" if results.study else method_name(method)
            entry = {
                "run": run.label,
                "label": label,
                "drawing": None,
                "error": "",
                "file": f"tree_{method}.nwk",
            }
            try:
                entry["drawing"] = drawing(text, run.groups)
            except RecordsError as error:
                entry["error"] = f"{label}: {error}"
            found.append(
                {
                    **entry,
                    "first": method == "grad_input",
                    "command": command("tree", run.folder, _parts(results)),
                }
            )
    # The method that leads elsewhere leads here too, run by run.
    place = {run.label: index for index, run in enumerate(results.runs)}
    return sorted(found, key=lambda entry: (place[entry["run"]], not entry["first"]))


def _parts(results: Results) -> int:
    """How much of a run's path tells where it is: in a study, the study's name too."""
    return 2 if results.study else 1


def _interval_notes(results: Results, by_run: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
    """A file of cosines that does not fit its affinity is worth a warning; one that is missing is not."""
    notes = []
    for run, entries in zip(results.runs, by_run):
        if run.cosines is None:
            continue
        where = f"{run.label}: " if results.study else ""
        for why in dict.fromkeys(entry["no_interval"] for entry in entries if entry["no_interval"]):
            notes.append(f"{where}affinities stand without intervals, since {why}.")
    return notes


def _missing(results: Results, page: Mapping[str, Any]) -> dict[str, Any]:
    """For each section without content what is missing and the command that makes it; else None."""
    folder, first = results.folder, results.runs[0].folder
    absent: dict[str, Any] = {key: None for key, _ in (*SECTIONS, ("intervals", ""))}

    def say(section: str, there: Any, text: str, what: str, where: Path) -> None:
        if not there:
            parts = _parts(results) if where == first else 1
            absent[section] = {"text": text, "command": command(what, where, parts)}

    shown, matrix = page["shown"], page["data"]["matrices"]
    why = "There is no ranking.npz: the models were not ranked as sources of each other."
    say("recommended", page["recommended"], why, "report", folder)
    say("matrix", matrix, "There is no affinity.npz.", "affinity", first)
    say("sources", page["best"], "Best sources need the affinities of two models or more.", "affinity", first)
    say("trees", page["trees"] or shown["trees"], "There is no tree_METHOD.nwk.", "tree", first)
    why = "There is no evaluation.json: the rankings were not compared with measured transfer."
    say("evaluation", page["evaluations"], why, "study_evaluation" if results.study else "evaluation", folder)
    why = "There is no claims.json: the paper's claims were not tested on this."
    say("claims", page["claims"], why, "claims", folder)
    say("graph", shown["graph"], "There is no figure of the model graph.", "sheets", folder)
    say("maps", shown["maps"], "There is no figure of attribution maps.", "maps", first)
    say("costs", page["costs"], "There is no cost.json: times were not kept.", "cost", folder)
    why = "Affinities stand without intervals: there is no affinity_images.npz that fits."
    say("intervals", not matrix or any(entry["low"] for entry in matrix), why, "affinity_images", first)
    return absent


__all__ = ["SECTIONS", "Picture", "content"]
