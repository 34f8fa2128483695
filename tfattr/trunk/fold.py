"""Batch norm given by constants disappears into the convolutions.

Batch norm at inference is ``y = a * x + b`` per channel. Behind a convolution (or a fully connected
layer) both constants belong to the kernel and the bias; the representation stays the same up to float32
rounding. Every attribution rule that works on kernels then sees the whole affine map, which iNNvestigate's
own rule for batch norm gets wrong.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from tfattr.trunk import graph as g

_FUSED = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3")
_KERNELS = ("Conv2D", "DepthwiseConv2dNative", "Conv2DBackpropInput", "MatMul")
_RELOCATIONS = ("BatchToSpaceND",)  # moves values, keeps channels: scaling passes through


def folded(graph_def: g.GraphDef, output: str) -> g.GraphDef:
    """The graph with every batch norm on constants in the kernel in front of it, where there is one."""
    return fold_affine(split_fused_batch_norm(graph_def), output)


def split_fused_batch_norm(graph_def: g.GraphDef) -> g.GraphDef:
    """Fused batch norm in inference mode on constants becomes ``Mul`` and ``Add`` by constants.

    Batch norm that uses the statistics of the batch stays as it is.
    """
    nodes = g.nodes_by_name(graph_def)
    result = g.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        parameters = [nodes[g.split(ref)[0]] for ref in node.input[1:]]
        if (
            node.op not in _FUSED
            or node.attr["is_training"].b
            or not g.is_nhwc(node)
            or any(parameter.op != "Const" for parameter in parameters)
        ):
            result.node.add().CopyFrom(node)
            continue
        gamma, beta, mean, variance = (g.value(parameter).astype(np.float64) for parameter in parameters)
        scale = gamma / np.sqrt(variance + node.attr["epsilon"].f)
        _emit_affine(result, node.name, node.input[0], scale, beta - mean * scale)
    return result


def fold_affine(graph_def: g.GraphDef, output: str) -> g.GraphDef:
    """Chains of per-channel constants (scale, shift) are merged, into the kernel in front where there is one.

    A chain that has no kernel in front becomes one ``Mul`` and one ``Add``.
    """
    nodes, users = g.nodes_by_name(graph_def), g.consumers(graph_def)
    new: dict[str, list[g.NodeDef]] = {}
    done: set[str] = set()
    for node in g.ordered(graph_def):
        if node.name in done or _affine(node, nodes) is None:
            continue
        chain = [node]
        while chain[-1].name != output and len(users[chain[-1].name]) == 1:
            follower = nodes[users[chain[-1].name][0]]
            if _affine(follower, nodes) is None or _main_input(follower, nodes) != chain[-1].name:
                break
            chain.append(follower)
        done.update(link.name for link in chain)
        scale, shift = np.float64(1.0), np.float64(0.0)
        for link in chain:
            factor, offset = _affine(link, nodes)
            scale, shift = scale * factor, shift * factor + offset
        if np.all(scale == 1.0):
            continue  # a bias alone is already where it belongs
        source = _main_input(node, nodes)
        relocation, kernel = _kernel_before(source, nodes, users, output)
        last = chain[-1]
        if kernel is None:
            if len(chain) > 2:
                part = g.GraphDef()
                _emit_affine(part, last.name, source, scale, shift)
                new[last.name] = list(part.node)
            continue
        weights = nodes[g.split(kernel.input[1])[0]]
        scaled = _scaled(kernel, g.value(weights), scale)
        if scaled is None:
            continue
        constant = g.constant(f"{kernel.name}/scaled_kernel", scaled)
        copy = g.NodeDef()
        copy.CopyFrom(kernel)
        copy.input[1] = constant.name
        channels = _output_channels(kernel, scaled)
        bias = g.constant(
            f"{last.name}/folded_bias", np.broadcast_to(np.ravel(shift), (channels,)).astype(np.float32)
        )
        operands = [relocation or kernel.name, bias.name]
        add = g.make_node(last.name, "BiasAdd", operands, T=tf.float32, data_format=b"NHWC")
        new[kernel.name] = [constant, copy]
        new[last.name] = [bias, add]
    if not new:
        return graph_def
    result = g.GraphDef(versions=graph_def.versions, library=graph_def.library)
    for node in graph_def.node:
        result.node.extend(new.get(node.name, [node]))
    return g.prune(result, [output])


def _emit_affine(into: g.GraphDef, name: str, source: str, scale: np.ndarray, shift: np.ndarray) -> None:
    for suffix, op, operand in (("scale", "Mul", scale), ("shift", "AddV2", shift)):
        into.node.append(g.constant(f"{name}/{suffix}", np.atleast_1d(operand).astype(np.float32)))
        made = name if op == "AddV2" else f"{name}/scaled"
        into.node.append(g.make_node(made, op, [source, f"{name}/{suffix}"], T=tf.float32))
        source = made


def _affine(node: g.NodeDef, nodes: dict[str, g.NodeDef]) -> tuple[np.ndarray, np.ndarray] | None:
    """``(scale, shift)`` per channel of a node that is affine in its one varying input, else None."""
    if node.op not in ("Mul", "Add", "AddV2", "Sub", "BiasAdd", "RealDiv"):
        return None
    if node.attr["T"].type != tf.float32.as_datatype_enum:
        return None
    if node.op == "BiasAdd" and not g.is_nhwc(node):
        return None
    operands = [nodes[g.split(ref)[0]] for ref in node.input]
    fixed = [operand.op == "Const" for operand in operands]
    if sum(fixed) != 1:
        return None
    vector = _per_channel(g.value(operands[fixed.index(True)]))
    if vector is None:
        return None
    if node.op == "Mul":
        return vector, np.float64(0.0)
    if node.op == "RealDiv":
        return (1.0 / vector, np.float64(0.0)) if fixed[1] else None
    if node.op == "Sub":
        return (np.float64(1.0), -vector) if fixed[1] else (np.float64(-1.0), vector)
    return np.float64(1.0), vector


def _per_channel(array: np.ndarray) -> np.ndarray | None:
    if array.size == 1:
        return np.float64(array.ravel()[0])
    return array.ravel().astype(np.float64) if array.size == array.shape[-1] else None


def _main_input(node: g.NodeDef, nodes: dict[str, g.NodeDef]) -> str:
    return next(g.join(*g.split(ref)) for ref in node.input if nodes[g.split(ref)[0]].op != "Const")


def _kernel_before(
    source: str, nodes: dict[str, g.NodeDef], users: dict[str, list[str]], output: str
) -> tuple[str | None, g.NodeDef | None]:
    """The kernel operation whose only reader is the chain, and the relocation between them if there is one."""
    name, relocation = source, None
    while name != output and len(users.get(name, ())) == 1:
        node = nodes[name]
        if node.op not in _RELOCATIONS or relocation:
            break
        relocation, name = name, g.join(*g.split(node.input[0]))
    else:
        return None, None
    if node.op not in _KERNELS or not g.is_nhwc(node):
        return None, None
    if nodes[g.split(node.input[1])[0]].op != "Const":
        return None, None
    return relocation, node


def _output_channels(node: g.NodeDef, weights: np.ndarray) -> int:
    if node.op == "DepthwiseConv2dNative":
        return weights.shape[2] * weights.shape[3]
    if node.op == "Conv2DBackpropInput":
        return weights.shape[2]
    if node.op == "MatMul" and node.attr["transpose_b"].b:
        return weights.shape[0]
    return weights.shape[-1]


def _scaled(node: g.NodeDef, weights: np.ndarray, scale: np.ndarray) -> np.ndarray | None:
    """The kernel times ``scale`` per output channel, computed in float64; None if the sizes do not fit."""
    channels = _output_channels(node, weights)
    vector = np.broadcast_to(np.ravel(scale), (channels,)) if np.size(scale) in (1, channels) else None
    if vector is None:
        return None
    if node.op == "DepthwiseConv2dNative":
        factor = vector.reshape(weights.shape[2:])
    elif node.op == "Conv2DBackpropInput" or (node.op == "MatMul" and node.attr["transpose_b"].b):
        factor = vector[:, None]
    else:
        factor = vector
    return (weights.astype(np.float64) * factor).astype(np.float32)
