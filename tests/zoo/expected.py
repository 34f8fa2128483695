"""Variable names and shapes of the originals, written down from their published layer tables.

Nothing here comes from ``tfattr``: every function returns ``{name: shape}`` of what a released checkpoint
holds up to the paper's layer, so a builder that names or sizes anything differently cannot pass.
"""

from __future__ import annotations

import re

Shapes = dict[str, list[int]]


def norm(name: str, channels: int, gamma: bool = True) -> Shapes:
    kinds = ["gamma"] * gamma + ["beta", "moving_mean", "moving_variance"]
    return {f"{name}/BatchNorm/{kind}": [channels] for kind in kinds}


def unit(name: str, kernel: tuple[int, int] | int, cin: int, cout: int, gamma: bool = True) -> Shapes:
    """A slim convolution with batch norm."""
    kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
    return {f"{name}/weights": [kh, kw, cin, cout], **norm(name, cout, gamma)}


def biased(name: str, kernel: int, cin: int, cout: int, names=("weights", "biases")) -> Shapes:
    return {f"{name}/{names[0]}": [kernel, kernel, cin, cout], f"{name}/{names[1]}": [cout]}


def mobilenet_v1(multiplier: float = 1.0, num_classes: int | None = None) -> Shapes:
    depths = [32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024]
    depths = [max(int(depth * multiplier), 8) for depth in depths]
    root = "MobilenetV1"
    shapes = unit(f"{root}/Conv2d_0", 3, 3, depths[0])
    for index in range(1, 14):
        cin, cout = depths[index - 1], depths[index]
        name = f"{root}/Conv2d_{index}_depthwise"
        shapes.update({f"{name}/depthwise_weights": [3, 3, cin, 1], **norm(name, cin)})
        shapes.update(unit(f"{root}/Conv2d_{index}_pointwise", 1, cin, cout))
    if num_classes:
        shapes.update(biased(f"{root}/Logits/Conv2d_1c_1x1", 1, depths[-1], num_classes))
    return shapes


def vgg(depth: int, multiplier: float = 1.0, num_classes: int | None = None) -> Shapes:
    repeats = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}[depth]
    root, shapes, cin = f"vgg_{depth}", {}, 3
    for group, (count, channels) in enumerate(zip(repeats, (64, 128, 256, 512, 512)), start=1):
        channels = int(channels * multiplier)
        for index in range(1, count + 1):
            shapes.update(biased(f"{root}/conv{group}/conv{group}_{index}", 3, cin, channels))
            cin = channels
    wide = int(4096 * multiplier)
    shapes.update(biased(f"{root}/fc6", 7, cin, wide))
    shapes.update(biased(f"{root}/fc7", 1, wide, wide))
    if num_classes:
        shapes.update(biased(f"{root}/fc8", 1, wide, num_classes))
    return shapes


def resnet_v1(depth: int, scope: str | None = None, cin: int = 3, num_classes: int | None = None) -> Shapes:
    units = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}[depth]
    root = scope or f"resnet_v1_{depth}"
    shapes, before = unit(f"{root}/conv1", 7, cin, 64), 64
    for block, (count, width) in enumerate(zip(units, (64, 128, 256, 512)), start=1):
        for index in range(1, count + 1):
            name = f"{root}/block{block}/unit_{index}/bottleneck_v1"
            if index == 1:
                shapes.update(unit(f"{name}/shortcut", 1, before, 4 * width))
            shapes.update(unit(f"{name}/conv1", 1, before, width))
            shapes.update(unit(f"{name}/conv2", 3, width, width))
            shapes.update(unit(f"{name}/conv3", 1, width, 4 * width))
            before = 4 * width
    if num_classes:
        shapes.update(biased(f"{root}/logits", 1, before, num_classes))
    return shapes


def taskonomy(cin: int = 3, prefix: str = "") -> Shapes:
    shapes = {**resnet_v1(50, "encoder", cin), **unit("compress1", 3, 2048, 8)}
    return {prefix + name: shape for name, shape in shapes.items()}


STEM = [
    ("Conv2d_1a_3x3", 3, 3, 32),
    ("Conv2d_2a_3x3", 3, 32, 32),
    ("Conv2d_2b_3x3", 3, 32, 64),
    ("Conv2d_3b_1x1", 1, 64, 80),
    ("Conv2d_4a_3x3", 3, 80, 192),
]


def _stem(root: str) -> Shapes:
    shapes: Shapes = {}
    for name, kernel, cin, cout in STEM:
        shapes.update(unit(f"{root}/{name}", kernel, cin, cout, gamma=False))
    return shapes


def _branch(scope: str, text: str, cin: int) -> tuple[Shapes, int]:
    """``"Conv2d_0a_1x1 48, Conv2d_0b_5x5 64"``; ``=3x3`` overrides the kernel in a name; ``+`` joins two
    convolutions of one input, whose outputs are concatenated."""
    shapes: Shapes = {}
    for step in text.split(", "):
        out = 0
        for part in step.split(" + "):
            name, channels = part.split()
            name, _, override = name.partition("=")
            kernel = tuple(int(side) for side in re.findall(r"(\d)x(\d)$", override or name)[0])
            shapes.update(unit(f"{scope}/{name}", kernel, cin, int(channels), gamma=False))
            out += int(channels)
        cin = out
    return shapes, cin


def _block(scope: str, branches: list[str], cin: int) -> tuple[Shapes, int]:
    shapes, total = {}, 0
    for index, text in enumerate(branches):
        if text == "pool":
            total += cin
            continue
        more, out = _branch(f"{scope}/Branch_{index}", text, cin)
        shapes.update(more)
        total += out
    return shapes, total


def _mixed_6(c: int) -> list[str]:
    return [
        "Conv2d_0a_1x1 192",
        f"Conv2d_0a_1x1 {c}, Conv2d_0b_1x7 {c}, Conv2d_0c_7x1 192",
        f"Conv2d_0a_1x1 {c}, Conv2d_0b_7x1 {c}, Conv2d_0c_1x7 {c}, Conv2d_0d_7x1 {c}, Conv2d_0e_1x7 192",
        "Conv2d_0b_1x1 192",
    ]


def _mixed_7(second: str) -> list[str]:
    return [
        "Conv2d_0a_1x1 320",
        f"Conv2d_0a_1x1 384, Conv2d_0b_1x3 384 + {second} 384",
        "Conv2d_0a_1x1 448, Conv2d_0b_3x3 384, Conv2d_0c_1x3 384 + Conv2d_0d_3x1 384",
        "Conv2d_0b_1x1 192",
    ]


_TRIPLE = "Conv2d_0a_1x1 64, Conv2d_0b_3x3 96, Conv2d_0c_3x3 96"
INCEPTION_V3 = {
    "Mixed_5b": ["Conv2d_0a_1x1 64", "Conv2d_0a_1x1 48, Conv2d_0b_5x5 64", _TRIPLE, "Conv2d_0b_1x1 32"],
    "Mixed_5c": ["Conv2d_0a_1x1 64", "Conv2d_0b_1x1 48, Conv_1_0c_5x5 64", _TRIPLE, "Conv2d_0b_1x1 64"],
    "Mixed_5d": ["Conv2d_0a_1x1 64", "Conv2d_0a_1x1 48, Conv2d_0b_5x5 64", _TRIPLE, "Conv2d_0b_1x1 64"],
    "Mixed_6a": [
        "Conv2d_1a_1x1=3x3 384",
        "Conv2d_0a_1x1 64, Conv2d_0b_3x3 96, Conv2d_1a_1x1=3x3 96",
        "pool",
    ],
    "Mixed_6b": _mixed_6(128),
    "Mixed_6c": _mixed_6(160),
    "Mixed_6d": _mixed_6(160),
    "Mixed_6e": _mixed_6(192),
    "Mixed_7a": [
        "Conv2d_0a_1x1 192, Conv2d_1a_3x3 320",
        "Conv2d_0a_1x1 192, Conv2d_0b_1x7 192, Conv2d_0c_7x1 192, Conv2d_1a_3x3 192",
        "pool",
    ],
    "Mixed_7b": _mixed_7("Conv2d_0b_3x1"),
    "Mixed_7c": _mixed_7("Conv2d_0c_3x1"),
}


def inception_v3(num_classes: int | None = None, aux: bool = False) -> Shapes:
    root, cin = "InceptionV3", 192
    shapes = _stem(root)
    for name, branches in INCEPTION_V3.items():
        more, cin = _block(f"{root}/{name}", branches, cin)
        shapes.update(more)
    if num_classes:
        shapes.update(biased(f"{root}/Logits/Conv2d_1c_1x1", 1, cin, num_classes))
    if aux:
        shapes.update(unit(f"{root}/AuxLogits/Conv2d_1b_1x1", 1, 768, 128, gamma=False))
        shapes.update(unit(f"{root}/AuxLogits/Conv2d_2a_5x5", 5, 128, 768, gamma=False))
        shapes.update(biased(f"{root}/AuxLogits/Conv2d_2b_1x1", 1, 768, num_classes))
    return shapes


MIXED_5B = ["Conv2d_1x1 96", "Conv2d_0a_1x1 48, Conv2d_0b_5x5 64", _TRIPLE, "Conv2d_0b_1x1 64"]
BLOCK35 = [
    "Conv2d_1x1 32",
    "Conv2d_0a_1x1 32, Conv2d_0b_3x3 32",
    "Conv2d_0a_1x1 32, Conv2d_0b_3x3 48, Conv2d_0c_3x3 64",
]
MIXED_6A = ["Conv2d_1a_3x3 384", "Conv2d_0a_1x1 256, Conv2d_0b_3x3 256, Conv2d_1a_3x3 384", "pool"]
BLOCK17 = ["Conv2d_1x1 192", "Conv2d_0a_1x1 128, Conv2d_0b_1x7 160, Conv2d_0c_7x1 192"]
MIXED_7A = [
    "Conv2d_0a_1x1 256, Conv2d_1a_3x3 384",
    "Conv2d_0a_1x1 256, Conv2d_1a_3x3 288",
    "Conv2d_0a_1x1 256, Conv2d_0b_3x3 288, Conv2d_1a_3x3 320",
    "pool",
]
BLOCK8 = ["Conv2d_1x1 192", "Conv2d_0a_1x1 192, Conv2d_0b_1x3 224, Conv2d_0c_3x1 256"]


def inception_resnet_v2(num_classes: int | None = None) -> Shapes:
    root, cin = "InceptionResnetV2", 192
    shapes = _stem(root)

    def mixed(name: str, branches: list[str]) -> None:
        nonlocal cin
        more, cin = _block(f"{root}/{name}", branches, cin)
        shapes.update(more)

    def residual(name: str, branches: list[str]) -> None:
        more, width = _block(f"{root}/{name}", branches, cin)
        shapes.update(more)
        shapes.update(biased(f"{root}/{name}/Conv2d_1x1", 1, width, cin))

    mixed("Mixed_5b", MIXED_5B)
    for index in range(1, 11):
        residual(f"Repeat/block35_{index}", BLOCK35)
    mixed("Mixed_6a", MIXED_6A)
    for index in range(1, 21):
        residual(f"Repeat_1/block17_{index}", BLOCK17)
    mixed("Mixed_7a", MIXED_7A)
    for index in range(1, 10):
        residual(f"Repeat_2/block8_{index}", BLOCK8)
    residual("Block8", BLOCK8)
    shapes.update(unit(f"{root}/Conv2d_7b_1x1", 1, cin, 1536, gamma=False))
    if num_classes:
        shapes[f"{root}/Logits/Logits/weights"] = [1536, num_classes]
        shapes[f"{root}/Logits/Logits/biases"] = [num_classes]
    return shapes


def inpainting() -> Shapes:
    stage_1 = (
        "conv1 5 5 32|conv2_downsample 3 32 64|conv3 3 64 64|conv4_downsample 3 64 128|conv5 3 128 128|"
        "conv6 3 128 128|conv7_atrous 3 128 128|conv8_atrous 3 128 128|conv9_atrous 3 128 128|"
        "conv10_atrous 3 128 128|conv11 3 128 128|conv12 3 128 128|"
        "conv13_upsample/conv13_upsample_conv 3 128 64|conv14 3 64 64|"
        "conv15_upsample/conv15_upsample_conv 3 64 32|conv16 3 32 16|conv17 3 16 3"
    )
    stage_2 = (
        "xconv1 5 5 32|xconv2_downsample 3 32 32|xconv3 3 32 64|xconv4_downsample 3 64 64|xconv5 3 64 128|"
        "xconv6 3 128 128|xconv7_atrous 3 128 128|xconv8_atrous 3 128 128|xconv9_atrous 3 128 128|"
        "xconv10_atrous 3 128 128|pmconv1 5 5 32|pmconv2_downsample 3 32 32|pmconv3 3 32 64|"
        "pmconv4_downsample 3 64 128|pmconv5 3 128 128|pmconv6 3 128 128|pmconv9 3 128 128|"
        "pmconv10 3 128 128|allconv11 3 256 128|allconv12 3 128 128"
    )
    shapes: Shapes = {}
    for entry in f"{stage_1}|{stage_2}".split("|"):
        name, *sizes = entry.split()
        shapes.update(biased(f"inpaint_net/{name}", *map(int, sizes), names=("kernel", "bias")))
    return shapes


def inpainting_rest() -> Shapes:
    """What the generator has after ``allconv12``."""
    shapes: Shapes = {}
    layers = "allconv13_upsample/allconv13_upsample_conv 3 128 64|allconv14 3 64 64|"
    layers += "allconv15_upsample/allconv15_upsample_conv 3 64 32|allconv16 3 32 16|allconv17 3 16 3"
    for entry in layers.split("|"):
        name, *sizes = entry.split()
        shapes.update(biased(f"inpaint_net/{name}", *map(int, sizes), names=("kernel", "bias")))
    return shapes


def _statistics(name: str, channels: int, joint: str) -> Shapes:
    return {f"{name}{joint}{kind}": [channels] for kind in ("mean", "variance", "scale", "offset")}


def fcrn() -> Shapes:
    shapes = {**biased("conv1", 7, 3, 64), **_statistics("bn_conv1", 64, "/")}
    before = 64
    for stage, units, width in ((2, "abc", 64), (3, "abcd", 128), (4, "abcdef", 256), (5, "abc", 512)):
        for letter in units:
            layers = [("branch2a", 1, before, width), ("branch2b", 3, width, width)]
            layers.append(("branch2c", 1, width, 4 * width))
            if letter == "a":
                layers.append(("branch1", 1, before, 4 * width))
            for layer, kernel, cin, cout in layers:
                shapes[f"res{stage}{letter}_{layer}/weights"] = [kernel, kernel, cin, cout]
                shapes.update(_statistics(f"bn{stage}{letter}_{layer}", cout, "/"))
            before = 4 * width
    return {**shapes, **biased("layer1", 1, 2048, 1024)}


def prn() -> Shapes:
    root, before = "resfcn256", 16
    shapes = unit(f"{root}/Conv", 4, 3, 16)
    for index in range(10):
        name = f"{root}/resBlock" + (f"_{index}" if index else "")
        width = 32 * 2 ** (index // 2)
        if index % 2 == 0:
            shapes[f"{name}/shortcut/weights"] = [1, 1, before, width]
        shapes.update(unit(f"{name}/Conv", 1, before, width // 2))
        shapes.update(unit(f"{name}/Conv_1", 4, width // 2, width // 2))
        shapes[f"{name}/Conv_2/weights"] = [1, 1, width // 2, width]
        shapes.update(norm(name, width))
        before = width
    return shapes


def fcn(multiplier: float = 1.0, num_classes: int = 21) -> Shapes:
    shapes, before = {}, 3
    groups = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 3))
    for group, (channels, count) in enumerate(groups, start=1):
        channels = int(channels * multiplier)
        for index in range(1, count + 1):
            shapes[f"inference/conv{group}_{index}_w"] = [3, 3, before, channels]
            shapes[f"inference/conv{group}_{index}_b"] = [channels]
            before = channels
    wide = int(4096 * multiplier)
    for index, (kernel, cin, cout) in enumerate(
        ((7, before, wide), (1, wide, wide), (1, wide, num_classes)), start=6
    ):
        shapes[f"inference/W{index}"] = [kernel, kernel, cin, cout]
        shapes[f"inference/b{index}"] = [cout]
    return shapes


def tinyface() -> Shapes:
    shapes = {"conv1_w": [7, 7, 3, 64], **_statistics("bn_conv1", 64, "_")}
    before = 64
    names = {2: ["a", "b", "c"], 3: ["a", "b1", "b2", "b3"], 4: ["a", *(f"b{i}" for i in range(1, 23))]}
    for stage, width in ((2, 64), (3, 128), (4, 256)):
        for unit_name in names[stage]:
            layers = [("branch2a", 1, before, width), ("branch2b", 3, width, width)]
            layers.append(("branch2c", 1, width, 4 * width))
            if unit_name == "a":
                layers.append(("branch1", 1, before, 4 * width))
            for layer, kernel, cin, cout in layers:
                shapes[f"res{stage}{unit_name}_{layer}_w"] = [kernel, kernel, cin, cout]
                shapes.update(_statistics(f"bn{stage}{unit_name}_{layer}", cout, "_"))
            before = 4 * width
    return shapes


def nazeri() -> Shapes:
    shapes, before = {}, 1
    for index, channels in enumerate((64, 64, 128, 256, 512, 512, 512, 512)):
        shapes.update(biased(f"gen/conv{index}", 4, before, channels, names=("kernel", "bias")))
        for kind in ("gamma", "beta", "moving_mean", "moving_variance"):
            shapes[f"gen/bn_conv{index}/{kind}"] = [channels]
        before = channels
    return shapes
