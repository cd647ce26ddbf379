"""Parts of an image geometry, and the same image with other pixels."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.wcs import WCS

from bayesmap.maps.cutouts import common_slices, cutout_bounds, cutout_npix, on_same_grid
from bayesmap.maps.geom import Geom
from bayesmap.maps.wcs_tools import int_pair, rescaled, round_up_to_odd, shifted

__all__ = ["WcsParts"]


class WcsParts(Geom):
    """Methods of `WcsGeom` that return geometries of other size."""

    _wcs: WCS
    _npix: tuple[int, int]
    _frame: str
    create: ClassVar[Callable[..., Any]]

    @property
    @abstractmethod
    def projection(self) -> str:
        """Short name of the projection."""

    @property
    @abstractmethod
    def width(self) -> u.Quantity:
        """Width in longitude and latitude."""

    def cutout(
        self, position: SkyCoord, width: object, mode: str = "trim", odd_npix: bool = False, min_npix: int = 1
    ) -> Self:
        """Return the part of the geometry around a position.

        Parameters
        ----------
        position : `~astropy.coordinates.SkyCoord`
            Centre.
        width : float, str, `~astropy.units.Quantity` or pair
            Width in longitude and latitude; numbers are deg. Rounded to whole pixels.
        mode : {"trim", "partial", "strict"}
            A part that sticks out is cut off, kept, or an error.
        odd_npix : bool
            Whether the number of pixels is rounded up to an odd one.
        min_npix : int
            Smallest number of pixels.

        Raises
        ------
        ValueError
            If the part does not overlap with the geometry, or sticks out under "strict".
        """
        npix = cutout_npix(self, width, odd_npix, min_npix)
        start, npix = cutout_bounds(self, position, npix, mode)
        return self._init_copy(wcs=shifted(self._wcs, *start), npix=npix)

    def cutout_slices(self, geom: Geom, mode: str = "partial") -> dict[str, tuple[slice, slice]]:
        """Return which pixels this geometry and its aligned parent have in common.

        Parameters
        ----------
        geom : WcsGeom
            Parent geometry on the same pixel grid.
        mode : {"partial", "trim", "strict"}
            Under "strict" this geometry must lie inside the parent.

        Returns
        -------
        dict
            "parent-slices" and "cutout-slices", each ``(lat, lon)`` slices.

        Raises
        ------
        GeometryMismatchError
            If the pixel grids differ or do not overlap.
        """
        return common_slices(self, geom, mode)

    def is_aligned(self, other: Geom, tolerance: float = 1e-6) -> bool:
        """Whether another geometry has the same axes and its pixels lie on the same grid."""
        return self.axes == other.axes and on_same_grid(self, other, tolerance)

    def pad(self, pad_width: int | tuple[int, int], axis_name: str | None = None) -> Self:
        """Return the geometry with pixels added on every side, or bins on both ends of an axis."""
        if axis_name is not None:
            return self._init_copy(axes=self.axes.pad(axis_name, pad_width))
        x, y = int_pair("pad_width", pad_width)
        npix = (self._npix[0] + 2 * x, self._npix[1] + 2 * y)
        return self._init_copy(wcs=shifted(self._wcs, -x, -y), npix=npix)

    def crop(self, crop_width: int | tuple[int, int]) -> Self:
        """Return the geometry with pixels removed on every side."""
        x, y = int_pair("crop_width", crop_width)
        npix = (self._npix[0] - 2 * x, self._npix[1] - 2 * y)
        return self._init_copy(wcs=shifted(self._wcs, x, y), npix=npix)

    def downsample(self, factor: int, axis_name: str | None = None) -> Self:
        """Return the geometry with ``factor`` times ``factor`` pixels, or ``factor`` bins of an axis, joined.

        Raises
        ------
        ValueError
            If the shape is not a multiple of ``factor``.
        """
        if axis_name is not None:
            return self._init_copy(axes=self.axes.downsample(factor, axis_name))
        factor, _ = int_pair("factor", factor, lowest=1)
        if any(n % factor for n in self._npix):
            raise ValueError(f"{self._npix[0]} x {self._npix[1]} pixels are not a multiple of the factor {factor}")
        return self._init_copy(wcs=rescaled(self._wcs, factor), npix=[n // factor for n in self._npix])

    def upsample(self, factor: int, axis_name: str | None = None) -> Self:
        """Return the geometry with every pixel, or every bin of an axis, split."""
        if axis_name is not None:
            return self._init_copy(axes=self.axes.upsample(factor, axis_name))
        factor, _ = int_pair("factor", factor, lowest=1)
        return self._init_copy(wcs=rescaled(self._wcs, 1 / factor), npix=[n * factor for n in self._npix])

    def _rebuilt(self, **kwargs: object) -> Self:
        """A geometry with the same centre, projection, frame and axes."""
        same = {"proj": self.projection, "frame": self._frame, "axes": self.axes}
        return self.create(skydir=self.center_skydir, **same, **kwargs)

    def to_binsz(self, binsz: object) -> Self:
        """Return a geometry of the same centre and width with another pixel size (deg)."""
        return self._rebuilt(binsz=binsz, width=tuple(self.width[:, 0]))

    def to_odd_npix(self, max_radius: object = None) -> Self:
        """Return a square geometry with an odd number of pixels around the centre.

        Parameters
        ----------
        max_radius : `~astropy.units.Quantity` or str, optional
            Half of the width; by default half of the largest width of this geometry.
        """
        width = self.width.max().to_value("deg") if max_radius is None else 2 * Angle(max_radius).deg
        binsz = self.pixel_scales.deg.max()
        return self._rebuilt(binsz=binsz, npix=round_up_to_odd(width / binsz))

    def to_even_npix(self) -> Self:
        """Return a square geometry with an even number of pixels, as wide as the largest width of this one."""
        binsz = self.pixel_scales.deg.max()
        return self._rebuilt(
            binsz=binsz, npix=2 * int(np.ceil(np.round(self.width.max().to_value("deg") / binsz, 9) / 2))
        )
