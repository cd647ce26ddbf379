"""A tiny dataset: 3 x 10 x 12 bins, 5 true energies."""

import astropy.units as u
import numpy as np
import pytest

from bayesmap.datasets import MapDataset, simulate_cta_like
from bayesmap.irf import GTI
from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.modeling import FoVBackgroundModel, PointSpatialModel, PowerLawSpectralModel, SkyModel


@pytest.fixture(scope="session")
def geom():
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3, name="energy")
    return WcsGeom.create(skydir=(25.0, 0.0), npix=(12, 10), binsz=0.1, frame="galactic", axes=[axis])


@pytest.fixture(scope="session")
def energy_axis_true():
    return MapAxis.from_energy_bounds("0.6 TeV", "20 TeV", nbin=5, name="energy_true")


@pytest.fixture
def maps(geom, energy_axis_true):
    """Valid constructor arguments without responses."""
    counts = np.random.default_rng(1).poisson(2.0, geom.data_shape).astype("float32")
    exposure_geom = geom.to_image().to_cube([energy_axis_true])
    return {
        "counts": Map.from_geom(geom, data=counts, unit=""),
        "background": Map.from_geom(geom, data=np.full(geom.data_shape, 1.5), unit=""),
        "exposure": Map.from_geom(
            exposure_geom, data=np.full(exposure_geom.data_shape, 1e9), unit="m2 s", meta={"livetime": 100 * u.s}
        ),
        "gti": GTI.create(0 * u.s, 120 * u.s),
        "name": "tiny",
    }


def point_model(name="source", lon=25.02, lat=0.03, amplitude=1e-11):
    """A power-law point source."""
    return SkyModel(
        spectral_model=PowerLawSpectralModel(index=2.2, amplitude=amplitude * u.Unit("cm-2 s-1 TeV-1")),
        spatial_model=PointSpatialModel(lon_0=lon * u.deg, lat_0=lat * u.deg, frame="galactic"),
        name=name,
    )


@pytest.fixture
def source():
    return point_model()


@pytest.fixture
def dataset(geom, energy_axis_true, source):
    """A full dataset with responses, a source and a background model."""
    models = [source, FoVBackgroundModel(dataset_name="tiny")]
    return simulate_cta_like(
        models, geom=geom, energy_axis_true=energy_axis_true, livetime="2 h", name="tiny", random_state=3
    )


@pytest.fixture
def plain(maps):
    """A dataset without responses and models."""
    return MapDataset(**maps)
