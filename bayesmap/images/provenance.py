"""Which exposures went into which cell of a coadd."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from astropy.table import Table

from bayesmap.images.cells import CellIJ

if TYPE_CHECKING:
    from regions import PolygonPixelRegion

__all__ = ["CoaddProvenance", "Polygon"]

#: columns that tables must have
INPUTS = ("instrument", "visit", "detector", "physical_filter", "day_obs", "polygon")
CONTRIBUTIONS = ("cell_i", "cell_j", "instrument", "visit", "detector")
KEYS = ("instrument", "visit", "detector")


@dataclass(frozen=True, eq=False)
class Polygon:
    """Outline of an exposure.

    Parameters
    ----------
    x_vertices, y_vertices : array
        Absolute coordinates of the corners in pixels, shape ``(n,)``; the last one is joined to the first.
    """

    x_vertices: np.ndarray
    y_vertices: np.ndarray

    def __post_init__(self) -> None:
        for name in ("x_vertices", "y_vertices"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype="float64"))
        if self.x_vertices.ndim != 1 or self.x_vertices.shape != self.y_vertices.shape or self.n_vertices < 3:
            raise ValueError(
                "a polygon has three corners or more with x and y each, got "
                f"{self.x_vertices.shape} and {self.y_vertices.shape}"
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Polygon):
            return NotImplemented
        mine, theirs = (np.stack([p.x_vertices, p.y_vertices]) for p in (self, other))
        return np.array_equal(mine, theirs)

    __hash__ = None  # type: ignore[assignment]

    @property
    def n_vertices(self) -> int:
        """Number of corners."""
        return len(self.x_vertices)

    def to_region(self) -> "PolygonPixelRegion":
        """The polygon as a region of the package ``regions``, in absolute pixel coordinates."""
        from regions import PixCoord, PolygonPixelRegion

        return PolygonPixelRegion(PixCoord(self.x_vertices, self.y_vertices))


class CoaddProvenance:
    """Exposures of a coadd, and what each contributes to each cell.

    Parameters
    ----------
    inputs : `~astropy.table.Table`
        One row per exposure and detector: "instrument", "visit", "detector", "physical_filter", "day_obs" (YYYYMMDD)
        and "polygon" (`Polygon`, the part inside of the coadd).
    contributions : `~astropy.table.Table`
        One row per cell, exposure and detector: "cell_i", "cell_j", "instrument", "visit", "detector", and what else is
        known, such as "overlap_fraction", "weight" and "psf_shape_xx" (pix2).

    Raises
    ------
    ValueError
        If one of these columns is missing.
    """

    def __init__(self, inputs: Table, contributions: Table) -> None:
        for name, table, needed in (("inputs", inputs, INPUTS), ("contributions", contributions, CONTRIBUTIONS)):
            if missing := [column for column in needed if column not in table.colnames]:
                raise ValueError(f"the table of {name} lacks the columns {missing}; it has {table.colnames}")
        self._inputs = inputs
        self._contributions = contributions

    def __repr__(self) -> str:
        return f"CoaddProvenance({len(self.inputs)} inputs, {len(self.contributions)} contributions)"

    @property
    def inputs(self) -> Table:
        """One row per exposure and detector."""
        return self._inputs

    @property
    def contributions(self) -> Table:
        """One row per cell, exposure and detector."""
        return self._contributions

    def __getitem__(self, cell: CellIJ) -> Self:
        """What went into one cell."""
        return self.subset([cell])

    def subset(self, cells: Iterable[CellIJ]) -> Self:
        """What went into some cells; each input is listed once."""
        wanted = {(cell.i, cell.j) for cell in cells}
        table = self._contributions
        chosen = [pair in wanted for pair in _rows(table, ("cell_i", "cell_j"))]
        contributions = table[np.array(chosen, dtype=bool)]
        used = set(_rows(contributions, KEYS))
        kept = [key in used for key in _rows(self._inputs, KEYS)]
        return type(self)(self._inputs[np.array(kept, dtype=bool)], contributions)


def _rows(table: Table, columns: Iterable[str]) -> Iterator[tuple[int | str, ...]]:
    return zip(*(np.asarray(table[name]).tolist() for name in columns), strict=True)
