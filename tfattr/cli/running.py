"""``tfattr run``, ``attribute``, ``add``, ``reproduce``, ``demo``: what computes maps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import click

from tfattr.cli import options
from tfattr.runs.settings import RunSettings

_MAPS = options.together(
    click.argument("zoo"),
    options.probe,
    options.probe_root,
    options.out,
    options.settings(),
    options.quiet,
    options.debug,
)


@click.command()
@_MAPS
def run(
    zoo: str, probe: str, out: str, probe_root: str | None, quiet: bool, debug: bool, **given: Any
) -> None:
    """Maps of every model of ZOO on the probe images, their affinity, tree and pictures.

    ZOO is a TOML file (one table [[model]] a model) or a built-in name. What OUT already holds is not
    computed again.
    """
    from tfattr.runs.directory import raise_if_incomplete
    from tfattr.runs.run import run as compute

    settings = own_process(given)
    made = compute(zoo, probe, out, settings, probe_root=probe_root, pictures=True, progress=not quiet)
    click.echo(made.summary())
    raise_if_incomplete(made.lacking)


@click.command()
@_MAPS
def attribute(
    zoo: str, probe: str, out: str, probe_root: str | None, quiet: bool, debug: bool, **given: Any
) -> None:
    """The first step of a run alone: attribution maps as TFRecord shards."""
    from tfattr.runs.attribution import compute_maps
    from tfattr.runs.directory import lacking_lines, raise_if_incomplete
    from tfattr.runs.engine import open_engine

    settings = own_process(given)
    with open_engine(settings) as engine:
        settings, manifest = compute_maps(zoo, probe, out, settings, probe_root, engine.runner, not quiet)
    raise_if_incomplete(lacking_lines(manifest, settings.models, settings.methods))
    click.echo(
        f"{out}: maps of {len(settings.models)} models on {len(manifest.probe)} images "
        f"({', '.join(settings.methods)}) are complete."
    )


@click.command()
@options.run
@click.argument("model")
@options.settings(of_run=True)
@options.quiet
@options.debug
@click.pass_context
def add(context: click.Context, run: str, model: str, quiet: bool, debug: bool, **_: Any) -> None:
    """MODEL joins RUN under the run's own settings: its maps are computed, those of the others are only read.

    MODEL is a saved trunk's folder, ZOO:NAME, or an original.
    """
    from tfattr.runs.directory import raise_if_incomplete
    from tfattr.runs.run import Run

    given = options.given(context)
    own_process(dict(given))
    made = Run(run).add(model, progress=not quiet, **given)
    click.echo(made.summary())
    raise_if_incomplete(made.lacking)


def own_process(given: dict[str, Any]) -> RunSettings:
    """Takes the settings out of ``given``; this process, which is ours, leaves the GPUs to those of --devices."""
    import tensorflow as tf

    from tfattr.precision import grow_memory, leave_gpus

    fields = [field.name for field in dataclasses.fields(RunSettings) if field.name in given]
    settings = RunSettings(**{name: given.pop(name) for name in fields})
    # For good, so that nothing that runs beside our own scopes switches it back.
    tf.config.experimental.enable_tensor_float_32_execution(settings.tf32)
    (leave_gpus if settings.devices else grow_memory)()
    return settings


def _study(out: dict[str, Any], targets: str) -> options.Decorator:
    """The options of a study."""
    return options.together(
        click.option(
            "--probe",
            "probes",
            multiple=True,
            help="Probe set, repeatable, the main one first: a path or a name. Default: those that go with a built-in zoo.",
        ),
        click.option(
            "--probe-root",
            "roots",
            multiple=True,
            metavar="PROBE=DIR",
            help="Where the photographs of a probe set's list are, repeatable: coco=/data/val2014.",
        ),
        click.option(
            "--out", type=click.Path(), help="Directory of the study; continued if it exists.", **out
        ),
        click.option(
            "--target",
            "--targets",
            "targets",
            default=targets,
            show_default=True,
            callback=options.names,
            help="Targets of the attribution, with commas: sum (the paper's), energy, channels; further ones on the first "
            "probe set.",
        ),
        options.truth,
        click.option(
            "--controls/--no-controls",
            default=True,
            show_default=True,
            help="Also run the zoo with shuffled weights.",
        ),
        options.settings(without=("target",)),
        options.quiet,
        options.debug,
    )


@click.command()
@click.argument("zoo")
@_study({"required": True}, "sum")
def reproduce(zoo: str, **given: Any) -> None:
    """Everything that the paper shows, for ZOO: runs on every probe set, figures, claims, baselines, one report.

    ``tfattr reproduce rooms --out DIR`` needs nothing else; ``taskonomy`` and ``merged`` need the originals
    (`tfattr fetch`) and the probe sets' photographs.
    """
    _reproduce(zoo, **given)


@click.command()
@_study({"default": "out/demo", "show_default": True}, "sum,channels")
def demo(**given: Any) -> None:
    """The method on the embedded rooms zoo: three probe sets, maps of sums and of parts, judged by measured transfer."""
    from tfattr.runs.reproducing import GRIDS

    _reproduce("rooms", grids=GRIDS, **given)


def _reproduce(zoo: str, roots: Sequence[str], quiet: bool, debug: bool, **given: Any) -> None:
    from tfattr.records import RunManifest
    from tfattr.runs.claiming import claim_lines
    from tfattr.runs.directory import lacking_lines, raise_if_incomplete
    from tfattr.runs.reproducing import reproduce as make

    settings = own_process(given)
    study, evaluation = make(
        zoo, settings=settings, roots=_roots(roots), progress=not quiet, tell=say(quiet), **given
    )
    if evaluation is not None:
        click.echo(evaluation.table())
    click.echo("\nclaims of the supplementary material:")
    for line in claim_lines(study.path):
        click.echo(f"  {line}")
    labels = "|".join(run.label for run in study.runs)
    click.echo(f"\nruns:     {study.path}/<{labels}>/ (affinity.npz, figures/)")
    click.echo(f"pictures: {study.path / 'figures'}")
    click.echo(f"report:   {study.path / 'report.html'}")
    if evaluation is not None and evaluation.belief():
        click.echo(f"\n{evaluation.belief()}")
    for one in study.runs:
        manifest, asked = RunManifest.load(study.folder(one)), settings.for_target(one.target).attribution
        raise_if_incomplete(lacking_lines(manifest, manifest.names, asked.methods))


def _roots(given: Sequence[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    wrong = [text for text, (_, sign, _) in zip(given, pairs) if not sign]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r} has no =; expected PROBE=DIR, such as coco=/data/val2014.")
    return {name: folder for name, _, folder in pairs}


def say(quiet: bool) -> Callable[[str], None]:
    """Tells which step is under way, on stderr."""
    return (lambda _: None) if quiet else (lambda text: click.echo(text, err=True))


COMMANDS = (run, attribute, add, reproduce, demo)
