"""What all response maps have in common."""

import copy
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, cast

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits

from bayesmap._util import KnownAttributes, check_option
from bayesmap.errors import GeometryMismatchError
from bayesmap.maps import Geom, Map, MapAxis, WcsGeom, WcsNDMap
from bayesmap.maps.files import named_errors, open_fits, write_hdulist
from bayesmap.maps.reduce import stack_slices

__all__ = ["IRFMap", "all_sky_geom", "with_axes_of"]


def all_sky_geom(axes: Sequence[MapAxis]) -> WcsGeom:
    """Return a geometry of one pixel, the whole sky, for a response that is the same everywhere."""
    return WcsGeom.create(npix=1, binsz=(360, 180), axes=axes)


def with_axes_of(geom: Geom, weights: Map | None) -> Map | None:
    """Return weights repeated along the axes that they have with one bin only."""
    if weights is None:
        return None
    data = weights.data.reshape((1,) * (len(geom.data_shape) - weights.data.ndim) + weights.data.shape)
    return Map.from_geom(geom, data=np.broadcast_to(data, geom.data_shape), unit="")


def _nearest_pixel(geom: Geom, position: SkyCoord) -> tuple[int, int]:
    """The pixel (x, y) nearest to a position; of two equally near ones the lower."""
    pix = geom.to_image().coord_to_pix(position)
    index = [int(np.ceil(float(np.squeeze(p)) - 0.5)) for p in pix]
    x, y = (min(max(i, 0), size - 1) for i, size in zip(index, geom.data_shape_image[::-1], strict=True))
    return x, y


class IRFMap(KnownAttributes):
    """A response as a function of position and of its own axes, with the exposure that belongs to it.

    Subclasses say which axes they have. The exposure is the weight when responses are averaged.

    Parameters
    ----------
    irf_map : Map
        The response.
    exposure_map : Map, optional
        Exposure on the same pixels; its first axis has one bin.

    Raises
    ------
    TypeError
        If the response is no map.
    ValueError
        If its unit is of another kind.
    bayesmap.errors.GeometryMismatchError
        If the exposure has other pixels.
    """

    #: name of the HDU and of the attribute that holds the map
    tag: ClassVar[str] = ""
    #: names of the axes, first axis first
    required_axes: ClassVar[tuple[str, ...]] = ()
    #: unit of an empty map
    default_unit: ClassVar[str] = ""
    #: layouts of files
    formats: ClassVar[tuple[str, ...]] = ("gadf",)
    _from_gtpsf: ClassVar[Callable[..., Any]]
    _to_gtpsf: Callable[[], fits.HDUList]

    def __init__(self, irf_map: Map, exposure_map: Map | None = None) -> None:
        if not isinstance(irf_map, Map):
            raise TypeError(f"{type(self).__name__} needs a map, got {type(irf_map).__name__}")
        irf_map.geom.axes.assert_names(self.required_axes)
        if not irf_map.unit.is_equivalent(self.default_unit):
            raise ValueError(
                f"{type(self).__name__} needs a unit such as {self.default_unit!r}, got {str(irf_map.unit)!r}"
            )
        if exposure_map is not None and exposure_map.data.shape[-2:] != irf_map.data.shape[-2:]:
            raise GeometryMismatchError(
                f"{type(self).__name__}: the exposure has {exposure_map.data.shape[-2:]} pixels, "
                f"the response {irf_map.data.shape[-2:]}"
            )
        self._irf_map = irf_map
        self.exposure_map = exposure_map

    # -- construction, files ------------------------------------------------------------------------------------------
    @classmethod
    def from_geom(cls, geom: Geom) -> Self:
        """Return a zero-filled response and exposure (m2 s) on a geometry with the axes of this kind of response."""
        irf_map = Map.from_geom(geom, unit=cls.default_unit)
        return cls(irf_map, Map.from_geom(geom.squash(cls.required_axes[0]), unit="m2 s"))

    @classmethod
    def from_hdulist(
        cls,
        hdulist: fits.HDUList,
        hdu: str | None = None,
        hdu_bands: str | None = None,
        exposure_hdu: str | None = None,
        exposure_hdu_bands: str | None = None,
        format: str = "gadf",
    ) -> Self:
        """Return the response in an open FITS file.

        Parameters
        ----------
        hdulist : `~astropy.io.fits.HDUList`
            FITS file.
        hdu, hdu_bands : str, optional
            HDU of the map (by default "PSF" or "EDISP") and of its axes.
        exposure_hdu, exposure_hdu_bands : str, optional
            HDU of the exposure (by default ``<hdu>_EXPOSURE``, if it exists) and of its axes.
        format : {"gadf", "gtpsf"}
            File layout; "gtpsf" is that of the Fermi tool, for point spread functions.

        Raises
        ------
        FormatError
            If an HDU is missing or damaged.
        """
        check_option("format", format, cls.formats)
        if format == "gtpsf":
            return cls._from_gtpsf(hdulist)
        hdu = cls.tag.upper() if hdu is None else hdu
        irf_map, exposure_map = Map.from_hdulist(hdulist, hdu=hdu, hdu_bands=hdu_bands), None
        exposure_hdu = f"{hdu}_EXPOSURE" if exposure_hdu is None else exposure_hdu
        if exposure_hdu in hdulist:
            exposure_map = Map.from_hdulist(hdulist, hdu=exposure_hdu, hdu_bands=exposure_hdu_bands)
        with named_errors("", hdu):
            return cls(irf_map, exposure_map)

    @classmethod
    def read(
        cls, filename: str | os.PathLike, format: str = "gadf", hdu: str | None = None, checksum: bool = False
    ) -> Self:
        """Read a response from a FITS file; parameters as for `from_hdulist`."""
        with open_fits(filename, checksum=checksum) as hdulist:
            return cls.from_hdulist(hdulist, hdu=hdu, format=format)

    def to_hdulist(self, format: str = "gadf", hdu: str | None = None) -> fits.HDUList:
        """Return FITS HDUs: the map, the exposure, and a table of axes for each; formats as for `from_hdulist`."""
        check_option("format", format, self.formats)
        if format == "gtpsf":
            return self._to_gtpsf()
        hdu = self.tag.upper() if hdu is None else hdu
        hdulist = self._irf_map.to_hdulist(hdu=hdu)
        if self.exposure_map is not None:
            hdulist.extend(self.exposure_map.to_hdulist(hdu=f"{hdu}_EXPOSURE")[1:])
        return hdulist

    def write(
        self, filename: str | os.PathLike, overwrite: bool = False, format: str = "gadf", checksum: bool = False
    ) -> None:
        """Write the response to a FITS file, completely or not at all."""
        write_hdulist(self.to_hdulist(format=format), filename, overwrite=overwrite, checksum=checksum)

    # -- values -------------------------------------------------------------------------------------------------------
    def row_sums(self) -> np.ndarray | None:
        """Return the probability of all bins of the first axis, shape ``(energy, lat, lon)``, if it must be one."""
        return None

    # -- positions ----------------------------------------------------------------------------------------------------
    @property
    def has_single_spatial_bin(self) -> bool:
        """Whether the response is the same everywhere."""
        return self._irf_map.geom.data_shape_image == (1, 1)

    @property
    def mask_safe_image(self) -> Map:
        """Pixels where the response is known: some value is positive."""
        mask = self._irf_map.copy(data=self._irf_map.data > 0, unit="")
        return mask.reduce_over_axes(func=np.logical_or)

    def _valid_position(self, position: SkyCoord | None) -> SkyCoord:
        """The position (by default the centre), or the nearest pixel centre where the response is known."""
        position = self._irf_map.geom.center_skydir if position is None else position
        if self.has_single_spatial_bin:
            return position
        mask = cast(WcsNDMap, self.mask_safe_image)
        inside = np.nan_to_num(np.squeeze(mask.get_by_coord(position)))
        return position if inside or not mask.data.any() else mask.mask_nearest_position(position)

    def _at_nearest_pixel(self, position: SkyCoord | None) -> np.ndarray:
        """Values in the pixel that holds the nearest valid position, shape of the axes."""
        if self.has_single_spatial_bin:
            return self._irf_map.data[..., 0, 0]
        x, y = _nearest_pixel(self._irf_map.geom, self._valid_position(position))
        return self._irf_map.data[..., y, x]

    # -- new responses ------------------------------------------------------------------------------------------------
    def _new(self, irf_map: Map, exposure_map: Map | None) -> Self:
        return type(self)(irf_map, exposure_map)

    def _each(self, method: str, *args: object, **kwargs: object) -> Self:
        """The same operation on the map and on the exposure."""
        exposure = None if self.exposure_map is None else getattr(self.exposure_map, method)(*args, **kwargs)
        return self._new(getattr(self._irf_map, method)(*args, **kwargs), exposure)

    def copy(self) -> Self:
        """Return a deep copy."""
        return copy.deepcopy(self)

    def zeros_like(self) -> Self:
        """Return a response and exposure of the same geometry, units and types that are zero everywhere."""
        exposure = self.exposure_map
        if exposure is not None:
            exposure = exposure.copy(data=np.zeros_like(exposure.data))
        return self._new(self._irf_map.copy(data=np.zeros_like(self._irf_map.data)), exposure)

    def cutout(self, position: SkyCoord, width: object, mode: str = "trim", min_npix: int = 3) -> Self:
        """Return the part around a position.

        Parameters
        ----------
        position : `~astropy.coordinates.SkyCoord`
            Centre.
        width : float, str, `~astropy.units.Quantity` or pair
            Width in longitude and latitude; numbers are deg.
        mode : {"trim", "partial", "strict"}
            What happens at the edges, see `WcsGeom.cutout`.
        min_npix : int
            Smallest number of pixels, so that the response can still be interpolated.

        Notes
        -----
        A response that is the same everywhere is returned as it is.
        """
        if self.has_single_spatial_bin:
            return self.copy()
        return self._each("cutout", position, width, mode=mode, min_npix=min_npix)

    def to_region_nd_map(self, region: object = None) -> Self:
        """Return the response at a position, or its mean over a region.

        Parameters
        ----------
        region : `~astropy.coordinates.SkyCoord` or `~regions.SkyRegion`, optional
            Position (then the response is that of the nearest pixel), by default the centre; or region (then it is the
            mean of the pixels with centres inside, without weights; NaN values are left out).

        Returns
        -------
        IRFMap
            Response on a `~bayesmap.maps.RegionGeom`; one that is on a region already is copied.

        Raises
        ------
        ValueError
            If the position is outside of the map, or no pixel has its centre in the region.
        """
        region = self._irf_map.geom.center_skydir if region is None else region
        return self._each("to_region_nd_map", region, func=np.nanmean)

    def slice_by_idx(self, slices: Mapping[str, slice]) -> Self:
        """Return the part selected by slices of the axes; the axes stay.

        Raises
        ------
        TypeError
            If an index is given in place of a slice.
        """
        if any(not isinstance(cut, slice) for cut in slices.values()):
            raise TypeError(f"slice_by_idx of a {type(self).__name__} needs slices, got {dict(slices)}")
        irf_map = self._irf_map.slice_by_idx(slices)
        if self.exposure_map is None:
            return self._new(irf_map, None)
        cuts = {name: cut for name, cut in slices.items() if name != self.required_axes[0]}
        return self._new(irf_map, self.exposure_map.slice_by_idx(cuts))

    def downsample(self, factor: int, axis_name: str | None = None, weights: Map | None = None) -> Self:
        """Return the response with pixels averaged, or bins of an axis summed.

        Parameters
        ----------
        factor : int
            Number of pixels in each direction, or of bins, that become one.
        axis_name : str, optional
            Axis; by default the image. The exposure changes with the image and with "energy_true".
        weights : Map, optional
            Weights before the sum; axes of one bin are repeated.
        """
        weights = with_axes_of(self._irf_map.geom, weights)
        summed = axis_name is not None
        irf_map = self._irf_map.downsample(factor, summed, axis_name, weights)
        if self.exposure_map is None or axis_name not in (None, "energy_true"):
            return self._new(irf_map, self._exposure_copy())
        return self._new(irf_map, self.exposure_map.downsample(factor, summed, axis_name))

    def _exposure_copy(self) -> Map | None:
        return None if self.exposure_map is None else self.exposure_map.copy()

    def stack(self, other: "IRFMap", weights: Map | None = None, nan_to_num: bool = True) -> None:
        r"""Average with another response in place, weighted by exposure.

        .. math::
            R \leftarrow \frac{R \, E + R_\mathrm{other} \, E_\mathrm{other} \, w}{E + E_\mathrm{other} \, w}

        Parameters
        ----------
        other : IRFMap
            Response of the same kind on the same pixels, or on an aligned part of them.
        weights : Map, optional
            Weights :math:`w` of the other response on its pixels, for example a mask; axes of one bin are repeated. In
            the denominator a weight counts if it is positive at any reconstructed energy, so that masked
            reconstructed energies lower the efficiency of an energy dispersion.
        nan_to_num : bool
            Whether NaN and infinite values of the other response count as zero.

        Raises
        ------
        ValueError
            If an exposure is missing.
        GeometryMismatchError
            If axes or pixel grids differ; then nothing has changed.

        Notes
        -----
        Where the summed exposure is zero, so is the response. Only the pixels that both share are touched, one energy
        after the other.
        """
        parent, cut = self.check_stackable(other)
        own_weight, other_weight = cast(Map, self.exposure_map), cast(Map, other.exposure_map)
        own, exposure = (m.data[(..., *parent)] for m in (self._irf_map, own_weight))
        theirs, their_exposure = (m.data[(..., *cut)] for m in (other._irf_map, other_weight))
        weight = np.broadcast_to(1 if weights is None else weights.data[(..., *cut)], theirs.shape)
        factors = (other._irf_map.unit.to(self._irf_map.unit), other_weight.unit.to(own_weight.unit))
        for arrays in zip(own, exposure, theirs, their_exposure, weight, strict=True):
            _stack_energy(*arrays, factors, nan_to_num)

    def check_stackable(self, other: "IRFMap") -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return the pixels that another response covers, and those of it that lie inside; raise like `stack`.

        Raises
        ------
        bayesmap.errors.GeometryMismatchError
            If the other response is of another class or on other pixels.
        ValueError
            If one of the two has no exposure.
        """
        if type(self) is not type(other):
            raise GeometryMismatchError(f"cannot stack a {type(other).__name__} on a {type(self).__name__}")
        if self.exposure_map is None or other.exposure_map is None:
            raise ValueError(f"stacking two {type(self).__name__} needs the exposure of both")
        stack_slices(self.exposure_map.geom, other.exposure_map.geom)
        return stack_slices(self._irf_map.geom, other._irf_map.geom)

    def is_allclose(
        self, other: "IRFMap", rtol_axes: float = 1e-3, atol_axes: float = 1e-6, rtol: float = 1e-5, atol: float = 1e-8
    ) -> bool:
        """Whether another response has the same axes and close values (``rtol``, ``atol`` as numpy)."""
        if type(self) is not type(other) or (self.exposure_map is None) != (other.exposure_map is None):
            return False
        pairs = [(self._irf_map, other._irf_map)]
        if self.exposure_map is not None and other.exposure_map is not None:
            pairs.append((self.exposure_map, other.exposure_map))
        return all(one.is_allclose(two, rtol_axes, atol_axes, rtol, atol) for one, two in pairs)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self._irf_map.geom!r}>"

    def __str__(self) -> str:
        name = type(self).__name__
        body = f"  map      : {self._irf_map!r}\n  exposure : {self.exposure_map!r}\n"
        return f"{name}\n{'-' * len(name)}\n\n{body}"


def _stack_energy(
    own: np.ndarray,
    exposure: np.ndarray,
    theirs: np.ndarray,
    their_exposure: np.ndarray,
    weight: np.ndarray,
    factors: tuple[float, float],
    nan_to_num: bool,
) -> None:
    """Stack the responses of one true energy, shape ``(n, lat, lon)`` (exposures ``(1, lat, lon)``), in place."""
    product = theirs * their_exposure.astype("float64")
    added = their_exposure.astype("float64") * factors[1]
    if nan_to_num:
        product, added = (np.where(np.isfinite(a), a, 0.0) for a in (product, added))
    any_weight = weight.max(axis=0, keepdims=True)
    product = np.where(weight != 0, product * weight, 0.0) * (factors[0] * factors[1])
    total = exposure + np.where(any_weight != 0, added * any_weight, 0.0)
    summed = own * exposure.astype("float64") + product
    np.divide(summed, total, out=summed, where=total != 0)
    own[...] = np.where(total != 0, summed, 0.0)
    exposure[...] = total
