"""The interface of spectral models, and their integrals."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import astropy.units as u
import numpy as np
import pytensor.tensor as pt

from bayesmap.modeling.evaluate import evaluate
from bayesmap.modeling.model import ModelBase
from bayesmap.modeling.parameter import Parameter
from bayesmap.units import internal_unit, strip

__all__ = ["SpectralModel", "gauss_legendre"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(10)
_PANEL = 1.0  # widest panel in ln(energy): ten nodes reach 1e-12 for cut-off spectra there


def gauss_legendre(energy_min: Any, energy_max: Any) -> tuple[Any, Any]:
    """Return nodes and weights for integrals over energy bins.

    Parameters
    ----------
    energy_min, energy_max : numpy.ndarray or TensorVariable
        Edges of the bins. Arrays are divided into panels of at most 1 in ln(energy); symbolic edges are one panel.

    Returns
    -------
    tuple
        Energies and weights (in energy) with the nodes on a new last axis: the integral over each bin is
        ``(weights * f(energies)).sum(axis=-1)``.
    """
    nodes, weights = _NODES, _WEIGHTS
    if isinstance(energy_min, np.ndarray | float) and isinstance(energy_max, np.ndarray | float):
        widest = float(np.max(np.log(np.asarray(energy_max) / energy_min), initial=0.0))
        n = max(1, int(np.ceil(widest / _PANEL)))
        centers = (2 * np.arange(n) + 1) / n - 1
        nodes = (centers[:, None] + nodes / n).ravel()
        weights = np.tile(weights / n, n)
        log, exp = np.log, np.exp
        energy_min, energy_max = np.asarray(energy_min), np.asarray(energy_max)
    else:
        log, exp = pt.log, pt.exp
        energy_min, energy_max = pt.as_tensor_variable(energy_min), pt.as_tensor_variable(energy_max)
    mid = 0.5 * (log(energy_max) + log(energy_min))[..., None]
    half = 0.5 * (log(energy_max) - log(energy_min))[..., None]
    energy = exp(mid + half * nodes)
    return energy, half * weights * energy


class SpectralModel(ModelBase):
    """Interface of spectral models.

    A subclass declares parameters and the static formula ``evaluate(energy, *parameters)`` in internal units, written
    with ratios of energies only. It may add closed forms ``evaluate_integral(energy_min, energy_max, *parameters)``
    and ``evaluate_energy_flux(...)``; without them integrals are Gauss-Legendre sums.
    """

    kind = "spectral"
    unit: ClassVar[str] = "1e-12 cm-2 s-1 TeV-1"
    flux_parameter: ClassVar[str] = "amplitude"
    evaluate: ClassVar[Callable[..., Any]]
    evaluate_integral: ClassVar[Callable[..., Any] | None] = None
    evaluate_energy_flux: ClassVar[Callable[..., Any] | None] = None

    @property
    def is_norm_spectral_model(self) -> bool:
        """True for a dimensionless model that multiplies another."""
        return u.Unit(self.unit) == u.dimensionless_unscaled

    @property
    def output_unit(self) -> u.UnitBase:
        """Unit of what a call returns: the declared unit of the flux parameter."""
        return getattr(self, self.flux_parameter).unit

    @property
    def _energy_unit(self) -> u.UnitBase:
        """The energy unit inside the output unit, so that integrals come without a left-over factor."""
        bases = [base for base in self.output_unit.bases if base.physical_type == "energy"]
        return bases[0] if bases else u.TeV

    # -- symbolic ---------------------------------------------------------------------------------------------------
    def evaluate_graph(self, energy: Any, values: Mapping[Parameter, Any]) -> Any:
        """Return the symbolic differential flux.

        Parameters
        ----------
        energy : tensor or array
            Energies in the internal unit (TeV).
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.

        Returns
        -------
        TensorVariable
            In the internal unit (1e-12 cm-2 s-1 TeV-1; dimensionless for norm models).
        """
        return pt.as_tensor_variable(self.evaluate(energy, *self._arguments(values)))

    def integral_graph(self, energy_min: Any, energy_max: Any, values: Mapping[Parameter, Any]) -> Any:
        """Return the symbolic integral over each energy bin.

        Parameters
        ----------
        energy_min, energy_max : tensor or array
            Edges of the bins in the internal unit (TeV), shape ``(n,)``.
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.

        Returns
        -------
        TensorVariable
            Shape ``(n,)``, in the internal unit (1e-12 cm-2 s-1).

        Notes
        -----
        Closed form where the model has one, else ten Gauss-Legendre nodes in ln(energy) per panel.
        """
        arguments = self._arguments(values)
        if self.evaluate_integral is not None:
            return pt.as_tensor_variable(self.evaluate_integral(energy_min, energy_max, *arguments))
        return self._sum_nodes(*gauss_legendre(energy_min, energy_max), *arguments)

    @classmethod
    def _sum_nodes(cls, energy: Any, weight: Any, *arguments: Any) -> Any:
        return (weight * cls.evaluate(energy, *arguments)).sum(axis=-1)

    @classmethod
    def _sum_energy_nodes(cls, energy: Any, weight: Any, *arguments: Any) -> Any:
        return (weight * energy * cls.evaluate(energy, *arguments)).sum(axis=-1)

    @classmethod
    def _slope(cls, energy: Any, *arguments: Any) -> Any:
        flux = cls.evaluate(energy, *arguments)
        return -energy * pt.grad(flux.sum(), energy, disconnected_inputs="ignore") / flux

    # -- numbers ----------------------------------------------------------------------------------------------------
    def __call__(self, energy: Any) -> u.Quantity:
        """Return the differential flux.

        Parameters
        ----------
        energy : `~astropy.units.Quantity`
            Energies of any shape.

        Returns
        -------
        `~astropy.units.Quantity`
            In the declared unit of the amplitude.
        """
        values = evaluate(type(self).evaluate, strip_energy(energy), *self._numbers)
        return u.Quantity(values, internal_unit(self.unit)).to(self.output_unit)

    def integral(self, energy_min: Any, energy_max: Any) -> u.Quantity:
        """Return the integral of the flux over energy bands.

        Parameters
        ----------
        energy_min, energy_max : `~astropy.units.Quantity`
            Edges of the bands; they broadcast.

        Returns
        -------
        `~astropy.units.Quantity`
            Integral flux, for example in cm-2 s-1.

        Raises
        ------
        ValueError
            If a band is empty or reversed.
        """
        low, high = _bands(energy_min, energy_max)
        formula = type(self).evaluate_integral
        if formula is not None:
            values = evaluate(formula, low, high, *self._numbers)
        else:
            values = evaluate(type(self)._sum_nodes, *gauss_legendre(low, high), *self._numbers)
        return u.Quantity(values, internal_unit(self.unit) * internal_unit("TeV")).to(
            self.output_unit * self._energy_unit
        )

    def energy_flux(self, energy_min: Any, energy_max: Any) -> u.Quantity:
        """Return the integral of energy times flux over energy bands; arguments as `integral`."""
        low, high = _bands(energy_min, energy_max)
        formula = type(self).evaluate_energy_flux
        if formula is not None:
            values = evaluate(formula, low, high, *self._numbers)
        else:
            values = evaluate(type(self)._sum_energy_nodes, *gauss_legendre(low, high), *self._numbers)
        return u.Quantity(values, internal_unit(self.unit) * internal_unit("TeV") ** 2).to(
            self.output_unit * self._energy_unit**2
        )

    def spectral_index(self, energy: Any) -> np.ndarray:
        """Return minus the logarithmic slope of the spectrum at some energies (exact derivative)."""
        return evaluate(type(self)._slope, strip_energy(energy), *self._numbers)

    def plot(self, energy_bounds: Any, ax: Any = None, **kwargs: Any) -> Any:
        """Plot the spectrum; see `bayesmap.plot.spectrum.plot_spectrum` for the arguments.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The axes.
        """
        from bayesmap.plot.spectrum import plot_spectrum

        return plot_spectrum(self, energy_bounds, ax, **kwargs)


def strip_energy(energy: Any) -> np.ndarray:
    """Return energies in the internal unit; bare numbers are refused."""
    quantity = u.Quantity(energy)
    if not quantity.unit.is_equivalent("TeV"):
        raise u.UnitConversionError(f"energy must be an energy, got unit '{quantity.unit}'")
    return strip(quantity)


def _bands(energy_min: Any, energy_max: Any) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.broadcast_arrays(strip_energy(energy_min), strip_energy(energy_max))
    if np.any(low <= 0) or np.any(high < low):
        raise ValueError(f"energy bands must be positive and ordered, got {energy_min} to {energy_max}")
    return low, high
