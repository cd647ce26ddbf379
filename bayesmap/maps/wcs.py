"""A map geometry on a FITS world coordinate system."""

import functools
from collections.abc import Sequence
from typing import Self, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from bayesmap._util import check_option
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.coord import MapCoord
from bayesmap.maps.cutouts import cutout_bounds, cutout_npix
from bayesmap.maps.geom import Geom
from bayesmap.maps.map_axes import MapAxes
from bayesmap.maps.wcs_masks import WcsMasks
from bayesmap.maps.wcs_parts import WcsParts
from bayesmap.maps.wcs_tools import (
    degrees_pair,
    frame_of,
    make_wcs,
    npix_of,
    npix_pair,
    pixel_areas,
    read_wcs,
    reference_position,
    same_projection,
    shifted,
)

__all__ = ["WcsGeom"]


class WcsGeom(WcsParts, WcsMasks, Geom):
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

    Raises
    ------
    ValueError
        If the projection has not two dimensions.

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
            binsz = tuple(w / n for w, n in zip(degrees_pair("width", width), npix_pair(npix), strict=True))
        cdelt = degrees_pair("binsz", binsz)
        if npix is None:
            sides = (360.0, 180.0) if width is None else degrees_pair("width", width)
            x, y = npix_pair([int(np.round(side / size)) for side, size in zip(sides, cdelt, strict=True)])
        else:
            x, y = npix_pair(npix)
        crpix = ((x + 1) / 2, (y + 1) / 2) if refpix is None else refpix
        return cls(make_wcs(proj, frame, crval, crpix, cdelt), (x, y), axes=axes)

    @classmethod
    def from_header(
        cls,
        header: object,
        hdu_bands: fits.BinTableHDU | None = None,
        format: str = "gadf",
        *,
        npix: Sequence[int] | None = None,
        axes: Sequence[MapAxis] | None = None,
    ) -> Self:
        """Return a geometry from the celestial keywords of a FITS header.

        Parameters
        ----------
        header : `~astropy.io.fits.Header`
            Header of an image.
        hdu_bands : `~astropy.io.fits.BinTableHDU`, optional
            Table of the axes.
        format : str
            Layout of that table, see `MapAxes.from_table`.
        npix : (int, int), optional
            Number of pixels; by default as the header says (WCSSHAPE, or NAXIS1 and NAXIS2).
        axes : sequence of MapAxis, optional
            Non-spatial axes; by default those of the table.

        Raises
        ------
        FormatError
            If the header does not say how many pixels there are.
        """
        axes = MapAxes.from_table_hdu(hdu_bands, format=format) if axes is None else axes
        return cls(read_wcs(header), npix_of(header) if npix is None else npix, axes=axes)

    @classmethod
    def from_hdulist(
        cls,
        hdulist: fits.HDUList,
        hdu: str | int | None = None,
        hdu_bands: str | None = None,
        format: str | None = None,
    ) -> Self:
        """Return the geometry of an image in an open FITS file; arguments as for `Map.from_hdulist`."""
        from bayesmap.maps.fits import wcs_geom_from_hdulist

        return cast(Self, wcs_geom_from_hdulist(hdulist, hdu=hdu, hdu_bands=hdu_bands, format=format))

    def to_header(self) -> fits.Header:
        """Return the FITS keywords of the projection, the shape (WCSSHAPE) and the axes."""
        header = self._wcs.to_header()
        header.update(self.axes.to_header())
        header["WCSSHAPE"] = "(" + ",".join(str(n) for n in self.data_shape[::-1]) + ")"
        return header

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
        """Return ``(lon, lat, axis...)`` of pixel positions; NaN where a pixel is not on the sky.

        Raises
        ------
        ValueError
            If there is not one pixel position per axis.
        """
        if len(pix) != 2 + len(self.axes):
            raise ValueError(f"{2 + len(self.axes)} pixel coordinates are needed ({self.axes_names}), got {len(pix)}")
        x, y = np.broadcast_arrays(np.asarray(pix[0], dtype="float64"), np.asarray(pix[1], dtype="float64"))
        lon, lat = self._wcs.wcs_pix2world(x, y, 0)
        return (u.Quantity(lon, "deg"), u.Quantity(lat, "deg"), *self.axes.pix_to_coord(pix[2:]))

    def _image_at(self, idx: Sequence[int]) -> Self:
        """The geometry with only the bins ``idx`` of the axes, which stay."""
        bins = dict(zip(self.axes.names, idx, strict=True))
        return self.slice_by_idx({name: slice(i, i + 1) for name, i in bins.items()})

    def get_idx(self, idx: Sequence[int] | None = None, flat: bool = False) -> tuple[np.ndarray, ...]:
        """Return the indices ``(x, y, axis...)`` of all pixels, each with the shape of the data.

        Parameters
        ----------
        idx : sequence of int, optional
            Bins of the axes, first axis first: the pixels of that image only.
        flat : bool
            Whether the arrays are flattened.
        """
        index = list(np.indices(self.data_shape)[::-1])
        if idx is not None:
            part = tuple(slice(i, i + 1) for i in idx[::-1])
            index = [i[part] for i in index]
        return tuple(i.ravel() if flat else i for i in index)

    def get_pix(self, idx: Sequence[int] | None = None, mode: str = "center") -> tuple[np.ndarray, ...]:
        """Return pixel positions of pixel centres (or corners), shaped to broadcast against the data.

        Parameters
        ----------
        idx : sequence of int, optional
            Bins of the axes, first axis first: the pixels of that image only.
        mode : {"center", "edges"}
            Centres, or corners and bin edges.
        """
        check_option("mode", mode, ("center", "edges"))
        if idx is not None:
            steps = (0, 0, *idx)
            return tuple(p + i for p, i in zip(self._image_at(idx).get_pix(mode=mode), steps, strict=True))
        extra = mode == "edges"
        sizes = [n + extra for n in (*self._npix, *self.axes.shape)]
        pix = np.meshgrid(*(np.arange(n) - 0.5 * extra for n in sizes[::-1]), indexing="ij", sparse=True)
        return tuple(pix[::-1])

    def _lonlat(self, mode: str) -> tuple[np.ndarray, np.ndarray]:
        """Longitude and latitude in deg of pixel centres or corners of the image."""
        x, y = self.to_image().get_pix(mode=mode)
        return self._wcs.wcs_pix2world(*np.broadcast_arrays(x, y), 0)

    def get_coord(
        self,
        idx: Sequence[int] | None = None,
        mode: str = "center",
        frame: str | None = None,
        sparse: bool = False,
        axis_name: str | None = None,
    ) -> MapCoord:
        """Return the coordinates of every pixel.

        Parameters
        ----------
        idx : sequence of int, optional
            Bins of the axes, first axis first: the coordinates of that image only.
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
        if idx is not None:
            return self._image_at(idx).get_coord(mode=mode, frame=frame, sparse=sparse, axis_name=axis_name)
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

    def _facts(self) -> dict[str, object]:
        lon, lat = self.center_skydir.data.lon.deg, self.center_skydir.data.lat.deg
        width, reference = self.width[:, 0].value, self._wcs.wcs.crval
        return {
            **super()._facts(),
            "projection": self.projection,
            "center": f"{lon:.1f} deg, {lat:.1f} deg",
            "width": f"{width[0]:.1f} deg x {width[1]:.1f} deg",
            "wcs ref": f"{reference[0]:.1f} deg, {reference[1]:.1f} deg",
        }
