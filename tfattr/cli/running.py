"""``tfattr run`` and ``tfattr attribute``: from a zoo and a probe set to maps, affinity, tree, pictures."""

from __future__ import annotations

from typing import Any

import click

from tfattr.cli import options

_NAMED = 10  # unreadable images that are named on the screen; run.json holds them all


@click.command()
@click.argument("zoo")
@options.probe
@click.option("--out", required=True, type=click.Path(), help="Directory of the run; continued if it exists.")
@options.attribution
@options.grid
@options.linkage
@click.option(
    "--authors-layout", is_flag=True, help="Also write affinity.npy and affinity.mat as the authors do."
)
@options.quiet
@options.debug
def run(zoo: str, probe: str, out: str, **settings: Any) -> None:
    """Maps of every model of ZOO on the probe images, their affinity, tree and pictures.

    ZOO is a TOML file (one table [[model]] a model) or a built-in name. What OUT already holds is not
    computed again.
    """
    from tfattr.runs.analysis import analyse
    from tfattr.runs.summary import summary

    opened, manifest = _attribute(zoo, probe, out, settings)
    result = analyse(
        out,
        models=[model.name for model in opened],
        methods=settings["methods"],
        grid=settings["grid"],
        linkage=settings["linkage"],
        authors_layout=settings["authors_layout"],
        progress=not settings["quiet"],
    )
    click.echo(summary(out, manifest, result))


@click.command()
@click.argument("zoo")
@options.probe
@click.option("--out", required=True, type=click.Path(), help="Directory of the run; continued if it exists.")
@options.attribution
@options.quiet
@options.debug
def attribute(zoo: str, probe: str, out: str, **settings: Any) -> None:
    """The first step of a run alone: attribution maps as TFRecord shards."""
    opened, manifest = _attribute(zoo, probe, out, settings)
    click.echo(
        f"{out}: maps of {len(opened.models)} models on {len(manifest.probe)} images "
        f"({', '.join(settings['methods'])}) are complete."
    )


def _attribute(zoo: str, probe: str, out: str, settings: dict[str, Any]) -> tuple[Any, Any]:
    from tfattr.attribution.settings import AttributionSettings
    from tfattr.runs.probes import survey_probe
    from tfattr.zoo.file import open_zoo

    opened = open_zoo(zoo, settings["crop"]).only(settings["models"])
    attribution = AttributionSettings(
        methods=settings["methods"],
        engine=settings["lrp_engine"],
        target=settings["target"],
        epsilon=settings["epsilon"],
    )
    survey = survey_probe(probe, settings["probe_root"], settings["limit"], settings["strict"])
    for skipped in survey.skipped[:_NAMED]:
        click.echo(f"tfattr: skipped {skipped.id}: {skipped.reason}", err=True)
    if len(survey.skipped) > _NAMED:
        click.echo(
            f"tfattr: skipped {len(survey.skipped)} of {len(survey.skipped) + len(survey.images)} images in all; "
            "run.json names each.",
            err=True,
        )
    from tfattr.runs.attribution import RecordSettings, attribute_zoo

    manifest = attribute_zoo(
        opened,
        survey,
        out,
        attribution,
        RecordSettings(settings["channels"], settings["dtype"]),
        settings["batch_size"],
        progress=not settings["quiet"],
        representations=settings["representations"],
        repair=settings["repair"],
        source={"zoo": zoo, "probe": probe, "probe_root": settings["probe_root"], "limit": settings["limit"]},
    )
    return opened, manifest


@click.command()
@click.option(
    "--out", default="out/demo", show_default=True, type=click.Path(), help="Directory of the results."
)
@click.option(
    "--probe", default="rooms", show_default=True, help="Embedded probe set: rooms, street, still_life."
)
@click.option("--limit", type=click.IntRange(min=1), help="Use the first N probe images.")
@options.quiet
@options.debug
def demo(out: str, probe: str, limit: int | None, quiet: bool, debug: bool) -> None:
    """The method on the embedded rooms zoo, judged by its measured transfer."""
    from tfattr.runs.demo import demonstrate

    click.echo(demonstrate(out, probe, limit, progress=not quiet))


COMMANDS = (run, attribute, demo)
