"""A map geometry whose spatial part is one region of the sky."""

import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_scales

from bayesmap._util import check_option
from bayesmap.maps.axes import MapAxis
from bayesmap.maps.coord import MapCoord
from bayesmap.maps.geom import Geom
from bayesmap.maps.map_axes import MapAxes
from bayesmap.maps.region_samples import positions_in
from bayesmap.maps.region_tools import (
    as_regions,
    bounding_box,
    contains_pixels,
    is_compound,
    is_point,
    is_sky_region,
    pixel_area_of,
    projection_around,
    simple_regions,
    union_of,
)
from bayesmap.maps.wcs import WcsGeom
from bayesmap.maps.wcs_tools import degrees_pair, frame_of

if TYPE_CHECKING:
    from regions import SkyRegion

__all__ = ["RegionGeom"]


class RegionGeom(Geom):
    """One region of the sky, times bins of the non-spatial axes.

    Data have shape ``(axis..., 1, 1)``, with the first axis last among the axes.

    Parameters
    ----------
    region : `~regions.SkyRegion` or None
        Region, perhaps a union of several; None where it is not known or does not matter.
    axes : sequence of MapAxis, optional
        Non-spatial axes.
    wcs : `~astropy.wcs.WCS`, optional
        Projection in which the region is drawn; by default a tangential one around the centre of the region.
    binsz_wcs : float, str or `~astropy.units.Quantity`
        Pixel size of the default projection; numbers are deg. It sets how finely means over the region are sampled,
        see `get_wcs_coord_and_weights`. Not used if ``wcs`` is given.

    Raises
    ------
    TypeError
        If the region is no region of the sky.

    See Also
    --------
    RegionGeom.create : Also takes DS9 strings, positions and lists of regions.

    Notes
    -----
    Two geometries are equal if their axes are, whatever the regions: the counts of an ON and of an OFF region can be
    combined.
    """

    is_region = True
    is_allsky = False
    projection = "TAN"

    def __init__(
        self,
        region: "SkyRegion | None",
        axes: Sequence[MapAxis] | None = None,
        wcs: WCS | None = None,
        binsz_wcs: object = "0.1 deg",
    ) -> None:
        if region is not None and not is_sky_region(region):
            raise TypeError(f"a RegionGeom needs a sky region, got {region!r}; RegionGeom.create takes more")
        self._region = region
        self.axes = MapAxes(axes if axes is not None else [], n_spatial_axes=2)
        self._wcs: WCS = wcs
        self._samples: dict[int, tuple[MapCoord, np.ndarray]] = {}
        if wcs is None and region is not None:
            self._wcs = projection_around(region, degrees_pair("binsz_wcs", binsz_wcs))

    @classmethod
    def create(
        cls,
        region: object,
        axes: Sequence[MapAxis] | None = None,
        wcs: WCS | None = None,
        binsz_wcs: object = "0.1 deg",
    ) -> Self:
        """Return a geometry from a region in any form.

        Parameters
        ----------
        region : `~regions.SkyRegion`, `~astropy.coordinates.SkyCoord`, str, a sequence of them, or None
            A string is in DS9 format; several regions are joined to their union; a position is a point.
        axes, wcs, binsz_wcs
            As for `RegionGeom`.
        """
        if region is None or (isinstance(region, list | tuple) and not region):
            return cls(None, axes=axes, wcs=wcs, binsz_wcs=binsz_wcs)
        return cls(union_of(as_regions(region)), axes=axes, wcs=wcs, binsz_wcs=binsz_wcs)

    @classmethod
    def from_regions(
        cls,
        regions: object,
        axes: Sequence[MapAxis] | None = None,
        wcs: WCS | None = None,
        binsz_wcs: object = "0.1 deg",
    ) -> Self:
        """Return a geometry of the union of regions; the same as `create`."""
        return cls.create(regions, axes, wcs, binsz_wcs)

    def _init_copy(self, **kwargs: object) -> Self:
        return type(self)(**({"region": self._region, "wcs": self._wcs, "axes": self.axes} | kwargs))

    # -- what it is ---------------------------------------------------------------------------------------------------
    @property
    def region(self) -> "SkyRegion | None":
        """The region."""
        return self._region

    @property
    def wcs(self) -> WCS:
        """Projection in which the region is drawn; None without a region."""
        return self._wcs

    @property
    def binsz_wcs(self) -> Angle:
        """Pixel sizes of the projection in longitude and latitude, deg."""
        self._check_region("binsz_wcs")
        return Angle(proj_plane_pixel_scales(self._wcs), unit="deg")

    @property
    def pixel_scales(self) -> Angle:
        """Width of the bounding box in longitude and latitude, deg."""
        return Angle(self.width)

    @functools.cached_property
    def frame(self) -> str:
        """Celestial frame, "icrs" or "galactic"."""
        return "icrs" if self._wcs is None else frame_of(self._wcs)

    @property
    def npix(self) -> tuple[int, int]:
        """Number of pixels in longitude and latitude: one and one."""
        return 1, 1

    @property
    def data_shape_image(self) -> tuple[int, int]:
        """Shape of one image, ``(1, 1)``."""
        return 1, 1

    @functools.cached_property
    def is_all_point_sky_regions(self) -> bool:
        """Whether the region consists of points only."""
        return self._region is not None and all(is_point(part) for part in simple_regions(self._region))

    @functools.cached_property
    def _box(self) -> tuple[tuple[float, float], tuple[int, int]]:
        """Centre and size of the bounding box of the region in whole pixels of the projection."""
        self._check_region("the extent")
        return bounding_box(self._region, self._wcs)

    @property
    def width(self) -> u.Quantity:
        """Width of the bounding box in longitude and latitude, deg, shape ``(2,)``."""
        return u.Quantity(np.array(self._box[1]) * self.binsz_wcs.deg, "deg")

    @property
    def center_pix(self) -> tuple[float, ...]:
        """Pixel position of the centre, all axes."""
        return tuple((n - 1.0) / 2.0 for n in (1, 1, *self.axes.shape))

    @functools.cached_property
    def center_skydir(self) -> SkyCoord:
        """Centre of the region, or that of its bounding box for unions and polygons; NaN without a region."""
        if self._region is None:
            return SkyCoord(np.nan, np.nan, unit="deg", frame=self.frame)
        center = getattr(self._region, "center", None)
        return self._box_center if center is None else center.transform_to(self.frame)

    @property
    def _box_center(self) -> SkyCoord:
        return SkyCoord.from_pixel(*self._box[0], wcs=self._wcs, origin=0).transform_to(self.frame)

    @property
    def center_coord(self) -> tuple[u.Quantity, ...]:
        """Coordinate of the centre, all axes."""
        return self.pix_to_coord(self.center_pix)

    def _check_region(self, what: str) -> None:
        if self._region is None:
            raise ValueError(f"{what} of a RegionGeom needs a region, this one has none")

    # -- coordinates --------------------------------------------------------------------------------------------------
    def contains(self, coords: object) -> np.ndarray:
        """Return whether positions lie in the region, whatever their axis coordinates; always True for points.

        The result has the common shape of the coordinates.

        Parameters
        ----------
        coords : MapCoord, Mapping, tuple or `~astropy.coordinates.SkyCoord`
            As for `MapCoord.create`.
        """
        self._check_region("contains()")
        sky = MapCoord.create(coords, frame=self.frame, axis_names=self.axes.names).skycoord
        if self.is_all_point_sky_regions:
            return np.ones(np.atleast_1d(sky).shape, dtype=bool)
        return np.atleast_1d(contains_pixels(self._region, self._wcs, *self._wcs.world_to_pixel(sky)))

    def contains_wcs_pix(self, pix: Sequence[object]) -> np.ndarray:
        """Return whether pixel positions ``(x, y)`` of the projection lie in the region; always True for points."""
        self._check_region("contains_wcs_pix()")
        x, y = np.broadcast_arrays(np.asarray(pix[0], dtype="float64"), np.asarray(pix[1], dtype="float64"))
        if self.is_all_point_sky_regions:
            return np.ones(x.shape, dtype=bool)
        return contains_pixels(self._region, self._wcs, x, y)

    def separation(self, position: SkyCoord) -> Angle:
        """Return the angular distance of a position from the centre."""
        return self.center_skydir.separation(position)

    def coord_to_pix(self, coords: object) -> tuple[np.ndarray, ...]:
        """Return pixel positions ``(x, y, axis...)``; x and y are 0 inside the region and NaN outside.

        Parameters
        ----------
        coords : MapCoord, Mapping, tuple or `~astropy.coordinates.SkyCoord`
            As for `MapCoord.create`; without a position, the centre of the region is meant.
        """
        coords = self._with_position(coords)
        coords = MapCoord.create(coords, frame=self.frame, axis_names=self.axes.names).match_axes(self.axes)
        x = np.zeros(np.broadcast_shapes(coords.lon.shape, coords.lat.shape))
        if self._region is not None:
            x = np.where(self.contains(coords).reshape(x.shape), x, np.nan)
        return (x, x.copy(), *self.axes.coord_to_pix(coords))

    def _with_position(self, coords: object) -> object:
        if isinstance(coords, Mapping) and not {"lon", "lat", "skycoord"} & coords.keys():
            return {"skycoord": self.center_skydir, **coords}
        if isinstance(coords, tuple) and len(coords) == len(self.axes):
            return (self.center_skydir, *coords)
        return coords

    def pix_to_coord(self, pix: Sequence[object]) -> tuple[u.Quantity, ...]:
        """Return ``(lon, lat, axis...)`` of pixel positions: the centre of the region; NaN outside of pixel 0.

        Raises
        ------
        ValueError
            If there is not one pixel position per axis.
        """
        if len(pix) != 2 + len(self.axes):
            raise ValueError(f"{2 + len(self.axes)} pixel coordinates are needed ({self.axes_names}), got {len(pix)}")
        center = self.center_skydir.data
        position = [
            u.Quantity(np.where(np.abs(np.asarray(p, dtype="float64")) <= 0.5, value.deg, np.nan), "deg")
            for p, value in zip(pix[:2], (center.lon, center.lat), strict=True)
        ]
        return (*position, *self.axes.pix_to_coord(pix[2:]))

    def get_idx(self, idx: object = None, flat: bool = False) -> tuple[np.ndarray, ...]:
        """Return the indices ``(x, y, axis...)`` of all pixels, each with the shape of the data."""
        return tuple(i.ravel() if flat else i for i in np.indices(self.data_shape)[::-1])

    def get_coord(
        self, mode: str = "center", frame: str | None = None, sparse: bool = False, axis_name: str | None = None
    ) -> MapCoord:
        """Return the coordinates of every bin.

        Parameters
        ----------
        mode : {"center", "edges"}
            Centres, or the edges of the axis ``axis_name``.
        frame : {"icrs", "galactic"}, optional
            Frame of the result, by default that of the geometry.
        sparse : bool
            Whether arrays keep length-one dimensions instead of the full shape.
        axis_name : str, optional
            Needed with ``mode="edges"``.

        Returns
        -------
        MapCoord
            Arrays of shape `data_shape` (one longer along edges); the position is the centre of the region.

        Raises
        ------
        ValueError
            If edges are asked for without the name of an axis.
        """
        check_option("mode", mode, ("center", "edges"))
        if mode == "edges" and axis_name is None:
            raise ValueError(f"mode='edges' needs the name of an axis, one of {self.axes.names}")
        center = self.center_skydir.data
        shape = (1,) * (len(self.axes) + 2)
        position = {"lon": np.reshape(center.lon.deg, shape) * u.deg, "lat": np.reshape(center.lat.deg, shape) * u.deg}
        coords = MapCoord(position | self.axes.get_coord(mode, axis_name), frame=self.frame)
        if frame is not None:
            coords = coords.to_frame(frame)
        return coords if sparse else coords.broadcasted

    # -- sizes --------------------------------------------------------------------------------------------------------
    def solid_angle(self) -> u.Quantity:
        """Return the solid angle of the region in sr, a scalar; zero for a point.

        It is the area in the projection times the solid angle of the pixel at the reference position. The area of a
        union is counted in tenths of pixels.
        """
        self._check_region("solid_angle()")
        if is_compound(self._region):
            return self.get_wcs_coord_and_weights()[1].sum() * pixel_area_of(self._wcs)
        region: Any = self._region
        return region.to_pixel(self._wcs).area * pixel_area_of(self._wcs)

    def bin_volume(self) -> u.Quantity:
        """Return solid angle times bin widths of every bin, shape `data_shape`."""
        return np.broadcast_to(self.solid_angle() * self.axes.bin_volume(), self.data_shape, subok=True)

    def to_wcs_geom(self, width_min: object = None) -> WcsGeom:
        """Return the smallest image in the projection that holds the region, with the same axes.

        Parameters
        ----------
        width_min : float, str, `~astropy.units.Quantity` or pair, optional
            Smallest width in longitude and latitude; numbers are deg.
        """
        width = self.width.to_value("deg")
        if width_min is not None:
            width = np.maximum(width, degrees_pair("width_min", width_min))
        grid = WcsGeom(self._wcs, npix=(1, 1), axes=self.axes)
        return WcsGeom.from_aligned(grid, skydir=self._box_center, width=tuple(width))

    def get_wcs_coord_and_weights(self, factor: int = 10) -> tuple[MapCoord, np.ndarray]:
        """Return positions in the region and how much each counts, for means over the region.

        Parameters
        ----------
        factor : int
            Oversampling of the pixels of the projection.

        Returns
        -------
        coords : MapCoord
            Centres of the pixels that intersect the region, and the axis coordinates; arrays broadcast, the positions
            are the last dimension. For points, the points.
        weights : numpy.ndarray
            Fraction of every pixel inside the region; one for points.
        """
        self._check_region("get_wcs_coord_and_weights()")
        if factor not in self._samples:
            self._samples[factor] = positions_in(self, factor)
        return self._samples[factor]

    # -- new geometries -----------------------------------------------------------------------------------------------
    def to_binsz_wcs(self, binsz: object) -> Self:
        """Return the geometry with another pixel size (deg) of the projection."""
        return type(self)(self._region, axes=self.axes, binsz_wcs=binsz)

    def to_binsz(self, binsz: object) -> Self:
        """Return the geometry itself: a region has no pixels."""
        return self

    def cutout(self, *args: object, **kwargs: object) -> Self:
        """Return the geometry itself: a region is not cut."""
        return self

    def cutout_slices(self, geom: Geom, mode: str = "partial") -> dict[str, tuple[slice, slice]]:
        """Return the whole of both: a region is not cut."""
        whole = (slice(None), slice(None))
        return {"parent-slices": whole, "cutout-slices": whole}

    def pad(self, pad_width: int | tuple[int, int], axis_name: str | None = None) -> Self:
        """Return the geometry with bins added at both ends of an axis; a region cannot be padded.

        Raises
        ------
        ValueError
            If no axis is named.
        """
        if axis_name is None:
            raise ValueError("a region cannot be padded, only an axis of it: give axis_name")
        return self._init_copy(axes=self.axes.pad(axis_name, pad_width))

    def crop(self, crop_width: object) -> Self:
        """Raise a ValueError: a region cannot be cropped.

        Raises
        ------
        ValueError
            Always; axes are cut by `slice_by_idx`.
        """
        raise ValueError("a region cannot be cropped, only its axes be cut: use slice_by_idx")

    def downsample(self, factor: int, axis_name: str | None = None) -> Self:
        """Return the geometry with ``factor`` bins of an axis (by default the first) joined."""
        return self._init_copy(axes=self.axes.downsample(factor, self._axis_name(axis_name)))

    def upsample(self, factor: int, axis_name: str | None = None) -> Self:
        """Return the geometry with every bin of an axis (by default the first) split."""
        return self._init_copy(axes=self.axes.upsample(factor, self._axis_name(axis_name)))

    def _axis_name(self, axis_name: str | None) -> str:
        if axis_name is None and not self.axes:
            raise ValueError(f"{self!r} has no axis to be rebinned")
        return self.axes[0].name if axis_name is None else axis_name

    def is_aligned(self, other: object, tolerance: float = 1e-6) -> bool:
        """Whether another geometry is the same."""
        return self == other

    def union(self, other: "RegionGeom") -> Self:
        """Return the geometry of the union of both regions (a new one).

        Raises
        ------
        ValueError
            If the axes differ.
        """
        if not self == other:
            raise ValueError(f"a union needs geometries with equal axes, got {self!r} and {other!r}")
        regions = [geom.region for geom in (self, other) if geom.region is not None]
        if not regions:
            return self
        return self._init_copy(region=union_of(regions), wcs=self._wcs if self._wcs is not None else other.wcs)

    # -- files and figures --------------------------------------------------------------------------------------------
    def to_hdulist(
        self, format: str = "gadf", hdu_bands: str | None = None, hdu_region: str | None = None
    ) -> fits.HDUList:
        """Return the tables of the axes and of the region as FITS HDUs.

        Parameters
        ----------
        format : {"gadf"}
            File layout.
        hdu_bands, hdu_region : str, optional
            Names of the tables, by default "HDU_BANDS" and "HDU_REGION".
        """
        from bayesmap.maps.region_fits import region_geom_to_hdulist

        return region_geom_to_hdulist(self, format=format, hdu_bands=hdu_bands, hdu_region=hdu_region)

    @classmethod
    def from_hdulist(cls, hdulist: fits.HDUList, format: str = "gadf", hdu: str | None = None) -> Self:
        """Return the geometry of the map in the table ``hdu`` of an open FITS file.

        Raises
        ------
        FormatError
            If a table is missing or damaged.
        """
        from bayesmap.maps.region_fits import region_geom_from_hdulist

        return cast(Self, region_geom_from_hdulist(hdulist, format=format, hdu=hdu))

    def plot_region(self, ax: object = None, kwargs_point: Mapping | None = None, **kwargs: object) -> object:
        """Draw the region; see `bayesmap.plot.regions.plot_region`."""
        from bayesmap.plot.regions import plot_region

        return plot_region(self, ax=ax, kwargs_point=kwargs_point, **kwargs)

    # -- comparison and text ------------------------------------------------------------------------------------------
    def is_allclose(self, other: object, rtol_axes: float = 1e-6, atol_axes: float = 1e-6) -> bool:
        """Whether another geometry is one of a region with the same axes within tolerances, whatever the regions."""
        if not isinstance(other, RegionGeom) or self.data_shape != other.data_shape:
            return False
        return self.axes.is_allclose(other.axes, rtol=rtol_axes, atol=atol_axes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RegionGeom):
            return NotImplemented
        return self is other or self.is_allclose(other)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        axes = "".join(f" x {axis.name} {axis.nbin}" for axis in self.axes)
        kind = "no region" if self._region is None else type(self._region).__name__
        return f"<RegionGeom {kind}{axes}, {self.frame}>"

    def _facts(self) -> dict[str, object]:
        center = self.center_skydir.data
        facts = {"region": type(self._region).__name__, **super()._facts()}
        return {**facts, "center": f"{center.lon.deg:.1f} deg, {center.lat.deg:.1f} deg"}
