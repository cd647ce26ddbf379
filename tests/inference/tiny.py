"""A tiny dataset with exact Gaussian responses: 3 x 24 x 30 bins, 5 true energies."""

import functools

import astropy.units as u
import numpy as np

from bayesmap.datasets import MapDataset
from bayesmap.irf import GTI, EDispKernelMap, PSFMap, RecoPSFMap
from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.modeling import (
    FoVBackgroundModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)

LON, LAT, BINSZ, NPIX = 25.0, 1.0, 0.05, (30, 24)


@functools.cache
def geom():
    """Counts geometry, Galactic, 1.5 x 1.2 deg."""
    axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3, name="energy")
    return WcsGeom.create(skydir=(LON, LAT), npix=NPIX, binsz=BINSZ, frame="galactic", axes=[axis])


@functools.cache
def true_axis():
    """True energies."""
    return MapAxis.from_energy_bounds("0.7 TeV", "15 TeV", nbin=5, name="energy_true")


@functools.cache
def psf_of(reco=False):
    """A Gaussian that narrows with energy, of true or of reconstructed energy."""
    if not reco:
        return PSFMap.from_gauss(true_axis(), sigma=[0.09, 0.08, 0.07, 0.06, 0.05] * u.deg)
    axis = geom().axes["energy"]
    return RecoPSFMap.from_gauss(axis, sigma=[0.09, 0.07, 0.05] * u.deg)


def make_dataset(name="tiny", models=None, counts=None, reco=False, level=0.8, seed=5):
    """Counts, background, exposure, PSF and energy dispersion; counts drawn from the models unless given."""
    energies = len(geom().axes["energy"].center)
    background = level * 0.5 ** np.arange(energies)[:, None, None] * np.ones(geom().data_shape)
    exposure_geom = geom().to_image().to_cube([true_axis()])
    slope = np.linspace(0.8, 1.2, NPIX[0]) * np.linspace(1.1, 0.9, NPIX[1])[:, None]
    exposure = 3e10 * slope * np.linspace(0.5, 2, 5)[:, None, None]
    dataset = MapDataset(
        counts=Map.from_geom(geom(), data=np.zeros(geom().data_shape), unit=""),
        background=Map.from_geom(geom(), data=background, unit=""),
        exposure=Map.from_geom(exposure_geom, data=exposure, unit="m2 s"),
        psf=psf_of(reco),
        edisp=EDispKernelMap.from_gauss(geom().axes["energy"], true_axis(), sigma=0.15, bias=0.0),
        gti=GTI.create([0, 20] * u.h, [1, 22] * u.h, reference_time="2020-01-01"),
        name=name,
    )
    dataset.models = models
    if counts is None:
        dataset.fake(seed)
    else:
        dataset.counts = Map.from_geom(geom(), data=np.asarray(counts, dtype="float64"), unit="")
    return dataset


def power_law(**kwargs):
    """A power law bright enough for the tiny dataset."""
    return PowerLawSpectralModel(**{"index": 2.2, "amplitude": "1e-12 cm-2 s-1 TeV-1", **kwargs})


def point(name="source", lon=LON + 0.03, lat=LAT - 0.02, **kwargs):
    """A power-law point source."""
    shape = PointSpatialModel(lon_0=lon * u.deg, lat_0=lat * u.deg, frame="galactic")
    return SkyModel(spectral_model=power_law(**kwargs), spatial_model=shape, name=name)


def background(name="tiny", prior=None):
    """A field-of-view background model."""
    model = FoVBackgroundModel(dataset_name=name)
    if prior is not None:
        model.spectral_model.norm.prior = prior
    return model


def source_and_background(name="tiny"):
    """A point source over a background."""
    return Models([point(), background(name)])
