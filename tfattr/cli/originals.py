"""``tfattr models`` and ``tfattr fetch``: the paper's models, what is on disk of them, and how to get them."""

from __future__ import annotations

import click

from tfattr.cli import options


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


COMMANDS = (models, fetch)
