"""Point spread function of a coadd: one kernel image per cell."""

from typing import Literal, overload

import numpy as np

from bayesmap._util import check_option
from bayesmap.images.cells import CellGrid, CellGridBounds, CellIJ
from bayesmap.images.geom import YX, Box
from bayesmap.images.image import Image
from bayesmap.images.interval import Interval, pixel_of

__all__ = ["CellPointSpreadFunction"]

#: half-width in pixels of each way to shift a kernel by a fraction of a pixel
RESAMPLING = {"lanczos3": 3, "lanczos5": 5}


class CellPointSpreadFunction:
    """Point spread function that is constant inside of each cell and jumps between cells.

    Parameters
    ----------
    array : array
        Kernels, shape ``(n_i, n_j, n_y, n_x)`` with odd ``n_y`` and ``n_x``, each with sum 1 (dimensionless). They hold
        the response of the pixels too: what a star in the centre of a pixel gives. NaN in missing cells.
    bounds : CellGridBounds
        The cells.
    resampling_kernel : {"lanczos5", "lanczos3"}
        How `compute_stellar_image` shifts by fractions of a pixel.

    Raises
    ------
    ValueError
        If the shape of the array is another one than that of the cells, a kernel has even sizes, or one of a cell that
        is not missing has values that are not finite.
    """

    def __init__(
        self,
        array: np.ndarray,
        bounds: CellGridBounds,
        resampling_kernel: Literal["lanczos3", "lanczos5"] = "lanczos5",
    ) -> None:
        check_option("resampling_kernel", resampling_kernel, RESAMPLING)
        size = bounds.subgrid_size
        if array.ndim != 4 or array.shape[:2] != (size.i, size.j):
            raise ValueError(
                f"a PSF for {size.i} x {size.j} cells has shape ({size.i}, {size.j}, n_y, n_x), got {array.shape}"
            )
        if array.shape[2] % 2 == 0 or array.shape[3] % 2 == 0:
            raise ValueError(f"kernels need odd sizes, to have a central pixel; got {array.shape[2:]}")
        self._array = array
        self._bounds = bounds
        self._resampling_kernel = resampling_kernel
        for cell in bounds.cell_indices():
            if not np.all(np.isfinite(array[self._place(cell)])):
                raise ValueError(f"the PSF of {cell} has values that are not finite; only those of missing cells may")

    def __repr__(self) -> str:
        return f"CellPointSpreadFunction({self.bounds.bbox}, kernel {self._array.shape[2:]})"

    @property
    def array(self) -> np.ndarray:
        """Kernels, shape ``(n_i, n_j, n_y, n_x)``, dimensionless."""
        return self._array

    @property
    def bounds(self) -> CellGridBounds:
        """The cells for which there is a kernel; their box may be larger than the image."""
        return self._bounds

    @property
    def grid(self) -> CellGrid:
        """Grid that the cells belong to."""
        return self._bounds.grid

    @property
    def resampling_kernel(self) -> Literal["lanczos3", "lanczos5"]:
        """How `compute_stellar_image` shifts by fractions of a pixel."""
        return self._resampling_kernel

    @property
    def kernel_bbox(self) -> Box:
        """Pixels of a kernel, with the centre at (0, 0)."""
        y, x = self._array.shape[2:]
        return Box(Interval(-(y // 2), y // 2 + 1), Interval(-(x // 2), x // 2 + 1))

    @overload
    def __getitem__(self, key: CellIJ) -> Image: ...
    @overload
    def __getitem__(self, key: Box) -> "CellPointSpreadFunction": ...
    def __getitem__(self, key: CellIJ | Box) -> "Image | CellPointSpreadFunction":
        """Kernel of a cell, as a view; or the PSF of the cells that a box touches.

        Raises
        ------
        BoundsError
            If the cell is missing or outside.
        ValueError
            If the box reaches outside.
        """
        if isinstance(key, CellIJ):
            self._bounds.check_cell(key)
            return Image(self._array[self._place(key)], bbox=self.kernel_bbox)
        bounds = self._bounds[key]
        first = bounds.subgrid_start - self._bounds.subgrid_start
        last = first + bounds.subgrid_size
        return CellPointSpreadFunction(
            self._array[first.i : last.i, first.j : last.j].copy(), bounds, self._resampling_kernel
        )

    def compute_kernel_image(self, *, x: float, y: float) -> Image:
        """Kernel at a point, to convolve with.

        Parameters
        ----------
        x, y : float
            Absolute coordinates in pixels; on the edge of two pixels the upper one counts.

        Returns
        -------
        Image
            Kernel of the cell of the point, with box `kernel_bbox`, without unit, sum 1; a view.

        Raises
        ------
        BoundsError
            If the cell is missing or outside.
        """
        return self[self._cell_at(x, y)]

    def compute_stellar_image(self, *, x: float, y: float) -> Image:
        """Image of a star of flux 1 at a point, with the PSF of its own cell.

        Parameters
        ----------
        x, y : float
            Absolute coordinates in pixels.

        Returns
        -------
        Image
            Of the size of a kernel, around the pixel of the star, without unit.

        Raises
        ------
        BoundsError
            If the cell is missing or outside.

        Notes
        -----
        The kernel is shifted by a fraction of a pixel with a separable Lanczos filter of unit sum; outside of its box
        it is taken for 0.
        """
        bbox = self.compute_stellar_bbox(x=x, y=y)
        kernel = self.compute_kernel_image(x=x, y=y).array
        half_width = RESAMPLING[self._resampling_kernel]
        rows = _shift_matrix(kernel.shape[0], y - int(pixel_of(y)), half_width)
        columns = _shift_matrix(kernel.shape[1], x - int(pixel_of(x)), half_width)
        return Image(rows @ kernel @ columns.T, bbox=bbox)

    def compute_stellar_bbox(self, *, x: float, y: float) -> Box:
        """Pixels of `compute_stellar_image`.

        Raises
        ------
        BoundsError
            If the cell is missing or outside.
        """
        self._bounds.check_cell(self._cell_at(x, y))
        box = self.kernel_bbox
        return Box(box.y + int(pixel_of(y)), box.x + int(pixel_of(x)))

    def _cell_at(self, x: float, y: float) -> CellIJ:
        if not (np.isfinite(x) and np.isfinite(y)):
            raise ValueError(f"the PSF is asked for at x={x}, y={y}; coordinates must be finite numbers")
        return self.grid.index_of(y=int(pixel_of(y)), x=int(pixel_of(x)))

    def _place(self, cell: CellIJ) -> YX[int]:
        """Indices of a cell in the array."""
        return YX(cell.i - self._bounds.subgrid_start.i, cell.j - self._bounds.subgrid_start.j)


def _shift_matrix(size: int, shift: float, half_width: int) -> np.ndarray:
    """Matrix of shape ``(size, size)`` that shifts samples by a fraction of a pixel."""
    taps = np.arange(-half_width, half_width + 1) - shift
    distance = np.arange(size)[:, np.newaxis] - np.arange(size) - shift
    return _lanczos(distance, half_width) / _lanczos(taps, half_width).sum()


def _lanczos(distance: np.ndarray, half_width: int) -> np.ndarray:
    inside = np.abs(distance) < half_width
    return np.where(inside, np.sinc(distance) * np.sinc(distance / half_width), 0.0)
