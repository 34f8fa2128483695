"""Names as figures print them: short and readable."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from tfattr.affinity.measures import DEFAULT_MEASURE, described, split_entry
from tfattr.attribution.methods import method_title
from tfattr.baselines import BASELINES

_TITLES = {"elrp": "ε-LRP", "cka": "CKA"}  # of names that stand for several
# What capitals and blanks alone do not give.
_MODELS = {
    "rgb2depth": "Rgb2depth",
    "segmentsemantic": "Segment Semantic",
    "inception_resnet_v2": "Inception-ResNet V2",
    "vgg_16": "VGG 16",
    "vgg_19": "VGG 19",
    "resnet_v1_50": "ResNet V1 50",
    "resnet_v1_101": "ResNet V1 101",
    "resnet_v1_152": "ResNet V1 152",
    "mobilenet_v1": "MobileNet",
    "mobilenet_v1_050": "MobileNet 0.5",
    "mobilenet_v1_025": "MobileNet 0.25",
    "inpaint_celeba": "Inpaint CelebA",
    "inpaint_celebahq": "Inpaint CelebA-HQ",
    "inpaint_imagenet": "Inpaint ImageNet",
    "fcrn": "FCRN",
    "prn": "PRN",
    "fcn": "FCN",
    "tinyface": "Tiny Face",
}


def short_names(models: Sequence[str]) -> list[str]:
    """A display name for each model: ``edge2d`` becomes ``Edge 2D``, ``class_places`` ``Class Places``.

    Names that would come out alike are left as they are, so that no two models share one.
    """
    short = [_MODELS.get(model) or _spelt(model) for model in models]
    taken = Counter(short)
    return [name if taken[name] == 1 else model for name, model in zip(short, models)]


def method_name(method: str) -> str:
    """A method's display name: ``grad_input`` becomes ``gradient × input``; unknown ones lose underscores.

    A measure other than the cosine follows: ``grad_input_explained`` becomes ``gradient × input, explained``.

    What follows a comma stays as it is, without underscores: ``elrp, still_life`` becomes ``ε-LRP, still life``.
    """
    head, comma, rest = method.partition(",")
    if not known_method(head):
        head, measure = split_entry(head)
        rest, comma = (f" {measure}{comma}{rest}", ",") if measure != DEFAULT_MEASURE else (rest, comma)
    return (_title(head) or head.replace("_", " ")) + comma + rest.replace("_", " ")


def known_method(method: str) -> bool:
    """Whether a method or baseline has a display name of its own."""
    return bool(_title(method))


def _title(method: str) -> str:
    name = method.lower()
    return _TITLES.get(name) or method_title(name) or (BASELINES[name].title if name in BASELINES else "")


def affinity_words(measure: str) -> str:
    """What a colour bar says of an affinity by a measure."""
    return f"affinity ({described(measure)}; diagonal 1)"


def _spelt(model: str) -> str:
    words = re.sub(r"(?<=[a-z])(2|25|3)d\b", r" \1D", model.replace("_", " ")).split()
    return " ".join(word[0].upper() + word[1:] for word in words) or model
