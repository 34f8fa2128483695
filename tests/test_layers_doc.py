"""docs/layers.md is made of the tables that the engines work by, and of models of one Keras layer each.

python tests/test_layers_doc.py        # writes it anew
"""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from tfattr.attribution.deepexplain import OVERRIDDEN
from tfattr.attribution.flow import Flow
from tfattr.attribution.keras_graph import convert
from tfattr.attribution.lrp import refusal
from tfattr.attribution.rules import RULES
from tfattr.attribution.steps import find_steps
from tfattr.compat.keras import keras
from tfattr.trunk import Preprocessing, Trunk

PAGE = Path(__file__).parents[1] / "docs" / "layers.md"
L = keras.layers
ROWS = L.Reshape((16, 8))

HEAD = """# Operations and layers, and how epsilon-LRP goes through them

Made by `python tests/test_layers_doc.py` from the engines' own tables; a test compares.

R is the relevance of an output z, a an input, e the stabiliser (`--epsilon`). The engines `innvestigate` and `native`
follow the same rules and give the same maps (within 1e-5 of the peak) on every graph that both take; `native` takes any
graph, and operations that are not listed keep their ordinary gradient there. `deepexplain`, the authors' formula, knows
five functions of single values (marked d: slope z / (a + e sign a)); all else keeps its ordinary gradient.

## Rules

| rule | relevance |
|---|---|
"""


def layers() -> dict[str, list]:
    """Keras layer to the layers that show it, behind a convolution to 8 channels of 8x8."""
    tall = L.Reshape((8, 8, 8, 1))
    cases = {
        "Conv2D (dilated, grouped, strided)": [
            L.Conv2D(8, 3, dilation_rate=2),
            L.Conv2D(4, 3, groups=2, strides=2),
        ],
        "DepthwiseConv2D, SeparableConv2D": [L.DepthwiseConv2D(3), L.SeparableConv2D(4, 3)],
        "Conv2DTranspose": [L.Conv2DTranspose(4, 3, strides=2)],
        "Conv1D": [ROWS, L.Conv1D(4, 3)],
        "Conv3D": [tall, L.Conv3D(2, 3)],
        "LocallyConnected2D": [L.LocallyConnected2D(4, 3)],
        "Dense (vectors)": [L.Flatten(), L.Dense(4)],
        "Dense (maps, sequences)": [ROWS, L.Dense(4)],
        "EinsumDense": [L.EinsumDense("nhwc,cd->nhwd", (8, 8, 4))] if hasattr(L, "EinsumDense") else [],
        "BatchNormalization": [L.BatchNormalization()],
        "LayerNormalization": [L.LayerNormalization()],
        "GroupNormalization": [L.GroupNormalization(4)],
        "UnitNormalization": [L.UnitNormalization()],
        "ReLU, ReLU6": [L.ReLU(), L.Conv2D(4, 3), L.ReLU(6.0)],
        "LeakyReLU, PReLU, ELU": [L.LeakyReLU(0.1), L.PReLU(), L.ELU()],
        "ThresholdedReLU": [L.ThresholdedReLU(0.1)],
        "Softmax": [L.Softmax()],
        **{
            f"activation {name}": [L.Activation(name)]
            for name in (
                *("elu", "selu", "sigmoid", "hard_sigmoid", "tanh", "softplus", "softsign", "exponential"),
                *("gelu", "swish", "mish"),
            )
        },
        "MaxPooling2D, AveragePooling2D": [L.MaxPooling2D(), L.AveragePooling2D()],
        "GlobalAveragePooling2D": [L.GlobalAveragePooling2D()],
        "GlobalMaxPooling2D": [L.GlobalMaxPooling2D()],
        "UpSampling2D (nearest, bilinear)": [L.UpSampling2D(), L.UpSampling2D(interpolation="bilinear")],
        "Resizing": [L.Resizing(5, 6)],
        "ZeroPadding2D, Cropping2D": [L.ZeroPadding2D(), L.Cropping2D(2)],
        "Reshape, Permute, Flatten": [L.Reshape((64, 8)), L.Permute((2, 1)), L.Flatten()],
        "Dropout, SpatialDropout2D, GaussianNoise": [
            L.Dropout(0.5),
            L.SpatialDropout2D(0.5),
            L.GaussianNoise(0.3),
        ],
        "Rescaling": [L.Rescaling(0.5, 1.0)],
        "TimeDistributed": [ROWS, L.TimeDistributed(L.Dense(4))],
    }
    return {name: case for name, case in cases.items() if case}


def joins() -> dict[str, object]:
    """Layers of several inputs, as functions of one tensor."""
    return {
        "Add, Subtract, Average": lambda z: L.Average()(
            [L.Add()([z, L.ReLU()(z)]), L.Subtract()([z, L.ReLU()(z)])]
        ),
        "Maximum, Minimum": lambda z: L.Minimum()([L.Maximum()([z, L.ReLU()(z) - 1.0]), 2.0 - z]),
        "Concatenate": lambda z: L.Concatenate()([z, L.ReLU()(z)]),
        "Multiply (by a gate)": lambda z: L.Multiply()([z, L.Activation("sigmoid")(z)]),
        "Multiply (two signals)": lambda z: L.Multiply()([z, L.Conv2D(8, 1)(z)]),
        "Attention": lambda z: L.Attention()([ROWS(L.MaxPooling2D(2)(z))] * 2),
        "MultiHeadAttention": lambda z: L.MultiHeadAttention(2, 4)(*[ROWS(L.MaxPooling2D(2)(z))] * 2),
    }


def trunk_of(case) -> Trunk:
    fed = keras.Input((8, 8, 3))
    z = L.Conv2D(8, 3, padding="same")(fed)
    if callable(case) and not isinstance(case, list):
        z = case(z)
    else:
        z = L.AveragePooling2D(2)(z) if case[0] is ROWS else z
        for layer in case:
            z = layer(z)
    return Trunk.from_keras(
        keras.Model(fed, z), preprocessing=Preprocessing((8, 8), range="[-1,1]"), name="layer"
    )


def page() -> str:
    text = HEAD
    for rule in dict.fromkeys(RULES.values()):
        text += f"| {rule.name} | {rule.says} |\n"
    text += "\n## Operations\n\n| rule | by `native` | by `innvestigate` |\n|---|---|---|\n"
    taken = set(convert._HANDLERS)
    for rule in dict.fromkeys(RULES.values()):
        names = [name for name, its in RULES.items() if its is rule]
        said = ", ".join(f"{name}{' (d)' if name in OVERRIDDEN else ''}" for name in names)
        missing = [name for name in names if name not in taken]
        both = (
            "the same"
            if not missing
            else f"all but {', '.join(missing)}"
            if len(missing) < len(names)
            else "none"
        )
        text += f"| {rule.name} | {said} | {both} |\n"
    text += (
        "\n`innvestigate` also refuses formats other than NHWC, operands that depend on the batch, products of two equal\n"
        "signals, and sums that mix the batch with other dimensions; `native` takes all of them.\n"
        "\n## Keras layers\n\nThe engine of `elrp` where none is named.\n\n| layer | engine |\n|---|---|\n"
    )
    for name, case in {**layers(), **joins()}.items():
        trunk = trunk_of(case)
        refused = refusal(trunk.graph_def, trunk.input, trunk.output)
        assert find_steps(Flow(trunk.graph_def, trunk.input, trunk.output))
        text += f"| {name} | {'native' if refused else 'innvestigate'} |\n"
    return text


@pytest.mark.slow
def test_page_is_that_of_the_engines():
    assert PAGE.read_text("utf-8") == page()


def test_every_operation_of_the_table_exists():
    assert [name for name in RULES if not hasattr(tf.raw_ops, name) and name != "IdentityN"] == []


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    print(PAGE.read_text("utf-8"))
