"""``tfattr inspect``: what a model file holds."""

from __future__ import annotations

import click

from tfattr.cli import options
from tfattr.io import aligned

_MOST = 40


@click.command()
@click.argument("file", type=click.Path())
@options.debug
@options.settings("trust")
@click.option("--all", "everything", is_flag=True, help="List everything, not the last 40 layers.")
def inspect(file: str, everything: bool, trust: bool, debug: bool) -> None:
    """List a model file's inputs, candidate layers, operations, shapes: what --input and --output can name."""
    from tfattr.trunk.inspect import inspect as look

    found = look(file, trust=trust)
    click.echo(f"{found.path}: {found.kind}")
    _table("inputs", found.inputs, everything)
    _table("tensors behind them that take images as numbers", found.images, everything)
    _table("signatures", found.signatures, everything)
    _table("candidate layers, in order of computation", found.layers, everything)
    _table("variables", [(name, str(list(shape))) for name, shape in found.variables], everything)
    if found.operations:
        click.echo("\noperations: " + ", ".join(f"{name} {count}" for name, count in found.operations))


@click.command()
@options.debug
def doctor(debug: bool) -> None:
    """Whether this installation can be trusted: versions, devices, precision, space, LRP engines, a self-check.

    The self-check computes maps of a small network on each device and compares them with stored ones, in seconds.
    Exit status 0 only if all is well.
    """
    from tfattr.doctor import report
    from tfattr.errors import SettingsError

    faults = report(click.echo)
    if faults:
        raise SettingsError(f"{faults} fault{'s' if faults > 1 else ''}; each line above says what to do.")


def _table(title: str, rows: list | tuple, everything: bool) -> None:
    if not rows:
        return
    shown = rows if everything else rows[-_MOST:]
    left = len(rows) - len(shown)
    click.echo(f"\n{title} ({len(rows)}{f', the last {len(shown)}; --all lists all' if left else ''}):")
    for line in aligned(shown):
        click.echo(f"  {line}")


COMMANDS = (inspect, doctor)
