"""Integrals of Gaussians over pixels, with their derivatives, for windows that move with the source."""

from math import erf, exp, sqrt
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._numba import kernel, register_kernel

__all__ = ["PixelGaussian", "pixel_gaussian"]


@kernel
def _pixel_gaussian(centre, variance, start, halves, size):
    n_source, n_energy, n_component = variance.shape
    shape = (n_source, n_energy, n_component, size.item())
    integral, by_centre, by_variance = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    middle = size.item() // 2
    for s in range(n_source):
        for e in range(n_energy):
            first = max(middle - halves[s, e], 0)
            last = min(middle + halves[s, e] + 1, size.item())
            for k in range(n_component):
                width = sqrt(2 * variance[s, e, k])
                norm = 1 / (width * sqrt(np.pi))
                slope = 0.5 / variance[s, e, k]
                distance = start[s] + first - 0.5 - centre[s]
                cumulative = 0.5 * erf(distance / width)
                density = norm * exp(-distance * distance * slope)
                moment = slope * distance * density
                for i in range(first, last):
                    distance += 1.0
                    next_cumulative = 0.5 * erf(distance / width)
                    next_density = norm * exp(-distance * distance * slope)
                    next_moment = slope * distance * next_density
                    integral[s, e, k, i] = next_cumulative - cumulative
                    by_centre[s, e, k, i] = density - next_density
                    by_variance[s, e, k, i] = moment - next_moment
                    cumulative, density, moment = next_cumulative, next_density, next_moment
    return integral, by_centre, by_variance


class PixelGaussian(Op):
    r"""Integrals of Gaussians of variance v around c over the pixels ``[i - 1/2, i + 1/2]`` of a row.

    .. math:: \tfrac12 \mathrm{erf}\frac{i + 1/2 - c}{\sqrt{2 v}} - \tfrac12 \mathrm{erf}\frac{i - 1/2 - c}{\sqrt{2 v}}

    Inputs
        centre : (n_source,) float
            In pixels.
        variance : (n_source, n_energy, n_component) float
            In pixel2.
        start : (n_source,) int
            First pixel of each row.
        halves : (n_source, n_energy) int
            Pixels further than this from the middle of the row are left zero.
        size : () int
            Pixels per row.

    Outputs
        The integrals and their derivatives by centre and variance, each ``(n_source, n_energy, n_component, size)``;
        error function and exponential are evaluated once for value and gradient.
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        return Apply(self, inputs, [pt.tensor4(dtype="float64") for _ in range(3)])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        centre, variance, start, halves, size = inputs
        for output, value in zip(
            outputs, _pixel_gaussian(centre, variance, start, halves, np.asarray(size)), strict=True
        ):
            output[0] = value

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        return [(*shapes[1], node.inputs[4])] * 3

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[i < 2, False, False] for i in range(5)]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        by_centre = (cotangents[0] * outputs[1]).sum(axis=(1, 2, 3))
        by_variance = (cotangents[0] * outputs[2]).sum(axis=3)
        return [by_centre, by_variance, *(disconnected_type() for _ in range(3))]


def pixel_gaussian(centre: Any, variance: Any, start: Any, halves: Any, size: Any) -> Any:
    """Integrals over pixels; see :class:`PixelGaussian`."""
    return PixelGaussian()(centre, variance, start, halves, pt.cast(size, "int64"))[0]


register_kernel(PixelGaussian, lambda op: _pixel_gaussian)
