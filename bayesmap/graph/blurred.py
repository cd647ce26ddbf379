"""Shapes whose Fourier transforms are known, behind a PSF of any shape: tables of the blurred brightness."""

from typing import Any

import pytensor.tensor as pt

from bayesmap.graph.arrays import Values
from bayesmap.graph.ops.cosine import CosineTransform
from bayesmap.graph.ops.profile import PlaneImage, ProfileImage
from bayesmap.graph.psf.hankel import CosineTable, HankelTable
from bayesmap.graph.sources import WindowSource, data
from bayesmap.modeling import sphere

__all__ = ["EllipticalSource", "RoundSource"]


class _BlurredSource(WindowSource):
    """What both have in common."""

    def _rows_and_columns(self, values: Values) -> tuple[Any, Any]:
        """First and last of the rows and columns that the blurred shape fills."""
        half = pt.ceil(self.models[0].spatial_model.radius_graph(values) * self.pixels_per_deg) + self.margin + 1
        return self._edges(values, pt.cast(half, "int64"))


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

    def stamps(self, values: Values) -> tuple[Any, Any, Any]:
        """Images of the blurred shape; see :class:`SourceGroup`."""
        spatial = self.models[0].spatial_model
        rows, columns = self._rows_and_columns(values)
        lon, lat, solid_angle = self._at(rows, columns)
        distance = sphere.separation(lon, lat, values[spatial.lon_0], values[spatial.lat_0]) / self.table.step
        flat = distance.shape[0] * distance.shape[1], distance.shape[2]
        images = ProfileImage()(self.profiles(values), distance.reshape(flat), solid_angle.reshape(flat))
        return self._stamps(images, rows, columns)


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
        wave = pt.sqrt(self.squares[0] + ratio**2 * self.squares[1]) / table.wave_step
        shape = ProfileImage()(transform[:, None], wave[:, None], pt.ones_like(wave)[:, None])[0]
        n, n_basis = table.n_node, self.mixing.shape[1]
        spectrum = pt.zeros((n * n, n_basis))
        spectrum = pt.set_subtensor(spectrum[self.place], shape[:, None] * self.blur)
        tables = CosineTransform()(spectrum.reshape((n, n, n_basis)))
        return pt.dot(tables, self.mixing.T) / sphere.RADIANS**2

    def stamps(self, values: Values) -> tuple[Any, Any, Any]:
        """Images of the blurred shape; see :class:`SourceGroup`."""
        rows, columns = self._rows_and_columns(values)
        lon, lat, solid_angle = self._at(rows, columns)
        x, y = self._along_axes(lon, lat, values)
        flat = x.shape[0] * x.shape[1], x.shape[2]
        images = PlaneImage()(self.plane(values), *(c.reshape(flat) for c in (x, y, solid_angle)))
        return self._stamps(images, rows, columns)

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
