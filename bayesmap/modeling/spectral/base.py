"""The interface of spectral models."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import astropy.units as u
import numpy as np

from bayesmap._lazy import pt
from bayesmap._types import Axes, QuantityLike, RandomState, Tensor, Tree
from bayesmap.modeling.formulas.evaluate import evaluate
from bayesmap.modeling.model import ModelBase
from bayesmap.modeling.parameter import Values
from bayesmap.modeling.spectral import uncertainty
from bayesmap.modeling.spectral.energies import bands, strip_energy
from bayesmap.modeling.spectral.formulas import Slope
from bayesmap.modeling.spectral.inverse import inverse, inverse_all
from bayesmap.modeling.spectral.quadrature import integrate_graph, integrate_numbers
from bayesmap.units import internal_unit

if TYPE_CHECKING:
    from bayesmap.maps import MapAxis
    from bayesmap.modeling.spectral.compound import CompoundSpectralModel

__all__ = ["SpectralModel"]


class SpectralModel(ModelBase):
    """Interface of spectral models.

    A subclass declares parameters and the static formula ``evaluate(energy, *parameters)`` in internal units, written
    with ratios of energies only. It may add closed forms ``evaluate_integral(energy_min, energy_max, *parameters)``
    and ``evaluate_energy_flux(...)``; without them integrals are Gauss-Legendre sums. A model that holds arrays
    returns them from ``_arrays``; the formula takes them between the energy and the parameters.

    Models combine with ``+ - * /``, also with numbers: see `CompoundSpectralModel`.
    """

    kind = "spectral"
    unit: str = "1e-12 cm-2 s-1 TeV-1"
    flux_parameter: ClassVar[str] = "amplitude"
    evaluate: ClassVar[Callable[..., Tensor]]
    evaluate_integral: ClassVar[Callable[..., Tensor] | None] = None
    evaluate_energy_flux: ClassVar[Callable[..., Tensor] | None] = None

    @property
    def is_norm_spectral_model(self) -> bool:
        """True for a dimensionless model that multiplies another."""
        return _is_number(self.unit)

    @property
    def output_unit(self) -> u.UnitBase:
        """Unit of what a call returns: the declared unit of the flux parameter."""
        return getattr(self, self.flux_parameter).unit

    # -- the formula and its inputs ---------------------------------------------------------------------------------
    @property
    def _formula(self) -> Callable[..., Tensor]:
        """A hashable function of energy and inputs; equal ones are compiled once."""
        return type(self).evaluate

    @property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        """Arrays that the formula takes before the parameters, in internal units."""
        return ()

    def _inputs(self, values: Values) -> tuple[Tensor, ...]:
        """What the formula takes after the energy."""
        return (*self._arrays, *self._arguments(values))

    def breaks(self, values: Values) -> Sequence[Tensor]:
        """Return the energies where the spectrum or its slope jumps, in the internal unit.

        Parameters
        ----------
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.
        """
        return ()

    def steps(self, values: Values) -> tuple[np.ndarray, Tensor] | None:
        """Return where a factor jumps and its values between, if it is constant there; else None.

        Parameters
        ----------
        values : Mapping of Parameter to tensor or float
            One entry per parameter, in internal units.

        Returns
        -------
        tuple or None
            Energies in the internal unit, shape ``(n - 1,)``, and the values, shape ``(..., n)``.
        """
        return None

    def may_be_negative(self, supports: Mapping[str, tuple[float, float]]) -> bool:
        """Return whether the model can be negative although its flux parameter and its norms are not.

        Parameters
        ----------
        supports : Mapping of str to tuple of float
            Lowest and highest value of each parameter, by name, in its declared unit.
        """
        return False

    # -- symbolic ---------------------------------------------------------------------------------------------------
    def evaluate_graph(self, energy: Tensor, values: Values) -> Tensor:
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
        return pt.as_tensor_variable(self._formula(energy, *self._inputs(values)))

    def integral_graph(self, energy_min: Tensor, energy_max: Tensor, values: Values) -> Tensor:
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
        Closed form where the model has one, else ten Gauss-Legendre nodes in ln(energy) per panel. Bins are divided
        where the spectrum breaks.
        """
        return self._bands_graph(energy_min, energy_max, values, 0)

    def energy_flux_graph(self, energy_min: Tensor, energy_max: Tensor, values: Values) -> Tensor:
        """Return the symbolic integral of energy times flux over each bin; arguments as `integral_graph`.

        Returns
        -------
        TensorVariable
            Shape ``(n,)``, in the internal unit (1e-12 TeV cm-2 s-1).
        """
        return self._bands_graph(energy_min, energy_max, values, 1)

    def _bands_graph(self, energy_min: Tensor, energy_max: Tensor, values: Values, power: int) -> Tensor:
        """Symbolic integral of the flux times energy to a power."""
        formula = type(self).evaluate_energy_flux if power else type(self).evaluate_integral
        if formula is not None:
            return pt.as_tensor_variable(formula(energy_min, energy_max, *self._inputs(values)))

        def flux(energy: Tensor) -> Tensor:
            return self.evaluate_graph(energy, values) * energy**power * pt.ones_like(energy)

        return integrate_graph(flux, energy_min, energy_max, self.breaks(values))

    # -- numbers ----------------------------------------------------------------------------------------------------
    def _flux(self, energy: np.ndarray, values: Values) -> np.ndarray:
        """Differential flux at energies, both in internal units."""
        return evaluate(self._formula, energy, *self._inputs(values))

    def _integrate(self, low: np.ndarray, high: np.ndarray, values: Values, power: int = 0) -> np.ndarray:
        """Integral of energy to a power times the flux over bins, shape ``(n,)``; values may have shape (m, 1)."""
        formula = type(self).evaluate_energy_flux if power else type(self).evaluate_integral
        if formula is not None:
            return evaluate(formula, low, high, *self._inputs(values))
        flux, inputs = self._formula, self._inputs(values)
        return integrate_numbers(lambda e: evaluate(flux, e, *inputs), low, high, self.breaks(self.values), power)

    def _bands(self, energy_min: u.Quantity, energy_max: u.Quantity, power: int) -> u.Quantity:
        low, high = bands(energy_min, energy_max)
        numbers = self._integrate(low.ravel(), high.ravel(), self.values, power)
        values = np.broadcast_to(numbers, (low.size,)).reshape(low.shape)
        return self._as_flux(values, power + 1)

    def _as_flux(self, numbers: np.ndarray, power: int) -> u.Quantity:
        """Numbers in internal units of flux times energy to a power, as a quantity."""
        output = self.output_unit
        internal = internal_unit(self.unit), internal_unit("TeV")
        factor, unit = _conversion(internal, (output, _energy_base(output)), power)
        return u.Quantity(np.asarray(numbers) * factor, unit)

    def __call__(self, energy: u.Quantity) -> u.Quantity:
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
        return self._as_flux(self._flux(strip_energy(energy), self.values), 0)

    def integral(self, energy_min: u.Quantity, energy_max: u.Quantity) -> u.Quantity:
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
        return self._bands(energy_min, energy_max, 0)

    def energy_flux(self, energy_min: u.Quantity, energy_max: u.Quantity) -> u.Quantity:
        """Return the integral of energy times flux over energy bands; arguments as `integral`."""
        return self._bands(energy_min, energy_max, 1)

    def spectral_index(self, energy: QuantityLike, epsilon: float | None = None) -> np.ndarray:
        """Return minus the logarithmic slope of the spectrum at some energies.

        Parameters
        ----------
        energy : `~astropy.units.Quantity` or str
            Energies.
        epsilon : float, optional
            Relative step of a difference quotient, as Gammapy takes it (1e-5); by default the exact derivative.

        Returns
        -------
        numpy.ndarray
            Of the shape of the energies.
        """
        if epsilon is not None:
            energy = u.Quantity(energy)
            ratio = (self(energy) / self(energy * (1 + epsilon))).to_value("")
            index: np.ndarray = np.log(ratio) / np.log(1 + epsilon)
            return index
        return evaluate(Slope(self._formula), strip_energy(energy), *self._inputs(self.values))

    def inverse(
        self, value: Any, energy_min: QuantityLike = "0.1 TeV", energy_max: QuantityLike = "100 TeV"
    ) -> u.Quantity:
        """Return the energy at which the spectrum has a value; see `bayesmap.modeling.spectral.inverse.inverse`."""
        return inverse(self, value, energy_min, energy_max)

    def inverse_all(
        self, values: Any, energy_min: QuantityLike = "0.1 TeV", energy_max: QuantityLike = "100 TeV"
    ) -> list[u.Quantity]:
        """Return all energies at which the spectrum has each value; see `bayesmap.modeling.spectral.inverse`."""
        return inverse_all(self, values, energy_min, energy_max)

    def reference_fluxes(self, energy_axis: "MapAxis") -> dict[str, u.Quantity]:
        """Return the fluxes in the bins of an energy axis, as the reference of flux points.

        Parameters
        ----------
        energy_axis : MapAxis
            Energy axis.

        Returns
        -------
        dict of `~astropy.units.Quantity`
            ``e_ref``, ``e_min``, ``e_max``, ``ref_dnde``, ``ref_flux``, ``ref_eflux``, ``ref_e2dnde``, with the shape
            ``(n, 1, 1)`` of a map over the axis.
        """
        ref, low, high = (q[:, None, None] for q in (energy_axis.center, energy_axis.edges_min, energy_axis.edges_max))
        dnde = self(ref)
        return {
            "e_ref": ref,
            "e_min": low,
            "e_max": high,
            "ref_dnde": dnde,
            "ref_flux": self.integral(low, high),
            "ref_eflux": self.energy_flux(low, high),
            "ref_e2dnde": dnde * ref**2,
        }

    # -- uncertainties ----------------------------------------------------------------------------------------------
    def evaluate_error(
        self,
        energy: u.Quantity,
        n_samples: int = 3500,
        random_state: RandomState = 42,
        samples: Tree | Sequence[u.Quantity] | None = None,
    ) -> u.Quantity:
        """Return median and errors of the differential flux.

        Parameters
        ----------
        energy : `~astropy.units.Quantity`
            Energies.
        n_samples : int
            Number of draws from the covariance; with a posterior, the largest number of its draws.
        random_state : int, numpy.random.Generator or str
            Chooses the draws.
        samples : xarray.DataTree, list of `~astropy.units.Quantity` or None
            Result of `bayesmap.sample`, or one array of draws per parameter; see
            `bayesmap.modeling.spectral.uncertainty.parameter_samples`. By default draws from `covariance`.

        Returns
        -------
        `~astropy.units.Quantity`
            Median, negative and positive error (68 % interval), shape ``(3,)`` plus that of ``energy``.
        """
        return uncertainty.flux_errors(self, energy, n_samples, random_state, samples)

    def integral_error(
        self,
        energy_min: u.Quantity,
        energy_max: u.Quantity,
        n_samples: int = 3500,
        random_state: RandomState = 42,
        samples: Tree | Sequence[u.Quantity] | None = None,
    ) -> u.Quantity:
        """Return median and errors of the integral flux; arguments as `integral` and `evaluate_error`."""
        return uncertainty.band_errors(self, energy_min, energy_max, 0, n_samples, random_state, samples)

    def energy_flux_error(
        self,
        energy_min: u.Quantity,
        energy_max: u.Quantity,
        n_samples: int = 3500,
        random_state: RandomState = 42,
        samples: Tree | Sequence[u.Quantity] | None = None,
    ) -> u.Quantity:
        """Return median and errors of the energy flux; arguments as `integral` and `evaluate_error`."""
        return uncertainty.band_errors(self, energy_min, energy_max, 1, n_samples, random_state, samples)

    def spectral_index_error(
        self,
        energy: u.Quantity,
        n_samples: int = 3500,
        random_state: RandomState = 42,
        samples: Tree | Sequence[u.Quantity] | None = None,
    ) -> u.Quantity:
        """Return median and errors of the spectral index; arguments as `evaluate_error`."""
        return uncertainty.index_errors(self, energy, n_samples, random_state, samples)

    @property
    def pivot_energy(self) -> u.Quantity:
        """Energy at which the relative error of the flux is smallest, from `covariance`; NaN if there is none."""
        return uncertainty.pivot_energy(self)

    # -- operators --------------------------------------------------------------------------------------------------
    def _combine(self, other: object, operator: str, swap: bool = False) -> "CompoundSpectralModel":
        from bayesmap.modeling.spectral.compound import combine

        return combine(self, other, operator, swap)

    def __add__(self, other: object) -> "CompoundSpectralModel":
        return self._combine(other, "add")

    def __radd__(self, other: object) -> "CompoundSpectralModel":
        return self._combine(other, "add", swap=True)

    def __sub__(self, other: object) -> "CompoundSpectralModel":
        return self._combine(other, "sub")

    def __rsub__(self, other: object) -> "CompoundSpectralModel":
        return self._combine(other, "sub", swap=True)

    def __mul__(self, other: object) -> "CompoundSpectralModel":
        return self._combine(other, "mul")

    def __rmul__(self, other: object) -> "CompoundSpectralModel":
        return self._combine(other, "mul", swap=True)

    def __truediv__(self, other: object) -> "CompoundSpectralModel":
        return self._combine(other, "truediv")

    def __rtruediv__(self, other: object) -> "CompoundSpectralModel":
        return self._combine(other, "truediv", swap=True)

    # -- figures ----------------------------------------------------------------------------------------------------
    def plot(self, energy_bounds: Sequence[QuantityLike] | u.Quantity, ax: Axes | None = None, **kwargs: Any) -> Axes:
        """Plot the spectrum; see `bayesmap.plot.spectrum.plot_spectrum` for the arguments.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The axes.
        """
        from bayesmap.plot.spectrum import plot_spectrum

        return plot_spectrum(self, energy_bounds, ax, **kwargs)

    def plot_error(
        self, energy_bounds: Sequence[QuantityLike] | u.Quantity, ax: Axes | None = None, **kwargs: Any
    ) -> Axes:
        """Plot the 68 % band of the spectrum; see `bayesmap.plot.spectrum.plot_spectrum_error` for the arguments.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The axes.
        """
        from bayesmap.plot.spectrum import plot_spectrum_error

        return plot_spectrum_error(self, energy_bounds, ax, **kwargs)


@functools.cache
def _is_number(unit: str) -> bool:
    return bool(u.Unit(unit) == u.dimensionless_unscaled)


@functools.cache
def _energy_base(unit: u.UnitBase) -> u.UnitBase:
    """The energy unit inside an output unit, so that integrals come without a left-over factor; else TeV."""
    return next((base for base in unit.bases if base.physical_type == "energy"), u.TeV)


@functools.cache
def _conversion(
    internal: tuple[u.UnitBase, u.UnitBase], output: tuple[u.UnitBase, u.UnitBase], power: int
) -> tuple[float, u.UnitBase]:
    """Factor and unit that take internal units of flux and energy to others, for flux times energy to a power."""
    unit = output[0] * output[1] ** power
    return float((internal[0] * internal[1] ** power).to(unit)), unit
