"""Results without sampling: draws around the values of the models, described as `bayesmap.sample` describes them."""

import numpy as np

from bayesmap.inference import compile_fit
from bayesmap.inference.result import build_tree, describe
from bayesmap.inference.samplers import Run

__all__ = ["made_up_result"]


def made_up_result(datasets, chains=2, draws=60, seed=5, shift=0.0):
    """Normal draws, 5 % wide (positions 0.01), of the free parameters; they get their default priors as in a fit."""
    fit = compile_fit(datasets)
    rng = np.random.default_rng(seed)
    posterior = {}
    for name, parameter in fit.parameters.items():
        if not parameter.frozen:
            width = 0.01 if name.endswith(("lon_0", "lat_0")) else 0.05 * abs(parameter.value)
            posterior[name] = rng.normal(parameter.value + shift * width, width, size=(chains, draws))
    stats = {"diverging": np.zeros((chains, draws), dtype=bool), "lp": rng.normal(size=(chains, draws))}
    return build_tree(describe(fit), Run(posterior, stats), {"sampler": "none", "random_state": repr(seed)})
