"""The originals as cases of the contract test: the published totals, names, sizes and target tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import expected
from .expected import Shapes


@dataclass(frozen=True)
class Case:
    """One original architecture.

    ``shapes``: of the trunk. ``totals``: variables and parameters of the trunk, as published. ``extras``: what
    the released file holds besides. ``reduced``: input size of the numerical tests, with
    ``reduced_options`` and ``reduced_shapes`` where the net itself is made narrower there. ``like``: a case of
    the same builder whose numerical tests stand for this one's, unless ``--exhaustive`` is given.
    """

    id: str
    family: str
    size: tuple[int, int, int]
    target: str
    target_shape: tuple[int, ...]
    shapes: Shapes
    totals: tuple[int, int]
    reduced: tuple[int, int]
    options: Mapping[str, Any] = field(default_factory=dict)
    version: int = 2
    extras: Shapes = field(default_factory=dict)
    reduced_options: Mapping[str, Any] = field(default_factory=dict)
    reduced_shapes: Shapes | None = None
    like: str = ""


STEP: Shapes = {"global_step": []}


def _slots(shapes: Shapes, *names: str) -> Shapes:
    return {f"{key}/{name}": shape for key, shape in shapes.items() for name in names}


def _mobilenet(multiplier: float, size: int, totals: tuple[int, int]) -> Case:
    shapes, full = expected.mobilenet_v1(multiplier), expected.mobilenet_v1(multiplier, 1001)
    head = {name: shape for name, shape in full.items() if name not in shapes}
    return Case(
        id=f"mobilenet_v1_{multiplier}",
        family="mobilenet_v1",
        size=(size, size, 3),
        target="MobilenetV1/Logits/AvgPool_1a/AvgPool:0",
        target_shape=(1, 1, int(1024 * multiplier)),
        shapes=shapes,
        totals=totals,
        reduced=(64, 64),
        options={"depth_multiplier": multiplier},
        like="" if multiplier == 0.25 else "mobilenet_v1_0.25",
        extras={**STEP, **head, **_slots(shapes, "ExponentialMovingAverage", "RMSProp", "RMSProp_1")},
    )


def _resnet(depth: int, totals: tuple[int, int]) -> Case:
    name, shapes = f"resnet_v1_{depth}", expected.resnet_v1(depth)
    return Case(
        id=name,
        family=name,
        size=(224, 224, 3),
        target=f"{name}/pool5:0",
        like="" if depth == 50 else "resnet_v1_50",
        target_shape=(1, 1, 2048),
        shapes=shapes,
        totals=totals,
        reduced=(64, 64),
        version=1,
        extras={
            **STEP,
            f"{name}/mean_rgb": [3],
            f"{name}/logits/weights": [1, 1, 2048, 1000],
            f"{name}/logits/biases": [1000],
        },
    )


def _vgg(depth: int, totals: tuple[int, int]) -> Case:
    name, narrow = f"vgg_{depth}", 0.125
    return Case(
        id=name,
        family=name,
        size=(224, 224, 3),
        target=f"{name}/fc7/Relu:0",
        like="" if depth == 16 else "vgg_16",
        target_shape=(1, 1, 4096),
        shapes=expected.vgg(depth),
        totals=totals,
        reduced=(224, 224),
        version=1,
        extras={**STEP, f"{name}/mean_rgb": [3], f"{name}/fc8/biases": [1000]},
        reduced_options={"depth_multiplier": narrow},
        reduced_shapes=expected.vgg(depth, narrow),
    )


def _taskonomy(id: str, channels: int, feedforward: bool, parameters: int) -> Case:
    prefix = "feedforward/" if feedforward else ""
    return Case(
        id=id,
        family="taskonomy",
        size=(256, 256, channels),
        target="feedforward/encoder/squeeze:0" if feedforward else "compress1/Relu:0",
        target_shape=(2048,) if feedforward else (16, 16, 8),
        shapes=expected.taskonomy(channels, prefix),
        totals=(270, parameters),
        reduced=(64, 64),
        options={"feedforward": feedforward},
        like="" if feedforward else "taskonomy_feedforward",
        extras={**STEP, "decoder/deconv1/weights": [3, 3, 8, 4], "discriminator/conv1/weights": [3, 3, 3, 8]},
    )


def _inpainting(id: str, height: int, width: int, mask: str = "hole") -> Case:
    return Case(
        id=id,
        family="inpainting",
        size=(height, width, 3),
        target="inpaint_net/allconv12/Elu:0",
        target_shape=(height // 4, width // 4, 128),
        shapes=expected.inpainting(),
        totals=(74, 3_467_299),
        reduced=(48, 64),
        options={"mask": mask},
        extras={
            **STEP,
            **expected.inpainting_rest(),
            "discriminator/local/conv1/kernel": [5, 5, 3, 8],
        },
    )


CASES = (
    Case(
        id="inception_v3",
        family="inception_v3",
        size=(299, 299, 3),
        target="InceptionV3/Logits/Dropout_1b/Identity:0",
        target_shape=(1, 1, 2048),
        shapes=expected.inception_v3(),
        totals=(376, 21_802_784),
        reduced=(96, 96),
        version=1,
        extras={
            **STEP,
            **{
                name: shape
                for name, shape in expected.inception_v3(1001, aux=True).items()
                if "Logits" in name
            },
        },
    ),
    Case(
        id="inception_resnet_v2",
        family="inception_resnet_v2",
        size=(299, 299, 3),
        target="InceptionResnetV2/Logits/Dropout/Identity:0",
        target_shape=(1536,),
        shapes=expected.inception_resnet_v2(),
        totals=(896, 54_336_736),
        reduced=(96, 96),
        version=1,
        extras={**STEP, "InceptionResnetV2/AuxLogits/Conv2d_1b_1x1/weights": [1, 1, 1088, 128]},
    ),
    _vgg(16, (30, 134_260_544)),
    _vgg(19, (36, 139_570_240)),
    _resnet(50, (265, 23_561_152)),
    _resnet(101, (520, 42_605_504)),
    _resnet(152, (775, 58_295_232)),
    _mobilenet(1.0, 224, (135, 3_228_864)),
    _mobilenet(0.5, 160, (135, 829_536)),
    _mobilenet(0.25, 128, (135, 218_544)),
    _inpainting("inpaint_places2", 512, 680),
    _inpainting("inpaint_celeba", 256, 256, "zero"),
    Case(
        id="fcrn",
        family="fcrn",
        size=(512, 512, 3),
        target="layer1/BiasAdd:0",
        target_shape=(16, 16, 1024),
        shapes=expected.fcrn(),
        totals=(268, 25_659_392),
        reduced=(64, 64),
        extras={"layer1_BN/mean": [1024], "ConvPred/weights": [3, 3, 64, 1]},
    ),
    Case(
        id="prn",
        family="prn",
        size=(256, 256, 3),
        target="resfcn256/resBlock_9/Relu:0",
        target_shape=(8, 8, 512),
        shapes=expected.prn(),
        totals=(160, 3_595_840),
        reduced=(64, 64),
        extras={**_slots(expected.prn(), "Adam", "Adam_1"), "beta1_power": [], "beta2_power": []},
    ),
    Case(
        id="fcn",
        family="fcn",
        size=(512, 512, 3),
        target="inference/BiasAdd_18:0",
        target_shape=(16, 16, 21),
        shapes=expected.fcn(),
        totals=(36, 137_296_469),
        reduced=(96, 64),
        extras={"inference/conv5_4_w": [3, 3, 64, 64], "inference/conv5_4_b": [64]},
        reduced_options={"depth_multiplier": 0.125},
        reduced_shapes=expected.fcn(0.125),
    ),
    Case(
        id="tinyface",
        family="tinyface",
        size=(512, 512, 3),
        target="Relu_90:0",
        target_shape=(32, 32, 1024),
        shapes=expected.tinyface(),
        totals=(470, 27_618_240),
        reduced=(64, 64),
        extras={"score_res4_w": [1, 1, 1024, 125], "score_res4_b": [125]},
    ),
    Case(
        id="nazeri_color",
        family="nazeri",
        size=(256, 256, 1),
        target="gen/LeakyRelu_7:0",
        target_shape=(2, 2, 512),
        shapes=expected.nazeri(),
        totals=(48, 15_414_784),
        reduced=(256, 256),  # the smallest whose bottleneck has more than one pixel
        extras={**STEP, "gen/deconv0/kernel": [4, 4, 8, 8]},
    ),
    _taskonomy("taskonomy", 3, False, 23_561_152 + 147_488),
    _taskonomy("taskonomy_colorization", 1, False, 23_554_880 + 147_488),
    _taskonomy("taskonomy_feedforward", 3, True, 23_561_152 + 147_488),
)
