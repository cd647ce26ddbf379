"""Images that are sums of products of a profile in x and a profile in y."""

from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._numba import kernel, register_kernel

__all__ = ["Separable", "separable"]


@kernel
def _separable(profile_y, profile_x):
    n_image, n_component, height = profile_y.shape
    width = profile_x.shape[2]
    images = np.zeros((n_image, height, width))
    for s in range(n_image):
        for k in range(n_component):
            for y in range(height):
                factor = profile_y[s, k, y]
                if factor != 0.0:
                    for x in range(width):
                        images[s, y, x] += factor * profile_x[s, k, x]
    return images


@kernel
def _separable_adjoint(profile_y, profile_x, g_images):
    n_image, n_component, height = profile_y.shape
    width = profile_x.shape[2]
    g_y, g_x = np.zeros(profile_y.shape), np.zeros(profile_x.shape)
    for s in range(n_image):
        for k in range(n_component):
            for y in range(height):
                factor = profile_y[s, k, y]
                total = 0.0
                for x in range(width):
                    value = g_images[s, y, x]
                    total += value * profile_x[s, k, x]
                    g_x[s, k, x] += factor * value
                g_y[s, k, y] = total
    return g_y, g_x


class SeparableAdjoint(Op):
    """Gradient of :class:`Separable` by both profiles."""

    __props__ = ()

    def make_node(self, profile_y: Any, profile_x: Any, g_images: Any) -> Apply:
        inputs = [pt.as_tensor_variable(x) for x in (profile_y, profile_x, g_images)]
        return Apply(self, inputs, [pt.tensor3(dtype="float64"), pt.tensor3(dtype="float64")])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        outputs[0][0], outputs[1][0] = _separable_adjoint(*inputs)

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        return shapes[:2]


class Separable(Op):
    """``images[s, y, x] = sum_k profile_y[s, k, y] profile_x[s, k, x]``, shape ``(n_image, height, width)``."""

    __props__ = ()

    def make_node(self, profile_y: Any, profile_x: Any) -> Apply:
        inputs = [pt.as_tensor_variable(x) for x in (profile_y, profile_x)]
        return Apply(self, inputs, [pt.tensor3(dtype="float64")])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        outputs[0][0] = _separable(*inputs)

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        (n_image, _, height), (_, _, width) = shapes
        return [(n_image, height, width)]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        return list(SeparableAdjoint()(*inputs, cotangents[0]))


separable = Separable()

register_kernel(Separable, lambda op: _separable)
register_kernel(SeparableAdjoint, lambda op: _separable_adjoint)
