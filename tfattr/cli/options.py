"""Options that several commands share; those of what can be set of a run are made from its settings."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import click

from tfattr.attribution.settings import check_target
from tfattr.errors import SettingsError
from tfattr.runs.settings import Option, RunSettings

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

debug: Decorator = click.option("--debug", is_flag=True, help="Show tracebacks and TensorFlow's messages.")
quiet: Decorator = click.option("--quiet", is_flag=True, help="No progress bars.")
run: Decorator = click.argument("run", type=click.Path())
out: Decorator = click.option(
    "--out", required=True, type=click.Path(), help="Directory of the results; continued if it exists."
)
probe: Decorator = click.option(
    "--probe", required=True, help="Directory or list of probe images, or the name of an embedded set."
)
probe_root: Decorator = click.option(
    "--probe-root", type=click.Path(), help="Where the lines of a list file start."
)
method: Decorator = click.option(
    "--method", default="grad_input", show_default=True, help="Attribution method."
)
measure: Decorator = click.option(
    "--measure", help="Of the affinities that RUN has by METHOD, that by this measure; default the first."
)
truth: Decorator = click.option(
    "--truth",
    help="Measured transfer: a CSV with target, source, affinity; or rooms, taskonomy. Default: that of a built-in zoo.",
)


def names(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """``a,b`` as ("a", "b")."""
    return None if value is None else tuple(dict.fromkeys(listed(_, __, value)))


def listed(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    """``a,b,b`` as ("a", "b", "b"); () if not given."""
    return tuple(part.strip() for part in (value or "").split(",") if part.strip())


def grid_size(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """``64`` or ``128x170`` as (height, width)."""
    if value is None:
        return None
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", value)
    if not match or int(match[1]) == 0 or match[2] == "0":
        raise click.BadParameter(
            f"{value!r} is no size; expected one number (64) or height x width (128x170)."
        )
    return int(match[1]), int(match[2] or match[1])


def target_name(_: click.Context, __: click.Parameter, value: str) -> str:
    """``sum``, ``energy``, ``channels`` or ``channels:K``."""
    try:
        check_target(value)
    except SettingsError as error:
        raise click.BadParameter(str(error)) from error
    return value


def together(*decorators: Decorator) -> Decorator:
    """Several options as one decorator, shown in the order given."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


def settings(*only: str, without: tuple[str, ...] = (), of_run: bool = False) -> Decorator:
    """An option for each setting of a run.

    Args:
        only: these settings; all if none is named.
        without: these are left out, for a command that has an option of its own for them.
        of_run: what is not given is as it is in a run, so that no default is shown.
    """
    fields = [
        field
        for field in dataclasses.fields(RunSettings)
        if field.name not in without and (not only or field.name in only)
    ]
    return together(*(_option(field, field.metadata["option"], of_run) for field in fields))


def given(context: click.Context) -> dict[str, Any]:
    """The settings that the user gave, whatever the defaults."""
    fields = {field.name for field in dataclasses.fields(RunSettings)}
    return {
        name: value
        for name, value in context.params.items()
        if name in fields and context.get_parameter_source(name) != click.core.ParameterSource.DEFAULT
    }


def _option(field: dataclasses.Field, option: Option, of_run: bool) -> Decorator:
    flag = "--" + (option.flag or field.name.replace("_", "-"))
    about: dict[str, Any] = {"help": option.help, "metavar": option.metavar, "default": field.default}
    about["show_default"] = not of_run and (option.shown or field.default not in (None, (), False))
    kind = str(field.type).replace(" | None", "")
    if kind == "bool":
        flag = f"{flag}/--no-{flag[2:]}" if field.default else flag
        about["is_flag"] = True
    elif kind == "tuple[int, int]":
        about["callback"] = grid_size
    elif kind == "tuple[str, ...]" and option.many:
        about["multiple"] = True
    elif kind == "tuple[str, ...]":
        about.update(callback=names if field.default is None else listed, default=None)
    elif option.choices:
        about["type"] = click.Choice(option.choices)
    elif field.name == "target":
        about["callback"] = target_name
    else:
        number = {"int": click.IntRange(min=option.least), "float": float}
        about["type"] = number.get(kind, str)
    return click.option(flag, field.name, **about)
