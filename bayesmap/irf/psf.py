"""Point spread functions as maps of radial profiles."""

import warnings
from typing import Any, ClassVar, Self

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle, SkyCoord
from astropy.io import fits

from bayesmap._types import Spectrum
from bayesmap._util import Absent
from bayesmap.irf.base import IRFMap, all_sky_geom
from bayesmap.irf.fermi import psf_from_gtpsf, psf_to_gtpsf
from bayesmap.irf.kernels import containment_map, gaussian_profile, normalize_rad, profile_image, rad_containment
from bayesmap.irf.psf_kernel import PSFKernel
from bayesmap.irf.round_kernel import kernel_profiles
from bayesmap.maps import Geom, Map, MapAxis, WcsGeom

__all__ = ["PSFMap", "RecoPSFMap"]

#: where profiles are plotted
_ENERGIES = [0.1, 1, 10] * u.TeV
#: steps per bin of the rad axis in which containment radii are found
RAD_STEPS = 20
#: share of a Gaussian that may lie beyond the offsets without a word
LOST = 0.01


def _default_rad_axis() -> MapAxis:
    return MapAxis.from_bounds(0, 0.66, nbin=66, node_type="edges", name="rad", unit="deg")


class PSFMap(IRFMap):
    """Point spread functions in true energy: density per solid angle at offset ``rad``, for pixels on the sky.

    Parameters
    ----------
    psf_map : Map
        Axes ``rad`` and ``energy_true``, so data have shape ``(energy_true, rad, lat, lon)``; unit sr-1 or deg-2.
    exposure_map : Map, optional
        Exposure with the axes ``rad`` (one bin) and ``energy_true``.

    Raises
    ------
    ValueError
        If axes or unit are others.
    """

    tag = "psf"
    required_axes: ClassVar[tuple[str, ...]] = ("rad", "energy_true")
    default_unit = "sr-1"
    formats: ClassVar[tuple[str, ...]] = ("gadf", "gtpsf")

    def __init__(self, psf_map: Map, exposure_map: Map | None = None) -> None:
        super().__init__(psf_map, exposure_map)

    @property
    def psf_map(self) -> Map:
        """The map of profiles."""
        return self._irf_map

    @psf_map.setter
    def psf_map(self, value: Map) -> None:
        self._irf_map = value

    @classmethod
    def _from_gtpsf(cls, hdulist: fits.HDUList) -> Self:
        return cls(*psf_from_gtpsf(hdulist))

    def _to_gtpsf(self) -> fits.HDUList:
        return psf_to_gtpsf(self._irf_map, self.exposure_map)

    @property
    def energy_name(self) -> str:
        """Name of the energy axis, "energy_true" or "energy"."""
        return self.required_axes[1]

    def normalize(self) -> None:
        """Divide every profile in place by its integral over the plane; empty profiles stay empty."""
        self._irf_map = normalize_rad(self._irf_map)

    # -- profiles -----------------------------------------------------------------------------------------------------
    def radial_profile(
        self, position: SkyCoord | None = None, energy_index: int | slice | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the profiles at one position as plain arrays.

        Parameters
        ----------
        position : `~astropy.coordinates.SkyCoord`, optional
            Position, by default the centre of the map. Where the map has no values (NaN or zero in all bins, or outside
            of the map) the nearest pixel that has some is taken.
        energy_index : int or slice, optional
            Energy bins, by default all.

        Returns
        -------
        rad : numpy.ndarray
            Offsets in deg: the centres of the rad axis, shape ``(n_rad,)``.
        profile : numpy.ndarray
            Density in sr-1, float64, shape ``(n_energy, n_rad)``: linear in position between pixel centres (and
            continued outside), without normalisation. NaN values count as zero.
        """
        index = slice(None) if energy_index is None else energy_index
        index = slice(index, index + 1 or None) if isinstance(index, int | np.integer) else index
        geom = self._irf_map.geom
        data = self._irf_map.data[index]
        pix = geom.to_image().coord_to_pix(self._valid_position(position))
        for size in geom.data_shape_image[::-1]:
            data, pix = _linear_last(data, float(np.squeeze(pix[0])), size), pix[1:]
        profile = data * self._irf_map.unit.to("sr-1")
        return geom.axes["rad"].center.to_value("deg"), profile

    def _coords(self, energy: object, position: SkyCoord | None, **kwargs: object) -> dict[str, Any]:
        position = self._irf_map.geom.center_skydir if position is None else position
        return {"skycoord": position, self.energy_name: u.Quantity(energy), **kwargs}

    def _containment(self, rad: object, energy: object, position: SkyCoord | None) -> u.Quantity:
        coords = self._coords(energy, position, rad=u.Quantity(rad))
        return u.Quantity(containment_map(self._irf_map).interp_by_coord(coords), "")

    def _containment_radius(self, fraction: float, energy: object, position: SkyCoord | None) -> u.Quantity:
        energies = u.Quantity(energy)
        rad: MapAxis = self._irf_map.geom.axes["rad"]
        axis = rad.upsample(RAD_STEPS)
        if position is not None and not position.isscalar:
            position = position[..., np.newaxis]
        inside = self._containment(axis.center, energies[..., np.newaxis], position)
        return axis.center[np.argmin(np.abs(inside - fraction), axis=-1)]

    def containment(self, rad: object, energy_true: object, position: SkyCoord | None = None) -> u.Quantity:
        """Return the probability that a photon is reconstructed within an offset.

        Parameters
        ----------
        rad : `~astropy.units.Quantity` or str
            Offset.
        energy_true : `~astropy.units.Quantity` or str
            Energies; the arguments broadcast against each other.
        position : `~astropy.coordinates.SkyCoord`, optional
            Position, by default the centre of the map.

        Returns
        -------
        `~astropy.units.Quantity`
            Dimensionless: the sum over rings, linear in the offset inside a bin; not normalised.
        """
        return self._containment(rad, energy_true, position)

    def containment_radius(self, fraction: float, energy_true: object, position: SkyCoord | None = None) -> u.Quantity:
        """Return the offset within which a fraction of the photons is reconstructed.

        Parameters
        ----------
        fraction : float
            Containment fraction.
        energy_true : `~astropy.units.Quantity` or str
            Energies.
        position : `~astropy.coordinates.SkyCoord`, optional
            Position, by default the centre of the map.

        Returns
        -------
        `~astropy.units.Quantity`
            Radius in the unit of the rad axis, shape of the energies. As in Gammapy it is one of 20 values per bin, the
            one with the nearest containment; the first of them where the PSF is empty.
        """
        return self._containment_radius(fraction, energy_true, position)

    def containment_radius_map(self, energy_true: object, fraction: float = 0.68) -> Map:
        """Return an image of containment radii at one energy; parameters as for `containment_radius`."""
        return self._containment_radius_map(u.Quantity(energy_true), fraction)

    def _containment_radius_map(self, energy: u.Quantity, fraction: float) -> Map:
        geom = self._irf_map.geom
        rad: MapAxis = geom.axes["rad"]
        pix = float(geom.axes[self.energy_name].coord_to_pix(energy))
        data = np.moveaxis(np.nan_to_num(self._irf_map.data), 0, -1)
        profile = np.moveaxis(_linear_last(data, pix, data.shape[-1]), 0, -1)
        edges, fine = rad.edges.value, rad.upsample(RAD_STEPS).center
        inside = rad_containment(profile, rad, self._irf_map.unit)
        values = np.apply_along_axis(lambda row: np.interp(fine.value, edges, row), -1, inside)
        radius = fine[np.argmin(np.abs(values - fraction), axis=-1)]
        return Map.from_geom(geom.to_image(), data=radius.value, unit=radius.unit)

    # -- kernels ------------------------------------------------------------------------------------------------------
    def get_psf_kernel(
        self,
        geom: WcsGeom,
        position: SkyCoord | None = None,
        max_radius: object = None,
        containment: float = 0.999,
        precision_factor: int = 12,
    ) -> PSFKernel:
        """Return the point spread function at one position as images.

        Parameters
        ----------
        geom : WcsGeom
            Geometry whose pixels and energies the kernel gets.
        position : `~astropy.coordinates.SkyCoord`, optional
            Position, by default the centre of the map; moved to the nearest pixel with values if there are none.
        max_radius : `~astropy.units.Quantity` or str, optional
            Half of the width of the images, by default the largest of the containment radii.
        containment : float
            Each image ends at this containment (a square around it).
        precision_factor : int
            The profile is sampled so that at least this many samples cover the width of 68 % containment.

        Returns
        -------
        PSFKernel
            Images that sum to one, shape ``(n_energy, n, n)`` with odd ``n``; empty where the PSF is.
        """
        position = self._valid_position(position)
        axis = geom.axes[self.energy_name]
        radii = self._containment_radius(containment, axis.center, position).to("deg")
        largest = radii.max() if max_radius is None else u.Quantity(max_radius).to("deg")
        radii = np.minimum(radii, largest)
        factors = self._upsampling_factors(geom, position, precision_factor)
        nodes, profiles = self._profiles_at(position, axis)
        common = geom.to_odd_npix(max_radius=largest)
        data = np.zeros(common.data_shape, dtype="float32")
        for image, radius, factor, profile in zip(data, radii, factors, profiles, strict=True):
            _add_centred(image, _sampled_image(geom.to_image(), radius, factor, nodes, profile))
        return PSFKernel(Map.from_geom(common, data=data, unit=""), normalize=True)

    def _upsampling_factors(self, geom: WcsGeom, position: SkyCoord, precision_factor: int) -> list[int]:
        """Samples per pixel and energy: at least ``precision_factor`` over the 68 % containment diameter."""
        diameter = 2 * self._containment_radius(0.68, geom.axes[self.energy_name].center, position).to_value("deg")
        wanted = np.ceil(precision_factor * geom.pixel_scales.deg.max() / diameter)
        return [int(n) for n in np.minimum(wanted, precision_factor)]

    def _profiles_at(self, position: SkyCoord, axis: MapAxis) -> tuple[np.ndarray, np.ndarray]:
        """Offsets in deg and profiles at the centres of an energy axis, linear in the pixels of our own axis."""
        rad, table = self.radial_profile(position)
        pix = self._irf_map.geom.axes[self.energy_name].coord_to_pix(axis.center)
        return rad, np.array([_linear_last(table.T, float(p), len(table)) for p in pix])

    @classmethod
    def from_gauss(
        cls,
        energy_axis_true: MapAxis,
        rad_axis: MapAxis | None = None,
        sigma: object = 0.1 * u.deg,
        geom: Geom | None = None,
    ) -> Self:
        r"""Return Gaussian point spread functions.

        .. math:: PSF(r) = \frac{1}{2 \pi \sigma^2} \exp\left(-\frac{r^2}{2 \sigma^2}\right)

        Parameters
        ----------
        energy_axis_true : MapAxis
            Energies.
        rad_axis : MapAxis, optional
            Offsets, by default 66 bins from 0 to 0.66 deg.
        sigma : `~astropy.units.Quantity` or str
            Width, one or one per energy.
        geom : Geom, optional
            Image on which the PSF is the same everywhere; by default a single pixel, the whole sky.

        Returns
        -------
        PSFMap
            The density at the centres of the rad axis, with an exposure of one cm2 s as weight. What lies beyond the
            axis is missing, with a warning if it is more than 1 %.
        """
        rad_axis = _default_rad_axis() if rad_axis is None else rad_axis
        axes = [rad_axis, energy_axis_true]
        cube = all_sky_geom(axes) if geom is None else geom.to_image().to_cube(axes)
        width = np.broadcast_to(u.Quantity(sigma).to_value("deg"), energy_axis_true.nbin)
        end = float(rad_axis.edges[-1].to_value("deg"))
        lost = np.exp(-0.5 * (end / width.max()) ** 2)
        if lost > LOST:
            warnings.warn(
                f"{100 * lost:.2g} % of a Gaussian of {width.max():.4g} deg lie beyond the rad axis, which ends at "
                f"{end:.4g} deg: pass a rad_axis that goes to {5 * width.max():.2g} deg",
                UserWarning,
                stacklevel=2,
            )
        density = gaussian_profile(rad_axis.center.to_value("deg"), width[:, None])
        data = np.broadcast_to(density[..., None, None] * u.Unit("deg-2").to("sr-1"), cube.data_shape)
        exposure = Map.from_geom(cube.squash("rad"), unit="cm2 s", data=np.ones(cube.squash("rad").data_shape))
        return cls(Map.from_geom(cube, data=data.copy(), unit="sr-1"), exposure)

    @classmethod
    def from_psf_kernel(cls, kernel: PSFKernel, energy_axis: MapAxis | None = None) -> Self:
        """Return the point spread function given by images, the same on the whole sky.

        Parameters
        ----------
        kernel : PSFKernel
            Round images.
        energy_axis : MapAxis, optional
            Energies of a kernel without any, which then is the same for all.

        Returns
        -------
        PSFMap
            Radial profiles whose integrals over pixels are the images (see
            `bayesmap.irf.round_kernel.kernel_profiles`), with an exposure of one cm2 s as weight.

        Raises
        ------
        ValueError
            If an image is not round, or energies are missing.
        """
        rad, profiles = kernel_profiles(kernel)
        axes = kernel.psf_kernel_map.geom.axes
        axis: Any = axes[cls.required_axes[1]] if cls.required_axes[1] in axes.names else energy_axis
        if axis is None:
            raise ValueError(f"the PSF kernel has no axis {cls.required_axes[1]!r}, only {axes.names}")
        cube = all_sky_geom([rad, axis.squash() if len(profiles) == 1 else axis])
        exposure = cube.squash("rad")
        return cls(
            Map.from_geom(cube, data=profiles[..., None, None] * u.Unit("deg-2").to("sr-1"), unit="sr-1"),
            Map.from_geom(exposure, unit="cm2 s", data=np.ones(exposure.data_shape)),
        )

    def to_image(self, spectral_model: Spectrum | None = None, keepdims: bool = True) -> Self:
        """Return the PSF averaged over energy, weighted by exposure and a spectrum.

        Parameters
        ----------
        spectral_model : object with ``integral(energy_min, energy_max)``, optional
            Spectrum, by default a power law of index 2.
        keepdims : bool
            Must be True: a PSF always has an energy axis, here of one bin.

        Returns
        -------
        PSFMap
            PSF and summed exposure with one energy bin.

        Raises
        ------
        ValueError
            If there is no exposure, or ``keepdims`` is False.
        """
        if self.exposure_map is None or not keepdims:
            raise ValueError("the image of a PSF needs its exposure_map and keepdims=True")
        axis = self._irf_map.geom.axes[self.energy_name]
        if spectral_model is None:
            low, high = axis.edges_min.to_value("TeV"), axis.edges_max.to_value("TeV")
            flux = 1 / low - 1 / high
        else:
            flux = u.Quantity(spectral_model.integral(axis.edges_min, axis.edges_max)).value
        weight = self.exposure_map.data * (flux / flux.sum())[:, None, None, None]
        exposure = self.exposure_map.copy(data=weight).sum_over_axes([self.energy_name], keepdims=True)
        total = self._irf_map.copy(data=np.nan_to_num(self._irf_map.data) * weight)
        total = total.sum_over_axes([self.energy_name], keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            total.data = np.nan_to_num(total.data / exposure.data, posinf=0.0)
        return self._new(total, exposure)

    # -- plots --------------------------------------------------------------------------------------------------------
    def plot_containment_radius_vs_energy(
        self, ax: object = None, fraction: tuple[float, ...] = (0.68, 0.95), **kwargs: object
    ) -> object:
        """Plot containment radii at the centre against energy; see `bayesmap.plot.plot_psf_containment`."""
        from bayesmap.plot.irf import plot_psf_containment

        return plot_psf_containment(self, ax, fraction, **kwargs)

    def plot_psf_vs_rad(self, ax: object = None, energy_true: object = _ENERGIES, **kwargs: object) -> object:
        """Plot profiles at the centre for some energies; see `bayesmap.plot.plot_psf_profiles`."""
        from bayesmap.plot.irf import plot_psf_profiles

        return plot_psf_profiles(self, ax, energy_true, **kwargs)

    def peek(self, figsize: tuple[float, float] = (12, 10)) -> object:
        """Plot containment, profiles, exposure and containment at 1 TeV; see `bayesmap.plot.peek_psf`."""
        from bayesmap.plot.irf import peek_psf

        return peek_psf(self, figsize)

    sample_coord = Absent("draws single events: use MapDatasetEventSampler, which applies the responses")


class RecoPSFMap(PSFMap):
    """Point spread functions in reconstructed energy, as HAWC gives them; they act after the energy dispersion.

    Parameters
    ----------
    psf_map : Map
        Axes ``rad`` and ``energy``, so data have shape ``(energy, rad, lat, lon)``; unit sr-1 or deg-2.
    exposure_map : Map, optional
        Exposure.
    """

    required_axes: ClassVar[tuple[str, ...]] = ("rad", "energy")
    formats: ClassVar[tuple[str, ...]] = ("gadf",)

    @classmethod
    def from_gauss(
        cls,
        energy_axis: MapAxis,
        rad_axis: MapAxis | None = None,
        sigma: object = 0.1 * u.deg,
        geom: Geom | None = None,
    ) -> Self:
        """Return Gaussian point spread functions in reconstructed energy; see `PSFMap.from_gauss`."""
        return super().from_gauss(energy_axis, rad_axis, sigma, geom)

    def plot_psf_vs_rad(  # type: ignore[override]  # as in Gammapy
        self, ax: object = None, energy: object = _ENERGIES, **kwargs: object
    ) -> object:
        """Plot profiles at the centre for some energies; see `PSFMap.plot_psf_vs_rad`."""
        return super().plot_psf_vs_rad(ax, energy, **kwargs)

    def containment(self, rad: object, energy: object, position: SkyCoord | None = None) -> u.Quantity:
        """Return the probability inside an offset; see `PSFMap.containment`."""
        return self._containment(rad, energy, position)

    def containment_radius(self, fraction: float, energy: object, position: SkyCoord | None = None) -> u.Quantity:
        """Return a containment radius; see `PSFMap.containment_radius`."""
        return self._containment_radius(fraction, energy, position)

    def containment_radius_map(self, energy: object, fraction: float = 0.68) -> Map:
        """Return an image of containment radii; see `PSFMap.containment_radius_map`."""
        return self._containment_radius_map(u.Quantity(energy), fraction)


def _linear_last(data: np.ndarray, pix: float, size: int) -> np.ndarray:
    """Linear interpolation (and extrapolation) at a pixel position along the last dimension; NaN counts as zero."""
    if size == 1:
        return np.nan_to_num(data[..., 0].astype("float64"))
    lower = int(np.clip(np.floor(pix), 0, size - 2))
    fraction = pix - lower
    low, high = (np.nan_to_num(data[..., lower + i].astype("float64"), posinf=0, neginf=0) for i in (0, 1))
    return (1 - fraction) * low + fraction * high


def _sampled_image(image: WcsGeom, radius: Angle, factor: int, nodes: np.ndarray, profile: np.ndarray) -> np.ndarray:
    """A profile sampled at ``factor`` times ``factor`` points per pixel around the centre of an image, summed."""
    fine = image.to_odd_npix(max_radius=radius).upsample(factor)
    rad = image.center_skydir.separation(fine.get_coord().skycoord).deg
    samples = profile_image(rad, nodes, profile)
    n = len(samples) // factor
    return samples.reshape(n, factor, n, factor).sum(axis=(1, 3))


def _add_centred(image: np.ndarray, part: np.ndarray) -> None:
    """Add a smaller image of odd size to the middle of another."""
    start = (len(image) - len(part)) // 2
    image[start : start + len(part), start : start + len(part)] += part
