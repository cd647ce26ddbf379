"""Small datasets and models of any kind that is legal, drawn by hypothesis."""

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bayesmap.datasets import MapDataset
from bayesmap.irf import EDispKernelMap, PSFMap
from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.modeling import (
    DiskSpatialModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    Prior,
    SkyModel,
)

NORMAL_FLUX = 1e-12  # cm-2 s-1 TeV-1; with the exposure below about 10 counts
#: where the fields are: plain, at 0/360 deg, at a pole
PLACES = [(83.6, 22.0), (0.0, 0.0), (359.99, -5.0), (120.0, 89.9), (0.0, -90.0)]
UNITS = ["TeV", "keV", "J"]

backgrounds = st.sampled_from([0.0, 0.0, 1e-300, 1e-30, 1e-6, 0.1, 30.0, 1e6])
counts = st.sampled_from([0, 0, 0, 1, 2, 50, 10**9])
exposures = st.sampled_from([0.0, 1e-20, 1e13, 1e14])


def cubes(shape, elements):
    """Cubes of numbers from a strategy; one number in most bins."""
    return arrays("float64", shape, elements=elements, fill=elements)


@st.composite
def datasets(draw):
    """A dataset of one to three energies and one to 20 pixels."""
    n_energy, n_lat, n_lon = draw(st.sampled_from([(1, 1, 1), (1, 3, 4), (2, 4, 5), (3, 2, 2)]))
    lon, lat = draw(st.sampled_from(PLACES))
    frame, unit = draw(st.sampled_from(["icrs", "galactic"])), draw(st.sampled_from(UNITS))
    edges = (np.geomspace(1, 10, n_energy + 1) * u.TeV).to(unit)
    axis = MapAxis.from_energy_edges(edges, name="energy")
    true = MapAxis.from_energy_edges((np.geomspace(0.8, 15, n_energy + 3) * u.TeV).to(unit), name="energy_true")
    proj = "CAR" if abs(lat) < 80 else "TAN"
    geom = WcsGeom.create(skydir=(lon, lat), npix=(n_lon, n_lat), binsz=0.1, frame=frame, axes=[axis], proj=proj)
    dataset = MapDataset(
        counts=Map.from_geom(geom, data=draw(cubes(geom.data_shape, counts)), unit=""),
        background=Map.from_geom(geom, data=draw(cubes(geom.data_shape, backgrounds)), unit=""),
        exposure=Map.from_geom(
            geom.to_image().to_cube([true]), data=draw(cubes((n_energy + 2, n_lat, n_lon), exposures)), unit="cm2 s"
        ),
        psf=draw(st.sampled_from([None, PSFMap.from_gauss(true, sigma=0.08 * u.deg)])),
        edisp=EDispKernelMap.from_gauss(axis, true, sigma=0.2, bias=0.0),
        name="any",
    )
    dataset.models = draw(sources(geom))
    return dataset


@st.composite
def sources(draw, geom):
    """A source in another or the same frame, and a background; priors far wider than data ever need."""
    frame = draw(st.sampled_from(["icrs", "galactic"]))
    centre = SkyCoord(geom.center_skydir).transform_to(frame)
    lon, lat = centre.data.lon.deg * u.deg, np.clip(centre.data.lat.deg, -89.99, 89.99) * u.deg
    shape = draw(st.sampled_from([PointSpatialModel, GaussianSpatialModel, DiskSpatialModel]))
    spatial = shape(lon_0=lon, lat_0=lat, frame=frame)
    if shape is not PointSpatialModel:
        size = spatial.parameters["sigma" if shape is GaussianSpatialModel else "r_0"]
        size.quantity = 0.1 * u.deg
    spectral = PowerLawSpectralModel()
    spectral.index.prior = draw(
        st.sampled_from([Prior("Cauchy", alpha=2, beta=1000), Prior("Normal", mu=2, sigma=0.5)])
    )
    spectral.amplitude.prior = draw(
        st.sampled_from(
            [
                Prior("LogUniform", lower=1e-10 * NORMAL_FLUX, upper=1e10 * NORMAL_FLUX),
                Prior("Cauchy", alpha=0, beta=1000 * NORMAL_FLUX),
                Prior("Uniform", lower=0, upper=1000 * NORMAL_FLUX),
            ]
        )
    )
    background = FoVBackgroundModel(dataset_name="any")
    background.spectral_model.norm.prior = draw(
        st.sampled_from([Prior("LogUniform", lower=1e-10, upper=1e10), Prior("Cauchy", alpha=1, beta=1000)])
    )
    return [SkyModel(spectral_model=spectral, spatial_model=spatial, name="source"), background]
