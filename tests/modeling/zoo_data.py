"""Small simulated datasets for each file of the zoo."""

import functools
from pathlib import Path

import astropy.units as u
import numpy as np

from bayesmap.datasets import Datasets, MapDataset
from bayesmap.irf import EDispKernelMap, PSFMap
from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.modeling import Models
from tests.golden import shared_path

NPIX, COUNTS, LEVEL = 16, 4000, 0.5
#: files of Gammapy's data that models need, and what the tests put in their place
DATA = {
    "ebl/ebl_dominguez11.fits.gz": ("models", "ebl_dominguez11.fits.gz"),
    "fermi_3fhl/gll_iem_v06_cutout.fits": ("fermi-3fhl-crab", "Fermi-LAT-3FHL_iem.fits"),
}
#: energies of the simulated data, where they are not 0.3 to 30 TeV
ENERGIES = {
    "dark-matter-annihilation": ("0.03 TeV", "1 TeV"),
    "dark-matter-line": ("0.4 TeV", "2.5 TeV"),
    "fermi-diffuse": ("15 GeV", "500 GeV"),
    "fermi-isotropic": ("0.1 GeV", "500 GeV"),
    "geminga-halo": ("5 TeV", "60 TeV"),
    "vela-pulsar": ("0.1 GeV", "50 GeV"),
}
#: numbers of reconstructed and true energies, where they are not 3 and 6: a line needs bins below the resolution
BINS = {"dark-matter-line": (8, 36)}


def link_data(folder):
    """Make a folder like that of Gammapy's data, with what the zoo needs."""
    for name, parts in DATA.items():
        link = Path(folder) / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(shared_path("data", *parts))


def datasets_of(name):
    """The datasets that a file is tried on: two runs for backgrounds, else one."""
    return ["run1", "run2"] if name.startswith("fov-background") else ["d"]


@functools.cache
def models_of(name):
    """The models of a file. Do not change them."""
    return Models.from_zoo(name, dataset_name=datasets_of(name))


def field(models):
    """Centre and width of a field that holds the sources."""
    shapes = [m.spatial_model for m in models if m.spatial_model is not None]
    shapes = [s for s in shapes if s.position is not None]
    if not shapes:
        return WcsGeom.create(skydir=(0, 0), npix=NPIX, binsz=0.1, frame="galactic")
    centre = shapes[0].position
    reach = [centre.separation(s.position).deg + min(s.evaluation_radius.to_value("deg"), 5) for s in shapes]
    width = 2 * max(0.5, *reach, 0)
    return WcsGeom.create(skydir=centre, npix=NPIX, binsz=width / NPIX, frame=shapes[0].frame)


def simulate(name, models, seed=0):
    """Small datasets with counts drawn from the models at the values of the file."""
    low, high = (u.Quantity(e) for e in ENERGIES.get(name, ("0.3 TeV", "30 TeV")))
    n_energy, n_true = BINS.get(name, (3, 6))
    axis = MapAxis.from_energy_bounds(low, high, nbin=n_energy, name="energy")
    true = MapAxis.from_energy_bounds(low, high, nbin=n_true, name="energy_true")
    image = field(models)
    geom, geom_true = image.to_cube([axis]), image.to_cube([true])
    level = LEVEL * 0.6 ** np.arange(n_energy)[:, None, None] * np.ones(geom.data_shape)
    pixel = image.pixel_scales.max().to("deg")
    rad = MapAxis.from_bounds(0, max(0.66, 5 * pixel.value), nbin=66, node_type="edges", name="rad", unit="deg")
    datasets = [
        MapDataset(
            counts=Map.from_geom(geom, data=np.zeros(geom.data_shape), unit=""),
            background=Map.from_geom(geom, data=level, unit=""),
            exposure=Map.from_geom(geom_true, data=np.ones(geom_true.data_shape), unit="m2 s"),
            psf=PSFMap.from_gauss(true, sigma=np.ones(n_true) * pixel, rad_axis=rad),
            edisp=EDispKernelMap.from_gauss(axis, true, sigma=0.1, bias=0.0),
            name=dataset_name,
        )
        for dataset_name in datasets_of(name)
    ]
    for i, dataset in enumerate(datasets, start=1000 * seed):
        dataset.models = [m for m in models if m.datasets_names in (None, [dataset.name])]
        if any(m.spatial_model is not None for m in dataset.models):
            # one prediction for the exposure that gives enough counts and for the counts
            signal = dataset.npred_signal().data
            factor = COUNTS / signal.sum()
            dataset.exposure = dataset.exposure * factor
            drawn = np.random.default_rng(i).poisson(signal * factor + level)
            dataset.counts = Map.from_geom(geom, data=drawn.astype("float64"), unit="")
        else:
            dataset.fake(random_state=i)
    return Datasets(datasets)
