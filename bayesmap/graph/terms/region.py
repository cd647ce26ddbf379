"""Sources seen through a region of the sky: what of their flux falls into it, after the PSF."""

from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

from bayesmap import units
from bayesmap._backend.program import number
from bayesmap._types import Tensor
from bayesmap.graph.arrays import FoldArrays, Values
from bayesmap.graph.data import data
from bayesmap.graph.ops.convolve import convolved
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.graph.psf.fft import kernel_half_width
from bayesmap.graph.psf.hankel import sub_pixel_numbers
from bayesmap.graph.psf.profile import PSFProfile, convolution_kernels
from bayesmap.graph.response import LocalResponse
from bayesmap.graph.terms.blurred import BlurredSource, is_blurred, with_tables
from bayesmap.graph.terms.fixed import FixedTerm
from bayesmap.graph.windows import sub_pixels

if TYPE_CHECKING:
    from bayesmap.maps import WcsGeom
    from bayesmap.modeling.spatial.base import SpatialModel

__all__ = ["BlurredRegionTerm", "RegionTerm", "point_containment", "region_term"]

#: directions in which the edge of a region is looked for around a point source
N_AZIMUTH = 720
#: rings into which a step in radius is divided where the edge of a region is met
N_RINGS = 32
#: of a step between rings, from one direction to the next: fills it evenly
GOLDEN = 0.5 * (5**0.5 - 1)
#: pixels on a side of the grid around a region, at most
MAX_PIXELS = 400
#: pixels that touch a region, at least
MIN_TOUCHED = 4000


class RegionTerm(FixedTerm):
    """A source of any shape with free parameters in a region dataset.

    Parameters
    ----------
    model, place, image
        See `FixedTerm`.
    acceptance : numpy.ndarray
        Probability that a photon from a pixel is reconstructed in the region, ``(n_node * n_true, n_lat, n_lon)``, on a
        grid around the region.
    coords : tuple of numpy.ndarray
        Longitude, latitude (in deg, in the frame of the model) and solid angle (in sr) of sub-pixels, each of shape
        ``(n_lat, n_lon, n_sub)``.
    """

    def __init__(
        self,
        model: Any,
        place: LocalResponse,
        image: np.ndarray,
        acceptance: np.ndarray,
        coords: tuple[np.ndarray, ...],
    ) -> None:
        super().__init__(model, place, image)
        lon, lat, solid_angle = coords
        self.step = float(np.rad2deg(np.sqrt(np.median(solid_angle))))
        fixed = model.spatial_model.fixed_positions
        self.lon: Tensor = lon if fixed else data(lon)
        self.lat: Tensor = lat if fixed else data(lat)
        self.solid_angle = data(solid_angle)
        flat = place.by_node(acceptance.reshape(len(acceptance), -1))
        self.acceptance = data(flat[0] if place.nodes is None else flat)

    def seen(self, values: Values) -> Tensor:
        """Share of the flux that is reconstructed in the region, shape ``(n_true,)``."""
        brightness = self.models[0].spatial_model.resolved_graph(self.lon, self.lat, values, self.step)
        image, nodes = (brightness * self.solid_angle).sum(axis=-1), self.place.nodes
        acceptance = self.acceptance if nodes is None else nodes.mix(self.acceptance, values)
        return acceptance @ image.ravel()


class BlurredRegionTerm(FixedTerm):
    """A source whose blurred image is known everywhere, with free position or shape, in a region dataset.

    Parameters
    ----------
    model, place, image
        See `FixedTerm`.
    source : BlurredSource
        On the pixels of a grid that touch the region.
    weights : numpy.ndarray
        Shares of these pixels that lie in the region.
    """

    def __init__(
        self, model: Any, place: LocalResponse, image: np.ndarray, source: BlurredSource, weights: np.ndarray
    ) -> None:
        super().__init__(model, place, image)
        self.source, self.weights = source, data(weights)

    def seen(self, values: Values) -> Tensor:
        """Share of the flux that is reconstructed in the region, shape ``(n_true,)``."""
        return self.source.everywhere(values) @ self.weights


def region_term(model: Any, shape: "SpatialModel", place: LocalResponse) -> FixedTerm:
    """Response of a region dataset to the flux of a source.

    Parameters
    ----------
    model : SkyModel
        The source. Without a PSF in the dataset, or with ``apply_irf["psf"]`` false, all of its flux falls into the
        region, whatever its spatial model (Gammapy's convention: the exposure is corrected for containment).
    shape : SpatialModel or None
        Its shape, where the source is to be looked for first.
    place : LocalResponse
        The response there; the geometry of the dataset is a region.

    Returns
    -------
    FixedTerm
        A `BlurredRegionTerm` or a `RegionTerm` if spatial parameters are free.

    Raises
    ------
    ValueError
        If the PSF is to be applied but the region has no area, or a source with free spatial parameters is seen through
        a PSF in reconstructed energy.
    """
    arrays, spatial = place.arrays, model.spatial_model
    assert arrays.exposure is not None
    exposure = arrays.exposure.reshape(1, 1, -1, 1, 1)
    if spatial is None or not place.has_psf or spatial.is_per_pixel:
        return FixedTerm(model, place, exposure)
    _require_area(arrays)
    if all(p.frozen for p in spatial.parameters):
        seen = place.by_node(_frozen_containment(model, place))
        seen = seen[:, :, None] if arrays.reco_psf else seen[:, None, :]
        return FixedTerm(model, place, exposure * seen[..., None, None])
    if arrays.reco_psf:
        raise ValueError(
            f"dataset {arrays.name!r}: model {model.name!r} has free spatial parameters, which a region dataset with a "
            "PSF in reconstructed energy does not support; freeze them or use a map dataset"
        )
    if is_blurred(spatial):
        return BlurredRegionTerm(model, place, exposure, *_blurred(model, shape, place))
    grid, acceptance = _acceptance(place)
    fine = 1
    if shape.evaluation_bin_size_min is not None:
        detail = shape.evaluation_bin_size_min.to_value("deg") / 4
        fine = int(np.clip(np.ceil(np.abs(grid.pixel_scales.to_value("deg")).max() / detail), 1, 8))
    coords = sub_pixels(grid, spatial.frame, (0, 0, *grid.data_shape), fine)
    return RegionTerm(model, place, exposure, acceptance, coords)


def _blurred(model: Any, shape: "SpatialModel", place: LocalResponse) -> tuple[BlurredSource, np.ndarray]:
    """A source on the pixels of a grid that touch the region, and the shares of these that lie in it."""
    image, profile = place.arrays.geom.to_image(), place.profile
    assert profile is not None
    width = image.width.to_value("deg")
    pixel = max(min(float(image.binsz_wcs.to_value("deg").min()), width.min() / 40), width.max() / MAX_PIXELS)
    for _ in range(8):
        grid = image.to_binsz_wcs(pixel * u.deg).to_wcs_geom()
        weights = grid.region_weights([image.region]).data.astype(float)
        touched = weights > 0
        if touched.sum() >= MIN_TOUCHED:
            break
        pixel *= max(np.sqrt(touched.sum() / (2 * MIN_TOUCHED)), 0.1)
    scale = tuple(float(s) for s in np.abs(grid.pixel_scales.to_value("deg")))
    fine = sub_pixel_numbers((scale[0], scale[1]), profile)
    coords = tuple(c[touched][None] for c in sub_pixels(grid, shape.frame, (0, 0, *grid.data_shape), *fine))
    sky = SkyToPixel.from_geom(grid, grid.center_skydir.transform_to(shape.frame))
    source = model, sky, place, (0, 0, 1, int(touched.sum())), 0, coords
    # from anywhere the region can be reached: the tables need not end
    reach = float(profile.containment_radius(1 - 1e-4).max())
    return with_tables(source, shape, reach, reach=float(width.max())), weights[touched]


def _require_area(arrays: FoldArrays) -> None:
    if arrays.geom.region is None or arrays.geom.is_all_point_sky_regions:
        raise ValueError(
            f"dataset {arrays.name!r} has a PSF, but its region {arrays.geom.region} has no area: what falls into it "
            "is unknown; give it a region with an area, or no PSF"
        )


def _frozen_containment(model: Any, place: LocalResponse) -> np.ndarray:
    """Share of the flux that falls into the region, per node and energy of the PSF."""
    arrays, spatial = place.arrays, model.spatial_model
    place = place.unmixed()
    assert place.profile is not None
    if spatial.is_point:
        return point_containment(place.profile, place.position, arrays.geom)
    if is_blurred(spatial):
        source, weights = _blurred(model, spatial, place)
        values = {p: p.internal for p in spatial.parameters}
        seen: np.ndarray = number(source.everywhere(values) @ weights)
        return seen
    grid, acceptance = _acceptance(place)
    geom = grid
    if getattr(spatial, "is_energy_dependent", False):
        geom = grid.to_cube([arrays.true_energy_axis])
    image = units.strip(spatial.integrate_geom(geom).quantity).reshape(-1, *grid.data_shape)
    if len(image) > 1:
        image = np.tile(image, (len(acceptance) // len(image), 1, 1))
    contained: np.ndarray = (acceptance * image).sum(axis=(1, 2))
    return contained


def point_containment(profile: PSFProfile, position: SkyCoord, geom: "WcsGeom") -> np.ndarray:
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

    azimuth = (np.arange(N_AZIMUTH) + 0.5) * 2 * np.pi / N_AZIMUTH

    def inside(distance: np.ndarray) -> np.ndarray:
        """Where the region is met: directions are rows."""
        points = position.directional_offset_by(azimuth[:, None] * u.rad, distance * u.deg)
        return np.asarray(geom.to_image().contains(points), dtype=float)

    share = inside(0.5 * (radii[1:] + radii[:-1])).mean(axis=0)
    steps = np.abs(np.diff(share, prepend=share[0], append=share[-1])) > 0.02
    coarse = np.flatnonzero(steps[1:] | steps[:-1])  # where the edge of the region is met: finer rings
    if len(coarse):
        # other radii in each direction: an edge around the source would be met by all directions between two rings
        shift = np.modf(GOLDEN * np.arange(N_AZIMUTH))[0]
        parts = (np.arange(N_RINGS) + shift[:, None]) / N_RINGS
        rings = radii[coarse, None] + np.diff(radii)[coarse, None] * parts[:, None]
        met = inside(rings.reshape(N_AZIMUTH, -1)).reshape(rings.shape)
        share[coarse] = (met * rings).sum(axis=(0, 2)) / rings.sum(axis=(0, 2))
    contained: np.ndarray = np.diff(cumulative, axis=1) @ share
    return contained


def _acceptance(place: LocalResponse) -> tuple[Any, np.ndarray]:
    """A grid around the region, and the probability that photons from its pixels are reconstructed in the region.

    A row per node and energy of the PSF.
    """
    arrays, profile = place.arrays, place.profile
    assert profile is not None
    key = f"region acceptance {hash(profile)}"
    if key not in arrays.cache:
        image = arrays.geom.to_image()
        grid = image.to_binsz_wcs(_pixel_width(image, profile) * u.deg).to_wcs_geom()
        scale = tuple(float(s) for s in np.abs(grid.pixel_scales.to_value("deg")))
        margin = kernel_half_width(profile, (scale[0], scale[1]))
        grid = grid.pad(margin)
        weights = grid.region_weights([image.region]).data.astype(float)
        kernels = convolution_kernels(profile, margin, (scale[0], scale[1]))
        acceptance = np.stack([convolved(weights, kernel) for kernel in kernels])
        arrays.cache[key] = (grid, np.clip(acceptance, 0, 1))
    found: tuple[Any, np.ndarray] = arrays.cache[key]
    return found


def _pixel_width(image: Tensor, profile: PSFProfile) -> float:
    """Pixels in deg that resolve region and PSF, if they are not too many."""
    width = image.width.to_value("deg")
    radius = profile.containment_radius(0.68)
    fine = min(
        float(image.binsz_wcs.to_value("deg").min()), width.min() / 40, radius[radius > 0].min(initial=np.inf) / 6
    )
    return float(max(fine, (width.max() + 2 * profile.rad[-1]) / MAX_PIXELS))
