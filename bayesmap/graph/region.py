"""Sources seen through a region of the sky: what of their flux falls into it, after the PSF."""

from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import pytensor.tensor as pt
from astropy.coordinates import SkyCoord
from scipy.signal import fftconvolve

from bayesmap import units
from bayesmap.graph.arrays import FoldArrays, Values
from bayesmap.graph.fixed import FixedSource, band_of
from bayesmap.graph.pixel import SkyToPixel, bilinear
from bayesmap.graph.psf.fft import kernel_half_width
from bayesmap.graph.psf.profile import PSFProfile, convolution_kernels, psf_profile
from bayesmap.graph.sources import sub_pixels

__all__ = ["RegionSource", "point_containment", "region_source"]

#: directions in which the edge of a region is looked for around a point source
N_AZIMUTH = 720
#: pixels on a side of the grid around a region, at most
MAX_PIXELS = 400


@dataclass(frozen=True, eq=False)
class RegionSource(FixedSource):
    """A source with free position or shape in a region dataset.

    Attributes
    ----------
    acceptance : numpy.ndarray
        Probability that a photon from a pixel is reconstructed in the region, ``(n_true, n_lat, n_lon)``, on a grid
        around the region.
    sky : SkyToPixel
        From the frame of the model to the grid.
    coords : tuple of numpy.ndarray
        Longitude, latitude (in deg, in the frame of the model) and solid angle (in sr) of sub-pixels, each of shape
        ``(n_lat, n_lon, n_sub)``.
    """

    acceptance: np.ndarray
    sky: SkyToPixel
    coords: tuple[np.ndarray, ...]

    def seen(self, values: Values) -> Any:
        """Share of the flux that is reconstructed in the region, shape ``(n_true,)``."""
        spatial = self.model.spatial_model
        if spatial.is_point:
            x, y = self.sky.pixel(values[spatial.lon_0], values[spatial.lat_0])
            return bilinear(pt.as_tensor_variable(self.acceptance), x[None], y[None])[0]
        lon, lat, solid_angle = self.coords
        step = float(np.rad2deg(np.sqrt(np.median(solid_angle))))
        if not spatial.fixed_positions:
            lon, lat = pt.as_tensor_variable(lon), pt.as_tensor_variable(lat)
        image = (spatial.resolved_graph(lon, lat, values, step) * solid_angle).sum(axis=-1)
        return pt.as_tensor_variable(self.acceptance.reshape(len(self.acceptance), -1)) @ image.ravel()


def region_source(arrays: FoldArrays, model: Any) -> FixedSource:
    """Response of a region dataset to the flux of a source.

    Parameters
    ----------
    arrays : FoldArrays
        A dataset whose geometry is a region.
    model : SkyModel
        The source. Without a PSF in the dataset, or with ``apply_irf["psf"]`` false, all of its flux falls into the
        region, whatever its spatial model (Gammapy's convention: the exposure is corrected for containment).

    Returns
    -------
    FixedSource
        A `RegionSource` if spatial parameters are free.

    Raises
    ------
    ValueError
        If the PSF is to be applied but the region has no area, or a source with free spatial parameters is seen through
        a PSF in reconstructed energy.
    """
    assert arrays.exposure is not None
    spatial = model.spatial_model
    use = {"psf": True, "edisp": True, **(getattr(model, "apply_irf", None) or {})}
    position = getattr(spatial, "position", None)
    position = arrays.geom.center_skydir if position is None else position
    edisp = arrays.dispersion(position, apply=use["edisp"])
    first, n_band = band_of(edisp)
    columns = first[:, None] + np.arange(n_band)
    band = np.take_along_axis(edisp, columns, axis=1) * arrays.exposure[:, 0, 0][columns]
    if spatial is None or arrays.psf is None or not use["psf"] or spatial.is_per_pixel:
        return FixedSource(model, first, band[:, :, None, None])
    _require_area(arrays)
    profile = psf_profile(arrays.psf, position, arrays.energy if arrays.reco_psf else arrays.energy_true)
    if all(p.frozen for p in spatial.parameters):
        seen = _frozen_containment(arrays, spatial, profile, position)
        band = band * (seen[:, None] if arrays.reco_psf else seen[columns])
        return FixedSource(model, first, band[:, :, None, None])
    if arrays.reco_psf:
        raise ValueError(
            f"dataset {arrays.name!r}: model {model.name!r} has free spatial parameters, which a region dataset with a "
            "PSF in reconstructed energy does not support; freeze them or use a map dataset"
        )
    grid, acceptance = _acceptance(arrays, profile)
    sky = SkyToPixel.from_geom(grid, grid.center_skydir.transform_to(spatial.frame))
    fine = 1
    if not spatial.is_point and spatial.evaluation_bin_size_min is not None:
        detail = spatial.evaluation_bin_size_min.to_value("deg") / 4
        fine = int(np.clip(np.ceil(np.abs(grid.pixel_scales.to_value("deg")).max() / detail), 1, 8))
    coords = sub_pixels(grid, spatial.frame, (0, 0, *grid.data_shape), fine)
    return RegionSource(model, first, band[:, :, None, None], acceptance, sky, coords)


def _require_area(arrays: FoldArrays) -> None:
    if arrays.geom.region is None or arrays.geom.is_all_point_sky_regions:
        raise ValueError(
            f"dataset {arrays.name!r} has a PSF, but its region {arrays.geom.region} has no area: what falls into it "
            "is unknown; give it a region with an area, or no PSF"
        )


def _frozen_containment(arrays: FoldArrays, spatial: Any, profile: PSFProfile, position: SkyCoord) -> np.ndarray:
    """Share of the flux that falls into the region, per energy of the profile."""
    if spatial.is_point:
        return point_containment(profile, position, arrays.geom)
    grid, acceptance = _acceptance(arrays, profile)
    geom = grid
    if getattr(spatial, "is_energy_dependent", False):
        geom = grid.to_cube([arrays.true_energy_axis])
    image = units.strip(spatial.integrate_geom(geom).quantity).reshape(-1, *grid.data_shape)
    contained: np.ndarray = (acceptance * image).sum(axis=(1, 2))
    return contained


def point_containment(profile: PSFProfile, position: SkyCoord, geom: Any) -> np.ndarray:
    """Share of the photons of a point source that fall into a region, for a round PSF.

    Parameters
    ----------
    profile : PSFProfile
        The PSF.
    position : `~astropy.coordinates.SkyCoord`
        The source.
    geom : `~bayesmap.maps.RegionGeom`
        The region.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_energy,)``.
    """
    radii, cumulative = profile.cumulative()
    middle = 0.5 * (radii[1:] + radii[:-1])
    azimuth = (np.arange(N_AZIMUTH) + 0.5) * 2 * np.pi / N_AZIMUTH
    points = position.directional_offset_by(azimuth[:, None] * u.rad, middle * u.deg)
    inside = np.asarray(geom.to_image().contains(points), dtype=float).mean(axis=0)
    contained: np.ndarray = np.diff(cumulative, axis=1) @ inside
    return contained


def _acceptance(arrays: FoldArrays, profile: PSFProfile) -> tuple[Any, np.ndarray]:
    """A grid around the region, and the probability that photons from its pixels are reconstructed in the region."""
    key = f"region acceptance {hash(profile)}"
    if key not in arrays.cache:
        image = arrays.geom.to_image()
        grid = image.to_binsz_wcs(_pixel_width(image, profile) * u.deg).to_wcs_geom()
        scale = tuple(float(s) for s in np.abs(grid.pixel_scales.to_value("deg")))
        margin = kernel_half_width(profile, (scale[0], scale[1]))
        grid = grid.pad(margin)
        weights = grid.region_weights([image.region]).data.astype(float)
        kernels = convolution_kernels(profile, margin, (scale[0], scale[1]))
        acceptance = np.stack([fftconvolve(weights, kernel, mode="same") for kernel in kernels])
        arrays.cache[key] = (grid, np.clip(acceptance, 0, 1))
    found: tuple[Any, np.ndarray] = arrays.cache[key]
    return found


def _pixel_width(image: Any, profile: PSFProfile) -> float:
    """Pixels in deg that resolve region and PSF, if they are not too many."""
    width = image.width.to_value("deg")
    radius = profile.containment_radius(0.68)
    fine = min(
        float(image.binsz_wcs.to_value("deg").min()), width.min() / 40, radius[radius > 0].min(initial=np.inf) / 6
    )
    return float(max(fine, (width.max() + 2 * profile.rad[-1]) / MAX_PIXELS))
