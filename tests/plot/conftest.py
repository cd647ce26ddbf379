"""A tiny simulated dataset and a made-up posterior of its models."""

import astropy.units as u
import numpy as np
import pytest
import xarray as xr

from bayesmap.datasets import simulate_cta_like
from bayesmap.maps import MapAxis, WcsGeom
from bayesmap.modeling import FoVBackgroundModel, PointSpatialModel, PowerLawSpectralModel, SkyModel, parameter_names


def make_dataset():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3, name="energy")
    geom = WcsGeom.create(skydir=(25.0, 0.0), npix=(12, 10), binsz=0.1, frame="galactic", axes=[axis])
    axis_true = MapAxis.from_energy_bounds("0.6 TeV", "20 TeV", nbin=5, name="energy_true")
    source = SkyModel(
        spectral_model=PowerLawSpectralModel(index=2.2, amplitude=1e-11 * u.Unit("cm-2 s-1 TeV-1")),
        spatial_model=PointSpatialModel(lon_0=25.02 * u.deg, lat_0=0.03 * u.deg, frame="galactic"),
        name="source",
    )
    models = [source, FoVBackgroundModel(dataset_name="tiny")]
    return simulate_cta_like(models, geom=geom, energy_axis_true=axis_true, livetime="2 h", name="tiny", random_state=3)


def make_tree(dataset, draws=60, chains=2):
    """Normal draws of 5 % around the present values of the free parameters; positions vary by 0.01."""
    rng = np.random.default_rng(5)
    variables = {}
    for parameter, name in parameter_names(dataset.models).items():
        if not parameter.frozen:
            width = 0.01 if name.endswith(("lon_0", "lat_0")) else 0.05 * abs(parameter.value)
            values = rng.normal(parameter.value, width, size=(chains, draws))
            attributes = {"units": str(parameter.unit), "prior": "Normal"}
            variables[name] = (("chain", "draw"), values, attributes)
    coords = {"chain": np.arange(chains), "draw": np.arange(draws)}
    stats = xr.Dataset({"diverging": (("chain", "draw"), np.zeros((chains, draws), dtype=bool))}, coords=coords)
    return xr.DataTree.from_dict({"posterior": xr.Dataset(variables, coords=coords), "sample_stats": stats})


@pytest.fixture(scope="session")
def dataset():
    return make_dataset()


@pytest.fixture(scope="session")
def tree(dataset):
    return make_tree(dataset)
