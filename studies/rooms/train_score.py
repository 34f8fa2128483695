"""The best constant predictor of a label, and its loss: what every trained task has to beat."""

from __future__ import annotations

import numpy as np


def constant_prediction(loss: str, labels: np.ndarray, classes: int) -> np.ndarray:
    """The constant that minimises ``loss`` on training labels.

    ``l1``: median per channel [channels]; ``l2``: mean per channel [channels] of labels [..., channels];
    ``softmax``: relative class frequencies [classes] of integer labels (one count added to each).
    """
    if loss == "softmax":
        counts = np.bincount(labels.ravel(), minlength=classes) + 1.0
        return counts / counts.sum()
    flat = labels.reshape(-1, labels.shape[-1])
    return np.median(flat, axis=0) if loss == "l1" else flat.mean(axis=0, dtype=np.float64)


def constant_scores(loss: str, constant: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """``loss`` of a constant prediction on labels and, for softmax, the ``accuracy`` of the likeliest class."""
    if loss == "softmax":
        return {
            "loss": float(-np.log(constant)[labels].mean()),
            "accuracy": float((labels == constant.argmax()).mean()),
        }
    error = labels.reshape(-1, labels.shape[-1]) - constant
    return {"loss": float(np.abs(error).mean() if loss == "l1" else np.square(error).mean())}
