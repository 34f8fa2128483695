"""``tfattr affinity``, ``tree``, ``rank``: from a run's maps to its results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tfattr.cli import options

_RUN = click.argument("run", type=click.Path())
_METHOD = click.option("--method", default="grad_input", show_default=True, help="Attribution method.")


@click.command()
@_RUN
@click.option("--methods", callback=options.names, help="Methods, with commas; default: all in the run.")
@click.option("--models", callback=options.names, help="Only these models, with commas.")
@options.grid
@options.measures
@options.linkage
@click.option(
    "--authors-layout", is_flag=True, help="Also write affinity.npy and affinity.mat as the authors do."
)
@options.quiet
@options.debug
def affinity(run: str, authors_layout: bool, quiet: bool, debug: bool, **settings: Any) -> None:
    """Affinity matrices, trees and pictures from the maps of RUN."""
    from tfattr.records import RunManifest
    from tfattr.runs.analysis import analyse
    from tfattr.runs.summary import summary

    result = analyse(run, authors_layout=authors_layout, progress=not quiet, **settings)
    click.echo(summary(run, RunManifest.load(run), result))


@click.command()
@_RUN
@_METHOD
@options.measure
@options.linkage
@click.option("--newick", is_flag=True, help="Print the tree in Newick format.")
@click.option(
    "--clusters",
    type=click.IntRange(min=1),
    metavar="N",
    help="Print the N groups that the tree is cut into.",
)
@options.debug
def tree(
    run: str,
    method: str,
    measure: str | None,
    linkage: str,
    newick: bool,
    clusters: int | None,
    debug: bool,
) -> None:
    """The similarity tree of RUN's models: groups from the leaves up.

    Of a measure that is not symmetric it is grown from the mean of both directions.
    """
    from tfattr.runs.analysis import tree_of

    result, entry = _entry(run, method, measure)
    grown, without = tree_of(result, entry, linkage)
    if without:
        click.echo(f"tfattr: without {', '.join(without)}: no maps of them to compare.", err=True)
    if newick:
        click.echo(grown.to_newick())
        return
    if clusters is not None:
        for group in grown.clusters(clusters):
            click.echo(", ".join(group))
        return
    click.echo(f"{entry}, {linkage} linkage; merge heights:")
    members = [[name] for name in grown.labels]
    for left, right, height, _ in grown.linkage:
        pair = members[int(left)], members[int(right)]
        click.echo(f"  {height:8.4f}  {' + '.join(', '.join(part) for part in pair)}")
        members.append([*pair[0], *pair[1]])


@click.command()
@_RUN
@click.argument("target", required=False)
@click.option(
    "--by",
    default="recommended",
    show_default=True,
    help="What sources are ordered by: recommended, predictivity, subspace, explained, a baseline (dds, rsa, ...) or "
    "a method of the run (grad_input, saliency, ...).",
)
@click.option(
    "--query",
    metavar="MODEL",
    help="Add this model to the run and rank the others for it: a saved trunk's folder, ZOO:NAME, or an original.",
)
@options.trust
@options.quiet
@options.debug
def rank(
    run: str, target: str | None, by: str, query: str | None, trust: bool, quiet: bool, debug: bool
) -> None:
    """The models of RUN as sources for the model TARGET, best first, by several measures side by side.

    In brackets 95 % intervals over probe images; "first" says in how many of the resamples a source is the best: both say
    how far the choice of images matters, not how often such a ranking is right. With --query a model joins the run: its maps are computed, those of the others are only read.
    """
    from tfattr.evaluation import RECOMMENDED
    from tfattr.evaluation.sources import ranking_text
    from tfattr.runs.add_model import add_model
    from tfattr.runs.ranking import rank_run

    if (target is None) == (query is None):
        raise click.UsageError("give either TARGET, a model of the run, or --query MODEL.")
    if query is not None:
        from tfattr.zoo.file import find_model

        spec = find_model(query)
        add_model(run, spec.trusted() if trust else spec, progress=not quiet)
        target = spec.name
    ranked = rank_run(run, measures=() if by == RECOMMENDED else (by,))
    click.echo(ranking_text(ranked, target, by))


def _entry(run: str, method: str, measure: str | None) -> tuple[Any, str]:
    from tfattr.affinity import AffinityResult
    from tfattr.affinity.measures import choose_entry
    from tfattr.errors import SettingsError

    path = Path(run) / "affinity.npz"
    result = AffinityResult.load(path)
    try:
        return result, choose_entry(result.methods, method, measure)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}.") from error


_TRUTH = click.option(
    "--truth", help="CSV with target, source, affinity; or rooms, taskonomy. Default: that of the run's zoo."
)


@click.command()
@_RUN
@_TRUTH
@click.option(
    "--baselines/--no-baselines",
    default=True,
    show_default=True,
    help="Also recommended, predictivity, RSA, SVCCA, CKA, DDS, DEPARA, controls.",
)
@click.option(
    "--k",
    type=click.IntRange(min=1),
    help="Sources of a target that count as relevant, and the K of P@K; default 5, half of the candidates of a small zoo.",
)
@click.option(
    "--draws", type=click.IntRange(min=0), default=200, show_default=True, help="Bootstrap draws of images."
)
@click.option(
    "--probe",
    help="For a file in the authors' layout: taskonomy, coco or indoor, to compare with their figures.",
)
@options.quiet
@options.debug
def evaluate(
    run: str,
    truth: str | None,
    baselines: bool,
    k: int | None,
    draws: int,
    probe: str | None,
    quiet: bool,
    debug: bool,
) -> None:
    """Precision and recall at K of RUN's affinities against measured transfer, with baselines and controls.

    RUN may also be an affinity.npy or affinity.mat in the authors' layout [3, 20, 20].
    """
    from tfattr.runs.evaluating import evaluate_authors, evaluate_run
    from tfattr.runs.reproducing import truth_of
    from tfattr.runs.study import open_study

    if Path(run).suffix in (".npy", ".mat"):
        click.echo(evaluate_authors(run, truth or "taskonomy", probe).table())
        return
    study = open_study(run)
    folder = study.folder(study.main)
    found = evaluate_run(folder, truth_of(study, truth), baselines, draws, progress=not quiet, k=k)
    found.save(folder, f"{study.zoo} zoo against measured transfer")
    click.echo(found.table())
    click.echo(f"\nwritten: {folder}/evaluation.json, evaluation.csv, figures/precision_recall.png")


@click.command()
@_RUN
@_TRUTH
@click.option("--out", type=click.Path(), help="The file; default RUN/report.html.")
@options.quiet
@options.debug
def report(run: str, truth: str | None, out: str | None, quiet: bool, debug: bool) -> None:
    """One HTML file of RUN (or of a study): matrix, tree, rankings, claims, maps, costs, provenance."""
    from tfattr.errors import SettingsError
    from tfattr.report import build
    from tfattr.runs.reproducing import summarise, truth_of
    from tfattr.runs.study import open_study

    study = open_study(run)
    try:
        truth = truth_of(study, truth)
    except SettingsError:
        truth = None  # a zoo without measured transfer has a report all the same
    say = (lambda _: None) if quiet else (lambda text: click.echo(text, err=True))
    summarise(study, truth, progress=not quiet, tell=say)
    click.echo(f"report: {build(study.path, Path(out) if out else None)}")


COMMANDS = (affinity, tree, rank, evaluate, report)
