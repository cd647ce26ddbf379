"""Energy dispersion at one position: a matrix."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.table import Table

from bayesmap._util import Absent
from bayesmap.irf.kernels import bias_energy, gaussian_dispersion, overlap_fraction
from bayesmap.maps import MapAxes, MapAxis
from bayesmap.maps.wcs_tools import int_pair

__all__ = ["EDispKernel"]

#: why some members of Gammapy's class stay out
_DL3 = "belongs to tables of DL3, which stay out"
_DENSITY = "treats values as densities in energy; these are probabilities of bins: use data"


class EDispKernel:
    """Probability of each bin of reconstructed energy for each bin of true energy.

    Parameters
    ----------
    axes : sequence of MapAxis
        ``energy_true`` and ``energy``.
    data : array_like
        Probabilities, shape ``(n_true, n_reco)``; a row sums to one unless energies fall outside. A number fills all.
    unit : str or `~astropy.units.Unit`
        Must be none.
    meta : Mapping, optional
        Any information.

    Raises
    ------
    ValueError
        If axes or shape are others.
    """

    #: what Gammapy calls this kind of response
    tag = "edisp_kernel"
    required_axes = ("energy_true", "energy")

    def __init__(
        self,
        axes: Sequence[MapAxis],
        data: npt.ArrayLike = 0,
        unit: object = "",
        *,
        meta: Mapping[str, object] | None = None,
    ) -> None:
        if u.Unit(unit) != u.dimensionless_unscaled:
            raise ValueError(f"an EDispKernel holds probabilities, without unit, got {str(unit)!r}")
        self.meta = dict(meta or {})
        self.axes = axes if isinstance(axes, MapAxes) else MapAxes(axes)
        self.axes.assert_names(self.required_axes)
        data = np.asarray(0.0 if data is None else data)
        self.data = np.full(self.axes.shape, data, dtype="float64") if data.ndim == 0 else data
        if self.data.shape != self.axes.shape:
            raise ValueError(
                f"an EDispKernel with {self.axes.shape} bins (true, reconstructed) needs data of that shape, "
                f"got {self.data.shape}"
            )

    @property
    def pdf_matrix(self) -> np.ndarray:
        """Probabilities, shape ``(n_true, n_reco)``."""
        return self.data

    @property
    def unit(self) -> u.UnitBase:
        """Unit of the probabilities: none."""
        return u.dimensionless_unscaled

    @property
    def quantity(self) -> u.Quantity:
        """Probabilities as a quantity."""
        return u.Quantity(self.data)

    @classmethod
    def from_gauss(
        cls,
        energy_axis_true: MapAxis,
        energy_axis: MapAxis,
        sigma: object,
        bias: object,
        pdf_threshold: float = 1e-6,
    ) -> Self:
        """Return a Gaussian in E / E_true around ``1 + bias``.

        Parameters
        ----------
        energy_axis_true, energy_axis : MapAxis
            True and reconstructed energies.
        sigma, bias : float or array_like
            Width and bias relative to the true energy, one or one per true energy.
        pdf_threshold : float
            Smaller probabilities become zero.

        Notes
        -----
        The Gaussian is integrated exactly over each bin, at the centre of the true-energy bin. (Gammapy goes through a
        table of migrations, which differs by 1e-4.)
        """
        unit = energy_axis_true.unit
        true, edges = energy_axis_true.center.value, energy_axis.edges.to_value(unit)
        data = gaussian_dispersion(true, edges, np.asarray(bias, dtype=float), np.asarray(sigma, dtype=float))
        return cls([energy_axis_true, energy_axis], np.where(data < pdf_threshold, 0, data))

    @classmethod
    def from_diagonal_response(cls, energy_axis_true: MapAxis, energy_axis: MapAxis | None = None) -> Self:
        """Return a perfect energy measurement.

        Parameters
        ----------
        energy_axis_true, energy_axis : MapAxis
            True and reconstructed energies; by default both have the same edges. A true bin is shared among
            reconstructed ones by the widths of the overlaps.
        """
        energy_axis = energy_axis_true.copy(name="energy") if energy_axis is None else energy_axis
        return cls([energy_axis_true, energy_axis], overlap_fraction(energy_axis, energy_axis_true))

    def get_mean(self, energy_true: object) -> u.Quantity:
        """Return the mean reconstructed energy of the true-energy bins that hold ``energy_true``; NaN if all is lost.

        (Gammapy returns zero there.)
        """
        pdf = self.data[self.axes["energy_true"].coord_to_idx(energy_true, clip=True)].astype("float64")
        energy = self.axes["energy"].center
        norm = pdf.sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return u.Quantity((pdf * energy.value).sum(axis=-1) / norm, energy.unit)

    def get_bias(self, energy_true: object) -> u.Quantity:
        """Return the relative bias, mean reconstructed energy over true energy minus one."""
        energy_true = u.Quantity(energy_true)
        return (self.get_mean(energy_true) / energy_true).to("") - 1

    def get_resolution(self, energy_true: object) -> u.Quantity:
        """Return the standard deviation of the reconstructed energy over the true energy."""
        energy_true = u.Quantity(energy_true)
        pdf = self.data[self.axes["energy_true"].coord_to_idx(energy_true, clip=True)].astype("float64")
        deviation = (self.axes["energy"].center - self.get_mean(energy_true)[..., np.newaxis]) ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = (pdf * deviation).sum(axis=-1) / pdf.sum(axis=-1)
        return (np.sqrt(variance) / energy_true).to("")

    def get_bias_energy(self, bias: float, energy_min: object = None, energy_max: object = None) -> u.Quantity:
        """Return the reconstructed energy at which the bias has a value.

        Parameters
        ----------
        bias : float
            Bias.
        energy_min, energy_max : `~astropy.units.Quantity` or str, optional
            True energies between which to look; by default from that of the largest bias to the last.

        Returns
        -------
        `~astropy.units.Quantity`
            The true energy, linear in the logarithm between bin centres, times one plus the bias; shape ``(1,)``. Where
            the bias does not reach the value, ``energy_min`` stands for the true energy, as in Gammapy.
        """
        center = self.axes["energy_true"].center
        return bias_energy(center, self.get_bias(center), float(bias), energy_min, energy_max)

    def pdf_in_safe_range(self, lo_threshold: object = None, hi_threshold: object = None) -> np.ndarray:
        """Return the probabilities with those of bins that reach beyond a threshold set to zero.

        Parameters
        ----------
        lo_threshold, hi_threshold : `~astropy.units.Quantity` or str, optional
            Lowest and highest reconstructed energy. (Gammapy sets all to zero if both are None.)

        Returns
        -------
        numpy.ndarray
            Shape ``(n_true, n_reco)``.
        """
        energy: MapAxis = self.axes["energy"]
        inside = np.ones(energy.nbin, dtype=bool)
        if lo_threshold is not None:
            inside &= energy.edges_min >= u.Quantity(lo_threshold)
        if hi_threshold is not None:
            inside &= energy.edges_max <= u.Quantity(hi_threshold)
        return np.where(inside, self.data, 0)

    # -- new kernels --------------------------------------------------------------------------------------------------
    def to_image(self, lo_threshold: object = None, hi_threshold: object = None) -> "EDispKernel":
        """Return the kernel with one bin of reconstructed energy; thresholds as for `pdf_in_safe_range`."""
        data = self.pdf_in_safe_range(lo_threshold, hi_threshold).sum(axis=1)[:, None]
        return EDispKernel(self.axes.squash("energy"), data)

    def slice_by_idx(self, slices: Mapping[str, slice]) -> "EDispKernel":
        """Return the part selected by slices of the axes, for example ``{"energy": slice(2, 5)}``.

        Raises
        ------
        TypeError
            If an index is given in place of a slice.
        """
        if any(not isinstance(cut, slice) for cut in slices.values()):
            raise TypeError(f"slice_by_idx of an EDispKernel needs slices, got {dict(slices)}")
        index = tuple(slices.get(name, slice(None)) for name in self.required_axes)
        return EDispKernel(self.axes.slice_by_idx(slices), self.data[index])

    def pad(self, pad_width: int | tuple[int, int], axis_name: str, **kwargs: Any) -> "EDispKernel":
        """Return the kernel with bins added at both ends of an axis; ``**kwargs`` as for `numpy.pad` (zeros)."""
        widths = [(0, 0), (0, 0)]
        widths[self.axes.index(axis_name)] = int_pair("pad_width", pad_width)
        return EDispKernel(self.axes.pad(axis_name, pad_width), np.pad(self.data, widths, **kwargs))

    def is_allclose(
        self,
        other: "EDispKernel",
        rtol_axes: float = 1e-3,
        atol_axes: float = 1e-6,
        rtol: float = 1e-5,
        atol: float = 1e-8,
    ) -> bool:
        """Whether another kernel has the same axes and close values (``rtol``, ``atol`` as numpy)."""
        if not isinstance(other, EDispKernel) or self.data.shape != other.data.shape:
            return False
        same_axes = self.axes.is_allclose(other.axes, rtol=rtol_axes, atol=atol_axes)
        return same_axes and bool(np.allclose(self.data, other.data, rtol=rtol, atol=atol))

    # -- files --------------------------------------------------------------------------------------------------------
    @classmethod
    def from_hdulist(cls, hdulist: fits.HDUList, hdu1: str = "MATRIX", hdu2: str = "EBOUNDS") -> "EDispKernel":
        """Return the kernel in an open OGIP file (RMF).

        Parameters
        ----------
        hdulist : `~astropy.io.fits.HDUList`
            FITS file.
        hdu1, hdu2 : str
            Tables of the matrix and of the reconstructed energies.

        Raises
        ------
        FormatError
            If a table is missing or damaged.
        """
        from bayesmap.io.rmf import kernel_from_hdulist

        return kernel_from_hdulist(hdulist, hdu1, hdu2)

    @classmethod
    def read(
        cls,
        filename: str | os.PathLike,
        hdu1: str = "MATRIX",
        hdu2: str = "EBOUNDS",
        checksum: bool = False,
        format: str = "gadf",
    ) -> "EDispKernel":
        """Read a kernel from an OGIP file (RMF) or one of gtdrm.

        Parameters
        ----------
        filename : path
            File.
        hdu1, hdu2 : str
            Tables of the matrix and of the reconstructed energies.
        checksum : bool
            Whether to verify the checksums in the file.
        format : {"gadf", "gtdrm"}
            Layout: OGIP, or that of the Fermi tool.
        """
        from bayesmap.io.rmf import read_kernel

        return read_kernel(filename, hdu1, hdu2, checksum, format)

    def to_hdulist(self, format: str = "ogip") -> fits.HDUList:
        """Return the tables MATRIX and EBOUNDS of an OGIP file (RMF).

        Parameters
        ----------
        format : {"ogip", "ogip-sherpa"}
            Layout; "ogip-sherpa" has keV.
        """
        from bayesmap.io.rmf import kernel_to_hdulist

        return kernel_to_hdulist(self, format)

    def to_table(self, format: str = "ogip") -> Table:
        """Return the table MATRIX of `to_hdulist`: per true energy the groups of channels that are not zero."""
        from bayesmap.io.rmf import kernel_to_table

        return kernel_to_table(self, format)

    def write(
        self, filename: str | os.PathLike, format: str = "ogip", checksum: bool = False, overwrite: bool = False
    ) -> None:
        """Write an OGIP file (RMF), completely or not at all; arguments as for `to_hdulist` and `Map.write`."""
        from bayesmap.io.rmf import write_kernel

        write_kernel(self, filename, format=format, checksum=checksum, overwrite=overwrite)

    # -- plots --------------------------------------------------------------------------------------------------------
    def plot_matrix(
        self,
        ax: object = None,
        add_cbar: bool = False,
        axes_loc: tuple[float, float, float, float] | None = None,
        kwargs_colorbar: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> object:
        """Plot the matrix; see `bayesmap.plot.plot_edisp_kernel`."""
        from bayesmap.plot.peek import plot_edisp_kernel

        return plot_edisp_kernel(self, ax, add_cbar, axes_loc, kwargs_colorbar, **kwargs)

    def plot_bias(self, ax: object = None, **kwargs: object) -> object:
        """Plot the bias against true energy; see `bayesmap.plot.plot_edisp_bias`."""
        from bayesmap.plot.irf import plot_edisp_bias

        return plot_edisp_bias(self, ax, **kwargs)

    def peek(self, figsize: tuple[float, float] = (15, 5)) -> object:
        """Plot bias and matrix side by side; see `bayesmap.plot.peek_edisp_kernel`."""
        from bayesmap.plot.irf import peek_edisp_kernel

        return peek_edisp_kernel(self, figsize)

    from_table = Absent(f"{_DL3}: use from_hdulist, which has the energies too")
    to_table_hdu = Absent(f"{_DL3}: use to_hdulist")
    is_pointlike = Absent(_DL3)
    has_offset_axis = Absent(_DL3)
    fov_alignment = Absent(_DL3)
    required_arguments = Absent(_DL3)
    default_interp_kwargs = Absent(_DL3)
    interp_missing_data = Absent(_DL3)
    evaluate = Absent(_DENSITY)
    cumsum = Absent(_DENSITY)
    integral = Absent(_DENSITY)
    integrate_log_log = Absent(_DENSITY)
    normalize = Absent(_DENSITY)
    to_unit = Absent(_DENSITY)

    def __repr__(self) -> str:
        return f"<EDispKernel {self.axes!r}>"
