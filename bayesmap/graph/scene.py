"""Images of scenes: sources on the sky, seen through a PSF that is constant in each cell of the image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytensor.tensor as pt
from scipy import fft, signal

from bayesmap._backend.program import number
from bayesmap._types import Tensor
from bayesmap.graph.arrays import Values
from bayesmap.graph.data import data
from bayesmap.graph.ops.galaxies import CellConvolution, SpectrumSum
from bayesmap.graph.ops.stars import StarImage
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.maps import WcsGeom
from bayesmap.units import FLUX_DENSITY

__all__ = ["Scene", "SceneArrays"]

#: nodes of the tables of transforms
_N_NODE = 258
#: a transform of a kernel that is smaller than this is taken for zero
_NEGLIGIBLE = 1e-3
#: pixels beyond an image up to which shapes have the room that they ask for
_WIDE = 48
#: for shapes that are drawn once: parts of a pixel, and pixels beyond what kernels reach, where waves of edges die out
_DIVIDED, _MARGIN = 3, 8
#: shapes may become this much larger than they are
_GROWTH = 10.0


@dataclass(frozen=True, eq=False)
class SceneArrays:
    """What a scene needs to know of an image.

    Attributes
    ----------
    name : str
        Name of the dataset, for messages.
    geom : WcsGeom
        The pixels, shape ``(n_y, n_x)``.
    boxes : numpy.ndarray
        First and last (excluded) row, first and last column of each cell that is there, inside the image; integers of
        shape ``(n_cell, 4)``.
    kernels : numpy.ndarray
        The PSF of each cell, pixel response included, shape ``(n_cell, odd, odd)``, of sum one.
    """

    name: str
    geom: WcsGeom
    boxes: np.ndarray
    kernels: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        return self.geom.data_shape[-2], self.geom.data_shape[-1]


class Scene:
    """The image that sources give.

    A star is the kernel of the cell, shifted with a Lanczos filter of five pixels. Other shapes need a Fourier
    transform (`~bayesmap.modeling.SpatialModel.transform_graph`): their sum is made on a plane larger than the image,
    and each cell is convolved with its kernel. In every pixel the kernel is that of its own cell, wherever the source
    is. Light of sources beyond the edges counts; a shape whose centre leaves the plane gives none.

    Shapes without a transform (templates, a constant level) are drawn and convolved once: only their flux may be free.

    Parameters
    ----------
    arrays : SceneArrays
        The image.
    models : sequence of SkyModel
        Sources. How far light reaches beyond the edges is measured at their present sizes and places.

    Raises
    ------
    ValueError
        If a model has no flux density, or a free shape without Fourier transform.
    """

    def __init__(self, arrays: SceneArrays, models: Sequence[Any]) -> None:
        self.arrays, self.models = arrays, list(models)
        for model in self.models:
            _check(arrays.name, model)
        self.stars = [m for m in self.models if m.spatial_model.is_point]
        self.galaxies = [m for m in self.models if not m.spatial_model.is_point and _has_transform(m.spatial_model)]
        drawn = {*self.stars, *self.galaxies}
        self.fixed = [m for m in self.models if m not in drawn]
        self.places = {m: SkyToPixel.from_geom(arrays.geom, m.spatial_model.position) for m in drawn}
        self.kernels, self.shape = data(arrays.kernels), data(np.array(arrays.shape))
        self.boxes = data(np.asarray(arrays.boxes, dtype="int64"))
        if self.galaxies:
            self._prepare_waves()
        if self.fixed:
            self.images = data(np.array([_convolved(arrays, m.spatial_model) for m in self.fixed]))

    def _prepare_waves(self) -> None:
        kernels, (n_y, n_x) = self.arrays.kernels, self.arrays.shape
        half = kernels.shape[1] // 2, kernels.shape[2] // 2
        pad = max(half) + self._reach(max(half))
        plane = fft.next_fast_len(n_y + 2 * pad, real=True), 2 * fft.next_fast_len((n_x + 2 * pad + 1) // 2, real=True)
        wave_y, wave_x = 2 * np.pi * np.fft.fftfreq(plane[0]), 2 * np.pi * np.fft.rfftfreq(plane[1])
        largest = _largest_wave(kernels)
        widths = [np.searchsorted(wave_x, np.sqrt(largest**2 - k**2)) if abs(k) < largest else 0 for k in wave_y]
        self.waves = data(wave_x), data(wave_y), data(np.minimum(widths, len(wave_x) - 1).astype("int64"))
        sizes = (self.arrays.boxes[:, 1] - self.arrays.boxes[:, 0], self.arrays.boxes[:, 3] - self.arrays.boxes[:, 2])
        rows = fft.next_fast_len(int(sizes[0].max()) + 2 * half[0], real=True)
        columns = 2 * fft.next_fast_len((int(sizes[1].max()) + 2 * half[1] + 1) // 2, real=True)
        self.transforms = data(fft.rfft2(kernels, s=(rows, columns)))
        self.layout = data(np.array([n_y, n_x, pad, *half]))
        self.pad = pad
        self.tops = {m: 1.02 * self._top(m, min(largest, np.sqrt(2) * np.pi)) for m in self.galaxies}

    def _reach(self, half: int) -> int:
        """Pixels that the plane has beyond the image and half a kernel.

        For each shape half the radius of 99.9 % of its light, a quarter for wide ones, whose light out there is thinly
        spread: light that goes twice as far comes in on the other side; on the coadd of the tests 1e-4 of the noise,
        see docs/decisions. One whose centre is outside of the image needs half of that distance more, or nothing when
        its light does not get to the image.
        """
        scale, reach = self.arrays.geom.pixel_scales.to_value("deg").min(), 0.0
        for m in self.galaxies:
            radius = m.spatial_model.evaluation_radius.to_value("deg") / scale
            own, outside = min(radius / 2, max(_WIDE, radius / 4)), self._outside(m)
            if outside <= half + 2 * own:
                reach = max(reach, own + outside / 2)
        return int(np.ceil(reach))

    def _outside(self, model: Any) -> float:
        """Pixels from the centre of a shape to the image, along the axis on which it is further away."""
        spatial = model.spatial_model
        place = self.places[model].pixel(spatial.lon_0.internal, spatial.lat_0.internal)
        pairs = zip(number(pt.stack(place)), self.arrays.shape[::-1], strict=True)
        return max(0.0, *(float(max(-0.5 - v, v - (size - 0.5))) for v, size in pairs))

    def _top(self, model: Any, largest: float) -> float:
        """Largest wave number in rad / deg."""
        spatial = model.spatial_model
        jacobian = self.places[model].jacobian(spatial.lon_0.internal, spatial.lat_0.internal)
        return largest * float(np.linalg.norm(number(pt.stack(jacobian)).reshape(2, 2), 2))

    def image(self, values: Values) -> Tensor:
        """Return the image.

        Parameters
        ----------
        values : Mapping of Parameter to tensor or float
            All parameters, in internal units.

        Returns
        -------
        TensorVariable
            In nJy per pixel, shape ``(n_y, n_x)``; zero outside of the cells that are there.
        """
        image: Tensor = pt.zeros(self.arrays.shape)
        if self.stars:
            image = image + self._stars(values)
        if self.galaxies:
            image = image + self._galaxies(values)
        if self.fixed:
            image = image + pt.tensordot(self._fluxes(self.fixed, values), self.images, axes=1)
        return image

    def _fluxes(self, models: Sequence[Any], values: Values) -> Tensor:
        fluxes = [m.spectral_model.evaluate_graph(pt.constant(1.0), values) for m in models]
        return pt.stack(fluxes).astype("float64")

    def _places(self, models: Sequence[Any], values: Values) -> tuple[SkyToPixel, Tensor, Tensor]:
        """The map to pixels and the positions of some models, as vectors: one node for all, not one for each."""
        lon = _vector([values[m.spatial_model.lon_0] for m in models])
        lat = _vector([values[m.spatial_model.lat_0] for m in models])
        return SkyToPixel.together([self.places[m] for m in models]), lon, lat

    def _stars(self, values: Values) -> Tensor:
        place, lon, lat = self._places(self.stars, values)
        return StarImage()(
            self._fluxes(self.stars, values), *place.pixel(lon, lat), self.kernels, self.boxes, self.shape
        )

    def _galaxies(self, values: Values) -> Tensor:
        place, lon, lat = self._places(self.galaxies, values)
        x, y = place.pixel(lon, lat)
        axes = [m.spatial_model.axes_graph(values) for m in self.galaxies]
        metric = _metric(place.jacobian(lon, lat), *(_vector(column) for column in zip(*axes, strict=True)))
        tables = pt.stack([self._table(m, values) for m in self.galaxies])
        tops = data(np.array([self.tops[m] for m in self.galaxies]))
        flux = self._fluxes(self.galaxies, values)
        spectrum = SpectrumSum()(flux, x + self.pad, y + self.pad, metric, tables, tops, *self.waves)
        return CellConvolution()(spectrum, self.transforms, self.boxes, self.layout)

    def _table(self, model: Any, values: Values) -> Tensor:
        """The transform of a shape along its major axis."""
        nodes = np.abs(np.arange(_N_NODE) - 1) / (_N_NODE - 3)
        phase = self.tops[model] * _GROWTH * model.spatial_model.evaluation_radius.to_value("deg")
        return model.spatial_model.transform_graph(data(self.tops[model] * nodes**2), values, phase)


def _vector(values: Sequence[Any]) -> Tensor:
    return pt.stack([pt.as_tensor_variable(v).astype("float64") for v in values])


def _metric(jacobian: Sequence[Tensor], ratio: Tensor, angle: Tensor) -> Tensor:
    """What makes squared wave numbers along the major axes of those on the grid, shape ``(3, n_source)``."""
    x_east, x_north, y_east, y_north = jacobian
    turn = angle * np.pi / 180
    sine, cosine = pt.sin(turn), pt.cos(turn)
    major = x_east * sine + x_north * cosine, y_east * sine + y_north * cosine
    minor = ratio * (x_east * cosine - x_north * sine), ratio * (y_east * cosine - y_north * sine)
    return pt.stack([major[i] * major[j] + minor[i] * minor[j] for i, j in ((0, 0), (0, 1), (1, 1))])


def _largest_wave(kernels: np.ndarray) -> float:
    """Wave number in rad per pixel beyond which no kernel lets anything through."""
    size = 4 * max(kernels.shape[1:])
    seen = np.abs(fft.rfft2(kernels, s=(size, size))).max(axis=0)
    waves = 2 * np.pi * np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    passed = waves[seen > _NEGLIGIBLE]
    return float(passed.max()) + 2 * np.pi / size


def _has_transform(spatial: Any) -> bool:
    return spatial.axes_graph({p: p.internal for p in spatial.parameters}) is not None


def _convolved(arrays: SceneArrays, spatial: Any) -> np.ndarray:
    """Image of a shape of flux one, each cell convolved with its kernel."""
    half = arrays.kernels.shape[1] // 2, arrays.kernels.shape[2] // 2
    pad = max(half) + _MARGIN
    wide = _at_centers(spatial, arrays.geom.pad(pad))
    image = np.zeros(arrays.shape)
    for (y0, y1, x0, x1), kernel in zip(arrays.boxes, arrays.kernels, strict=True):
        window = wide[pad + y0 - half[0] : pad + y1 + half[0], pad + x0 - half[1] : pad + x1 + half[1]]
        image[y0:y1, x0:x1] = signal.fftconvolve(window, kernel, mode="valid")
    return image


def _at_centers(spatial: Any, geom: WcsGeom) -> np.ndarray:
    """Flux per pixel area at the centres of pixels, up to the wave numbers that pixels hold.

    Kernels have the response of pixels in them, so that it must not be in this.
    """
    n_y, n_x = geom.data_shape[-2:]
    if spatial.is_per_pixel:
        return spatial.integrate_geom(geom).data
    fine = spatial.integrate_geom(geom.upsample(_DIVIDED)).quantity.to_value("")
    wave_y, wave_x = np.fft.fftfreq(n_y) / _DIVIDED, np.fft.rfftfreq(n_x) / _DIVIDED
    rows = np.rint(wave_y * fine.shape[0]).astype(int)
    spectrum = fft.rfft2(fine)[rows][:, : len(wave_x)]
    for wave in (wave_y[:, None], wave_x):
        # out of the response of small pixels, and from the first of them to the one in the centre of a pixel
        spectrum = spectrum / np.sinc(wave) * np.exp(1j * np.pi * (_DIVIDED - 1) * wave)
    return fft.irfft2(spectrum, s=(n_y, n_x))


def _check(name: str, model: Any) -> None:
    """Raise a ValueError if a model cannot be drawn on an image."""
    spatial, start = model.spatial_model, f"dataset {name!r}, model {model.name!r}: "
    if not model.spectral_model.output_unit.is_equivalent(FLUX_DENSITY):
        raise ValueError(
            f"{start}an image holds flux densities, such as FluxDensitySpectralModel(flux='1 nJy') gives; the spectrum "
            f"is in '{model.spectral_model.output_unit}'"
        )
    if model.temporal_model is not None:
        raise ValueError(f"{start}an image has no times: a source on it cannot have a temporal model")
    if spatial is None:
        raise ValueError(f"{start}a source on an image needs a spatial model")
    if spatial.is_energy_dependent:
        raise ValueError(f"{start}an image has no energies: {type(spatial).__name__} depends on them")
    free = [p.name for p in spatial.parameters if not p.frozen]
    if free and not spatial.is_point and not _has_transform(spatial):
        raise ValueError(
            f"{start}{type(spatial).__name__} has no Fourier transform, so that on an image only its flux may be free: "
            f"freeze {', '.join(free)}; points, Sersic, exponential and de Vaucouleurs profiles, Gaussians, disks and "
            "shells may move and change"
        )
