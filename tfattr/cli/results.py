"""``tfattr affinity``, ``tree``, ``rank``, ``evaluate``, ``report``: from a run's maps to its results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tfattr.cli import options
from tfattr.cli.running import own_process, say


@click.command()
@options.run
@options.settings("methods", "models", "grid", "measures", "linkage", "authors_layout", of_run=True)
@options.quiet
@options.debug
def affinity(run: str, quiet: bool, debug: bool, **given: Any) -> None:
    """Affinity matrices, trees and pictures from the maps of RUN."""
    from tfattr.runs.analysis import analyse
    from tfattr.runs.run import Run
    from tfattr.runs.settings import RunSettings

    analyse(run, RunSettings(**given), progress=not quiet)
    click.echo(Run(run).summary())


@click.command()
@options.run
@options.method
@options.measure
@options.settings("linkage")
@click.option("--newick", is_flag=True, help="Print the tree in Newick format.")
@click.option(
    "--clusters",
    type=click.IntRange(min=1),
    metavar="N",
    help="Print the N groups that the tree is cut into.",
)
@options.debug
def tree(
    run: str, method: str, measure: str | None, linkage: str, newick: bool, clusters: int | None, debug: bool
) -> None:
    """The similarity tree of RUN's models: groups from the leaves up.

    Of a measure that is not symmetric it is grown from the mean of both directions.
    """
    from tfattr.runs.run import open_run

    opened = open_run(run)
    entry = opened.entry(method, measure)
    grown = opened.tree(entry, linkage)
    without = [model for model in opened.models if model not in grown.labels]
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
@options.run
@click.argument("target_model", metavar="[TARGET]", required=False)
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
    help="Add this model to the run (`tfattr add`) and rank the others for it; the options below are for it.",
)
@options.settings(of_run=True)
@options.quiet
@options.debug
@click.pass_context
def rank(
    context: click.Context,
    run: str,
    target_model: str | None,
    by: str,
    query: str | None,
    quiet: bool,
    debug: bool,
    **_: Any,
) -> None:
    """The models of RUN as sources for the model TARGET, best first, by several measures side by side.

    In brackets 95 % intervals over probe images; "first" says in how many of the resamples a source is the best: both say
    how far the choice of images matters, not how often such a ranking is right. With --query a model joins the run: its maps are computed, those of the others are only read.
    """
    from tfattr.evaluation import RECOMMENDED
    from tfattr.evaluation.sources import ranking_text
    from tfattr.runs.ranking import rank_run
    from tfattr.runs.run import Run
    from tfattr.zoo.file import find_model

    given = options.given(context)
    if (target_model is None) == (query is None):
        raise click.UsageError("give either TARGET, a model of the run, or --query MODEL.")
    if query is None and given:
        raise click.UsageError(f"{', '.join(given)}: for the maps of a new model, with --query MODEL.")
    if query is not None:
        own_process(dict(given))
        spec = find_model(query, given.get("feeding", "square"))
        Run(run).add(spec, progress=not quiet, **given)
        target_model = spec.name
    ranked = rank_run(run, measures=() if by == RECOMMENDED else (by,))
    click.echo(ranking_text(ranked, target_model, by))


@click.command()
@options.run
@options.truth
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
    run: str, truth: str | None, probe: str | None, quiet: bool, debug: bool, **judging: Any
) -> None:
    """Precision and recall at K of RUN's affinities against measured transfer, with baselines and controls.

    RUN may also be an affinity.npy or affinity.mat in the authors' layout [3, 20, 20].
    """
    from tfattr.runs.evaluating import evaluate_authors
    from tfattr.runs.run import Run
    from tfattr.runs.study import read_study

    if Path(run).suffix in (".npy", ".mat"):
        click.echo(evaluate_authors(run, truth or "taskonomy", probe).table())
        return
    study = read_study(run)
    folder = study.folder(study.main)
    found = Run(folder).evaluate(truth, progress=not quiet, **judging)
    found.save(folder, f"{study.zoo} zoo against measured transfer")
    click.echo(found.table())
    click.echo(f"\nwritten: {folder}/evaluation.json, evaluation.csv, figures/precision_recall.png")


@click.command()
@options.run
@options.truth
@click.option("--out", type=click.Path(), help="The file; default RUN/report.html.")
@options.quiet
@options.debug
def report(run: str, truth: str | None, out: str | None, quiet: bool, debug: bool) -> None:
    """One HTML file of RUN (or of a study): matrix, tree, rankings, claims, maps, costs, provenance."""
    from tfattr.runs.summarising import report as make

    click.echo(f"report: {make(run, truth, out, progress=not quiet, tell=say(quiet))}")


COMMANDS = (affinity, tree, rank, evaluate, report)
