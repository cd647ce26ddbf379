"""Points and round Gaussians behind a PSF of any shape, by tables of their counts in bins and of their totals."""

import abc
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytensor.tensor as pt

from bayesmap._backend.program import number
from bayesmap._types import Tensor
from bayesmap.graph.arrays import Values
from bayesmap.graph.data import Bins, Weights, data, table_data
from bayesmap.graph.ops.point import PointCounts, PointTotal
from bayesmap.graph.ops.radial import WIDE, GaussianTotal, RadialCounts
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.graph.psf.radial import RadialTable
from bayesmap.graph.psf.stamp import SplineStamp, TotalTable, total_table
from bayesmap.graph.response import LocalResponse
from bayesmap.graph.terms.base import SparseCounts, Term
from bayesmap.graph.terms.projected import PlacedSources

if TYPE_CHECKING:
    from bayesmap.modeling import SkyModel

__all__ = ["PointTerm", "RadialTerm"]


class _Images(NamedTuple):
    """Effective PSFs with a row per node, image of weights, and energy; see `total_table`."""

    table: Tensor
    n_node: int
    n_image: int

    @property
    def half(self) -> int:
        """Half width in pixels."""
        return int(self.table.half)

    def at(self, shift: tuple[float, float]) -> np.ndarray:
        """Images of a point, ``(n_node * n_image * n_energy, size, size)``."""
        rows = self.table.at(shift)
        rows = rows.reshape(self.n_node, 1, -1, *rows.shape[1:])
        return np.broadcast_to(rows, (self.n_node, self.n_image, *rows.shape[2:])).reshape(-1, *rows.shape[3:])


class TableTerm(Term, abc.ABC):
    """A point or round Gaussian behind a PSF of any shape, a table per node of the response.

    It has no stamps: counts are computed in the bins that are looked at, and their total is another table.

    Parameters
    ----------
    model : SkyModel
        The source.
    sky : SkyToPixel
        For the frame of its shape.
    place : LocalResponse
        The response at the source.
    table : SplineStamp or RadialTable
        Its effective PSF, a row per node and energy.
    reach : float
        How far in deg the source may move from where it is; further out the total takes longer.
    at : Mapping of Parameter to float
        Where it is, in internal units; parameters that are missing have their present values.
    """

    is_sparse = True

    def __init__(
        self, model: "SkyModel", sky: SkyToPixel, place: LocalResponse, table: Tensor, reach: float, at: Values
    ) -> None:
        self.models, self.arrays = (model,), place.arrays
        self.sources, self.place, self.table = PlacedSources([model], sky, [place]), place, table
        pixels_per_deg = float(np.linalg.norm(sky.matrix, axis=1).max())
        self.reach, self.at = reach * pixels_per_deg, dict(at)

    @abc.abstractmethod
    def where(self, values: Values) -> Tensor:
        """Position y, x in pixels, and what else the image depends on."""

    @abc.abstractmethod
    def counts_behind(self, node: Tensor | None, where: Tensor, *rest: Tensor) -> tuple[Any, Any]:
        """Bins in reach and counts there for the table of one node (None: the only one)."""

    @abc.abstractmethod
    def totals_behind(self, node: Tensor | None, where: Tensor, tables: tuple[Any, ...]) -> Tensor:
        """Totals per unit flux for the table of one node, ``(n_image * n_energy,)``."""

    @abc.abstractmethod
    def total_tables(self, images: Any, weights: np.ndarray) -> tuple[np.ndarray, ...]:
        """Tables for `totals_behind`, with the rows of images and weights ``(n_row, n_lat, n_lon)``."""

    def both(self, values: Values, bins: Bins, weights: Weights | None = None) -> tuple[SparseCounts, Tensor]:
        """Counts in the bins around the source, and their total; see `Term.both`."""
        flux, where = self.sources.flux(values)[0], self.where(values)
        rest = flux, self._kernel_dispersion(values), self.place.response.exposure_last, bins.columns, bins.rows
        if self.place.nodes is None:
            touched, counts = self.counts_behind(None, where, *rest)
        else:
            each = [(*self.counts_behind(n, where, *rest), share) for n, share in self.place.nodes.each(values)]
            # the window is that of the widest PSF: the same bins for each
            touched, counts = each[0][0], sum(share * counts for _, counts, share in each)
        return SparseCounts(touched, counts), None if weights is None else self._total(values, flux, where, weights)

    def _kernel_dispersion(self, values: Values) -> Tensor:
        return self.sources.kernel_dispersion(values)[0]

    def _total(self, values: Values, flux: Tensor, where: Tensor, weights: Weights) -> Tensor:
        if self.place.nodes is None and not self.place.kernel_dispersion_is_free:
            return pt.dot(self.totals_behind(None, where, weights.of(self._folded_tables)), flux)
        *tables, responses = weights.of(self._unfolded_tables)
        seen = (pt.dot(responses, self._kernel_dispersion(values)) * flux).ravel()
        if self.place.nodes is None:
            return pt.dot(self.totals_behind(None, where, tuple(tables)), seen)
        total: Tensor = 0.0
        for node, share in self.place.nodes.each(values):
            total = total + share * pt.dot(self.totals_behind(node, where, tuple(tables)), seen)
        return total

    def _folded_tables(self, weights: np.ndarray) -> tuple[np.ndarray, ...]:
        """Tables with the energy dispersion: a row per energy of the PSF."""
        exposed = np.einsum("ej,eyx->jyx", self.place.kernel_matrix, weights) * self.place.response.kernel_exposure
        return self.total_tables(self.table, exposed)

    def _unfolded_tables(self, weights: np.ndarray) -> tuple[np.ndarray, ...]:
        """Tables without it, for each of a few images of which the weights of all reconstructed energies are sums."""
        classes, class_weights = self.arrays.weight_classes(weights)
        if len(class_weights) <= len(weights):
            pictures, responses = np.arange(len(class_weights))[:, None, None] == classes, class_weights
        else:
            pictures, responses = weights, np.eye(len(weights))
        exposed = pictures[:, None] * self.place.response.kernel_exposure
        n_node, n_row = self.place.n_node, exposed.shape[0] * exposed.shape[1]
        rows = np.tile(exposed.reshape(n_row, *exposed.shape[2:]), (n_node, 1, 1))
        images = _Images(self.table, n_node, len(pictures))
        return *self.total_tables(images, rows), responses

    @cached_property
    def _present(self) -> np.ndarray:
        """`where` at the present values."""
        spatial = self.models[0].spatial_model
        where = self.where({p: self.at.get(p, p.internal) for p in spatial.parameters})
        return number(where)

    def _near(self, images: Tensor, weights: np.ndarray, more: float = 0.0) -> TotalTable:
        """Totals for positions that are expected, and ``more`` pixels around."""
        return total_table(images, weights, tuple(self._present[:2]), self.reach + more)

    def _by_node(self, table: np.ndarray, axis: int) -> np.ndarray:
        """A table with rows along an axis as one per node, if there are nodes: these come first."""
        if self.place.nodes is None:
            return table
        shape = *table.shape[:axis], self.place.n_node, -1, *table.shape[axis + 1 :]
        return np.ascontiguousarray(np.moveaxis(table.reshape(shape), axis, 0))


def _of_node(table: Tensor, node: Tensor | None) -> Tensor:
    """Part of a table that belongs to a node; all of it where there are none."""
    return table if node is None else table[node]


class PointTerm(TableTerm):
    """A point source seen through a PSF of any shape, a table of pixel integrals between which B-splines interpolate.

    Parameters as of `TableTerm`, with a `SplineStamp` as table.
    """

    def __init__(
        self, model: "SkyModel", sky: SkyToPixel, place: LocalResponse, table: SplineStamp, reach: float, at: Values
    ) -> None:
        super().__init__(model, sky, place, table, reach, at)
        self.nodes = table_data(self._by_node(table.nodes, 4))

    def where(self, values: Values) -> Tensor:
        """Position y, x in pixels."""
        x, y = self.sources.pixels(values)
        return pt.stack([y[0], x[0]])

    def counts_behind(self, node: Tensor | None, where: Tensor, *rest: Tensor) -> tuple[Any, Any]:
        """See `TableTerm.counts_behind`."""
        flux, *rest_ = rest
        touched, counts, _, _ = PointCounts()(where, flux, _of_node(self.nodes, node), *rest_)
        return touched, counts

    def totals_behind(self, node: Tensor | None, where: Tensor, tables: tuple[Any, ...]) -> Tensor:
        """See `TableTerm.totals_behind`."""
        weights, table, corner = tables
        return PointTotal()(where, _of_node(self.nodes, node), weights, _of_node(table, node), corner)[0]

    def total_tables(self, images: Any, weights: np.ndarray) -> tuple[np.ndarray, ...]:
        """See `TableTerm.total_tables`."""
        table = self._near(images, weights)
        weights = weights[: len(weights) // self.place.n_node]  # the same for each node
        return weights.transpose(1, 2, 0).copy(), self._by_node(table.nodes, 4), table.corner


class RadialTerm(TableTerm):
    """A round Gaussian of any size seen through a PSF of any shape, a table over size and distance from its centre.

    Its total is that of a point source, blurred. Parameters as of `TableTerm`, with a `RadialTable` as table.
    """

    def __init__(
        self, model: "SkyModel", sky: SkyToPixel, place: LocalResponse, table: RadialTable, reach: float, at: Values
    ) -> None:
        super().__init__(model, sky, place, table, reach, at)
        grid = np.array([table.core, table.span, *table.steps, *table.scale])
        self.nodes = table_data(self._by_node(table.nodes, 3))
        harmonics, limits, radii = map(table_data, (table.harmonics, table.limits, table.radii))
        self.tables = [harmonics, limits, data(grid), radii]

    def where(self, values: Values) -> Tensor:
        """Position y, x in pixels and standard deviation in deg."""
        x, y = self.sources.pixels(values)
        size = pt.as_tensor_variable(self.models[0].spatial_model.gaussian_graph(values)[0])
        return pt.stack([y[0], x[0], pt.cast(size, "float64")])

    def counts_behind(self, node: Tensor | None, where: Tensor, *rest: Tensor) -> tuple[Any, Any]:
        """See `TableTerm.counts_behind`."""
        flux, *rest_ = rest
        touched, counts, _, _ = RadialCounts()(where, flux, _of_node(self.nodes, node), *self.tables, *rest_)
        return touched, counts

    def totals_behind(self, node: Tensor | None, where: Tensor, tables: tuple[Any, ...]) -> Tensor:
        """See `TableTerm.totals_behind`."""
        table, box, samples, corner, scale = tables
        return GaussianTotal()(where, _of_node(table, node), box, _of_node(samples, node), corner, scale)[0]

    def total_tables(self, images: Any, weights: np.ndarray) -> tuple[np.ndarray, ...]:
        """See `TableTerm.total_tables`."""
        at, reach = self._present[:2], self.reach
        near = self._near(images, weights, 6 * WIDE)
        far = 2.0 * sum(weights.shape[1:]) + np.abs(at).max()
        everywhere = total_table(images, weights, tuple(at), far, np.inf)
        per_pixel = near.nodes.shape[1]
        box = np.array([*near.corner, at[0] - reach, at[0] + reach, at[1] - reach, at[1] + reach, per_pixel])
        tables = self._by_node(near.table(), 0), box, self._by_node(everywhere.samples(), 0), everywhere.corner
        return *tables, np.array(self.table.scale[::-1])
