"""Energy dispersion at one position: a matrix."""

from typing import Self

import astropy.units as u
import numpy as np

from bayesmap.irf.kernels import gaussian_dispersion, overlap_fraction
from bayesmap.maps import MapAxes, MapAxis

__all__ = ["EDispKernel"]


class EDispKernel:
    """Probability of each bin of reconstructed energy for each bin of true energy.

    Parameters
    ----------
    axes : sequence of MapAxis
        ``energy_true`` and ``energy``.
    data : array_like
        Probabilities, shape ``(n_true, n_reco)``; a row sums to one unless energies fall outside.

    Raises
    ------
    ValueError
        If axes or shape are others.
    """

    required_axes = ("energy_true", "energy")

    def __init__(self, axes: object, data: object = None) -> None:
        self.axes = axes if isinstance(axes, MapAxes) else MapAxes(axes)
        self.axes.assert_names(self.required_axes)
        self.data = np.zeros(self.axes.shape) if data is None else np.asarray(data)
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

    def to_image(self) -> "EDispKernel":
        """Return the kernel with one bin of reconstructed energy."""
        energy: MapAxis = self.axes["energy"]
        return EDispKernel([self.axes["energy_true"], energy.squash()], self.data.sum(axis=1)[:, None])

    def plot_matrix(self, ax: object = None, add_cbar: bool = False, **kwargs: object) -> object:
        """Plot the matrix; see `bayesmap.plot.plot_edisp_kernel`."""
        from bayesmap.plot.peek import plot_edisp_kernel

        return plot_edisp_kernel(self, ax, add_cbar, **kwargs)

    def __repr__(self) -> str:
        return f"<EDispKernel {self.axes!r}>"
