"""``tfattr models``, ``fetch`` and ``verify``: the paper's models, what is on disk of them, whether it is theirs."""

from __future__ import annotations

from pathlib import Path

import click

from tfattr.cli import options
from tfattr.zoo.originals import FEEDINGS


@click.command()
@click.argument("name", required=False)
@options.debug
def models(name: str | None, debug: bool) -> None:
    """List the paper's models with what is on disk; with NAME (a model or a zoo) what is known of it."""
    from tfattr.zoo.describe import description, table
    from tfattr.zoo.originals import ZOOS, entry

    click.echo(description(entry(name)) if name and name not in ZOOS else table(name))


@click.command()
@click.argument("names", nargs=-1, required=True)
@click.option("--force", is_flag=True, help="Download again what is there.")
@click.option("--dry-run", is_flag=True, help="Only say what would be fetched: addresses, sizes, targets.")
@options.quiet
@options.debug
def fetch(names: tuple[str, ...], force: bool, dry_run: bool, quiet: bool, debug: bool) -> None:
    """Download original weights (models or zoos: taskonomy, collected, merged) into the cache."""
    from tfattr.errors import ModelFileError
    from tfattr.zoo.fetch import fetch as bring
    from tfattr.zoo.fetch import resolve

    if dry_run:
        from tfattr.zoo.describe import plan

        click.echo(plan(resolve(names)))
        return
    failed = []
    for original in resolve(names):
        try:
            click.echo(f"{original.id}: {bring(original.id, force=force, progress=not quiet)}")
        except ModelFileError as error:
            if debug:
                raise
            failed.append(original.id)
            click.echo(f"tfattr: {error}", err=True)
    if failed:
        raise ModelFileError(f"{len(failed)} of the models asked for are not there: {', '.join(failed)}.")


@click.command()
@click.argument("name")
@click.option(
    "--against",
    type=click.Path(file_okay=False),
    help="Folder for our arrays of one shipped picture and the recipe for the project's; what the recipe made there is "
    "compared.",
)
@click.option("--checkpoint", type=click.Path(), help="Weights of your own instead of those in the cache.")
@click.option("--feeding", type=click.Choice(FEEDINGS), default="native", show_default=True)
@options.debug
def verify(name: str, against: str | None, checkpoint: str | None, feeding: str, debug: bool) -> None:
    """Is our NAME the original? Without --against: are its fetched files still those of its lock?"""
    from tfattr.errors import ModelFileError
    from tfattr.zoo.originals import entry

    original = entry(name)
    if against is None:
        from tfattr.zoo.fetch import verify as changed

        files = changed(original.id)
        if files:
            raise ModelFileError(
                f"{original.id}: not as fetched: {', '.join(files)}; fetch them again with --force."
            )
        click.echo(f"{original.id}: every file is as it was fetched.")
        return
    from tfattr.zoo import verifying

    folder = Path(against)
    ours = verifying.write_ours(original, folder, checkpoint, feeding)
    click.echo(
        f"ours:   {folder / original.name}.npz ({', '.join(verifying.KEYS)}; {feeding} feeding of picture.png)"
    )
    click.echo(f"recipe: {folder / original.name}_recipe.py")
    theirs = folder / verifying.theirs(original)
    if not theirs.exists():
        click.echo(f"{theirs} is not there yet: the recipe makes it, then the same command compares.")
        return
    rows = verifying.compare(ours, verifying.read_theirs(theirs))
    for row in rows:
        click.echo(
            f"{row.key:15} {'same' if row.same else 'DIFFERENT':10} largest difference / peak {row.difference:.1e}, "
            f"cosine {row.cosine:.7f}"
        )
    wrong = [row.key for row in rows if not row.same]
    if wrong:
        raise ModelFileError(f"{theirs}: {', '.join(wrong)} of the original graph differ from ours.")
    click.echo(f"{original.id}: the same as the original graph.")


COMMANDS = (models, fetch, verify)
