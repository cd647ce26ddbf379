"""From the draws of a result back to the variables of the sampler."""

from typing import Any

import numpy as np

from bayesmap.inference.density import LogDensity
from bayesmap.inference.result import OFFSETS
from bayesmap.modeling.posterior import Posterior
from bayesmap.modeling.priors.pymc_variables import Standardize

__all__ = ["log_posterior_of", "unconstrained_draws"]

#: how far apart log-densities of the same thing may be: absolutely, and relative to their size
APART = (1e-2, 1e-8)
#: draws at which they are compared
COMPARED = 20


def unconstrained_draws(tree: Any, density: LogDensity, parameters: dict[str, Any]) -> np.ndarray:
    """Return the unconstrained variables of draws, shape ``(n_chain, n_draw, n)``.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`~bayesmap.inference.sample`.
    density : LogDensity
        The log-posterior.
    parameters : dict of str to Parameter
        Parameters by their names, for units.

    Raises
    ------
    ValueError
        If the posterior has other variables than the density, or lacks the offsets of hierarchical priors.
    """
    posterior = Posterior(tree)
    offsets = Posterior(tree, OFFSETS) if OFFSETS in tree.children else posterior
    wanted = {*density.names, *density.reported}
    missing = [name for name in wanted if name not in posterior and name not in offsets]
    # variables without a prior are computed from others; a tree that tells no priors has models in its names
    variables = tree["posterior"].data_vars
    sampled = {name for name in posterior.names if "prior" in variables[name].attrs}
    others = [n for n in posterior.names if n not in wanted and (n in sampled if sampled else "." in n)]
    unknown = [name for name in others if not any(alias in wanted for alias in posterior.aliases(name))]
    if missing and not unknown and not set(missing) & set(density.reported):
        raise ValueError(
            f"the tree lacks {sorted(missing)}, the standard variables behind hierarchical and joint priors, which are "
            f"no function of the parameters: keep its group {OFFSETS!r}, or sample again"
        )
    if missing or unknown:
        what = "; ".join(
            f"{text} {sorted(names)}" for text, names in (("it lacks", missing), ("it has", unknown)) if names
        )
        raise ValueError(
            f"the tree is of other models: {what}. Give the datasets and models that were sampled, with the same "
            "parameters frozen"
        )
    for label, transform in zip(density.labels, density.transforms, strict=True):
        if transform is not None and not isinstance(transform, Standardize):
            raise ValueError(
                f"{label!r} is an unknown of the likelihood itself, which has no way back from its draws; take a "
                "likelihood without such unknowns, as OnOffLikelihood('marginal')"
            )
    columns = []
    for name in density.names:
        source = posterior if name in posterior else offsets
        values = source.chains(name, parameters.get(name))
        columns.append(values.reshape(*values.shape[:2], -1))
    draws = np.concatenate(columns, axis=-1)
    return np.stack([density.edges.inner_variable(i, draws[..., i]) for i in range(density.size)], axis=-1)


def log_posterior_of(tree: Any, density: LogDensity, draws: np.ndarray) -> np.ndarray:
    """Return the log-posterior of draws, shape ``(n_chain, n_draw)``: what the tree says, after some were compared.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`~bayesmap.inference.sample`; without ``lp`` in its group ``sample_stats`` all are computed.
    density : LogDensity
        The log-posterior.
    draws : numpy.ndarray
        From :func:`unconstrained_draws`, shape ``(n_chain, n_draw, n)``.

    Raises
    ------
    ValueError
        If the tree says something else: it is of other data, priors, masks or options.
    """
    points = draws.reshape(-1, draws.shape[-1])
    if "sample_stats" not in tree.children or "lp" not in tree["sample_stats"].data_vars:
        return np.array([density(point)[0] for point in points]).reshape(draws.shape[:2])
    said = np.asarray(tree["sample_stats"]["lp"].transpose("chain", "draw").values, dtype="float64")
    some = np.unique(np.linspace(0, len(points) - 1, COMPARED).astype(int))
    found = np.array([density(points[i])[0] for i in some])
    apart = np.abs(found - said.ravel()[some])
    if not (apart <= APART[0] + APART[1] * np.abs(found)).all():
        worst = int(np.argmax(np.nan_to_num(apart, nan=np.inf)))
        raise ValueError(
            "the tree is of other data, models, priors, masks or options: at one of its draws the log-posterior is "
            f"{found[worst]:.6g} here, the tree says {said.ravel()[some[worst]]:.6g}. Give the datasets as they were "
            "when they were sampled"
        )
    return said
