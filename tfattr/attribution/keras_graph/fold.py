"""Merges scales and shifts by constants into the kernel layer just before them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from tfattr.attribution.keras_graph.plan import KERNELS, LayerSpec, Plan


def fold_affines(plan: Plan) -> Plan:
    """The same function with fewer layers.

    An affine layer that is the only consumer of a kernel layer (or of another affine layer) and works per
    channel is merged into it; a bias becomes the kernel layer's bias, so that a relevance rule sees both.
    """
    uses = Counter(i for spec in plan.layers for i in spec.inputs)
    uses[plan.output] += 1
    layers: list[LayerSpec] = []
    readers: list[int] = []
    place: list[int] = []
    for position, spec in enumerate(plan.layers):
        inputs = tuple(place[i] for i in spec.inputs)
        if spec.kind == "affine" and readers[inputs[0]] == 1:
            target = inputs[0]
            while (
                layers[target].kind == "reshape"  # a convolution over one axis has one before its bias
                and layers[target].shape[-1] == layers[layers[target].inputs[0]].shape[-1]
                and readers[layers[target].inputs[0]] == 1
            ):
                target = layers[target].inputs[0]
            beyond = target != inputs[0] and layers[target].kind not in KERNELS
            merged = None if beyond else _merge(layers[target], spec)
            if merged is not None:
                layers[target] = merged
                readers[inputs[0]] = uses[position]
                place.append(inputs[0])
                continue
        place.append(len(layers))
        layers.append(replace(spec, inputs=inputs))
        readers.append(uses[position])
    return Plan(layers, place[plan.output])


def _merge(before: LayerSpec, affine: LayerSpec) -> LayerSpec | None:
    scale = affine.weights[0]
    shift = affine.weights[1] if affine.config["use_bias"] else None
    if before.kind == "affine":
        kernel = before.weights[0]
    elif before.kind in KERNELS and scale.ndim <= 1 and (shift is None or shift.ndim <= 1):
        kernel = before.weights[0]
        channels = before.shape[-1]
        scale = np.broadcast_to(scale, (channels,))
        shift = None if shift is None else np.broadcast_to(shift, (channels,))
    else:
        return None
    bias = before.weights[1] * scale if len(before.weights) > 1 else None
    if shift is not None:
        bias = shift if bias is None else bias + shift
    weights = [kernel * _for_kernel(before, scale), *([] if bias is None else [bias])]
    weights = [np.ascontiguousarray(w, np.float32) for w in weights]
    return replace(
        before, config={**before.config, "use_bias": bias is not None}, weights=weights, node=affine.node
    )


def _for_kernel(before: LayerSpec, scale: np.ndarray) -> np.ndarray:
    """A scale per output channel, shaped to multiply the kernel."""
    kernel = before.weights[0]
    if before.kind == "depthwise":  # [h, w, in, multiplier]: output channel = in * multiplier + m
        return scale.reshape(kernel.shape[2:])
    if before.kind == "transposed":  # [h, w, out, in]
        return scale[:, None]
    return scale  # the output channel is the last axis; affine layers multiply as they are
