"""The Fourier transform of a Sersic profile, from a table over the index and the wave number."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op
from scipy import fft, interpolate, ndimage, special

from bayesmap._backend.kernels import inner_kernel, kernel, register_kernel
from bayesmap._types import Tensor

__all__ = ["sersic_transform"]

#: the table: logarithms of the index, with some nodes to spare, and of the wave number times the half-light radius
_FIRST_INDEX, _LAST_INDEX, _N_INDEX = math.log(0.4), math.log(10.0), 65
_FIRST_WAVE, _LAST_WAVE, _N_WAVE = math.log(1e-5), math.log(1e4), 521


@functools.cache
def _coefficients() -> np.ndarray:
    """Coefficients of a bicubic B-spline, with one more at each end of both axes.

    The Hankel transform of each profile is made with FFTLog (Hamilton 2000, MNRAS 312, 257), on a range of radii at
    whose ends nothing is left.
    """
    step = 0.01
    log_radius = step * (np.arange(4096) - 2047.5)
    log_wave = np.linspace(_FIRST_WAVE, _LAST_WAVE, _N_WAVE)
    offset = fft.fhtoffset(step, 0)
    table = np.empty((_N_INDEX, _N_WAVE))
    for i, n in enumerate(np.exp(np.linspace(_FIRST_INDEX, _LAST_INDEX, _N_INDEX))):
        b = special.gammaincinv(2 * n, 0.5)
        log_norm = 2 * n * np.log(b) - np.log(n) - special.gammaln(2 * n)
        ring = np.exp(log_norm + log_radius - b * np.exp(log_radius / n))
        waves = log_radius + offset
        table[i] = interpolate.CubicSpline(waves, fft.fht(ring, step, 0, offset) / np.exp(waves))(log_wave)
    return np.pad(ndimage.spline_filter(table, 3, mode="mirror"), 1, mode="reflect")


@inner_kernel
def _weights(t: float, out: np.ndarray) -> None:
    """Values of the four cubic B-splines at a place between two nodes, and their derivatives; shape (2, 4)."""
    s = 1.0 - t
    out[0, 0] = s * s * s / 6.0
    out[0, 1] = (4.0 - 3.0 * t * t * (2.0 - t)) / 6.0
    out[0, 2] = (4.0 - 3.0 * s * s * (2.0 - s)) / 6.0
    out[0, 3] = t * t * t / 6.0
    out[1, 0] = -0.5 * s * s
    out[1, 1] = 0.5 * t * (3.0 * t - 4.0)
    out[1, 2] = -0.5 * s * (3.0 * s - 4.0)
    out[1, 3] = 0.5 * t * t


@kernel
def _transform(n: float, x: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Value, and derivatives by n and x, shape (3, size of x)."""
    n_index, n_wave = coefficients.shape[0] - 2, coefficients.shape[1] - 2
    index_step = (_LAST_INDEX - _FIRST_INDEX) / (n_index - 1)
    wave_step = (_LAST_WAVE - _FIRST_WAVE) / (n_wave - 1)
    place = (math.log(n) - _FIRST_INDEX) / index_step
    i = max(0, min(n_index - 2, int(math.floor(place))))
    across, along = np.empty((2, 4)), np.empty((2, 4))
    _weights(place - i, across)
    row, slope_row = np.zeros(n_wave + 2), np.zeros(n_wave + 2)
    for k in range(4):
        for j in range(n_wave + 2):
            row[j] += across[0, k] * coefficients[i + k, j]
            slope_row[j] += across[1, k] * coefficients[i + k, j]
    result = np.zeros((3, x.size))
    lowest = math.exp(_FIRST_WAVE)
    for m in range(x.size):
        if x[m] <= lowest:
            result[0, m] = 1.0
            continue
        place = (math.log(x[m]) - _FIRST_WAVE) / wave_step
        if place > n_wave - 1:
            continue
        j = min(n_wave - 2, int(place))
        _weights(place - j, along)
        for k in range(4):
            result[0, m] += along[0, k] * row[j + k]
            result[1, m] += along[0, k] * slope_row[j + k] / (index_step * n)
            result[2, m] += along[1, k] * row[j + k] / (wave_step * x[m])
    return result


class SersicTransform(Op):
    """Fourier transform of a round Sersic profile of flux one, and its derivatives.

    Inputs
        n : () float
            Index.
        x : (n,) float
            Wave numbers times the half-light radius, in rad.
        coefficients : (n_index, n_wave) float
            The table, data.

    Outputs
        (3, n) float
            Value, derivative by ``n``, derivative by ``x``. There are no second derivatives: the gradient goes through
            the value alone.
    """

    __props__ = ()

    def make_node(self, *inputs: Tensor) -> Apply:
        return Apply(self, [pt.as_tensor_variable(x) for x in inputs], [pt.matrix(dtype="float64")])

    def perform(self, node: Apply, inputs: Sequence[Any], outputs: Any) -> None:
        n, x, coefficients = inputs
        outputs[0][0] = _transform(float(n), np.ascontiguousarray(x, dtype="float64"), coefficients)

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        return [(pt.constant(3), shapes[1][0])]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[True], [True], [False]]

    def pullback(self, inputs: Sequence[Tensor], outputs: Any, cotangents: Sequence[Tensor]) -> list[Tensor]:
        slopes, above = outputs[0], cotangents[0][0]
        return [(above * slopes[1]).sum(), above * slopes[2], disconnected_type()]


_op = SersicTransform()


@kernel
def _call(n: np.ndarray, x: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    result: np.ndarray = _transform(n.item(), x, coefficients)
    return result


register_kernel(SersicTransform, lambda op: _call)


def sersic_transform(n: Tensor, x: Tensor) -> Tensor:
    """Return the Fourier transform of a round Sersic profile of flux one.

    Parameters
    ----------
    n : tensor or float
        Index, a scalar from 0.5 to 8.
    x : tensor
        Wave numbers times the half-light radius in rad, shape ``(n,)``.

    Returns
    -------
    TensorVariable
        Shape ``(n,)``, dimensionless, one at zero; accurate to 1e-5.
    """
    return _op(
        pt.as_tensor_variable(n).astype("float64"),
        pt.as_tensor_variable(x).astype("float64"),
        pt.constant(_coefficients()),
    )[0]
