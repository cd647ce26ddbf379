"""From pixels to the sky: a FITS WCS in absolute pixel coordinates, and the frame that these belong to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from astropy.wcs.utils import wcs_to_celestial_frame
from astropy.wcs.wcsapi import BaseLowLevelWCS, HighLevelWCSMixin

from bayesmap.images.geom import XY, Box

__all__ = ["GeneralFrame", "PixelFrame", "Projection", "ProjectionView", "TractFrame"]


@dataclass(frozen=True)
class PixelFrame:
    """What pixel coordinates belong to: base of `TractFrame` and `GeneralFrame`."""

    @property
    def unit(self) -> u.UnitBase:
        """Unit of the coordinates: pixels."""
        return u.pix


@dataclass(frozen=True)
class TractFrame(PixelFrame):
    """Pixel coordinates of a tract of a sky map.

    Parameters
    ----------
    skymap : str
        Name of the sky map.
    tract : int
        Number of the tract.
    bbox : Box
        All pixels of the tract.
    """

    skymap: str
    tract: int
    bbox: Box


@dataclass(frozen=True)
class GeneralFrame(PixelFrame):
    """Pixel coordinates of an image that belongs to no tract."""


class Projection[F: PixelFrame]:
    """Maps absolute pixel coordinates to the sky and back.

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`
        Celestial, of two dimensions; its pixel (0, 0) is that of the absolute coordinates.
    pixel_frame : TractFrame or GeneralFrame
        What the pixel coordinates belong to.
    pixel_bounds : Box, optional
        Where it is valid; by default the box of the tract, if there is one.

    Raises
    ------
    ValueError
        If the WCS is not celestial with two axes in a known frame, or has no inverse.

    Notes
    -----
    Pixel centres have integer coordinates. Sub-images share the projection of their parent.

    Examples
    --------
    >>> from astropy.wcs import WCS
    >>> wcs = WCS(naxis=2)
    >>> wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    >>> wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = (150.0, 2.0), (1.0, 1.0), (-0.0001, 0.0001)
    >>> projection = Projection.from_fits_wcs(wcs, GeneralFrame(), x0=1000, y0=2000)
    >>> sky = projection.pixel_to_sky(x=1000, y=2000)
    >>> print(sky.to_string())
    150 2
    """

    def __init__(self, wcs: WCS, pixel_frame: F, pixel_bounds: Box | None = None) -> None:
        if not isinstance(pixel_frame, PixelFrame):
            raise TypeError(f"the frame of pixels is a TractFrame or a GeneralFrame, got {pixel_frame!r}")
        self._wcs = _checked(wcs)
        self._pixel_frame = pixel_frame
        self._pixel_bounds = getattr(pixel_frame, "bbox", None) if pixel_bounds is None else pixel_bounds
        #: description of the mapping in the language of AST, if it was read with a file
        self._ast: str | None = None

    @staticmethod
    def from_fits_wcs[G: PixelFrame](
        fits_wcs: WCS, pixel_frame: G, pixel_bounds: Box | None = None, x0: int = 0, y0: int = 0
    ) -> "Projection[G]":
        """Make a projection from the WCS of an array.

        Parameters
        ----------
        fits_wcs : `~astropy.wcs.WCS`
            Its pixel (0, 0) is the first one of the array.
        pixel_frame : TractFrame or GeneralFrame
            What the absolute coordinates belong to.
        pixel_bounds : Box, optional
            Where it is valid.
        x0, y0 : int
            Absolute coordinates of the first pixel of the array.
        """
        return Projection(_shifted(fits_wcs, x0, y0), pixel_frame, pixel_bounds)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Projection):
            return NotImplemented
        same_frame = self.pixel_frame == other.pixel_frame and self.pixel_bounds == other.pixel_bounds
        return same_frame and bool(self._wcs.wcs.compare(other._wcs.wcs))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Projection({' '.join(self._wcs.wcs.ctype)}, {self.pixel_frame})"

    @property
    def pixel_frame(self) -> F:
        """What the pixel coordinates belong to."""
        return self._pixel_frame

    @property
    def pixel_bounds(self) -> Box | None:
        """Where it is valid, if that is known."""
        return self._pixel_bounds

    def pixel_to_sky(self, *, x: float | np.ndarray, y: float | np.ndarray) -> SkyCoord:
        """Return positions on the sky.

        Parameters
        ----------
        x, y : float or array
            Absolute coordinates in pixels, of shapes that broadcast.

        Returns
        -------
        `~astropy.coordinates.SkyCoord`
            ICRS positions, of the common shape; a single one for numbers.
        """
        return self._wcs.pixel_to_world(x, y).icrs

    def sky_to_pixel(self, sky: SkyCoord) -> XY[Any]:
        """Return absolute pixel coordinates.

        Parameters
        ----------
        sky : `~astropy.coordinates.SkyCoord`
            Positions in any frame, of any shape.

        Returns
        -------
        XY of float or array
            In pixels, of the shape of ``sky``.
        """
        return XY(*(part[()] for part in map(np.asarray, self._wcs.world_to_pixel(sky))))

    def as_fits_wcs(self, bbox: Box) -> WCS:
        """WCS of an array that covers a box: its pixel (0, 0) is the first one of the box."""
        return _shifted(self._wcs, -bbox.x.start, -bbox.y.start)

    def as_astropy(self, bbox: Box | None = None) -> "ProjectionView":
        """Astropy's common interface of WCS, for an array that covers a box, or in absolute coordinates."""
        return ProjectionView(self._wcs if bbox is None else self.as_fits_wcs(bbox), bbox)


class ProjectionView(HighLevelWCSMixin, BaseLowLevelWCS):
    """A projection through the interface that Astropy's packages expect of a WCS (APE 14).

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`
        What does the work.
    bbox : Box, optional
        Pixels of the array that it belongs to.
    """

    def __init__(self, wcs: WCS, bbox: Box | None = None) -> None:
        self._wcs = wcs
        self._bbox = bbox

    @property
    def pixel_n_dim(self) -> int:
        """Number of pixel axes: 2."""
        return 2

    @property
    def world_n_dim(self) -> int:
        """Number of axes of the sky: 2."""
        return 2

    @property
    def world_axis_physical_types(self) -> list[str]:
        """What the axes are, in the words of the virtual observatory (UCD1+)."""
        return self._wcs.world_axis_physical_types

    @property
    def world_axis_units(self) -> list[str]:
        """Units of the values: degrees."""
        return self._wcs.world_axis_units

    @property
    def world_axis_object_components(self) -> list[tuple[Any, ...]]:
        """How values become coordinate objects."""
        return self._wcs.world_axis_object_components

    @property
    def world_axis_object_classes(self) -> Mapping[str, tuple[Any, ...]]:
        """What the coordinate objects are."""
        return self._wcs.world_axis_object_classes

    @property
    def array_shape(self) -> tuple[int, int] | None:
        """Rows and columns of the array, if there is one."""
        return None if self._bbox is None else (self._bbox.shape.y, self._bbox.shape.x)

    @property
    def pixel_shape(self) -> tuple[int, int] | None:
        """Columns and rows of the array, if there is one."""
        return None if self._bbox is None else (self._bbox.shape.x, self._bbox.shape.y)

    @property
    def pixel_bounds(self) -> list[tuple[float, float]] | None:
        """Outer edges of the array along x and y, in pixels, if there is one."""
        return None if self._bbox is None else [(-0.5, size - 0.5) for size in self._bbox.shape.xy]

    def pixel_to_world_values(self, *pixel_arrays: Any) -> tuple[Any, ...]:
        """Longitude and latitude in degrees at ``x, y``."""
        return self._wcs.pixel_to_world_values(*pixel_arrays)

    def world_to_pixel_values(self, *world_arrays: Any) -> tuple[Any, ...]:
        """``x, y`` at longitude and latitude in degrees."""
        return self._wcs.world_to_pixel_values(*world_arrays)


def _shifted(wcs: WCS, dx: int, dy: int) -> WCS:
    """A copy whose pixel coordinates are larger by an offset."""
    shifted = wcs.deepcopy()
    shifted.wcs.crpix = np.asarray(wcs.wcs.crpix) + [dx, dy]
    if wcs.sip is not None:
        # distortions have their own reference pixel
        sip = wcs.sip
        shifted.sip = type(sip)(sip.a, sip.b, sip.ap, sip.bp, np.asarray(sip.crpix) + [dx, dy])
    return shifted


def _checked(wcs: WCS) -> WCS:
    """A copy of the WCS, if it is a projection of the sky."""
    if wcs.naxis != 2 or not wcs.has_celestial:
        raise ValueError(f"a projection needs a WCS with two celestial axes, got {list(wcs.wcs.ctype)}")
    wcs = wcs.deepcopy()
    wcs.pixel_shape = None
    wcs_to_celestial_frame(wcs)  # raises for frames that are none
    scale = wcs.pixel_scale_matrix
    if not np.all(np.isfinite([*scale, wcs.wcs.crpix, wcs.wcs.crval])) or np.linalg.det(scale) == 0:
        raise ValueError(
            f"the WCS has no inverse: pixel scale {scale.tolist()} in deg, CRPIX {wcs.wcs.crpix}, CRVAL {wcs.wcs.crval}"
        )
    return wcs
