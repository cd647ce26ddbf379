"""Nodes between which responses are interpolated linearly: positions on the sky, and widths of the PSF.

Every route is linear in the PSF, so that tables at a few nodes, mixed with weights that depend on parameters, are that
of a PSF which follows a position or gets wider.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pytensor.tensor as pt
from astropy.coordinates import SkyCoord

from bayesmap.graph.arrays import FoldArrays, Values
from bayesmap.graph.data import data
from bayesmap.graph.pixel import SkyToPixel
from bayesmap.graph.psf.profile import PSFProfile
from bayesmap.graph.windows import as_index

__all__ = ["NodeAxis", "Nodes", "PositionAxis", "WidthAxis", "position_axis", "stacked_profiles", "widened"]


class NodeAxis(Protocol):
    """Something that a response depends on, and the values at which it is known."""

    @property
    def n_node(self) -> int:
        """Number of nodes."""
        ...

    @property
    def n_near(self) -> int:
        """Number of nodes that are mixed at a time."""
        ...

    def near(self, values: Values) -> tuple[Any, Any]:
        """Nodes around the present value, integers ``(n_near,)``, and their weights, whose sum is one."""
        ...


@dataclass(frozen=True, eq=False)
class PositionAxis:
    """Nodes on a grid of positions, row by row; beyond its edge the response is that of the edge.

    Attributes
    ----------
    sky : SkyToPixel
        From a position to the grid.
    shape : tuple of int
        Rows and columns of the grid, at least two each.
    position : tuple of Parameter
        Longitude and latitude of the source.
    nodes : tuple of `~astropy.coordinates.SkyCoord`
        Positions of the nodes.
    """

    sky: SkyToPixel
    shape: tuple[int, int]
    position: tuple[Any, Any]
    nodes: tuple[SkyCoord, ...]
    n_near: int = 4

    @property
    def n_node(self) -> int:
        """Number of nodes."""
        return len(self.nodes)

    def near(self, values: Values) -> tuple[Any, Any]:
        """Four nodes around a position, and their bilinear weights; see `NodeAxis.near`."""
        n_y, n_x = self.shape
        place = self.sky.pixel(*(pt.as_tensor_variable(values[p]) for p in self.position))
        (x0, fx), (y0, fy) = (_cell(v, n) for v, n in zip(place, (n_x, n_y), strict=True))
        first = y0 * n_x + x0
        weights = [(1 - fy) * (1 - fx), (1 - fy) * fx, fy * (1 - fx), fy * fx]
        return pt.stack([first, first + 1, first + n_x, first + n_x + 1]), pt.stack(weights)


@dataclass(frozen=True, eq=False)
class WidthAxis:
    """Nodes of the width of the PSF, in units of the nominal one; beyond the last one it is that of the last.

    Attributes
    ----------
    widths : numpy.ndarray
        Ascending, at least two.
    width : callable
        The width as a function of the values of parameters, symbolic.
    """

    widths: np.ndarray
    width: Any
    n_near: int = 2

    @property
    def n_node(self) -> int:
        """Number of nodes."""
        return len(self.widths)

    @cached_property
    def _nodes(self) -> Any:
        return data(self.widths)

    def near(self, values: Values) -> tuple[Any, Any]:
        """Two nodes around a width; see `NodeAxis.near`."""
        nodes = self._nodes
        width = pt.clip(pt.as_tensor_variable(self.width(values)), self.widths[0], self.widths[-1])
        first = pt.cast(pt.ge(width, nodes[1:-1]).sum(), "int64")
        share = (width - nodes[first]) / (nodes[first + 1] - nodes[first])
        return pt.stack([first, first + 1]), pt.stack([1 - share, share])


def _cell(place: Any, number: int) -> tuple[Any, Any]:
    """First of the two nodes around a place on a grid, and the share of the second."""
    inside = pt.clip(place, 0.0, number - 1.0)
    first = as_index(pt.floor(inside), 0, number - 2)
    return first, inside - first


@dataclass(frozen=True, eq=False)
class Nodes:
    """All combinations of the nodes of some axes, the last axis fastest.

    Attributes
    ----------
    axes : tuple of NodeAxis
        At least one.
    """

    axes: tuple[NodeAxis, ...]

    @property
    def n_node(self) -> int:
        """Number of nodes."""
        return int(np.prod([axis.n_node for axis in self.axes]))

    def near(self, values: Values) -> tuple[Any, Any]:
        """Nodes around the present values, integers ``(n_near,)``, and their weights, whose sum is one."""
        nodes, weights = self.axes[0].near(values)
        for axis in self.axes[1:]:
            more, shares = axis.near(values)
            nodes = (nodes[:, None] * axis.n_node + more).ravel()
            weights = (weights[:, None] * shares).ravel()
        return nodes, weights

    def mix(self, table: Any, values: Values) -> Any:
        """Interpolate a table: from ``(n_node, ...)`` to ``(...)``."""
        nodes, weights = self.near(values)
        return pt.tensordot(weights, table[nodes], 1)

    def each(self, values: Values) -> Iterator[tuple[Any, Any]]:
        """Each of the nodes around the present values, and its weight: for what is too large to be mixed."""
        nodes, weights = self.near(values)
        for i in range(int(np.prod([axis.n_near for axis in self.axes]))):
            yield nodes[i], weights[i]


def position_axis(arrays: FoldArrays, spatial: Any, reference: SkyCoord, reach: float) -> PositionAxis:
    """Return the pixels of the PSF map of a dataset around a position.

    Parameters
    ----------
    arrays : FoldArrays
        With a PSF.
    spatial : SpatialModel
        With the parameters of the position.
    reference : `~astropy.coordinates.SkyCoord`
        Prior centre of the source, in the frame of the model.
    reach : float
        How far in deg the source may move; beyond, the responses of the edge are taken.

    Raises
    ------
    ValueError
        If there is no PSF map, or it has a single position.

    Notes
    -----
    A PSF map is linear between its pixels, so nothing is lost by this.
    """
    if arrays.psf is None:
        raise ValueError(f"dataset {arrays.name!r}: irf_position='source' needs a PSF")
    image = arrays.psf.psf_map.geom.to_image()
    if min(image.data_shape) < 2:
        raise ValueError(
            f"dataset {arrays.name!r}: its PSF map has {image.data_shape} pixels, so nothing follows a source; use "
            "irf_position='prior'"
        )
    spacing = float(np.abs(image.pixel_scales.to_value("deg")).min())
    middle = [float(v) for v in reference.transform_to(image.frame).to_pixel(image.wcs)]
    half = int(np.ceil(reach / spacing))
    columns, rows = (_around(m, half, n) for m, n in zip(middle, image.data_shape[::-1], strict=True))
    nodes = [SkyCoord.from_pixel(x, y, image.wcs) for y, x in itertools.product(rows, columns)]
    grid = SkyToPixel.from_geom(image, image.center_skydir.transform_to(reference.frame))
    sky = dataclasses.replace(grid, origin=grid.origin - np.array([columns[0], rows[0]]))
    return PositionAxis(sky, (len(rows), len(columns)), (spatial.lon_0, spatial.lat_0), tuple(nodes))


def _around(middle: float, half: int, number: int) -> np.ndarray:
    """Pixels of a map around a position, at least two."""
    first = int(np.clip(np.floor(middle) - half, 0, number - 2))
    last = int(np.clip(np.floor(middle) + half + 1, first + 1, number - 1))
    return np.arange(first, last + 1)


def widened(profile: PSFProfile, width: float) -> PSFProfile:
    """Return a PSF as seen from closer: ``width`` times as wide."""
    return PSFProfile(profile.rad * width, profile.density / width**2)


def stacked_profiles(profiles: list[PSFProfile]) -> PSFProfile:
    """Return profiles as one with a row per profile and energy; each stays linear between its own radii."""
    if all(np.array_equal(p.rad, profiles[0].rad) for p in profiles):
        return PSFProfile(profiles[0].rad, np.concatenate([p.density for p in profiles]))
    rad = np.unique(np.concatenate([p.rad for p in profiles]))
    rows = [np.interp(rad, p.rad, row, right=0.0) for p in profiles for row in p.density]
    return PSFProfile(rad, np.array(rows))
