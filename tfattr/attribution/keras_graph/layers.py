"""Keras layers for what legacy Keras has no layer of its own for.

Each has a ``get_config`` from which an equal layer is made, for iNNvestigate copies layers that way.
"""

from __future__ import annotations

import tensorflow as tf

from tfattr.compat.analyzer_keras import keras

_untraced = tf.autograph.experimental.do_not_convert


class Affine(keras.layers.Layer):
    """x * kernel + bias, element by element, constants broadcast to the shape of x.

    It has a ``kernel``, so rules for kernel layers apply to it.
    """

    def __init__(self, kernel_shape, bias_shape=None, use_bias: bool = True, **kwargs) -> None:
        super().__init__(**kwargs)
        self.kernel_shape, self.bias_shape = tuple(kernel_shape), tuple(bias_shape or ())
        self.use_bias = use_bias

    def build(self, input_shape) -> None:
        self.kernel = self.add_weight("kernel", self.kernel_shape, initializer="zeros")
        self.bias = self.add_weight("bias", self.bias_shape, initializer="zeros") if self.use_bias else None
        super().build(input_shape)

    @_untraced
    def call(self, inputs):
        scaled = inputs * self.kernel
        return scaled + self.bias if self.use_bias else scaled

    def get_config(self) -> dict:
        own = {"kernel_shape": self.kernel_shape, "bias_shape": self.bias_shape, "use_bias": self.use_bias}
        return {**super().get_config(), **own}


class TransposedConv(keras.layers.Conv2DTranspose):
    """Conv2DTranspose whose output size is given: a stride > 1 leaves several sizes possible."""

    def __init__(self, filters, kernel_size, size, **kwargs) -> None:
        super().__init__(filters, kernel_size, **kwargs)
        self.size = tuple(size)

    @_untraced
    def call(self, inputs):
        shape = tf.stack([tf.shape(inputs)[0], *self.size, self.filters])
        out = tf.nn.conv2d_transpose(
            inputs, self.kernel, shape, self.strides, self.padding.upper(), dilations=self.dilation_rate
        )
        out.set_shape([None, *self.size, self.filters])
        return tf.nn.bias_add(out, self.bias) if self.use_bias else out

    def get_config(self) -> dict:
        return {**super().get_config(), "size": self.size}


class Slopes(keras.layers.Layer):
    """above * x where x > 0, below * x where x < 0 (PReLU: above = 1)."""

    def __init__(self, above_shape, below_shape, **kwargs) -> None:
        super().__init__(**kwargs)
        self.above_shape, self.below_shape = tuple(above_shape), tuple(below_shape)

    def build(self, input_shape) -> None:
        self.above = self.add_weight("above", self.above_shape, initializer="zeros")
        self.below = self.add_weight("below", self.below_shape, initializer="zeros")
        super().build(input_shape)

    @_untraced
    def call(self, inputs):
        return self.above * tf.nn.relu(inputs) - self.below * tf.nn.relu(-inputs)

    def get_config(self) -> dict:
        return {**super().get_config(), "above_shape": self.above_shape, "below_shape": self.below_shape}


class Gate(keras.layers.Layer):
    """signal * other or signal / other, where ``other`` gates or normalises the signal."""

    def __init__(self, divide: bool = False, **kwargs) -> None:
        super().__init__(**kwargs)
        self.divide = divide

    @_untraced
    def call(self, inputs):
        signal, other = inputs
        return signal / other if self.divide else signal * other

    def get_config(self) -> dict:
        return {**super().get_config(), "divide": self.divide}


class Stop(keras.layers.Layer):
    """The input, without a gradient."""

    @_untraced
    def call(self, inputs):
        return tf.stop_gradient(inputs)


class GraphOp(keras.layers.Layer):
    """Runs one operation of the original graph, constants included.

    ``graph`` is a serialised GraphDef (hex) with a placeholder for each name in ``inputs``; ``role`` says
    how relevance goes through it: "move", "linear", "mix" or "elementwise".
    """

    def __init__(self, graph: str, inputs: list[str], output: str, role: str, op: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.graph, self.names, self.fetch, self.role, self.op = graph, list(inputs), output, role, op

    @_untraced
    def call(self, inputs):
        graph = tf.compat.v1.GraphDef.FromString(bytes.fromhex(self.graph))
        tensors = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        feeds = {f"{name}:0": tensor for name, tensor in zip(self.names, tensors)}
        (result,) = tf.graph_util.import_graph_def(
            graph, input_map=feeds, return_elements=[self.fetch], name=self.op
        )
        return result

    def get_config(self) -> dict:
        own = {
            "graph": self.graph,
            "inputs": self.names,
            "output": self.fetch,
            "role": self.role,
            "op": self.op,
        }
        return {**super().get_config(), **own}
