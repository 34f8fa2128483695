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
@options.linkage
@click.option("--newick", is_flag=True, help="Print the tree in Newick format.")
@options.debug
def tree(run: str, method: str, linkage: str, newick: bool, debug: bool) -> None:
    """The similarity tree of RUN's models: groups from the leaves up."""
    from tfattr.affinity import similarity_tree

    result, matrix = _matrix(run, method)
    grown = similarity_tree(matrix, result.models, linkage)
    if newick:
        click.echo(grown.to_newick())
        return
    click.echo(f"{method}, {linkage} linkage; merge heights:")
    members = [[name] for name in grown.labels]
    for left, right, height, _ in grown.linkage:
        pair = members[int(left)], members[int(right)]
        click.echo(f"  {height:8.4f}  {' + '.join(', '.join(part) for part in pair)}")
        members.append([*pair[0], *pair[1]])


@click.command()
@_RUN
@click.argument("target")
@_METHOD
@options.debug
def rank(run: str, target: str, method: str, debug: bool) -> None:
    """The models of RUN as sources for the model TARGET, best first."""
    from tfattr.affinity import rank as ranked

    result, matrix = _matrix(run, method)
    for place, (model, value) in enumerate(ranked(matrix, target, result.models), 1):
        click.echo(f"{place:3d}  {value:8.4f}  {model}")


def _matrix(run: str, method: str) -> tuple[Any, Any]:
    from tfattr.affinity import AffinityResult
    from tfattr.errors import SettingsError

    path = Path(run) / "affinity.npz"
    result = AffinityResult.load(path)
    if method not in result.affinity:
        raise SettingsError(f"{path}: no method {method!r}; expected one of {', '.join(result.methods)}.")
    return result, result.affinity[method]


@click.command()
@_RUN
@click.option(
    "--truth",
    default="rooms",
    show_default=True,
    help="CSV with target, source, affinity; or rooms, taskonomy.",
)
@options.debug
def evaluate(run: str, truth: str, debug: bool) -> None:
    """Precision and recall at K of RUN's affinities against measured transfer."""
    from tfattr.affinity import AffinityResult
    from tfattr.runs.judging import judge

    judgement = judge(AffinityResult.load(Path(run) / "affinity.npz"), truth)
    judgement.save(run, f"{Path(run).name} against measured transfer")
    click.echo(judgement.table())
    click.echo(f"\nwritten: {Path(run) / 'evaluation.csv'}, {Path(run) / 'figures' / 'precision_recall.png'}")


COMMANDS = (affinity, tree, rank, evaluate)
