"""Shapes whose Fourier transforms are known, behind a PSF of any shape: tables of the blurred brightness."""

import abc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytensor.tensor as pt

from bayesmap._types import Tensor
from bayesmap.graph.arrays import Values
from bayesmap.graph.data import data
from bayesmap.graph.ops.cosine import CosineTransform
from bayesmap.graph.ops.profile import PlaneImage, ProfileImage
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.graph.psf.fft import kernel_half_width
from bayesmap.graph.psf.hankel import CosineTable, HankelTable, cosine_table, hankel_table, sub_pixel_numbers
from bayesmap.graph.response import LocalResponse
from bayesmap.graph.terms.fft import WindowSource
from bayesmap.graph.windows import sub_pixels, window_of
from bayesmap.modeling.formulas import sphere

if TYPE_CHECKING:
    from bayesmap.modeling.spatial.base import SpatialModel

__all__ = [
    "BlurredSource",
    "EllipticalSource",
    "RoundSource",
    "blurred_source",
    "is_blurred",
    "is_round",
    "with_tables",
]


class BlurredSource(WindowSource, abc.ABC):
    """A source whose blurred image is known in closed form; what round and elliptical ones have in common."""

    @abc.abstractmethod
    def images(self, values: Values, lon: Tensor, lat: Tensor, solid_angle: Tensor) -> Tensor:
        """Probability per pixel, ``(n_energy, n_pixel)``, for sub-pixels of the shape ``(height, width, n_sub)``."""

    def stamps(self, values: Values) -> tuple[Tensor, Tensor, Tensor]:
        """Images of the blurred shape; see :class:`StampSources`."""
        half = pt.ceil(self.models[0].spatial_model.radius_graph(values) * self.pixels_per_deg) + self.margin + 1
        rows, columns = self._edges(values, half)
        return self._stamps(self.images(values, *self._at(rows, columns)), rows, columns)

    def everywhere(self, values: Values) -> Tensor:
        """`images` of the whole area."""
        return self.images(values, *self._at((0, self.area[2]), (0, self.area[3])))


class RoundSource(BlurredSource):
    """A round shape whose Fourier transform is known, seen through a PSF of any shape.

    The distance of each sub-pixel from the source is exact, and so are, up to the step of a table, the profiles of the
    blurred shape: no size and no position on the pixel grid is special.

    Parameters
    ----------
    *source
        See `WindowSource`.
    table : HankelTable
        The PSF.
    """

    def __init__(self, *source: Any, table: HankelTable) -> None:
        super().__init__(*source)
        self.table = table
        nodes = self.place.nodes
        self.blur = data(table.blur if nodes is None else self.place.by_node(table.blur.T))
        self.matrix = data(table.matrix)

    def profiles(self, values: Values) -> Tensor:
        """Coefficients of the blurred profiles, ``(n_node, n_energy)``, in sr-1."""
        transform = self.models[0].spatial_model.transform_graph(self.table.waves, values, self.table.radius)
        blur = self.blur if self.place.nodes is None else self.mixed(self.blur, values).T
        return pt.dot(self.matrix, transform[:, None] * blur) / sphere.RADIANS**2

    def images(self, values: Values, lon: Tensor, lat: Tensor, solid_angle: Tensor) -> Tensor:
        """See `BlurredSource.images`."""
        spatial = self.models[0].spatial_model
        distance = sphere.separation(lon, lat, values[spatial.lon_0], values[spatial.lat_0]) / self.table.step
        flat = distance.shape[0] * distance.shape[1], distance.shape[2]
        return ProfileImage()(self.profiles(values), distance.reshape(flat), solid_angle.reshape(flat))


class EllipticalSource(BlurredSource):
    """A shape that is a function of an elliptical radius, whose Fourier transform is known, behind a PSF of any shape.

    The table is a quarter of the plane around the source, in which distances and directions from it are true, along the
    axes of the ellipse; how they are turned and where the pixels are in it is exact for each sub-pixel.

    Parameters
    ----------
    *source
        See `WindowSource`.
    table : CosineTable
        The PSF.
    """

    def __init__(self, *source: Any, table: CosineTable) -> None:
        super().__init__(*source)
        self.table = table
        self.blur, self.mixing, self.spline = data(table.blur), self.by_node(table.mixing), data(table.spline)
        self.squares = data(table.waves_x**2), data(table.waves_y**2)
        self.cells = data(table.place)

    def plane(self, values: Values) -> Tensor:
        """Coefficients of the blurred shape in a quarter of the plane, ``(n_node, n_node, n_energy)``, in sr-1."""
        spatial, table = self.models[0].spatial_model, self.table
        transform = pt.dot(self.spline, spatial.transform_graph(table.waves, values, table.radius))
        ratio = spatial.axes_graph(values)[0]
        wave = pt.sqrt(self.squares[0] + ratio**2 * self.squares[1] + 1e-20) / table.wave_step  # no 0 / 0 in slopes
        shape = ProfileImage()(transform[:, None], wave[:, None], pt.ones_like(wave)[:, None])[0]
        mixing = self.mixed(self.mixing, values)
        n, n_basis = table.n_node, mixing.shape[1]
        spectrum = pt.zeros((n * n, n_basis))
        spectrum = pt.set_subtensor(spectrum[self.cells], shape[:, None] * self.blur)
        tables = CosineTransform()(spectrum.reshape((n, n, n_basis)))
        return pt.dot(tables, mixing.T) / sphere.RADIANS**2

    def images(self, values: Values, lon: Tensor, lat: Tensor, solid_angle: Tensor) -> Tensor:
        """See `BlurredSource.images`."""
        x, y = self._along_axes(lon, lat, values)
        flat = x.shape[0] * x.shape[1], x.shape[2]
        return PlaneImage()(self.plane(values), *(c.reshape(flat) for c in (x, y, solid_angle)))

    def _along_axes(self, lon: Tensor, lat: Tensor, values: Values) -> tuple[Tensor, Tensor]:
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


def is_round(spatial: "SpatialModel") -> bool:
    """Whether a shape that is a function of an elliptical radius is round whatever its parameters."""
    ratio = _axes(spatial)[0]
    return isinstance(ratio, float) and ratio == 1.0


def is_blurred(spatial: "SpatialModel") -> bool:
    """Whether a shape can be a `RoundSource` or an `EllipticalSource`."""
    return spatial is not None and _axes(spatial) is not None


def _axes(spatial: "SpatialModel") -> Any:
    return spatial.axes_graph({p: p.internal for p in spatial.parameters})


def blurred_source(
    model: Any, shape: "SpatialModel", sky: SkyToPixel, place: LocalResponse, reach: float
) -> BlurredSource:
    """Build the source of a model on the map of a dataset.

    Parameters
    ----------
    model : SkyModel
        Its shape has `SpatialModel.axes_graph`.
    shape : SpatialModel
        That shape where it is to be looked for first.
    sky : SkyToPixel
        For its frame.
    place : LocalResponse
        The response there.
    reach : float
        How far in deg the shape may move and grow.
    """
    arrays, profile = place.arrays, place.profile
    scale = arrays.pixel_scale
    kernel = 1 if profile is None else kernel_half_width(profile, scale)
    window = window_of(arrays, shape, reach, kernel)
    coords = sub_pixels(arrays.geom, shape.frame, window, *sub_pixel_numbers(scale, profile))
    return with_tables((model, sky, place, window, kernel, coords), shape, kernel * min(scale), reach)


def with_tables(source: tuple[Any, ...], shape: Any, psf_reach: float, reach: float) -> BlurredSource:
    """Return a source from what a `WindowSource` is made of, with the tables of a PSF that is cut at a radius.

    Parameters
    ----------
    source : tuple
        Arguments of `WindowSource`.
    shape : SpatialModel
        The shape where it is to be looked for first.
    psf_reach, reach : float
        Radius in deg at which the PSF is cut; how far in deg the shape may grow.
    """
    place, coords = source[2], source[5]
    radius = 1.1 * float(shape.evaluation_radius.to_value("deg")) + reach
    pixel = float(np.rad2deg(np.sqrt(np.median(coords[2]))))
    psf = place.profile, place.n_energy, pixel, radius, psf_reach
    if is_round(shape):
        return RoundSource(*source, table=hankel_table(*psf))
    return EllipticalSource(*source, table=cosine_table(*psf))
