"""Options that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import click

from tfattr.attribution.settings import ENGINES, PAPER_METHODS, PART_GRIDS, TARGETS, check_target
from tfattr.errors import SettingsError

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

debug: Decorator = click.option("--debug", is_flag=True, help="Show tracebacks and TensorFlow's messages.")
trust: Decorator = click.option(
    "--trust",
    is_flag=True,
    help="Load models that run code or touch files: Lambda layers, file operations, builders of other modules.",
)
tf32: Decorator = click.option(
    "--tf32",
    is_flag=True,
    help="Let a GPU multiply float32 with 10 bits of mantissa (NVIDIA's TF32): faster, and maps differ by about 1e-3.",
)
xla: Decorator = click.option(
    "--xla",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    show_default=True,
    help="Compile by XLA: auto tries it on a GPU; wherever its first results differ or it fails, it is left.",
)
fold_batch_norm: Decorator = click.option(
    "--fold-batch-norm",
    is_flag=True,
    help="Put batch norm into the convolutions before it: gradients then differ from the model's own by rounding.",
)
quiet: Decorator = click.option("--quiet", is_flag=True, help="No progress bars.")


def names(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """``a,b`` as ("a", "b")."""
    if value is None:
        return None
    return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))


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


reading = together(
    click.option("--limit", type=click.IntRange(min=1), help="Use the first N images of a probe set."),
    click.option(
        "--strict",
        is_flag=True,
        help="Stop at the first unreadable image, model that cannot be loaded, or method that fails for one, instead of "
        "going on without it (exit status 3 at the end).",
    ),
    click.option(
        "--exif",
        type=click.Choice(["upright", "stored"]),
        help="Pictures turned as their EXIF says, or as they lie in the file. Default: upright; stored where "
        "`reproduce` reads the paper's lists, as its authors did.",
    ),
)
probe = together(
    click.option(
        "--probe", required=True, help="Directory or list of probe images, or the name of an embedded set."
    ),
    click.option("--probe-root", type=click.Path(), help="Where the lines of a list file start."),
    reading,
)
target = click.option(
    "--target",
    default=TARGETS[0],
    show_default=True,
    metavar="[sum|energy|channels[:K]]",
    callback=target_name,
    help="Sum of the representation's units (the paper's); energy: half its squared norm; or each of K parts by "
    "itself (8): its channels, or K mixtures of them (methods: grad_input, gradient_norm).",
)
attribution = together(
    click.option(
        "--methods",
        show_default=",".join(PAPER_METHODS),
        callback=names,
        help="Attribution methods, with commas: saliency, grad_input, gradient_norm, elrp, integrated_gradients, "
        "smoothgrad, or iNNvestigate analyzers by name.",
    ),
    click.option(
        "--lrp-engine",
        type=click.Choice(ENGINES),
        help="Engine of elrp: iNNvestigate's epsilon rule by iNNvestigate itself or on the model's own graph (native), "
        "or the authors' formula (deepexplain). Default: innvestigate, and native for models that it does not take.",
    ),
    click.option("--epsilon", type=float, default=1e-4, show_default=True, help="Stabiliser of elrp."),
    click.option(
        "--parts-grid",
        type=click.IntRange(min=1),
        help=f"Of the target channels: side of the stored maps, means over area; default "
        f"{PART_GRIDS['grad_input']} for grad_input, {PART_GRIDS['gradient_norm']} for gradient_norm.",
    ),
    click.option(
        "--mixture-seed",
        type=click.IntRange(min=0),
        help="Of the target channels' random mixtures; default 0.",
    ),
    click.option("--channels", type=click.Choice(["mean", "all"]), default="mean", show_default=True),
    click.option("--dtype", type=click.Choice(["float16", "float32"]), default="float16", show_default=True),
    click.option("--batch-size", type=click.IntRange(min=1), help="Images at a time; default by input size."),
    click.option(
        "--feeding",
        type=click.Choice(["square", "native"]),
        default="square",
        show_default=True,
        help="For the zoos of originals: every model sees the same centre square, or what its own project feeds.",
    ),
    click.option("--models", callback=names, help="Only these models of the zoo, with commas."),
    trust,
    fold_batch_norm,
    tf32,
    xla,
    click.option(
        "--representations/--no-representations",
        default=True,
        show_default=True,
        help="Also keep the models' outputs, for the baselines of `tfattr evaluate`.",
    ),
    click.option("--repair", is_flag=True, help="Check every shard first, and compute damaged ones again."),
)
grid = click.option(
    "--grid",
    callback=grid_size,
    help="Size at which maps are compared (64 or 128x170); default 256, or the largest map if smaller.",
)
measures = click.option(
    "--measure",
    "measures",
    callback=names,
    help="How two models' maps of an image compare, with commas: cosine (the paper's), pearson, spearman, subspace, "
    "explained. Default: cosine; of a run with target channels subspace and explained.",
)
measure = click.option(
    "--measure", help="Of the affinities that RUN has by METHOD, that by this measure; default the first."
)
linkage = click.option(
    "--linkage",
    default="single",
    show_default=True,
    help="Of the tree: single (the authors'), average, complete, ward, ...",
)
engine = together(
    click.option(
        "--runner",
        type=click.Choice(["local", "beam"]),
        default="local",
        show_default=True,
        help="Where it is computed: here, or by the workers of an Apache Beam runner.",
    ),
    click.option(
        "--runner-options",
        multiple=True,
        metavar="KEY=VALUE",
        help="For beam, repeatable: workers=N (a Dask cluster on this machine), address=tcp://HOST:PORT (one that "
        "runs), shards_per_task=N; or runner=NAME and any option of that Beam runner.",
    ),
    click.option(
        "--devices",
        callback=listed,
        metavar="LIST",
        help="A local process for each device, models handed out: gpu:0,gpu:1 or cpu,cpu.",
    ),
)

#: Options of everything that makes results out of maps.
results = together(
    grid,
    measures,
    linkage,
    click.option(
        "--authors-layout", is_flag=True, help="Also write affinity.npy and affinity.mat as the authors do."
    ),
)
