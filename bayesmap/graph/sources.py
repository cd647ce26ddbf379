"""Sources that move or change shape: groups of models that take the same PSF route.

Each group turns parameter values into stamps (probability per pixel and energy in a window around the source), fluxes
and energy dispersion: the inputs of :class:`~bayesmap.graph.ops.project.Project`. A `SplineSource` needs no stamps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pytensor
import pytensor.tensor as pt
from astropy.coordinates import SkyCoord

from bayesmap.graph.arrays import Values
from bayesmap.graph.irf_nodes import IRFNodes, interpolate_nodes
from bayesmap.graph.ops.point import PointCounts, PointTotal
from bayesmap.graph.ops.radial import WIDE, GaussianTotal, RadialCounts
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.graph.psf.fft import KernelBasis, convolve_graph
from bayesmap.graph.psf.mixture import LOST, Mixture, mixture_stamps
from bayesmap.graph.psf.radial import RadialTable
from bayesmap.graph.psf.stamp import SplineStamp, total_table
from bayesmap.modeling.formulas import sphere

__all__ = [
    "FFTSource",
    "FollowingGaussian",
    "GaussianGroup",
    "RadialSource",
    "SourceGroup",
    "SplineSource",
    "WindowSource",
    "data",
]

_TAIL = 1.2  # of the radius of a smooth shape: six standard deviations of a Gaussian


def data(array: Any) -> Any:
    """Data as a shared variable of unknown shape, so that compiled code serves other datasets too."""
    array = np.asarray(array)
    return pytensor.shared(array, shape=(None,) * array.ndim)


class SourceGroup(Protocol):
    """One or more sources that share a PSF route."""

    models: list[Any]
    true_edisp: Any

    def kernel_edisp(self, values: Values) -> Any:
        """Energy dispersion that acts after the PSF, ``(n_source, n_reco, n_energy)``."""
        ...

    def stamps(self, values: Values) -> tuple[Any, Any, Any]:
        """Flattened stamps of all sources, their windows ``(n_source, 4)`` and half widths ``(n_source, n_energy)``."""
        ...

    def pixels(self, values: Values) -> tuple[Any, Any]:
        """Positions in pixels, vectors ``(n_source,)``."""
        ...


@dataclass(eq=False)
class _Positions:
    """Models in one frame, where their positions fall on the grid, and their energy dispersion.

    ``true_edisp`` has shape ``(n_source, n_reco, n_true)``. With a PSF in reconstructed energy the dispersion acts
    before the kernel (``reco_psf``), which then sees the identity.
    """

    models: list[Any]
    sky: SkyToPixel
    dispersion: np.ndarray
    reco_psf: bool

    def __post_init__(self) -> None:
        self.true_edisp = data(self.dispersion)
        identity = np.broadcast_to(
            np.eye(self.dispersion.shape[1]), (len(self.models), *[self.dispersion.shape[1]] * 2)
        )
        self.edisp = data(identity.copy()) if self.reco_psf else self.true_edisp

    def lonlat(self, values: Values) -> tuple[Any, Any]:
        lon = pt.stack([pt.as_tensor_variable(values[m.spatial_model.lon_0]) for m in self.models])
        lat = pt.stack([pt.as_tensor_variable(values[m.spatial_model.lat_0]) for m in self.models])
        return lon, lat

    def pixels(self, values: Values) -> tuple[Any, Any]:
        x, y = self.sky.pixel(*self.lonlat(values))
        return x, y

    def kernel_edisp(self, values: Values) -> Any:
        return self.edisp


class GaussianGroup(_Positions):
    """Point sources, or round Gaussians, seen through a Gaussian-mixture PSF.

    Parameters
    ----------
    models : list of SkyModel
        All points or all extended; positions in one frame.
    sky : SkyToPixel
        For that frame.
    mixtures : list of Mixture
        The PSF of each source, one row per true energy (per reconstructed energy for PSFs of that kind).
    dispersion : numpy.ndarray
        ``(n_source, n_reco, n_true)``.
    reco_psf : bool
        The mixtures are per reconstructed energy.
    max_half : int
        Largest half width of a window in pixels.
    """

    def __init__(
        self,
        models: list[Any],
        sky: SkyToPixel,
        mixtures: list[Mixture],
        dispersion: np.ndarray,
        reco_psf: bool,
        max_half: int,
    ) -> None:
        super().__init__(models, sky, dispersion, reco_psf)
        n_component = max(m.sigma.shape[1] for m in mixtures)
        pad = [(0, 0), (0, 0)]

        def padded(rows: np.ndarray, fill: float) -> np.ndarray:
            pad[1] = (0, n_component - rows.shape[1])
            return np.pad(rows, pad, constant_values=fill)

        self.variance = data(np.stack([padded(m.sigma, m.sigma.max()) for m in mixtures]) ** 2)
        self.weight = data(np.stack([padded(m.weight, 0.0) for m in mixtures]))
        self.radii = np.stack([m.radii() for m in mixtures])
        self.max_half = max_half
        self.extended = not models[0].spatial_model.is_point
        scale = np.linalg.norm(sky.matrix, axis=1).max()
        self.pixels_per_deg = float(scale)

    def stamps(self, values: Values) -> tuple[Any, Any, Any]:
        """Closed-form pixel integrals; see :class:`SourceGroup`."""
        lon, lat = self.lonlat(values)
        x, y = self.sky.pixel(lon, lat)
        xe, xn, ye, yn = self.sky.jacobian(lon, lat)
        radii, variance, weight = pt.as_tensor_variable(self.radii), self.variance, self.component_weights(values)
        if self.extended:
            sigma = pt.stack([pt.as_tensor_variable(m.spatial_model.gaussian_graph(values)[0]) for m in self.models])
            variance = variance + sigma[:, None, None] ** 2
            # A round Gaussian loses LOST outside of this; windows are integers and have no gradient.
            radii = pt.sqrt(radii**2 - 2 * np.log(LOST) * sigma[:, None] ** 2)
        halves = as_index(pt.ceil(radii * self.pixels_per_deg + 0.5), 0, self.max_half)
        stamps, windows = mixture_stamps(x, y, xe**2 + xn**2, ye**2 + yn**2, variance, weight, halves)
        return stamps, windows, halves

    def component_weights(self, values: Values) -> Any:
        """Weights of the mixtures, ``(n_source, n_energy, n_component)``."""
        return self.weight


class FollowingGaussian(GaussianGroup):
    """A point or round Gaussian whose PSF and energy dispersion follow its position.

    Parameters
    ----------
    model, sky, max_half
        As for :class:`GaussianGroup`.
    nodes : IRFNodes
        The IRFs around the prior centre.
    """

    def __init__(self, model: Any, sky: SkyToPixel, nodes: IRFNodes, max_half: int) -> None:
        n_y, n_x = nodes.weight.shape[:2]
        flat = nodes.weight.reshape(n_y * n_x, *nodes.weight.shape[2:])
        widest = [Mixture(np.broadcast_to(nodes.sigma, w.shape), w, nodes.error) for w in flat]
        super().__init__(
            [model], sky, [widest[len(widest) // 2]], nodes.edisp[n_y // 2, n_x // 2][None], False, max_half
        )
        # Windows hold the widest PSF of all nodes.
        self.radii = np.max([m.radii() for m in widest], axis=0)[None]
        self.nodes, self.error = nodes.sky, nodes.error
        self.node_weight, self.node_edisp = data(nodes.weight), data(nodes.edisp)

    def _node(self, values: Values) -> tuple[Any, Any]:
        lon, lat = self.lonlat(values)
        return self.nodes.pixel(lon[0], lat[0])

    def component_weights(self, values: Values) -> Any:
        """Weights at the present position."""
        return interpolate_nodes(self.node_weight, *self._node(values))[None]

    def kernel_edisp(self, values: Values) -> Any:
        """Energy dispersion at the present position."""
        return interpolate_nodes(self.node_edisp, *self._node(values))[None]


class SplineSource(_Positions):
    """A point source seen through a PSF of any shape, a table of pixel integrals between which B-splines interpolate.

    Unlike a `SourceGroup` it has no stamps: counts are computed in the bins that are looked at, their total by a table.

    Parameters
    ----------
    model, sky, reco_psf
        As for `GaussianGroup`.
    stamp : SplineStamp
        The effective PSF.
    dispersion : numpy.ndarray
        ``(n_reco, n_true)``.
    reach : float
        How far in deg the source may move from where it is; further out the total takes longer.
    at : Mapping of Parameter to float, optional
        Where it is, in internal units; parameters that are missing have their present values.
    """

    def __init__(
        self,
        model: Any,
        sky: SkyToPixel,
        stamp: SplineStamp,
        dispersion: np.ndarray,
        reco_psf: bool,
        reach: float,
        at: Values | None = None,
    ) -> None:
        super().__init__([model], sky, dispersion[None], reco_psf)
        self.stamp, self.nodes, self.reach, self.at = stamp, data(stamp.nodes), reach, dict(at or {})
        self.matrix = np.eye(len(dispersion)) if reco_psf else dispersion

    def place(self, values: Values) -> Any:
        """Position y, x in pixels."""
        x, y = self.pixels(values)
        return pt.stack([y[0], x[0]])

    def counts(self, values: Values, flux: Any, exposure: Any, columns: Any, rows: Any) -> tuple[Any, Any]:
        """Selected bins near the source, and its counts there; ``exposure`` has its energies last."""
        edisp = self.kernel_edisp(values)[0]
        touched, counts, _, _ = PointCounts()(self.place(values), flux, self.nodes, edisp, exposure, columns, rows)
        return touched, counts

    def totals(self, weights: np.ndarray, exposure: np.ndarray) -> Callable[[Values], Any]:
        """Return the weighted counts in all bins, per energy and unit flux, as a function of the values.

        Parameters
        ----------
        weights : numpy.ndarray
            ``(n_reco, n_lat, n_lon)``.
        exposure : numpy.ndarray
            ``(n_energy, n_lat, n_lon)``.
        """
        spatial = self.models[0].spatial_model
        place = self.place({p: self.at.get(p, p.internal) for p in spatial.parameters}).eval(mode="FAST_COMPILE")
        pixels_per_deg = float(np.linalg.norm(self.sky.matrix, axis=1).max())
        weights = np.einsum("ej,eyx->jyx", self.matrix, weights) * exposure
        table = total_table(self.stamp, weights, tuple(place), self.reach * pixels_per_deg)
        tables = data(weights.transpose(1, 2, 0).copy()), data(table.nodes), data(table.corner)
        return lambda values: PointTotal()(self.place(values), self.nodes, *tables)[0]


class RadialSource(_Positions):
    """A round Gaussian of any size seen through a PSF of any shape, a table over size and distance from its centre.

    Counts are computed in the bins that are looked at, their total by blurring that of a point source.

    Parameters
    ----------
    model, sky, dispersion, reco_psf, reach, at
        As for `SplineSource`.
    table : RadialTable
        What falls into a pixel.
    """

    def __init__(
        self,
        model: Any,
        sky: SkyToPixel,
        table: RadialTable,
        dispersion: np.ndarray,
        reco_psf: bool,
        reach: float,
        at: Values | None = None,
    ) -> None:
        super().__init__([model], sky, dispersion[None], reco_psf)
        self.table, self.reach, self.at = table, reach, dict(at or {})
        grid = np.array([table.core, table.span, *table.steps, *table.scale])
        self.arrays = [data(a) for a in (table.nodes, table.harmonics, table.limits, grid, table.radii)]
        self.matrix = np.eye(len(dispersion)) if reco_psf else dispersion

    def place(self, values: Values) -> Any:
        """Position y, x in pixels and standard deviation in deg."""
        x, y = self.pixels(values)
        size = pt.as_tensor_variable(self.models[0].spatial_model.gaussian_graph(values)[0])
        return pt.stack([y[0], x[0], pt.cast(size, "float64")])

    def counts(self, values: Values, flux: Any, exposure: Any, columns: Any, rows: Any) -> tuple[Any, Any]:
        """Selected bins near the source, and its counts there; ``exposure`` has its energies last."""
        edisp = self.kernel_edisp(values)[0]
        touched, counts, _, _ = RadialCounts()(self.place(values), flux, *self.arrays, edisp, exposure, columns, rows)
        return touched, counts

    def totals(self, weights: np.ndarray, exposure: np.ndarray) -> Callable[[Values], Any]:
        """Return the weighted counts in all bins; see `SplineSource.totals`."""
        spatial = self.models[0].spatial_model
        at = self.place({p: self.at.get(p, p.internal) for p in spatial.parameters}).eval(mode="FAST_COMPILE")[:2]
        weights = np.einsum("ej,eyx->jyx", self.matrix, weights) * exposure
        reach = self.reach * float(np.linalg.norm(self.sky.matrix, axis=1).max())
        near = total_table(self.table, weights, tuple(at), reach + 6 * WIDE)
        everywhere = total_table(
            self.table, weights, tuple(at), 2.0 * sum(weights.shape[1:]) + np.abs(at).max(), np.inf
        )
        per_pixel = near.nodes.shape[1]
        box = np.array([*near.corner, at[0] - reach, at[0] + reach, at[1] - reach, at[1] + reach, per_pixel])
        arrays = near.table(), box, everywhere.samples(), everywhere.corner, np.array(self.table.scale[::-1])
        tables = [data(array) for array in arrays]
        return lambda values: GaussianTotal()(self.place(values), *tables)[0]


class WindowSource(_Positions):
    """A source of any shape on a window that moves and grows with it.

    Parameters
    ----------
    model : SkyModel
        Its spatial model gives the shape.
    sky : SkyToPixel
        For its frame.
    area : tuple of int
        ``y0, x0, height, width`` in pixels: the largest window.
    margin : int
        What the PSF adds to the shape on each side, in pixels.
    coords : tuple of numpy.ndarray
        Longitude, latitude (deg, model's frame) and solid angle (sr) of the sub-pixels, shape
        ``(height, width, n_sub)``.
    dispersion : numpy.ndarray
        ``(1, n_reco, n_true)``.
    reco_psf : bool
        The PSF is per reconstructed energy.
    """

    def __init__(
        self,
        model: Any,
        sky: SkyToPixel,
        area: tuple[int, ...],
        margin: int,
        coords: Any,
        dispersion: np.ndarray,
        reco_psf: bool,
    ) -> None:
        super().__init__([model], sky, dispersion, reco_psf)
        self.area, self.margin = area, margin
        self.step = float(np.rad2deg(np.sqrt(np.median(coords[2]))))
        self.pixels_per_deg = float(np.linalg.norm(sky.matrix, axis=1).max())
        self.n_energy = dispersion.shape[1] if reco_psf else dispersion.shape[2]
        lon, lat, solid_angle = coords
        fixed = model.spatial_model.fixed_positions  # a table is looked up here, once
        self.lon, self.lat = (lon, lat) if fixed else (data(lon), data(lat))
        self.vectors = None if fixed else tuple(data(x) for x in sphere.unit_vectors(lon, lat))
        self.solid_angle = data(solid_angle)

    def _at(self, rows: tuple[Any, Any], columns: tuple[Any, Any]) -> tuple[Any, Any, Any]:
        """Longitude, latitude and solid angle of the sub-pixels of some rows and columns."""
        inner = slice(*rows), slice(*columns)
        lon, lat, solid_angle = (c[inner] for c in (self.lon, self.lat, self.solid_angle))
        if self.vectors is not None:
            lon, lat = sphere.on_grid(lon, lat, tuple(x[inner] for x in self.vectors))
        return lon, lat, solid_angle

    def _stamps(self, images: Any, rows: tuple[Any, Any], columns: tuple[Any, Any]) -> tuple[Any, Any, Any]:
        """Images of some rows and columns for all energies as a `SourceGroup` gives them."""
        height, width = rows[1] - rows[0], columns[1] - columns[0]
        window = pt.stack([rows[0] + self.area[0], columns[0] + self.area[1], height, width])[None].astype("int64")
        return images.ravel(), window, pt.maximum(height, width) * np.ones((1, self.n_energy), dtype="int64")

    def pixels(self, values: Values) -> tuple[Any, Any]:
        """Position in pixels; the middle of the area for a shape without one."""
        if self.models[0].spatial_model.position is not None:
            return super().pixels(values)
        y0, x0, height, width = self.area
        return pt.as_tensor_variable([x0 + 0.5 * width]), pt.as_tensor_variable([y0 + 0.5 * height])

    def _edges(self, values: Values, half: Any) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
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
    model, sky, area, margin, coords, dispersion, reco_psf
        As for `WindowSource`.
    basis : KernelBasis
        The PSF.
    """

    def __init__(self, *source: Any, basis: KernelBasis) -> None:
        super().__init__(*source)
        self.mixing, self.kernels, self.error = data(basis.mixing), data(basis.kernels), basis.error
        self.number = data(np.int64(basis.number))

    def stamps(self, values: Values) -> tuple[Any, Any, Any]:
        """Convolved image of the shape; see :class:`SourceGroup`."""
        rows, columns = self._window(values, whole=True)
        image = self._image(values, (rows, columns))
        return self._stamps(convolve_graph(image, self.mixing, self.kernels, self.number), rows, columns)

    def _image(self, values: Values, window: Any) -> Any:
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

    def _window(self, values: Values, whole: bool) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
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


def as_index(number: Any, lowest: int, highest: int) -> Any:
    """A float as an integer between two others: cut before it is one, as there is no integer for what is too large."""
    return pt.maximum(pt.cast(pt.clip(number, lowest, highest), "int64"), lowest)  # after all, for what is no number


def sub_pixels(
    geom: Any, frame: str, window: tuple[int, ...], fine_x: int, fine_y: int | None = None
) -> tuple[np.ndarray, ...]:
    """Longitude, latitude and solid angle of the sub-pixels of a window: each ``(height, width, fine_x * fine_y)``."""
    y0, x0, height, width = window
    fine_y = fine_x if fine_y is None else fine_y
    steps_x, steps_y = ((np.arange(fine) + 0.5) / fine - 0.5 for fine in (fine_x, fine_y))
    x = (x0 + np.arange(width))[None, :, None] + np.tile(steps_x, fine_y)
    y = (y0 + np.arange(height))[:, None, None] + np.repeat(steps_y, fine_x)
    x, y = np.broadcast_arrays(x, y)
    wcs = geom.wcs

    def vector(dx: float, dy: float) -> np.ndarray:
        lon, lat = np.deg2rad(wcs.wcs_pix2world(np.stack([(x + dx).ravel(), (y + dy).ravel()], axis=1), 0).T)
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])

    step_x, step_y = 0.5 / fine_x, 0.5 / fine_y
    across, along = vector(step_x, 0) - vector(-step_x, 0), vector(0, step_y) - vector(0, -step_y)
    solid_angle = np.linalg.norm(np.cross(across.T, along.T), axis=1).reshape(x.shape)
    lon, lat = wcs.wcs_pix2world(np.stack([x.ravel(), y.ravel()], axis=1), 0).T
    sky = SkyCoord(lon, lat, unit="deg", frame=geom.frame).transform_to(frame)
    return sky.data.lon.deg.reshape(x.shape), sky.data.lat.deg.reshape(x.shape), solid_angle
