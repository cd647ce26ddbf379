"""A telescope that does not exist: parametric responses of a CTA-like array, and a field seen with it.

Everything here is a closed formula written for bayesmap, so that examples need no files. The numbers resemble those of
a large Cherenkov array; they describe no real instrument.
"""

import astropy.units as u
import numpy as np
import scipy
from astropy.coordinates import SkyCoord

from bayesmap._types import QuantityLike, RandomState
from bayesmap.datasets.map import MapDataset
from bayesmap.irf import GTI, EDispKernelMap, PSFMap
from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.maps.geom import Geom
from bayesmap.modeling import (
    FoVBackgroundModel,
    GaussianSpatialModel,
    Models,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
)
from bayesmap.modeling.collection import ModelsLike

__all__ = [
    "background_rate",
    "demo_dataset",
    "demo_models",
    "effective_area",
    "energy_dispersion",
    "psf_profile",
    "simulate_cta_like",
]

#: fraction of the broad component of the point spread function, and its width in units of the narrow one
PSF_TAIL = (0.15, 2.2)


def effective_area(energy: np.ndarray, offset: np.ndarray) -> np.ndarray:
    r"""Effective area in m2.

    .. math::
        A(E, \theta) = \frac{4 \times 10^6}{1 + 3 / E} \exp\left(-\frac{\theta^2}{2 w^2}\right), \quad
        w = 3 + 0.5 \log_{10} E

    Parameters
    ----------
    energy : numpy.ndarray
        True energy in TeV.
    offset : numpy.ndarray
        Angle to the pointing direction in deg.
    """
    width = 3.0 + 0.5 * np.log10(energy)
    return 4e6 / (1 + 3.0 / energy) * np.exp(-0.5 * (offset / width) ** 2)


def psf_width(energy: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Width of the narrow component of the point spread function in deg, of energy in TeV and offset in deg."""
    return np.hypot(0.015, 0.028 * energy**-0.45) * (1 + 0.05 * offset**2)


def psf_profile(rad: np.ndarray, energy: np.ndarray, offset: np.ndarray) -> np.ndarray:
    r"""Point spread function in deg-2: two Gaussians, the broad one with 15 % of the photons.

    .. math::
        P(r) = \sum_k \frac{f_k}{2 \pi \sigma_k^2} \exp\left(-\frac{r^2}{2 \sigma_k^2}\right), \quad
        \sigma_1 = \sqrt{0.015^2 + (0.028 E^{-0.45})^2} (1 + 0.05 \theta^2), \quad \sigma_2 = 2.2 \sigma_1

    Parameters
    ----------
    rad : numpy.ndarray
        Angle to the source in deg.
    energy : numpy.ndarray
        True energy in TeV.
    offset : numpy.ndarray
        Angle between source and pointing direction in deg.
    """
    fraction, ratio = PSF_TAIL
    total = np.zeros(())
    for weight, scale in ((1 - fraction, 1.0), (fraction, ratio)):
        sigma = scale * psf_width(energy, offset)
        total = total + weight / (2 * np.pi * sigma**2) * np.exp(-0.5 * (rad / sigma) ** 2)
    return total


def energy_dispersion(energy_true: np.ndarray, energy_edges: np.ndarray) -> np.ndarray:
    r"""Probability of each reconstructed energy bin, log-normal around the true energy.

    .. math::
        \ln(E' / E) \sim N(b, s), \quad b = 0.01 / E, \quad s = 0.06 (1 + E^{-0.4})

    Parameters
    ----------
    energy_true : numpy.ndarray
        True energies in TeV, shape ``(n_true,)``.
    energy_edges : numpy.ndarray
        Edges of the reconstructed bins in TeV, shape ``(n_reco + 1,)``.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_true, n_reco)``; rows sum to at most one.
    """
    bias, width = 0.01 / energy_true, 0.06 * (1 + energy_true**-0.4)
    z = (np.log(energy_edges[None, :] / energy_true[:, None]) - bias[:, None]) / width[:, None]
    return np.diff(scipy.special.ndtr(z), axis=1)


def background_rate(energy_edges: np.ndarray, offset: np.ndarray) -> np.ndarray:
    r"""Rate of background events per bin in s-1 deg-2.

    .. math::
        \frac{dN}{dE\,dt\,d\Omega} = 0.02 \, E^{-2.5} \exp\left(-\frac{\theta^2}{2 \cdot 2.5^2}\right)

    Parameters
    ----------
    energy_edges : numpy.ndarray
        Edges of the reconstructed energy bins in TeV, shape ``(n_reco + 1,)``.
    offset : numpy.ndarray
        Angle to the pointing direction in deg, shape ``(n_lat, n_lon)``.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_reco, n_lat, n_lon)``.
    """
    spectrum = -np.diff(0.02 / 1.5 * energy_edges**-1.5)
    return spectrum[:, None, None] * np.exp(-0.5 * (offset / 2.5) ** 2)


def _offsets(geom: Geom, pointing: SkyCoord) -> np.ndarray:
    """Angle of each pixel to the pointing direction in deg, shape ``(n_lat, n_lon)``."""
    separation: u.Quantity = geom.to_image().separation(pointing)
    return separation.to_value("deg")


def _exposure(geom: Geom, pointing: SkyCoord, livetime: u.Quantity) -> Map:
    """Effective area times live time on a geometry with true energies (and perhaps a squashed axis)."""
    energy = geom.axes["energy_true"].center.to_value("TeV")
    area = effective_area(energy[:, None, None], _offsets(geom, pointing))
    data = np.broadcast_to(area.reshape(geom.data_shape), geom.data_shape) * livetime.to_value("s")
    return Map.from_geom(geom, data=data.copy(), unit="m2 s", meta={"livetime": livetime.to("s")})


def _psf(geom: Geom, pointing: SkyCoord, livetime: u.Quantity) -> PSFMap:
    """Point spread function on a geometry with axes ``rad`` and ``energy_true``."""
    energy = geom.axes["energy_true"].center.to_value("TeV")[:, None, None, None]
    rad = geom.axes["rad"].center.to_value("deg")[:, None, None]
    profile = psf_profile(rad, energy, _offsets(geom, pointing)) * u.Unit("deg-2")
    psf_map = Map.from_geom(geom, data=profile.to_value("sr-1"), unit="sr-1")
    return PSFMap(psf_map, exposure_map=_exposure(geom.squash("rad"), pointing, livetime))


def _edisp(geom: Geom, pointing: SkyCoord, livetime: u.Quantity) -> EDispKernelMap:
    """Energy dispersion, equal in all pixels, on a geometry with axes ``energy`` and ``energy_true``."""
    axes = geom.axes
    matrix = energy_dispersion(axes["energy_true"].center.to_value("TeV"), axes["energy"].edges.to_value("TeV"))
    data = np.broadcast_to(matrix[:, :, None, None], geom.data_shape).copy()
    edisp_map = Map.from_geom(geom, data=data, unit="")
    return EDispKernelMap(edisp_map, exposure_map=_exposure(geom.squash("energy"), pointing, livetime))


def default_geom(pointing: SkyCoord) -> WcsGeom:
    """Field of 4 x 4 deg, pixels of 0.04 deg, 8 energies from 0.1 to 31.6 TeV."""
    axis = MapAxis.from_energy_bounds("0.1 TeV", "31.6227766 TeV", nbin=8, name="energy")
    return WcsGeom.create(skydir=pointing, binsz=0.04, width=(4, 4), frame="galactic", proj="CAR", axes=[axis])


def simulate_cta_like(
    models: ModelsLike | None = None,
    *,
    pointing: SkyCoord | None = None,
    livetime: QuantityLike = "5 h",
    geom: WcsGeom | None = None,
    energy_axis_true: MapAxis | None = None,
    offset_max: QuantityLike = "3 deg",
    name: str = "cta-like",
    random_state: RandomState = "random-seed",
) -> MapDataset:
    """Simulate an observation with a CTA-like array with parametric responses.

    Parameters
    ----------
    models : Models, list or model, optional
        Sources and background model at their true values. Without models the counts are background alone.
    pointing : `~astropy.coordinates.SkyCoord`, optional
        Pointing direction; Galactic (25, 0) deg by default.
    livetime : `~astropy.units.Quantity` or str
        Live time.
    geom : `~bayesmap.maps.WcsGeom`, optional
        Geometry of the counts; by default 4 x 4 deg around the pointing with 0.04 deg pixels and 8 energies.
    energy_axis_true : `~bayesmap.maps.MapAxis`, optional
        True energies, named ``energy_true``; 16 bins from 0.05 to 63 TeV by default.
    offset_max : `~astropy.units.Quantity` or str
        The safe mask ends here.
    name : str
        Name of the dataset.
    random_state : int, "random-seed", "global-rng" or generator
        Source of randomness.

    Returns
    -------
    MapDataset
        Dataset with the models set and counts drawn from them.
    """
    pointing = SkyCoord(25.0, 0.0, unit="deg", frame="galactic") if pointing is None else pointing
    livetime = u.Quantity(livetime)
    geom = default_geom(pointing) if geom is None else geom
    if energy_axis_true is None:
        energy_axis_true = MapAxis.from_energy_bounds("0.05 TeV", "63 TeV", nbin=16, name="energy_true")
    dataset = MapDataset.create(
        geom,
        energy_axis_true=energy_axis_true,
        # fine bins: a table is read with linear interpolation, whose kinks a Gaussian mixture does not have
        rad_axis=MapAxis.from_bounds(0, 1.2, nbin=300, node_type="edges", name="rad", unit="deg"),
        binsz_irf="0.5 deg",
        name=name,
        meta={"instrument": "CTA-like"},
    )
    geoms, offset = dataset.geoms, _offsets(geom, pointing)
    rate = background_rate(geom.axes["energy"].edges.to_value("TeV"), offset)
    area = geom.to_image().solid_angle().to_value("deg2")
    safe = np.broadcast_to(offset <= u.Quantity(offset_max).to_value("deg"), geom.data_shape)
    dataset.mask_safe = Map.from_geom(geom, data=safe.copy(), unit="")
    dataset.background = Map.from_geom(geom, data=rate * area * livetime.to_value("s"), unit="")
    dataset.exposure = _exposure(geoms["geom_exposure"], pointing, livetime)
    dataset.psf = _psf(geoms["geom_psf"], pointing, livetime)
    dataset.edisp = _edisp(geoms["geom_edisp"], pointing, livetime)
    dataset.gti = GTI.create(0 * u.s, livetime)
    dataset.models = models
    dataset.fake(random_state)
    return dataset


def _source(name: str, lon: float, lat: float, amplitude: float, index: float, sigma: float | None = None) -> SkyModel:
    """Power-law source at a Galactic position, a point or a Gaussian."""
    position = {"lon_0": lon * u.deg, "lat_0": lat * u.deg, "frame": "galactic"}
    spatial: PointSpatialModel | GaussianSpatialModel = PointSpatialModel(**position)
    if sigma is not None:
        spatial = GaussianSpatialModel(sigma=sigma * u.deg, **position)
        spatial.e.frozen = spatial.phi.frozen = True
    spectral = PowerLawSpectralModel(index=index, amplitude=amplitude * u.Unit("cm-2 s-1 TeV-1"), reference=1 * u.TeV)
    return SkyModel(spectral_model=spectral, spatial_model=spatial, name=name)


def demo_models(dataset_name: str = "cta-like") -> Models:
    """True models of the demo: a nebula, two point sources and the background.

    Parameters
    ----------
    dataset_name : str
        Name of the dataset that the background model belongs to.

    Returns
    -------
    `~bayesmap.modeling.Models`
        Models at their true values, without priors.
    """
    background = FoVBackgroundModel(dataset_name=dataset_name)
    background.parameters["norm"].value = 1.03
    return Models(
        [
            _source("nebula", 25.42, -0.31, 2.0e-12, 2.2, sigma=0.18),
            _source("bright", 24.53, 0.24, 1.0e-12, 2.4),
            _source("faint", 24.87, -0.55, 3.0e-13, 2.1),
            background,
        ]
    )


def demo_dataset(random_state: RandomState = 1, *, name: str = "cta-like") -> MapDataset:
    """Return the simulated field of ``bayesmap demo``: see `demo_models` and `simulate_cta_like`.

    Parameters
    ----------
    random_state : int, "random-seed", "global-rng" or generator
        Source of randomness.
    name : str
        Name of the dataset.

    Returns
    -------
    MapDataset
        Dataset with counts and the true models.
    """
    return simulate_cta_like(demo_models(name), name=name, random_state=random_state)
