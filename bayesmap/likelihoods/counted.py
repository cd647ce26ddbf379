"""Poisson counts where only bins with counts are looked at, and most hold one background cube times a factor.

For `~bayesmap.likelihoods.PoissonLikelihood` and all that say that they are Poisson: the sum over all bins with counts,
at the cost of those near sources.
"""

from collections.abc import Mapping
from math import log
from typing import Any, NamedTuple

import numpy as np
import pytensor.tensor as pt
from pytensor.gradient import DisconnectedType, disconnected_type
from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

from bayesmap._backend.kernels import kernel, register_kernel

__all__ = ["Baseline", "CountedLogSum", "counted_data", "counted_logp"]


@kernel
def _counted_log_sum(touched, source, factor, counts, energy, background, log_background, per_energy, bins):
    n_reco = len(factor)
    value, possible = 0.0, True
    by_source, by_factor = np.zeros(len(touched)), np.zeros(n_reco)
    rest, left = per_energy.copy(), bins.copy()  # counts, and number of bins, where no source reaches
    first = 0
    while first < len(touched):  # runs of bins of one energy: their sums stay in registers
        e = energy[touched[first]]
        f, reached, slope, empty, last = factor[e], 0.0, 0.0, 0, first
        while last < len(touched) and energy[touched[last]] == e:
            k = touched[last]
            n, b = counts[k], background[k]
            mean = b * f + source[last]
            if not mean > 0.0:
                return np.asarray(-np.inf), by_source, by_factor
            inverse = 1.0 / mean
            value += n * (log(mean) - log_background[k])
            by_source[last] = n * inverse
            slope += n * (b * inverse)
            reached += n
            empty += b == 0.0
            last += 1
        by_factor[e] += slope
        rest[e] -= reached
        left[0, e] -= last - first
        left[1, e] -= empty
        first = last
    for e in range(n_reco):
        if left[0, e] > 0:
            if left[1, e] > 0 or not factor[e] > 0.0:
                possible = False
            else:
                value += rest[e] * log(factor[e])
                by_factor[e] += rest[e] / factor[e]
    return np.asarray(value if possible else -np.inf), by_source, by_factor


class CountedLogSum(Op):
    r"""Sum of :math:`n \log(b f + s)` over bins with counts n, where most have no source s; less :math:`n \log b`.

    With the background b of a bin and its factor f, one per energy, that is

    .. math:: \sum_e N_e \log f_e + \sum_{s \neq 0} n \left(\log(b f + s) - \log b\right)

    with the counts :math:`N_e` of the bins without source, so that only these with one are needed one by one. Where b
    is zero nothing is subtracted. Together with the sum of :math:`n \log b`, which is constant, this is the plain sum,
    also where b or f vanish: bins with neither background nor source are impossible.

    Inputs
        touched, source : (n,) int, (n,) float
            Bins that sources reach, each once, and their counts there.
        factor : (n_energy,) float
            Factor of the background.
        counts, energy, background, log_background : (n_bin,)
            Counts (above zero), energy index, background, and its logarithm or zero where there is none.
        per_energy : (n_energy,) float
            Counts of all bins.
        bins : (2, n_energy) int
            Number of bins, and of those without background.

    Outputs
        value : () float
            The sum; -inf where counts are impossible or the prediction is no number.
        by_source, by_factor : (n,) float, (n_energy,) float
            Its derivatives.
    """

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        inputs = tuple(pt.as_tensor_variable(x) for x in inputs)
        outputs = [pt.scalar(dtype="float64"), pt.vector(dtype="float64"), pt.vector(dtype="float64")]
        return Apply(self, inputs, outputs)

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        for output, value in zip(outputs, _counted_log_sum(*inputs), strict=True):
            output[0] = value

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        return [[i in (1, 2)] * 3 for i in range(len(node.inputs))]

    def pullback(self, inputs: Any, outputs: Any, cotangents: Any) -> list[Any]:
        if not all(isinstance(g.type, DisconnectedType) for g in cotangents[1:]):
            raise NotImplementedError(
                "the Poisson log-likelihood has no second derivatives as an expression: take differences of gradients, "
                "as find_mode does for its errors"
            )
        gradients: list[Any] = [disconnected_type() for _ in inputs]
        gradients[1], gradients[2] = cotangents[0] * outputs[1], cotangents[0] * outputs[2]
        return gradients


register_kernel(CountedLogSum, lambda op: _counted_log_sum)


class Baseline(NamedTuple):
    """A prediction that is one cube times a factor per energy, but for some bins. All are data or expressions.

    Attributes
    ----------
    touched, source : TensorVariable
        Bins that something else reaches, each once, and the counts that it adds there: ``(n,)`` each.
    factor : TensorVariable
        Factor of the cube, ``(n_energy,)``.
    energy, cube, log_cube : TensorVariable
        Energy index of each bin, the cube there, and its logarithm or zero where there is none: ``(n_bin,)`` each.
    number : TensorVariable
        Number of bins per energy, and of those without background: ``(2, n_energy)``.
    """

    touched: Any
    source: Any
    factor: Any
    energy: Any
    cube: Any
    log_cube: Any
    number: Any


def counted_data(counts: np.ndarray, energy: np.ndarray, log_cube: np.ndarray, n_energy: int) -> dict[str, np.ndarray]:
    """What `counted_logp` reads of the counts, beside what `Likelihood.bin_data` gives.

    Parameters
    ----------
    counts, energy, log_cube : numpy.ndarray
        Counts of the bins, and as of `Baseline`.
    n_energy : int
        Number of energies.

    Returns
    -------
    dict of numpy.ndarray
        "static", the sum of counts times the logarithm of the cube, and "per_energy", their sum per energy.
    """
    return {"static": np.asarray((counts * log_cube).sum()), "per_energy": np.bincount(energy, counts, n_energy)}


def counted_logp(prediction: Any, total: Any, bins: Mapping[str, Any]) -> Any:
    """Log-probability of Poisson counts, natural logarithm, a scalar.

    Parameters
    ----------
    prediction : TensorVariable or Baseline
        Of the bins with counts. Over a baseline, sources are looked at in the bins that they reach; elsewhere the
        logarithm of the factor needs one number per energy: the same number at the cost of the windows.
    total : TensorVariable
        Sum of the predictions of all bins, a scalar.
    bins : mapping of TensorVariable
        "counts", above zero, and "constant"; over a baseline also what `counted_data` gave.
    """
    if not isinstance(prediction, Baseline):
        return (bins["counts"] * pt.log(prediction)).sum() - total + bins["constant"]
    p = prediction
    background = p.cube, p.log_cube, bins["per_energy"], p.number
    log_sum = CountedLogSum()(p.touched, p.source, p.factor, bins["counts"], p.energy, *background)[0]
    return bins["static"] + log_sum - total + bins["constant"]
