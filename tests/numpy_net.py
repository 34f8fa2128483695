"""Maps of a small network in numpy and float64 alone: the independent route of ``tfattr doctor``'s golden maps.

``python tests/numpy_net.py tfattr/golden_maps.npz`` writes the file that the package ships.
"""

from __future__ import annotations

import sys

import numpy as np

SIDE, EPSILON = 16, 1e-4


def make_net(seed: int = 0) -> dict[str, np.ndarray]:
    """Weights of conv, relu, conv of stride 2, relu, and two images; float32."""
    random = np.random.default_rng(seed)
    shapes = {"kernel1": (3, 3, 3, 6), "bias1": (6,), "kernel2": (3, 3, 6, 5), "bias2": (5,)}
    net = {name: random.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}
    net["x"] = random.uniform(-1, 1, (2, SIDE, SIDE, 3)).astype(np.float32)
    return net


def conv(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """TensorFlow's SAME convolution."""
    size = -(-x.shape[1] // stride)
    padded, _ = _padded(x, kernel, stride, size)
    out = np.zeros((len(x), size, size, kernel.shape[3]))
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            part = padded[:, i : i + stride * size : stride, j : j + stride * size : stride]
            out += part[:, :size, :size] @ kernel[i, j]
    return out


def transposed(gradient: np.ndarray, kernel: np.ndarray, stride: int, x: np.ndarray) -> np.ndarray:
    """The transpose of :func:`conv` at an input of the shape of ``x``."""
    size = gradient.shape[1]
    padded, before = _padded(np.zeros_like(x), kernel, stride, size)
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            rows = slice(i, i + stride * (size - 1) + 1, stride)
            columns = slice(j, j + stride * (size - 1) + 1, stride)
            padded[:, rows, columns] += gradient @ kernel[i, j].T
    return padded[:, before : before + x.shape[1], before : before + x.shape[2]]


def _padded(x: np.ndarray, kernel: np.ndarray, stride: int, size: int) -> tuple[np.ndarray, int]:
    total = max((size - 1) * stride + kernel.shape[0] - x.shape[1], 0)
    around = (total // 2, total - total // 2 + stride)
    return np.pad(x, ((0, 0), around, around, (0, 0))), total // 2


def maps(net: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The representation and the maps for the sum of its units, float64."""
    x, kernel1, bias1, kernel2, bias2 = (
        net[name].astype(np.float64) for name in ("x", "kernel1", "bias1", "kernel2", "bias2")
    )
    z1 = conv(x, kernel1, 1) + bias1
    a = np.maximum(z1, 0)
    z2 = conv(a, kernel2, 2) + bias2
    y = np.maximum(z2, 0)

    def chain(slope2: np.ndarray, slope1: np.ndarray) -> np.ndarray:
        return transposed(transposed(slope2, kernel2, 2, a) * slope1, kernel1, 1, x)

    gradient = chain((z2 > 0) * 1.0, (z1 > 0) * 1.0)
    relevance = y  # iNNvestigate: passed on at the non-linearities, shared out at the linear layers
    relevance = a * transposed(relevance / _stable(z2), kernel2, 2, a)
    relevance = x * transposed(relevance / _stable(z1), kernel1, 1, x)
    return {
        "y": y,
        "saliency": np.abs(gradient),
        "grad_input": gradient * x,
        "elrp_deepexplain": chain(y / _stable(z2), a / _stable(z1)) * x,
        "elrp_native": relevance,
        "elrp_innvestigate": relevance,
    }


def _stable(z: np.ndarray) -> np.ndarray:
    return z + np.where(z >= 0, EPSILON, -EPSILON)


if __name__ == "__main__":
    made = make_net()
    np.savez_compressed(
        sys.argv[1], **made, **{name: one.astype(np.float32) for name, one in maps(made).items()}
    )
