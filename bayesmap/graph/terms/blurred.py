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
from bayesmap.graph.psf.hankel import (
    PER_RADIUS,
    PER_WAVE,
    BlurTable,
    CosineTable,
    HankelTable,
    blur_table,
    cosine_table,
    hankel_table,
    sub_pixel_numbers,
)
from bayesmap.graph.response import LocalResponse
from bayesmap.graph.terms.fft import WindowSource
from bayesmap.graph.windows import as_index, sub_pixels, window_of
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

#: radii of tables grow by this factor, so many times
_STEP, _STEPS = 1.05, 200


class BlurredSource(WindowSource, abc.ABC):
    """A source whose blurred image is known in closed form; what round and elliptical ones have in common.

    Parameters
    ----------
    *source
        See `WindowSource`.
    psf : BlurTable
        What blurs it.
    """

    def __init__(self, *source: Any, psf: BlurTable) -> None:
        super().__init__(*source)
        self.psf = psf

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

    def radius(self, values: Values) -> Tensor:
        """Radius in deg outside of which there is nothing, in steps of a few per cent: no gradient goes through it."""
        size = self.models[0].spatial_model.radius_graph(values)
        largest = self.psf.margin + (0.0 if size is None else 1.1 * size)
        number = pt.ceil(pt.log(pt.as_tensor_variable(largest) / self.psf.margin) / np.log(_STEP))
        return self.psf.margin * _STEP ** pt.cast(as_index(number, 0, _STEPS), "float64")

    def transforms(self, blur: Tensor, waves: Tensor) -> Tensor:
        """What blurs the shape at wave numbers, ``(n_wave, n_function)``."""
        place = pt.reshape(waves / self.psf.step, (-1, 1))
        return ProfileImage()(blur, place, pt.ones_like(place)).T


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
        super().__init__(*source, psf=table.psf)
        self.table = table
        nodes = self.place.nodes
        self.blur = data(table.psf.blur if nodes is None else self.place.by_node(table.psf.blur.T))
        self.zeros, self.matrix = data(table.zeros), data(table.matrix)

    def profiles(self, values: Values, radius: Tensor) -> Tensor:
        """Coefficients of the blurred profiles within a radius, ``(n_node, n_energy)``, in sr-1."""
        most = len(self.table.zeros)
        number = as_index(pt.ceil(self.psf.largest * radius / np.pi) + 1, 1, most)
        waves = self.zeros[:number] / radius
        phase = float(self.table.zeros[-1])
        transform = self.models[0].spatial_model.transform_graph(waves, values, phase)
        blur = self.blur if self.place.nodes is None else self.mixed(self.blur, values).T
        blurred = transform[:, None] * self.transforms(blur, waves)
        return pt.dot(self.matrix[:, :number], blurred) / (sphere.RADIANS * radius) ** 2

    def images(self, values: Values, lon: Tensor, lat: Tensor, solid_angle: Tensor) -> Tensor:
        """See `BlurredSource.images`."""
        spatial, radius = self.models[0].spatial_model, self.radius(values)
        distance = sphere.separation(lon, lat, values[spatial.lon_0], values[spatial.lat_0])
        distance = distance / (radius / self.table.n_step)
        flat = distance.shape[0] * distance.shape[1], distance.shape[2]
        return ProfileImage()(self.profiles(values, radius), distance.reshape(flat), solid_angle.reshape(flat))


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
        super().__init__(*source, psf=table.psf)
        self.table = table
        self.blur, self.mixing = data(table.psf.blur), self.by_node(table.mixing)
        self.lengths, self.spline = data(table.lengths), data(table.spline)

    def plane(self, values: Values, radius: Tensor, n: Tensor) -> Tensor:
        """Coefficients of the blurred shape in a quarter of the plane, ``(n + 1, n + 1, n_energy)``, in sr-1."""
        spatial = self.models[0].spatial_model
        largest = PER_WAVE * n / radius
        waves = pt.arange(pt.cast(largest * radius / np.pi, "int64") + 1) * (np.pi / radius)
        wave_step = PER_RADIUS / radius
        n_wave = pt.minimum(pt.cast(pt.ceil(largest / wave_step), "int64") + 3, self.spline.shape[1])
        phase = PER_WAVE * float(self.table.lengths[-1])
        transform = spatial.transform_graph(wave_step * pt.arange(n_wave), values, phase)
        transform = pt.dot(self.spline[: n_wave + 3, :n_wave], transform)
        x, y = waves[:, None] + 0 * waves, waves + 0 * waves[:, None]
        round_wave, ratio = pt.sqrt(x**2 + y**2).ravel(), spatial.axes_graph(values)[0]
        wave = pt.sqrt((x**2 + ratio**2 * y**2).ravel() + 1e-20) / wave_step  # no 0 / 0 in slopes
        shape = ProfileImage()(transform[:, None], wave[:, None], pt.ones_like(wave)[:, None])[0]
        filters = (2 + pt.cos(waves * (radius / n))) / 3
        norm = (4 * radius**2 * filters[:, None] * filters).ravel()
        shape = pt.switch(round_wave > largest, 0.0, shape / norm)
        blurred = shape[:, None] * self.transforms(self.blur, round_wave)
        n_basis = self.table.mixing.shape[1]
        spectrum = pt.zeros((n + 1, n + 1, n_basis))
        square = blurred.reshape((waves.shape[0], waves.shape[0], n_basis))
        spectrum = pt.set_subtensor(spectrum[: waves.shape[0], : waves.shape[0]], square)
        tables = CosineTransform()(spectrum)
        return pt.dot(tables, self.mixed(self.mixing, values).T) / sphere.RADIANS**2

    def images(self, values: Values, lon: Tensor, lat: Tensor, solid_angle: Tensor) -> Tensor:
        """See `BlurredSource.images`."""
        radius = self.radius(values)
        wanted = pt.ceil(radius * self.psf.largest / PER_WAVE)
        number = as_index(pt.lt(self.lengths, wanted).sum(), 0, len(self.table.lengths) - 1)
        n = self.lengths[number]
        x, y = (c / (radius / n) for c in self._along_axes(lon, lat, values))
        flat = x.shape[0] * x.shape[1], x.shape[2]
        return PlaneImage()(self.plane(values, radius, n), *(c.reshape(flat) for c in (x, y, solid_angle)))

    def _along_axes(self, lon: Tensor, lat: Tensor, values: Values) -> tuple[Tensor, Tensor]:
        """Distances along the major and the minor axis in deg."""
        spatial = self.models[0].spatial_model
        center = values[spatial.lon_0], values[spatial.lat_0]
        east, north = sphere.offsets(lon, lat, *center)
        phi = sphere.RADIANS * pt.as_tensor_variable(spatial.axes_graph(values)[1])
        square = east**2 + north**2
        apart = square > 1e-14
        sine = pt.sqrt(pt.switch(apart, square, 1.0))
        scale = pt.switch(apart, sphere.separation(lon, lat, *center) / sine, 1 / sphere.RADIANS)
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
    pixel = float(np.rad2deg(np.sqrt(np.median(coords[2]))))
    psf = blur_table(place.profile, place.n_energy, pixel, psf_reach)
    size = 1.1 * float(shape.evaluation_radius.to_value("deg"))
    # Edges of a shape that is much larger than what is seen of it are not there to be seen.
    area = float(np.hypot(*(n * pixel * np.sqrt(coords[2].shape[-1]) for n in coords[2].shape[:2])))
    radius = min(size + reach, max(size, area))
    if is_round(shape):
        return RoundSource(*source, table=hankel_table(psf, radius))
    return EllipticalSource(*source, table=cosine_table(psf, radius))
