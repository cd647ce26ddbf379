"""Shapes whose Fourier transforms are known, behind a PSF of any shape: tables of the blurred brightness."""

import abc
from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayesmap.graph.arrays import FoldArrays, Values
from bayesmap.graph.ops.cosine import CosineTransform
from bayesmap.graph.ops.profile import PlaneImage, ProfileImage
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.graph.psf.fft import kernel_half_width
from bayesmap.graph.psf.hankel import CosineTable, HankelTable, cosine_table, hankel_table, sub_pixel_numbers
from bayesmap.graph.psf.profile import PSFProfile
from bayesmap.graph.sources import WindowSource, data, sub_pixels
from bayesmap.modeling.formulas import sphere

__all__ = ["EllipticalSource", "RoundSource", "blurred_source", "is_blurred", "is_round", "window_of", "with_tables"]


class _BlurredSource(WindowSource, abc.ABC):
    """What both have in common."""

    @abc.abstractmethod
    def images(self, values: Values, lon: Any, lat: Any, solid_angle: Any) -> Any:
        """Probability per pixel, ``(n_energy, n_pixel)``, for sub-pixels of the shape ``(height, width, n_sub)``."""

    def stamps(self, values: Values) -> tuple[Any, Any, Any]:
        """Images of the blurred shape; see :class:`SourceGroup`."""
        half = pt.ceil(self.models[0].spatial_model.radius_graph(values) * self.pixels_per_deg) + self.margin + 1
        rows, columns = self._edges(values, half)
        return self._stamps(self.images(values, *self._at(rows, columns)), rows, columns)

    def everywhere(self, values: Values) -> Any:
        """`images` of the whole area."""
        return self.images(values, *self._at((0, self.area[2]), (0, self.area[3])))


class RoundSource(_BlurredSource):
    """A round shape whose Fourier transform is known, seen through a PSF of any shape.

    The distance of each sub-pixel from the source is exact, and so are, up to the step of a table, the profiles of the
    blurred shape: no size and no position on the pixel grid is special.

    Parameters
    ----------
    model, sky, area, margin, coords, dispersion, reco_psf
        As for `WindowSource`.
    table : HankelTable
        The PSF.
    """

    def __init__(self, *source: Any, table: HankelTable) -> None:
        super().__init__(*source)
        self.table = table
        self.blur, self.matrix = data(table.blur), data(table.matrix)

    def profiles(self, values: Values) -> Any:
        """Coefficients of the blurred profiles, ``(n_node, n_energy)``, in sr-1."""
        transform = self.models[0].spatial_model.transform_graph(self.table.waves, values, self.table.radius)
        return pt.dot(self.matrix, transform[:, None] * self.blur) / sphere.RADIANS**2

    def images(self, values: Values, lon: Any, lat: Any, solid_angle: Any) -> Any:
        """See `_BlurredSource.images`."""
        spatial = self.models[0].spatial_model
        distance = sphere.separation(lon, lat, values[spatial.lon_0], values[spatial.lat_0]) / self.table.step
        flat = distance.shape[0] * distance.shape[1], distance.shape[2]
        return ProfileImage()(self.profiles(values), distance.reshape(flat), solid_angle.reshape(flat))


class EllipticalSource(_BlurredSource):
    """A shape that is a function of an elliptical radius, whose Fourier transform is known, behind a PSF of any shape.

    The table is a quarter of the plane around the source, in which distances and directions from it are true, along the
    axes of the ellipse; how they are turned and where the pixels are in it is exact for each sub-pixel.

    Parameters
    ----------
    model, sky, area, margin, coords, dispersion, reco_psf
        As for `WindowSource`.
    table : CosineTable
        The PSF.
    """

    def __init__(self, *source: Any, table: CosineTable) -> None:
        super().__init__(*source)
        self.table = table
        self.blur, self.mixing, self.spline = data(table.blur), data(table.mixing), data(table.spline)
        self.squares = data(table.waves_x**2), data(table.waves_y**2)
        self.place = data(table.place)

    def plane(self, values: Values) -> Any:
        """Coefficients of the blurred shape in a quarter of the plane, ``(n_node, n_node, n_energy)``, in sr-1."""
        spatial, table = self.models[0].spatial_model, self.table
        transform = pt.dot(self.spline, spatial.transform_graph(table.waves, values, table.radius))
        ratio = spatial.axes_graph(values)[0]
        wave = pt.sqrt(self.squares[0] + ratio**2 * self.squares[1] + 1e-20) / table.wave_step  # no 0 / 0 in slopes
        shape = ProfileImage()(transform[:, None], wave[:, None], pt.ones_like(wave)[:, None])[0]
        n, n_basis = table.n_node, self.mixing.shape[1]
        spectrum = pt.zeros((n * n, n_basis))
        spectrum = pt.set_subtensor(spectrum[self.place], shape[:, None] * self.blur)
        tables = CosineTransform()(spectrum.reshape((n, n, n_basis)))
        return pt.dot(tables, self.mixing.T) / sphere.RADIANS**2

    def images(self, values: Values, lon: Any, lat: Any, solid_angle: Any) -> Any:
        """See `_BlurredSource.images`."""
        x, y = self._along_axes(lon, lat, values)
        flat = x.shape[0] * x.shape[1], x.shape[2]
        return PlaneImage()(self.plane(values), *(c.reshape(flat) for c in (x, y, solid_angle)))

    def _along_axes(self, lon: Any, lat: Any, values: Values) -> tuple[Any, Any]:
        """Distances along the major and the minor axis, in steps of the table."""
        spatial = self.models[0].spatial_model
        center = values[spatial.lon_0], values[spatial.lat_0]
        east, north = sphere.offsets(lon, lat, *center)
        phi = sphere.RADIANS * pt.as_tensor_variable(spatial.axes_graph(values)[1])
        square = east**2 + north**2
        apart = square > 1e-14
        sine = pt.sqrt(pt.switch(apart, square, 1.0))
        scale = pt.switch(apart, sphere.separation(lon, lat, *center) / sine, 1 / sphere.RADIANS) / self.table.step
        along, across = east * pt.sin(phi) + north * pt.cos(phi), east * pt.cos(phi) - north * pt.sin(phi)
        return scale * along, scale * across


def is_round(spatial: Any) -> bool:
    """Whether a shape that is a function of an elliptical radius is round whatever its parameters."""
    ratio = _axes(spatial)[0]
    return isinstance(ratio, float) and ratio == 1.0


def is_blurred(spatial: Any) -> bool:
    """Whether a shape can be a `RoundSource` or an `EllipticalSource`."""
    return spatial is not None and _axes(spatial) is not None


def _axes(spatial: Any) -> Any:
    return spatial.axes_graph({p: p.internal for p in spatial.parameters})


def window_of(arrays: FoldArrays, spatial: Any, reach: float, kernel: int) -> tuple[int, int, int, int]:
    """Largest window that a shape with a position can have: first row and column, height and width.

    Parameters
    ----------
    arrays : FoldArrays
        The dataset.
    spatial : SpatialModel
        The shape, with a position.
    reach : float
        How far in deg it may move and grow.
    kernel : int
        Half width of the PSF in pixels.
    """
    scale = arrays.pixel_scale
    x, y = (float(v) for v in arrays.geom.wcs.world_to_pixel(spatial.position.transform_to(arrays.geom.frame)))
    radius = float(spatial.evaluation_radius.to_value("deg")) + reach
    n_lat, n_lon = arrays.mask.shape[1:]
    half = [int(np.ceil(radius / s)) + kernel + 1 for s in scale]
    # What lies further from the map than the kernel reaches cannot be seen.
    x0, x1 = max(round(x) - half[0], -2 * kernel), min(round(x) + half[0] + 1, n_lon + 2 * kernel)
    y0, y1 = max(round(y) - half[1], -2 * kernel), min(round(y) + half[1] + 1, n_lat + 2 * kernel)
    return y0, x0, max(y1 - y0, 1), max(x1 - x0, 1)


def blurred_source(
    arrays: FoldArrays,
    model: Any,
    shape: Any,
    sky: SkyToPixel,
    profile: PSFProfile | None,
    edisp: np.ndarray,
    reach: float,
) -> RoundSource | EllipticalSource:
    """Build the source of a model on the map of a dataset.

    Parameters
    ----------
    arrays : FoldArrays
        The dataset.
    model : SkyModel
        Its shape has `SpatialModel.axes_graph`.
    shape : SpatialModel
        That shape where it is to be looked for first.
    sky : SkyToPixel
        For its frame.
    profile : PSFProfile or None
        The PSF.
    edisp : numpy.ndarray
        ``(n_reco, n_true)``.
    reach : float
        How far in deg the shape may move and grow.
    """
    scale = arrays.pixel_scale
    kernel = 1 if profile is None else kernel_half_width(profile, scale)
    window = window_of(arrays, shape, reach, kernel)
    coords = sub_pixels(arrays.geom, shape.frame, window, *sub_pixel_numbers(scale, profile))
    source = model, sky, window, kernel, coords, edisp[None], arrays.reco_psf
    return with_tables(source, shape, profile, kernel * min(scale), reach)


def with_tables(
    source: tuple[Any, ...], shape: Any, profile: PSFProfile | None, psf_reach: float, reach: float
) -> RoundSource | EllipticalSource:
    """Return a source from what a `WindowSource` is made of, with the tables of a PSF that is cut at a radius."""
    coords, dispersion, reco_psf = source[4:]
    radius = 1.1 * float(shape.evaluation_radius.to_value("deg")) + reach
    pixel = float(np.rad2deg(np.sqrt(np.median(coords[2]))))
    psf = profile, dispersion.shape[1 if reco_psf else 2], pixel, radius, psf_reach
    if is_round(shape):
        return RoundSource(*source, table=hankel_table(*psf))
    return EllipticalSource(*source, table=cosine_table(*psf))
