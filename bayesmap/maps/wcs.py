"""A map geometry on a FITS world coordinate system."""

import functools
from collections.abc import Sequence
from typing import Self

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from bayesmap._util import check_option
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.coord import MapCoord
from bayesmap.maps.cutouts import common_slices, cutout_bounds, cutout_npix, on_same_grid
from bayesmap.maps.geom import Geom
from bayesmap.maps.map_axes import MapAxes
from bayesmap.maps.wcs_tools import (
    degrees_pair,
    frame_of,
    int_pair,
    make_wcs,
    npix_pair,
    pixel_areas,
    read_wcs,
    reference_position,
    rescaled,
    round_up_to_odd,
    same_projection,
    shifted,
)

__all__ = ["WcsGeom"]


class WcsGeom(Geom):
    """Pixels on a WCS image, times bins of the non-spatial axes.

    Pixel centres are at integer pixel positions, starting from zero; data have shape ``(axis..., lat, lon)`` with the
    first axis last among the axes.

    Parameters
    ----------
    wcs : `~astropy.wcs.WCS`
        Two-dimensional celestial WCS.
    npix : tuple of int
        Number of pixels in longitude and latitude.
    axes : sequence of MapAxis, optional
        Non-spatial axes.

    See Also
    --------
    WcsGeom.create : The usual way to make one.
    """

    def __init__(self, wcs: WCS, npix: Sequence[int], axes: Sequence[MapAxis] | None = None) -> None:
        if wcs.naxis != 2:
            raise ValueError(f"a WcsGeom needs a two-dimensional WCS, got {wcs.naxis} dimensions")
        self._wcs = wcs
        self._frame = frame_of(wcs)
        self._npix = npix_pair(npix)
        self.axes = MapAxes(axes if axes is not None else [], n_spatial_axes=2)

    @classmethod
    def create(
        cls,
        npix: int | tuple[int, int] | None = None,
        binsz: object = 0.5,
        proj: str = "CAR",
        frame: str = "icrs",
        refpix: tuple[float, float] | None = None,
        axes: Sequence[MapAxis] | None = None,
        skydir: SkyCoord | tuple[float, float] | None = None,
        width: object = None,
    ) -> Self:
        """Return a geometry centred on a position.

        Parameters
        ----------
        npix : int or (int, int), optional
            Pixels in longitude and latitude; replaces ``width``. Without both, the whole sky.
        binsz : float, str, `~astropy.units.Quantity` or pair
            Pixel size; numbers are deg. Not used if ``npix`` and ``width`` are both given.
        proj : str
            FITS projection code.
        frame : {"icrs", "galactic"}
            Celestial frame.
        refpix : (float, float), optional
            FITS pixel (first pixel is 1) of the reference position; by default the centre of the image.
        axes : sequence of MapAxis, optional
            Non-spatial axes.
        skydir : `~astropy.coordinates.SkyCoord` or (float, float), optional
            Centre; numbers are lon and lat in deg in ``frame``. Default (0, 0).
        width : float, str, `~astropy.units.Quantity` or pair, optional
            Width of the image; numbers are deg. Rounded to whole pixels.
        """
        crval = reference_position(skydir, frame)
        if npix is not None and width is not None:
            npix = npix_pair(npix)
            binsz = tuple(w / n for w, n in zip(degrees_pair("width", width), npix, strict=True))
        binsz = degrees_pair("binsz", binsz)
        if npix is None:
            width = (360.0, 180.0) if width is None else degrees_pair("width", width)
            npix = tuple(int(np.round(w / b)) for w, b in zip(width, binsz, strict=True))
        npix = npix_pair(npix)
        crpix = tuple((n + 1) / 2 for n in npix) if refpix is None else refpix
        return cls(make_wcs(proj, frame, crval, crpix, binsz), npix, axes=axes)

    @classmethod
    def from_header(cls, header: object, npix: Sequence[int], axes: Sequence[MapAxis] | None = None) -> Self:
        """Return a geometry from the celestial keywords of a FITS header."""
        return cls(read_wcs(header), npix, axes=axes)

    @classmethod
    def from_aligned(
        cls, geom: "WcsGeom", skydir: SkyCoord, width: object, axes: Sequence[MapAxis] | None = None
    ) -> Self:
        """Return a geometry on the same pixel grid, centred near a position.

        Parameters
        ----------
        geom : WcsGeom
            Geometry that gives the grid.
        skydir : `~astropy.coordinates.SkyCoord`
            Centre, rounded to the grid.
        width : float, str, `~astropy.units.Quantity` or pair
            Width of the image; numbers are deg.
        axes : sequence of MapAxis, optional
            Non-spatial axes; by default those of ``geom``.
        """
        start, npix = cutout_bounds(geom, skydir, cutout_npix(geom, width), mode="free")
        return cls(shifted(geom.wcs, *start), npix, axes=geom.axes if axes is None else axes)

    def _init_copy(self, **kwargs: object) -> Self:
        return type(self)(**({"wcs": self._wcs, "npix": self._npix, "axes": self.axes} | kwargs))

    def copy(self, **kwargs: object) -> Self:
        """Return a copy with ``wcs``, ``npix`` or ``axes`` replaced."""
        return self._init_copy(**kwargs)

    # -- what it is ---------------------------------------------------------------------------------------------------
    @property
    def wcs(self) -> WCS:
        """The celestial WCS."""
        return self._wcs

    @property
    def frame(self) -> str:
        """Celestial frame, "icrs" or "galactic"."""
        return self._frame

    @property
    def projection(self) -> str:
        """FITS projection code."""
        return self._wcs.wcs.ctype[0][5:]

    @property
    def npix(self) -> tuple[int, int]:
        """Number of pixels in longitude and latitude."""
        return self._npix

    @property
    def data_shape_image(self) -> tuple[int, int]:
        """Shape of one image, ``(lat, lon)``."""
        return self._npix[::-1]

    @functools.cached_property
    def pixel_scales(self) -> Angle:
        """Pixel sizes in longitude and latitude at the reference position, deg."""
        return Angle(proj_plane_pixel_scales(self._wcs), "deg")

    @property
    def width(self) -> u.Quantity:
        """Number of pixels times pixel size in deg, shape ``(2, 1)``: longitude, latitude."""
        return u.Quantity(self.pixel_scales.deg * np.array(self._npix), "deg")[:, np.newaxis]

    @property
    def pixel_area(self) -> u.Quantity:
        """Pixel area at the reference position, deg2."""
        return np.prod(u.Quantity(self.pixel_scales))

    @property
    def is_allsky(self) -> bool:
        """Whether the image is 360 deg wide."""
        return bool(np.isclose(self.width[0, 0].value, 360.0))

    @property
    def center_pix(self) -> tuple[float, ...]:
        """Pixel position of the centre, all axes."""
        return tuple((n - 1.0) / 2.0 for n in (*self._npix, *self.axes.shape))

    @functools.cached_property
    def center_skydir(self) -> SkyCoord:
        """Position of the centre."""
        return SkyCoord.from_pixel(*self.center_pix[:2], wcs=self._wcs, origin=0).transform_to(self._frame)

    @property
    def center_coord(self) -> tuple[u.Quantity, ...]:
        """Coordinate of the centre, all axes."""
        return self.pix_to_coord(self.center_pix)

    @property
    def footprint(self) -> SkyCoord:
        """Centres of the four corner pixels."""
        return SkyCoord(self._wcs.calc_footprint(axes=self._npix), unit="deg", frame=self._frame)

    @property
    def footprint_rectangle_sky_region(self) -> object:
        """The image as a `~regions.RectangleSkyRegion`."""
        from regions import RectangleSkyRegion

        width, height = self.width[:, 0]
        return RectangleSkyRegion(self.center_skydir, width=width, height=height)

    # -- coordinates --------------------------------------------------------------------------------------------------
    def coord_to_pix(self, coords: object) -> tuple[np.ndarray, ...]:
        """Return pixel positions ``(x, y, axis...)``; NaN where the projection has no pixel for a direction.

        Parameters
        ----------
        coords : MapCoord, Mapping, tuple or `~astropy.coordinates.SkyCoord`
            As for `MapCoord.create`; bare lon and lat are deg in the frame of the geometry.
        """
        coords = MapCoord.create(coords, frame=self._frame, axis_names=self.axes.names).match_axes(self.axes)
        lon, lat = np.broadcast_arrays(coords.lon.to_value("deg"), coords.lat.to_value("deg"))
        x, y = self._wcs.wcs_world2pix(lon, lat, 0)
        return (np.asarray(x), np.asarray(y), *self.axes.coord_to_pix(coords))

    def pix_to_coord(self, pix: Sequence[object]) -> tuple[u.Quantity, ...]:
        """Return ``(lon, lat, axis...)`` of pixel positions; NaN where a pixel is not on the sky."""
        if len(pix) != 2 + len(self.axes):
            raise ValueError(f"{2 + len(self.axes)} pixel coordinates are needed ({self.axes_names}), got {len(pix)}")
        x, y = np.broadcast_arrays(np.asarray(pix[0], dtype="float64"), np.asarray(pix[1], dtype="float64"))
        lon, lat = self._wcs.wcs_pix2world(x, y, 0)
        return (u.Quantity(lon, "deg"), u.Quantity(lat, "deg"), *self.axes.pix_to_coord(pix[2:]))

    def get_idx(self, idx: object = None, flat: bool = False) -> tuple[np.ndarray, ...]:
        """Return the indices ``(x, y, axis...)`` of all pixels, each with the shape of the data."""
        shape = self.data_shape
        index = np.indices(shape)[::-1]
        return tuple(i.ravel() if flat else i for i in index)

    def get_pix(self, mode: str = "center") -> tuple[np.ndarray, ...]:
        """Return pixel positions of pixel centres (or corners), shaped to broadcast against the data."""
        check_option("mode", mode, ("center", "edges"))
        extra = mode == "edges"
        sizes = [n + extra for n in (*self._npix, *self.axes.shape)]
        pix = np.meshgrid(*(np.arange(n) - 0.5 * extra for n in sizes[::-1]), indexing="ij", sparse=True)
        return tuple(pix[::-1])

    def _lonlat(self, mode: str) -> tuple[np.ndarray, np.ndarray]:
        """Longitude and latitude in deg of pixel centres or corners of the image."""
        x, y = self.to_image().get_pix(mode)
        return self._wcs.wcs_pix2world(*np.broadcast_arrays(x, y), 0)

    def get_coord(
        self, mode: str = "center", frame: str | None = None, sparse: bool = False, axis_name: str | None = None
    ) -> MapCoord:
        """Return the coordinates of every pixel.

        Parameters
        ----------
        mode : {"center", "edges"}
            Centres, or corners and bin edges.
        frame : {"icrs", "galactic"}, optional
            Frame of the result, by default that of the geometry.
        sparse : bool
            Whether arrays keep length-one dimensions instead of the full shape.
        axis_name : str, optional
            With ``mode="edges"``: edges of this axis only; "lon" or "lat" for the pixel corners only.

        Returns
        -------
        MapCoord
            Arrays of shape `data_shape` (one longer in each edge dimension).
        """
        check_option("mode", mode, ("center", "edges"))
        corners = mode == "edges" and axis_name in (None, "lon", "lat")
        lon, lat = self._lonlat("edges" if corners else "center")
        shape = (1,) * len(self.axes) + lon.shape
        data = {"lon": lon.reshape(shape) * u.deg, "lat": lat.reshape(shape) * u.deg}
        coords = MapCoord(data | self.axes.get_coord(mode, axis_name), frame=self._frame)
        if frame is not None:
            coords = coords.to_frame(frame)
        return coords if sparse else coords.broadcasted

    @functools.cached_property
    def _solid_angle(self) -> u.Quantity:
        if self.is_allsky and self._npix == (1, 1):
            return u.Quantity([[4 * np.pi]], "sr")
        return pixel_areas(self.to_image().get_coord(mode="edges").skycoord)

    def solid_angle(self) -> u.Quantity:
        """Return the solid angle of every pixel in sr, shape ``(1..., lat, lon)``.

        The pixel is taken as two planar triangles between its corners.
        """
        return self._solid_angle.reshape((1,) * len(self.axes) + self.data_shape_image)

    # -- new geometries -----------------------------------------------------------------------------------------------
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

    def cutout_slices(self, geom: "WcsGeom", mode: str = "partial") -> dict[str, tuple[slice, slice]]:
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

    def is_aligned(self, other: "WcsGeom", tolerance: float = 1e-6) -> bool:
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

    def to_binsz(self, binsz: object) -> Self:
        """Return a geometry of the same centre and width with another pixel size (deg)."""
        return self.create(
            skydir=self.center_skydir,
            binsz=binsz,
            width=tuple(self.width[:, 0]),
            proj=self.projection,
            frame=self._frame,
            axes=self.axes,
        )

    def to_odd_npix(self, max_radius: object = None) -> Self:
        """Return a square geometry with an odd number of pixels around the centre.

        Parameters
        ----------
        max_radius : `~astropy.units.Quantity` or str, optional
            Half of the width; by default half of the largest width of this geometry.
        """
        width = self.width.max().to_value("deg") if max_radius is None else 2 * Angle(max_radius).deg
        binsz = self.pixel_scales.deg.max()
        return self.create(
            skydir=self.center_skydir,
            binsz=binsz,
            npix=round_up_to_odd(width / binsz),
            proj=self.projection,
            frame=self._frame,
            axes=self.axes,
        )

    # -- masks --------------------------------------------------------------------------------------------------------
    def region_mask(self, regions: object, inside: bool = True) -> object:
        """Return a boolean map of the pixels whose centre lies in any of the regions.

        Parameters
        ----------
        regions : `~regions.SkyRegion`, `~regions.PixelRegion`, str, or a list of them
            A string is in DS9 format. A point region selects the pixel that holds it.
        inside : bool
            False inverts the mask.

        Returns
        -------
        Map
            True inside, broadcast over the axes.
        """
        from bayesmap.maps.masks import region_mask

        return region_mask(self, regions, inside)

    def region_weights(self, regions: object, oversampling_factor: int = 10) -> object:
        """Return a map of the fraction of every pixel that lies in the regions, sampled on a finer grid."""
        from bayesmap.maps.masks import region_weights

        return region_weights(self, regions, oversampling_factor)

    def boundary_mask(self, width: object) -> object:
        """Return a boolean map that is False within ``width`` (rounded up to pixels) of the image edge."""
        from bayesmap.maps.masks import boundary_mask

        return boundary_mask(self, width)

    def binary_structure(self, width: object, kernel: str = "disk") -> np.ndarray:
        """Return a structuring element ("disk" of radius or "box" of size ``width``) with the axes in front."""
        from bayesmap.maps.masks import binary_structure

        return binary_structure(self, width, kernel)

    # -- comparison and text ------------------------------------------------------------------------------------------
    def is_allclose(
        self, other: object, rtol_axes: float = 1e-6, atol_axes: float = 1e-6, rtol_wcs: float = 1e-6
    ) -> bool:
        """Whether another geometry is the same within tolerances."""
        if not isinstance(other, WcsGeom) or self.data_shape != other.data_shape:
            return False
        if not self.axes.is_allclose(other.axes, rtol=rtol_axes, atol=atol_axes):
            return False
        offset = self._wcs.wcs.crpix - other.wcs.wcs.crpix
        return same_projection(self._wcs, other.wcs, rtol_wcs) and bool(np.all(np.abs(offset) < 1e-3))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WcsGeom):
            return NotImplemented
        return self is other or self.is_allclose(other)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        axes = "".join(f" x {axis.name} {axis.nbin}" for axis in self.axes)
        return f"<WcsGeom {self._npix[0]} x {self._npix[1]}{axes}, {self.projection} {self._frame}>"

    def __str__(self) -> str:
        lon, lat = self.center_skydir.data.lon.deg, self.center_skydir.data.lat.deg
        width, reference = self.width[:, 0].value, self._wcs.wcs.crval
        rows = {
            "axes": self.axes_names,
            "shape": self.data_shape[::-1],
            "ndim": self.ndim,
            "frame": self._frame,
            "projection": self.projection,
            "center": f"{lon:.1f} deg, {lat:.1f} deg",
            "width": f"{width[0]:.1f} deg x {width[1]:.1f} deg",
            "wcs ref": f"{reference[0]:.1f} deg, {reference[1]:.1f} deg",
        }
        return "WcsGeom\n\n" + "".join(f"\t{key:<10} : {value}\n" for key, value in rows.items())
