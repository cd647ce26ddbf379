"""Poisson counts plus negative binomial background counts: the ON counts with the OFF background integrated out."""

from math import lgamma, log
from typing import Any

import numpy as np
from pytensor.gradient import disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._backend.kernels import kernel, register_kernel
from bayesmap._lazy import pt
from bayesmap._types import Tensor

__all__ = ["MarginalOnOff", "marginal_onoff", "marginal_values"]

LARGE = 1e250


@kernel
def _bin(signal, counts, shape, alpha, last):
    """Logarithm of the sum over the number j of signal counts, and its derivative by the signal."""
    if alpha == 0:
        if signal <= 0:
            return -np.inf, np.inf
        return counts * log(signal) - lgamma(counts + 1), counts / signal
    odds = alpha / (1 + alpha)
    term = total = 1.0  # j = 0: all counts are background; its logarithm is `last`
    derivative = 0.0
    offset = last
    k = counts
    j = 0.0
    while k >= 1:
        j += 1
        ratio = k / (j * (k - 1 + shape) * odds)
        rate = term * ratio
        term = rate * signal
        total += term
        derivative += j * rate
        k -= 1
        if total > LARGE:
            term /= LARGE
            total /= LARGE
            derivative /= LARGE
            offset += log(LARGE)
        if ratio * signal < 0.5 and term < 1e-20 * total and j * rate < 1e-20 * derivative and shape >= 1:
            break  # from here on the terms fall ever faster
    return offset + log(total), derivative / total


@kernel
def _marginal(signal, counts, shape, alpha, last):
    value, derivative = np.empty_like(signal), np.empty_like(signal)
    for i in range(signal.size):
        value[i], derivative[i] = _bin(signal[i], counts[i], shape[i], alpha[i], last[i])
    return value, derivative


def marginal_values(*inputs: np.ndarray) -> np.ndarray:
    """Values of :class:`MarginalOnOff` as numbers, for float64 arrays of shape ``(n_bin,)``."""
    values: np.ndarray = _marginal(*(np.ascontiguousarray(x, dtype="float64") for x in inputs))[0]
    return values


class MarginalOnOff(Op):
    r"""Log-probability of n counts that are Poisson (mean s) plus negative binomial, plus s.

    .. math::

        \ln \sum_{j=0}^{n} \frac{s^j}{j!} \frac{\Gamma(n - j + r)}{\Gamma(r)\,(n - j)!}
        \left(\frac{\alpha}{1 + \alpha}\right)^{n - j} (1 + \alpha)^{-r}

    The terms are summed by their ratios, starting from j = 0, so that s = 0 is no special case.

    Inputs
        signal, counts, shape, alpha, last : (n_bin,) float
            s, n, r, alpha, and the logarithm of the term j = 0.

    Outputs
        The values and their derivatives by s, each ``(n_bin,)``.

    References
    ----------
    Loredo 1992, "The promise of Bayesian inference for astrophysics", eq. 5.13.
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        return Apply(self, inputs, [pt.vector(dtype="float64"), pt.vector(dtype="float64")])

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        values = _marginal(*(np.ascontiguousarray(x, dtype="float64") for x in inputs))
        for output, value in zip(outputs, values, strict=True):
            output[0] = value

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        return [shapes[0], shapes[0]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[i == 0, False] for i in range(5)]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        return [cotangents[0] * outputs[1], *(disconnected_type() for _ in range(4))]


def marginal_onoff(signal: Tensor, counts: Any, shape: Any, alpha: Any, last: Any) -> Tensor:
    """Values of :class:`MarginalOnOff`."""
    return MarginalOnOff()(signal, counts, shape, alpha, last)[0]


register_kernel(MarginalOnOff, lambda op: _marginal)
