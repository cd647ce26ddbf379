"""Grids of cells: which pixels belong to which cell, and which cells are missing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from bayesmap.errors import BoundsError
from bayesmap.images.geom import YX, Box
from bayesmap.images.interval import Interval, pixel_of

__all__ = ["CellGrid", "CellGridBounds", "CellIJ", "PatchDefinition"]


@dataclass(frozen=True, order=True)
class CellIJ:
    """Index of a cell in its grid.

    Parameters
    ----------
    i, j : int
        Row (along y) and column (along x).
    """

    i: int
    j: int

    def __add__(self, other: "CellIJ") -> "CellIJ":
        return CellIJ(self.i + other.i, self.j + other.j)

    def __sub__(self, other: "CellIJ") -> "CellIJ":
        return CellIJ(self.i - other.i, self.j - other.j)


@dataclass(frozen=True)
class CellGrid:
    """Cells of one shape that fill a box; that of a coadd is the grid of its full patch.

    Parameters
    ----------
    bbox : Box
        All pixels; cell (0, 0) begins at its start.
    cell_shape : YX of int
        Rows and columns of each cell.

    Raises
    ------
    ValueError
        If the cells do not fill the box.

    Examples
    --------
    >>> grid = CellGrid(Box.factory[0:40, 0:60], YX(20, 20))
    >>> grid.grid_size, grid.index_of(y=25, x=3)
    (CellIJ(i=2, j=3), CellIJ(i=1, j=0))
    """

    bbox: Box
    cell_shape: YX[int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "cell_shape", YX(*self.cell_shape))
        if min(self.cell_shape) < 1 or self.bbox.y.size % self.cell_shape.y or self.bbox.x.size % self.cell_shape.x:
            raise ValueError(f"cells of {tuple(self.cell_shape)} pixels do not fill the box {self.bbox} of their grid")

    @property
    def grid_size(self) -> CellIJ:
        """Number of cells along each axis."""
        return CellIJ(self.bbox.y.size // self.cell_shape.y, self.bbox.x.size // self.cell_shape.x)

    def index_of(self, *, y: int, x: int) -> CellIJ:
        """Cell of a pixel; outside of the box the grid goes on, also to negative indices."""
        start = self.bbox.start
        return CellIJ((y - start.y) // self.cell_shape.y, (x - start.x) // self.cell_shape.x)

    def bbox_of(self, cell: CellIJ) -> Box:
        """Pixels of a cell."""
        start, shape = self.bbox.start, self.cell_shape
        return Box.from_shape(shape, (start.y + cell.i * shape.y, start.x + cell.j * shape.x))


@dataclass(frozen=True)
class CellGridBounds:
    """The cells of a grid that an image touches, but for the missing ones.

    Parameters
    ----------
    grid : CellGrid
        Grid of the full patch.
    bbox : Box
        Whole cells of it.
    missing : frozenset of CellIJ
        Cells inside of ``bbox`` without data.

    Raises
    ------
    ValueError
        If the box does not consist of cells of the grid, or a missing cell lies outside of it.
    """

    grid: CellGrid
    bbox: Box
    missing: frozenset[CellIJ] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        object.__setattr__(self, "missing", frozenset(self.missing))
        if not self.grid.bbox.contains(self.bbox) or self._snapped(self.bbox) != self.bbox:
            raise ValueError(f"the box {self.bbox} does not consist of cells of the grid {self.grid}")
        if outside := [cell for cell in sorted(self.missing) if not self._has(cell)]:
            raise ValueError(f"the missing cells {outside} are outside of the box {self.bbox}")

    @property
    def subgrid_start(self) -> CellIJ:
        """First row and column of cells, as indices of the grid."""
        return self.grid.index_of(y=self.bbox.y.start, x=self.bbox.x.start)

    @property
    def subgrid_stop(self) -> CellIJ:
        """One past the last row and column of cells."""
        return self.grid.index_of(y=self.bbox.y.stop, x=self.bbox.x.stop)

    @property
    def subgrid_size(self) -> CellIJ:
        """Number of cells along each axis, missing ones included."""
        return self.subgrid_stop - self.subgrid_start

    def contains(self, *, x: float | np.ndarray, y: float | np.ndarray) -> bool | np.ndarray:
        """Whether points lie in a cell that is not missing.

        Parameters
        ----------
        x, y : float or array
            Coordinates, of shapes that broadcast; a point on the edge of two pixels lies in the upper one.

        Returns
        -------
        bool or array
            An array for arrays.
        """
        x, y = np.broadcast_arrays(pixel_of(x), pixel_of(y))
        inside = np.array(self.bbox.contains(y=y, x=x))
        for box in self.missing_boxes():
            inside &= ~np.asarray(box.contains(y=y, x=x))
        return bool(inside) if inside.ndim == 0 else inside

    def contains_cell(self, cell: CellIJ) -> bool:
        """Whether a cell is there."""
        return self._has(cell) and cell not in self.missing

    def check_cell(self, cell: CellIJ) -> None:
        """Raise unless a cell is there.

        Raises
        ------
        BoundsError
            If it is missing or outside.
        """
        if cell in self.missing:
            raise BoundsError(f"{cell} is one of the missing cells {sorted(self.missing)}")
        if not self._has(cell):
            stop = self.subgrid_stop - CellIJ(1, 1)
            raise BoundsError(f"{cell} is outside of the bounds, which go from {self.subgrid_start} to {stop}")

    def cell_indices(self) -> Iterator[CellIJ]:
        """Cells that are there, row by row."""
        start, stop = self.subgrid_start, self.subgrid_stop
        cells = (CellIJ(i, j) for i in range(start.i, stop.i) for j in range(start.j, stop.j))
        return (cell for cell in cells if cell not in self.missing)

    def missing_boxes(self) -> Iterator[Box]:
        """Pixels of each missing cell."""
        return (self.grid.bbox_of(cell) for cell in sorted(self.missing))

    def __getitem__(self, bbox: Box) -> "CellGridBounds":
        """Cells that a box touches; raises a ValueError unless it is contained."""
        if not self.bbox.contains(bbox):
            raise ValueError(f"the box {bbox} is not inside of the cells' {self.bbox}")
        return self._within(self._snapped(bbox))

    def intersection(self, other: "Box | CellGridBounds") -> Self:
        """Cells that a box, or other bounds of the same grid, have in common with these.

        Raises
        ------
        NoOverlapError
            If there is none.
        ValueError
            If the other grid is another one.
        """
        if isinstance(other, CellGridBounds) and other.grid != self.grid:
            raise ValueError(f"bounds of two grids have no intersection: {self.grid} and {other.grid}")
        missing = other.missing if isinstance(other, CellGridBounds) else frozenset()
        return self._within(self._snapped(self.bbox.intersection(other.bbox)), missing)

    def _within(self, bbox: Box, missing: frozenset[CellIJ] = frozenset()) -> Self:
        inside = (cell for cell in self.missing | missing if bbox.contains(self.grid.bbox_of(cell)))
        return type(self)(self.grid, bbox, frozenset(inside))

    def _has(self, cell: CellIJ) -> bool:
        start, stop = self.subgrid_start, self.subgrid_stop
        return start.i <= cell.i < stop.i and start.j <= cell.j < stop.j

    def _snapped(self, bbox: Box) -> Box:
        """The box extended to whole cells."""
        first = self.grid.bbox_of(self.grid.index_of(y=bbox.y.min, x=bbox.x.min))
        last = self.grid.bbox_of(self.grid.index_of(y=bbox.y.max, x=bbox.x.max))
        return Box(Interval.hull(first.y, last.y), Interval.hull(first.x, last.x))


@dataclass(frozen=True)
class PatchDefinition:
    """A patch of the sky map, which a coadd is a part of.

    Parameters
    ----------
    id : int
        Number of the patch in its tract.
    index : YX of int
        Its row and column.
    inner_bbox : Box
        Pixels that belong to no other patch.
    cells : CellGrid
        Grid of all its cells.
    """

    id: int
    index: YX[int]
    inner_bbox: Box
    cells: CellGrid

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", YX(*self.index))

    @property
    def outer_bbox(self) -> Box:
        """All pixels, also those that neighbours have too."""
        return self.cells.bbox
