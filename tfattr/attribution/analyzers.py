"""Names of iNNvestigate's analyzers of a whole representation. Free of iNNvestigate and TensorFlow."""

from __future__ import annotations

GRADIENT = ("gradient", "input_t_gradient", "deconvnet", "guided_backprop")
DEEP_TAYLOR = ("deep_taylor",)
ANALYZERS = (
    *("lrp.z", "lrp.epsilon", "lrp.w_square", "lrp.flat", "lrp.alpha_2_beta_1", "lrp.alpha_2_beta_1_IB"),
    *("lrp.alpha_1_beta_0", "lrp.alpha_1_beta_0_IB", "lrp.z_plus", "lrp.z_plus_fast"),
    *("lrp.sequential_preset_a", "lrp.sequential_preset_b"),
    *("lrp.sequential_preset_a_flat", "lrp.sequential_preset_b_flat"),
    *GRADIENT,
    *DEEP_TAYLOR,
)
