"""Sources of any shape on windows that move and grow with them, and what a PSF of any shape does to them by FFT."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytensor.tensor as pt

from bayesmap._types import Tensor
from bayesmap.graph.arrays import Values
from bayesmap.graph.data import data
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.graph.psf.fft import KernelBasis, convolve_graph
from bayesmap.graph.response import LocalResponse
from bayesmap.graph.terms.projected import StampSources
from bayesmap.graph.windows import Window, as_index
from bayesmap.modeling.formulas import sphere

__all__ = ["FFTSource", "WindowSource"]

_TAIL = 1.2  # of the radius of a smooth shape: six standard deviations of a Gaussian


class WindowSource(StampSources):
    """A source of any shape on a window that moves and grows with it.

    Parameters
    ----------
    model : SkyModel
        Its spatial model gives the shape.
    sky : SkyToPixel
        For its frame.
    place : LocalResponse
        The response at the source.
    area : tuple of int
        ``y0, x0, height, width`` in pixels: the largest window.
    margin : int
        What the PSF adds to the shape on each side, in pixels.
    coords : tuple of numpy.ndarray
        Longitude, latitude (deg, model's frame) and solid angle (sr) of the sub-pixels, shape
        ``(height, width, n_sub)``.
    """

    def __init__(
        self,
        model: Any,
        sky: SkyToPixel,
        place: LocalResponse,
        area: Window,
        margin: int,
        coords: Sequence[np.ndarray],
    ) -> None:
        super().__init__([model], sky, [place])
        self.area, self.margin = area, margin
        self.step = float(np.rad2deg(np.sqrt(np.median(coords[2]))))
        self.pixels_per_deg = float(np.linalg.norm(sky.matrix, axis=1).max())
        lon, lat, solid_angle = coords
        fixed = model.spatial_model.fixed_positions  # a table is looked up here, once
        self.lon: Tensor = lon if fixed else data(lon)
        self.lat: Tensor = lat if fixed else data(lat)
        self.vectors = None if fixed else tuple(data(x) for x in sphere.unit_vectors(lon, lat))
        self.solid_angle = data(solid_angle)

    @property
    def place(self) -> LocalResponse:
        """The response at the source."""
        return self.places[0]

    def mixed(self, table: Tensor, values: Values) -> Tensor:
        """What belongs to the present PSF in a table with a row per node, data ``(n_node, ...)``, or with none."""
        return table if self.place.nodes is None else self.place.nodes.mix(table, values)

    def by_node(self, rows: np.ndarray) -> Tensor:
        """Rows of all nodes and energies as data for `mixed`."""
        return data(rows if self.place.nodes is None else self.place.by_node(rows))

    def _at(self, rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Longitude, latitude and solid angle of the sub-pixels of some rows and columns."""
        inner = slice(*rows), slice(*columns)
        lon, lat, solid_angle = (c[inner] for c in (self.lon, self.lat, self.solid_angle))
        if self.vectors is not None:
            lon, lat = sphere.on_grid(lon, lat, tuple(x[inner] for x in self.vectors))
        return lon, lat, solid_angle

    def _stamps(
        self, images: Tensor, rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Images of some rows and columns for all energies as `StampSources` give them."""
        height, width = rows[1] - rows[0], columns[1] - columns[0]
        window = pt.stack([rows[0] + self.area[0], columns[0] + self.area[1], height, width])[None].astype("int64")
        return images.ravel(), window, pt.maximum(height, width) * np.ones((1, self.place.n_energy), dtype="int64")

    def pixels(self, values: Values) -> tuple[Any, Any]:
        """Position in pixels; the middle of the area for a shape without one."""
        if self.models[0].spatial_model.position is not None:
            return super().pixels(values)
        y0, x0, height, width = self.area
        return pt.as_tensor_variable([x0 + 0.5 * width]), pt.as_tensor_variable([y0 + 0.5 * height])

    def _edges(self, values: Values, half: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """First and last row and column inside the area of a window with a half width in pixels around the source."""
        edges = []
        for position, start, size in zip(self.pixels(values)[::-1], self.area[:2], self.area[2:], strict=True):
            middle = pt.floor(position[0] + 0.5) - start
            low = as_index(middle - half, 0, size - 1)
            edges.append((low, pt.maximum(as_index(middle + half + 1, 1, size), low + 1)))
        return edges[0], edges[1]


class FFTSource(WindowSource):
    """A source of any shape seen through a PSF of any shape, by FFT on a window that moves and grows with it.

    Parameters
    ----------
    *source
        See `WindowSource`.
    basis : KernelBasis
        The PSF.
    """

    def __init__(self, *source: Any, basis: KernelBasis) -> None:
        super().__init__(*source)
        self.mixing, self.kernels = self.by_node(basis.mixing), data(basis.kernels)
        self.number = data(np.int64(basis.number))

    def stamps(self, values: Values) -> tuple[Tensor, Tensor, Tensor]:
        """Convolved image of the shape; see :class:`StampSources`."""
        rows, columns = self._window(values, whole=True)
        image = self._image(values, (rows, columns))
        mixing = self.mixed(self.mixing, values)
        return self._stamps(convolve_graph(image, mixing, self.kernels, self.number), rows, columns)

    def _image(self, values: Values, window: Tensor) -> Tensor:
        """Probability per pixel of a window; the shape is evaluated where it is, not where only the PSF reaches."""
        spatial = self.models[0].spatial_model
        (top, bottom), (left, right) = rows, columns = self._window(values, whole=False)
        lon, lat, solid_angle = self._at(rows, columns)
        image = (spatial.resolved_graph(lon, lat, values, self.step) * solid_angle).sum(axis=-1)
        if (rows, columns) == window:  # a shape without an edge
            return image
        (first_row, last_row), (first_column, last_column) = window
        frame = pt.zeros((last_row - first_row, last_column - first_column))
        place = slice(top - first_row, bottom - first_row), slice(left - first_column, right - first_column)
        return pt.set_subtensor(frame[place], image)

    def _window(self, values: Values, whole: bool) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """First and last row and column inside the area of the whole window, or of the part that the shape fills."""
        spatial = self.models[0].spatial_model
        radius = spatial.radius_graph(spatial.at_resolution(values, self.step))
        if radius is None:
            return (0, self.area[2]), (0, self.area[3])
        half = reach = pt.ceil(radius * self.pixels_per_deg)
        if whole:
            half = reach + self.margin
        elif spatial.is_smooth:  # it fades away, and is cut where the steps of the window do not show
            half = pt.minimum(reach + self.margin, pt.ceil(_TAIL * radius * self.pixels_per_deg))
        return self._edges(values, half + 1)
