"""``tfattr run`` and ``tfattr attribute``: from a zoo and a probe set to maps, affinity, tree, pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from tfattr.cli import options

_NAMED = 10  # unreadable images that are named on the screen; run.json holds them all


@click.command()
@click.argument("zoo")
@options.probe
@click.option("--out", required=True, type=click.Path(), help="Directory of the run; continued if it exists.")
@options.target
@options.attribution
@options.engine
@options.results
@options.quiet
@options.debug
def run(zoo: str, probe: str, out: str, **settings: Any) -> None:
    """Maps of every model of ZOO on the probe images, their affinity, tree and pictures.

    ZOO is a TOML file (one table [[model]] a model) or a built-in name. What OUT already holds is not
    computed again.
    """
    from tfattr.runs.analysis import analyse
    from tfattr.runs.failures import raise_if_incomplete
    from tfattr.runs.summary import summary

    with _engine(settings) as engine:
        opened, manifest, methods = _attribute(zoo, probe, out, settings, engine.runner)
        result = analyse(
            out,
            models=[model.name for model in opened],
            methods=methods,
            grid=settings["grid"],
            linkage=settings["linkage"],
            authors_layout=settings["authors_layout"],
            progress=not settings["quiet"],
            executor=engine.executor,
            measures=settings["measures"],
        )
    click.echo(summary(out, manifest, result))
    raise_if_incomplete(manifest, [model.name for model in opened], methods)


@click.command()
@click.argument("zoo")
@options.probe
@click.option("--out", required=True, type=click.Path(), help="Directory of the run; continued if it exists.")
@options.target
@options.attribution
@options.engine
@options.quiet
@options.debug
def attribute(zoo: str, probe: str, out: str, **settings: Any) -> None:
    """The first step of a run alone: attribution maps as TFRecord shards."""
    from tfattr.runs.failures import raise_if_incomplete

    with _engine(settings) as engine:
        opened, manifest, methods = _attribute(zoo, probe, out, settings, engine.runner)
    raise_if_incomplete(manifest, [model.name for model in opened], methods)
    click.echo(
        f"{out}: maps of {len(opened.models)} models on {len(manifest.probe)} images "
        f"({', '.join(methods)}) are complete."
    )


@contextmanager
def _engine(settings: dict[str, Any]) -> Iterator[Any]:
    """Where the run is computed; this process, which is ours, leaves the GPUs to those of --devices."""
    import tensorflow as tf

    from tfattr.distributed.engine import open_engine
    from tfattr.runs.devices import grow_memory, leave_gpus

    # This process is ours: for good, so that nothing that runs beside our own scopes switches it back.
    tf.config.experimental.enable_tensor_float_32_execution(settings["tf32"])
    with open_engine(settings["runner"], settings["runner_options"], settings["devices"]) as engine:
        (leave_gpus if settings["devices"] else grow_memory)()
        yield engine


def _attribute(
    zoo: str, probe: str, out: str, settings: dict[str, Any], runner: Any
) -> tuple[Any, Any, tuple[str, ...]]:
    """The zoo, the manifest, and the methods under the names that the directory has for them."""
    from tfattr.runs.attribution import attribute_zoo, continued_settings
    from tfattr.runs.probes import survey_probe

    opened = _zoo(zoo, settings)
    attribution = continued_settings(out, _attribution(settings, settings["target"]))
    settings["methods"] = attribution.methods
    exif = settings["exif"] or "upright"
    survey = survey_probe(probe, settings["probe_root"], settings["limit"], settings["strict"], exif)
    for skipped in survey.skipped[:_NAMED]:
        click.echo(f"tfattr: skipped {skipped.id}: {skipped.reason}", err=True)
    if len(survey.skipped) > _NAMED:
        click.echo(
            f"tfattr: skipped {len(survey.skipped)} of {len(survey.skipped) + len(survey.images)} images in all; "
            "run.json names each.",
            err=True,
        )
    manifest = attribute_zoo(
        opened,
        survey,
        out,
        attribution,
        progress=not settings["quiet"],
        source={"zoo": zoo, "probe": probe, "probe_root": settings["probe_root"], "limit": settings["limit"]},
        runner=runner,
        **_computing(settings),
    )
    return opened, manifest, attribution.methods


def _zoo(zoo: str, settings: dict[str, Any]) -> Any:
    from tfattr.zoo.file import open_zoo

    opened = open_zoo(zoo, settings["feeding"]).only(settings["models"])
    opened = opened.trusted() if settings["trust"] else opened
    return opened.folded() if settings["fold_batch_norm"] else opened


def _attribution(settings: dict[str, Any], target: str) -> Any:
    from tfattr.attribution.settings import AttributionSettings

    return AttributionSettings(
        methods=settings["methods"],
        engine=settings["lrp_engine"],
        target=target,
        epsilon=settings["epsilon"],
        options={
            name: settings[key]
            for name, key in (("grid", "parts_grid"), ("mixture_seed", "mixture_seed"))
            if settings[key] is not None
        },
    )


def _computing(settings: dict[str, Any]) -> dict[str, Any]:
    """What :func:`tfattr.runs.attribution.attribute_zoo` is told beside models, images and methods."""
    from tfattr.runs.attribution import RecordSettings

    return {
        "records": RecordSettings(settings["channels"], settings["dtype"]),
        "batch_size": settings["batch_size"],
        "representations": settings["representations"],
        "repair": settings["repair"],
        "strict": settings["strict"],
        "tf32": settings["tf32"],
        "xla": settings["xla"],
    }


@click.command()
@click.argument("zoo")
@click.option(
    "--probe",
    "probes",
    multiple=True,
    help="Probe set, repeatable, the main one first: a path or a name. Default: those that go with a built-in zoo.",
)
@click.option(
    "--probe-root",
    "roots",
    multiple=True,
    metavar="PROBE=DIR",
    help="Where the photographs of a probe set's list are, repeatable: coco=/data/val2014.",
)
@click.option(
    "--out", required=True, type=click.Path(), help="Directory of the study; continued if it exists."
)
@click.option(
    "--target",
    "--targets",
    "targets",
    default="sum",
    show_default=True,
    callback=options.names,
    help="Targets of the attribution, with commas: sum (the paper's), energy; further ones on the first probe set.",
)
@click.option(
    "--truth", help="CSV of measured transfer, or rooms, taskonomy. Default: that of a built-in zoo."
)
@click.option(
    "--controls/--no-controls",
    default=True,
    show_default=True,
    help="Also run the zoo with shuffled weights.",
)
@options.reading
@options.attribution
@options.engine
@options.results
@options.quiet
@options.debug
def reproduce(zoo: str, out: str, **settings: Any) -> None:
    """Everything that the paper shows, for ZOO: runs on every probe set, figures, claims, baselines, one report.

    ``tfattr reproduce rooms --out DIR`` needs nothing else; ``taskonomy`` and ``merged`` need the originals
    (`tfattr fetch`) and the probe sets' photographs.
    """
    from tfattr.runs.reproducing import reproduce as make

    opened, attribution = _zoo(zoo, settings), _attribution(settings, settings["targets"][0])
    with _engine(settings) as engine:
        study, evaluation = make(
            opened,
            out,
            probes=settings["probes"],
            roots=_roots(settings["roots"]),
            targets=settings["targets"],
            attribution=attribution,
            truth=settings["truth"],
            limit=settings["limit"],
            exif=settings["exif"],
            controls=settings["controls"],
            analysis={name: settings[name] for name in ("grid", "measures", "linkage", "authors_layout")},
            progress=not settings["quiet"],
            tell=_say(settings["quiet"]),
            runner=engine.runner,
            executor=engine.executor,
            **_computing(settings),
        )
    _print_study(study, evaluation, attribution.methods)


def _roots(given: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    wrong = [text for text, (_, sign, _) in zip(given, pairs) if not sign]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r} has no =; expected PROBE=DIR, such as coco=/data/val2014.")
    return {name: folder for name, _, folder in pairs}


def _say(quiet: bool) -> Callable[[str], None]:
    return (lambda _: None) if quiet else (lambda text: click.echo(text, err=True))


def _print_study(study: Any, evaluation: Any, methods: Sequence[str]) -> None:
    from tfattr.records import RunManifest
    from tfattr.runs.claiming import claim_lines
    from tfattr.runs.failures import raise_if_incomplete

    if evaluation is not None:
        click.echo(evaluation.table())
    click.echo("\nclaims of the supplementary material:")
    for line in claim_lines(study.path):
        click.echo(f"  {line}")
    click.echo(
        f"\nruns:     {study.path}/<{'|'.join(run.label for run in study.runs)}>/ (affinity.npz, figures/)"
    )
    click.echo(f"pictures: {study.path / 'figures'}")
    click.echo(f"report:   {study.path / 'report.html'}")
    if evaluation is not None and evaluation.belief():
        click.echo(f"\n{evaluation.belief()}")
    for one in study.runs:
        manifest = RunManifest.load(study.folder(one))
        raise_if_incomplete(manifest, manifest.names, methods)


@click.command()
@click.option(
    "--out", default="out/demo", show_default=True, type=click.Path(), help="Directory of the results."
)
@click.option("--limit", type=click.IntRange(min=1), help="Use the first N images of each probe set.")
@options.quiet
@options.debug
def demo(out: str, limit: int | None, quiet: bool, debug: bool) -> None:
    """The method on the embedded rooms zoo: three probe sets, maps of sums and of parts, judged by measured transfer."""
    from tfattr.runs.reproducing import GRIDS
    from tfattr.runs.reproducing import reproduce as make
    from tfattr.zoo.file import open_zoo

    study, evaluation = make(
        open_zoo("rooms"),
        out,
        targets=("sum", "channels"),
        limit=limit,
        grids=GRIDS,
        progress=not quiet,
        tell=_say(quiet),
    )
    _print_study(study, evaluation, options.PAPER_METHODS)


COMMANDS = (run, attribute, reproduce, demo)
