"""How much of the weight of a flux point is that of the prior that joins points."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bayesmap._types import Tree
from bayesmap.inference.density import LogDensity
from bayesmap.inference.unconstrained import unconstrained_draws
from bayesmap.modeling import ProcessPrior
from bayesmap.modeling.priors.pymc_variables import OFFSET

if TYPE_CHECKING:
    from bayesmap.inference.fit import CompiledFit

__all__ = ["data_information", "prior_share", "prior_shares"]

STEP = 1e-3  # of the unconstrained variables, for differences of gradients
SCALES = 50  # draws of the scale over which shares are averaged


def prior_shares(fit: "CompiledFit", tree: Tree, priors: Sequence[ProcessPrior], scales: np.ndarray) -> np.ndarray:
    r"""Return the share of each prior in the weight of its parameters, which are positive.

    Parameters
    ----------
    fit : CompiledFit
        The posterior.
    tree : xarray.DataTree
        Its draws.
    priors : sequence of ProcessPrior
        Joint priors of equally many parameters.
    scales : numpy.ndarray
        Draws of their scales, shape ``(n_prior, n_draw)``.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_prior, n)``.

    Notes
    -----
    Around the mean of the draws the likelihood, with all other parameters marginalised, is taken as normal with inverse
    covariance D; the share at one scale is the diagonal of :math:`(D + P / \tau^2)^{-1} P / \tau^2`, one where the
    data say nothing.
    """
    points = unconstrained_draws(tree, fit.density, fit.parameters)
    middle = points.reshape(-1, points.shape[-1]).mean(axis=0)
    shares = []
    for prior, drawn in zip(priors, scales, strict=True):
        labels = [f"{prior.names[0]}_joint{OFFSET}[{i}]" for i in range(len(prior.names))]
        own = [fit.density.labels.index(label) for label in labels]
        information = data_information(fit.density, middle, own, prior)
        some = np.quantile(drawn, (np.arange(SCALES) + 0.5) / SCALES)
        shares.append(prior_share(information, prior, some))
    return np.array(shares)


def prior_share(information: np.ndarray, prior: ProcessPrior, scales: np.ndarray) -> np.ndarray:
    """Return the mean share of a prior over scales, for data of some inverse covariance, shape ``(n,)``."""
    weights = [prior.precision(float(scale)) for scale in scales]
    shares: np.ndarray = np.mean([np.diag(np.linalg.solve(information + w, w)) for w in weights], axis=0)
    return shares


def data_information(density: LogDensity, middle: np.ndarray, own: Sequence[int], prior: ProcessPrior) -> np.ndarray:
    """Return the inverse covariance of some positive parameters by the data, the others marginalised.

    Parameters
    ----------
    density : LogDensity
        The log-posterior.
    middle : numpy.ndarray
        Where: the unconstrained variables, shape ``(size,)``; of the parameters the logarithms.
    own : sequence of int
        Places of the parameters.
    prior : ProcessPrior
        Their joint prior, which is taken out.

    Returns
    -------
    numpy.ndarray
        Shape ``(n, n)``, without negative eigenvalues.
    """
    rows = []
    for i in range(density.size):
        step = np.zeros(density.size)
        step[i] = STEP
        above, below = (density(middle + sign * step, False)[1] for sign in (1, -1))
        rows.append((below - above) / (2 * STEP))
    hessian = 0.5 * (np.array(rows) + np.array(rows).T)
    rest = [i for i in range(density.size) if i not in set(own)]
    values = np.exp(middle[list(own)])
    # from logarithms to the parameters themselves: f'' s^2 = d2f/dz2 - df/dz
    gradient = density(middle, False)[1]
    weight = hessian[np.ix_(own, own)] + np.diag(gradient[list(own)])
    if rest:
        cross = hessian[np.ix_(own, rest)]
        weight = weight - cross @ np.linalg.solve(hessian[np.ix_(rest, rest)], cross.T)
    found = weight / np.outer(values, values) - prior.curvature(values)
    eigenvalues, vectors = np.linalg.eigh(0.5 * (found + found.T))
    information: np.ndarray = (vectors * np.maximum(eigenvalues, 0.0)) @ vectors.T
    return information
