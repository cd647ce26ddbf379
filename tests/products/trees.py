"""Made-up posteriors."""

import astropy.units as u
import numpy as np
import xarray as xr

from bayesmap.modeling import Models, SkyModel


def tree_of(variables, models=None, **attributes):
    """A tree of draws of shape (chain, draw, ...) with units."""
    n_chain, n_draw = next(iter(variables.values())).shape[:2]
    data = {}
    for name, q in variables.items():
        dims = ("chain", "draw", *(f"{name}_dim_{i}" for i in range(q.ndim - 2)))
        data[name] = (dims, q.value, {"units": str(q.unit), **attributes})
    group = xr.Dataset(data, coords={"chain": np.arange(n_chain), "draw": np.arange(n_draw)})
    tree = xr.DataTree.from_dict({"posterior": group})
    if models is not None:
        tree.attrs["models"] = models.to_yaml()
    return tree


def two_sources(n_draw=500, seed=4):
    """A power law with two free parameters, one with a free amplitude, and their draws."""
    first, second = SkyModel.create("pl", "point", name="first"), SkyModel.create("pl", "point", name="second")
    for model in (first, second):
        model.spatial_model.freeze()
    second.spectral_model.index.frozen = True
    second.spectral_model.index.value = 3.0
    rng, unit = np.random.default_rng(seed), u.Unit("cm-2 s-1 TeV-1")
    amplitude = rng.normal(2e-12, 2e-13, (2, n_draw))
    draws = {
        "first.index": rng.normal(2.3, 0.1, (2, n_draw)) * u.one,
        "first.amplitude": amplitude * unit,
        "second.amplitude": (3e-12 - amplitude) * unit,
    }
    models = Models([first, second])
    return models, tree_of(draws, models)
