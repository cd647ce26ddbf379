"""Measured fluxes: flux points under the spectra of models."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import astropy.units as u
import numpy as np
import pytensor
import pytensor.tensor as pt

from bayesmap import units
from bayesmap._backend.expressions import is_cast_of
from bayesmap.datasets import FluxPointsDataset
from bayesmap.datasets.flux_points_stat import band_flux, source_models
from bayesmap.graph import model_at
from bayesmap.graph.arrays import time_intervals
from bayesmap.inference.amplitudes import linear_parameter, sources_of
from bayesmap.inference.defined import defined, defined_gradient
from bayesmap.inference.observations.base import Facts, Observation, facts_of
from bayesmap.inference.observations.predictor import Numbers
from bayesmap.likelihoods import FluxPointsLikelihood

__all__ = ["FluxesFacts", "ObservedFluxes"]

#: internal unit of differential fluxes
UNIT = "1e-12 cm-2 s-1 TeV-1"


class FluxesFacts(Facts):
    """Facts of a dataset of flux points; see `Facts`."""

    @property
    def gti(self) -> Any:
        """Good time intervals, or None."""
        return self.dataset.gti

    def check(self) -> None:
        """Flux points are checked when their dataset is made."""

    def energy_range(self) -> u.Quantity:
        """Lowest and highest reference energy."""
        energy = self.dataset.data.energy_ref
        return u.Quantity([energy.min(), energy.max()])

    def amplitude_ratios(self, parameter: Any) -> np.ndarray:
        """Measured fluxes over those of a unit amplitude, shared among the sources of the dataset."""
        sources = sources_of(self.models, parameter)
        if not sources:
            return np.zeros(0)
        unit = sum(self.dataset.flux_of(model_at(m, {parameter: 1.0})) for m in sources)
        measured = self.dataset.data.dnde.quantity.squeeze().to_value(unit.unit)
        chosen = np.asarray(self.dataset.mask).ravel() & np.isfinite(measured) & (measured > 0) & (unit.value > 0)
        share = len({linear_parameter(m) for m in self.models} - {None})
        ratios: np.ndarray = measured[chosen] / unit.value[chosen] / share
        return ratios

    def observe(self, parameters: Sequence[Any], *, data: bool = True, **options: Any) -> "ObservedFluxes":
        """Meet the fluxes with the models; see `Facts.observe`. There is no PSF, and options for it have no effect."""
        return ObservedFluxes(self.dataset, self.models, parameters)


facts_of.register(FluxPointsDataset, FluxesFacts)


def _bands(points: Any, chosen: np.ndarray) -> tuple[str, np.ndarray, np.ndarray, np.ndarray] | None:
    """How points that were measured in bands are predicted, None for others.

    The form of the flux, the edges of the bands, and the differential over the band flux of the reference spectrum.
    """
    kind = band_flux(points)
    if kind is None:
        return None
    factor = units.strip(points.reference("dnde")) / units.strip(points.reference(kind))
    low, high = units.strip(points.energy_min), units.strip(points.energy_max)
    return kind, low[chosen], high[chosen], factor[chosen]


class ObservedFluxes(Observation):
    """The observed differential fluxes of one dataset; see `Observation`.

    Parameters
    ----------
    dataset : `~bayesmap.datasets.FluxPointsDataset`
        The dataset.
    models : sequence of models
        Those that apply to it; their spectra are summed.
    parameters : sequence of Parameter
        Free parameters, in the order in which they enter.

    Raises
    ------
    ValueError
        If no point is left by the masks, there is no source model, or one of a response.
    """

    quantity: ClassVar[str] = "dnde"
    content: ClassVar[str] = "flux points"
    unit: ClassVar[str] = UNIT
    distribution_name = "FluxPoints"

    def __init__(self, dataset: Any, models: Sequence[Any], parameters: Sequence[Any]) -> None:
        self.name, self.parameters, self.gti = dataset.name, list(parameters), dataset.gti
        self.models = source_models(dataset.name, models)
        chosen = np.asarray(dataset.mask).ravel()
        if not chosen.any():
            raise ValueError(f"dataset {self.name!r}: the masks leave no flux point; look at mask_safe and mask_fit")
        self.energy = units.strip(dataset.data.energy_ref)[chosen]
        self.bands = _bands(dataset.data, chosen)
        self.likelihood: FluxPointsLikelihood = dataset.likelihood_of(chosen, UNIT)
        self.value = pytensor.shared(self.likelihood.flux, name=f"{self.name}.dnde_data")
        self.predicted, self.log_densities = _PredictedFluxes(self), _LogDensities(self)

    def flux_graph(self, values: Mapping[Any, Any]) -> Any:
        """Predicted fluxes as an expression of all parameters in internal units, shape ``(n_point,)``."""
        energy = pt.as_tensor_variable(self.energy)
        return sum(self._of_model(m, energy, values) for m in self.models) * pt.ones(len(self.energy))

    def _of_model(self, model: Any, energy: Any, values: Mapping[Any, Any]) -> Any:
        """Spectrum of one model, mean over the good time intervals."""
        spectrum = model.spectral_model
        if self.bands is None:
            flux = spectrum.evaluate_graph(energy, values)
        else:
            kind, low, high, factor = self.bands
            integral = spectrum.integral_graph if kind == "flux" else spectrum.energy_flux_graph
            flux = integral(low, high, values) * factor
        if model.temporal_model is None or model.temporal_model.is_constant:
            return flux
        return flux * model.temporal_model.mean_graph(*time_intervals(self.name, self.gti, model), values)

    def logp(self, value: Any, *arguments: Any) -> Any:
        """Log-likelihood of the fluxes, natural logarithm, a scalar; -inf where it is no number."""
        held = self.value if is_cast_of(value, self.value) else value
        predicted = self.predicted.expression([defined_gradient(x) for x in arguments])
        return defined(self.likelihood.logp(held, predicted))

    def mean(self, *arguments: Any) -> np.ndarray:
        """Predicted fluxes in 1e-12 cm-2 s-1 TeV-1, shape ``(n_point,)``."""
        return self.predicted(*arguments)

    def random(self, rng: np.random.Generator, *arguments: Any) -> np.ndarray:
        """Draw fluxes in 1e-12 cm-2 s-1 TeV-1, shape ``(n_point,)``; see `FluxPointsLikelihood.random`."""
        return self.likelihood.random(self.mean(*arguments), rng)

    def pointwise(self, *arguments: Any) -> np.ndarray:
        """Log-likelihood of each point, shape ``(n_point,)``."""
        return self.log_densities(*arguments)

    def log_kept(self, *arguments: Any) -> float:
        """Minus half the statistic of the upper limits, which stay; see `Observation.log_kept`."""
        is_limit = self.likelihood.is_limit
        return float((self.pointwise(*arguments) + self.likelihood.norm)[is_limit].sum()) if is_limit.any() else 0.0

    def check(self, counts: np.ndarray, counts_off: np.ndarray | None = None) -> None:
        """Raise a ValueError if these cannot replace the fluxes; those of upper limits are not looked at.

        Parameters
        ----------
        counts : numpy.ndarray
            Fluxes in 1e-12 cm-2 s-1 TeV-1, shape ``(n_point,)``.
        counts_off : None
            Nothing.
        """
        if counts_off is not None:
            raise ValueError(f"dataset {self.name!r} holds flux points and takes no OFF counts")
        if self.likelihood.kind == "profile":
            raise ValueError(
                f"dataset {self.name!r}: the likelihood of its flux points is a stored profile for each of them, which "
                "other fluxes do not have; use stat_type 'chi2' or 'distrib'"
            )
        fluxes, shape = np.asarray(counts, dtype="float64"), self.likelihood.flux.shape
        if fluxes.shape != shape:
            raise ValueError(
                f"dataset {self.name!r} has {shape[0]} flux points, got fluxes of the shape {fluxes.shape}"
            )
        if not np.isfinite(fluxes[~self.likelihood.is_limit]).all():
            raise ValueError(f"dataset {self.name!r}: fluxes must be finite, got {fluxes}")

    def set_counts(self, counts: np.ndarray, counts_off: np.ndarray | None = None) -> None:
        """Replace the fluxes, in 1e-12 cm-2 s-1 TeV-1; errors and upper limits stay. See `check`."""
        self.check(counts, counts_off)
        fluxes = np.where(self.likelihood.is_limit, self.likelihood.flux, np.asarray(counts, dtype="float64"))
        self.likelihood = replace(self.likelihood, flux=fluxes)
        self.value.set_value(fluxes)
        self.log_densities.forget()
        self.revision += 1

    @property
    def comparable(self) -> np.ndarray:
        """Points that `deviations` are known of, booleans of shape ``(n_point,)``: all but upper limits."""
        return ~self.likelihood.is_limit

    def deviations(self, values: np.ndarray, *arguments: Any) -> np.ndarray:
        """Deviations of fluxes from the prediction in standard deviations; zero for upper limits.

        Parameters
        ----------
        values : numpy.ndarray
            Fluxes in 1e-12 cm-2 s-1 TeV-1, shape ``(n_point,)``.
        *arguments
            As of `mean`.
        """
        difference = np.where(self.likelihood.is_limit, 0.0, values - self.mean(*arguments))
        errors = np.where(difference > 0, self.likelihood.errn, self.likelihood.errp)
        return difference / np.where(self.likelihood.is_limit, 1.0, errors)

    def conditions(self) -> list[Any]:
        """Statistic, energies, errors, upper limits and reference fluxes; see `Observation.conditions`."""
        held = self.likelihood
        return [held.kind, self.energy, held.errn, held.errp, held.limit, held.reference]

    def wrap(self, values: np.ndarray) -> u.Quantity:
        """Differential fluxes as a quantity."""
        return u.Quantity(values, UNIT)

    def seen(self) -> list[np.ndarray]:
        """Fluxes and energies of the points; see `Observation.seen`."""
        return [self.likelihood.flux, self.energy]

    def summary(self) -> dict[str, Any]:
        """The fluxes that were fitted, for the result."""
        dim = f"{self.name}_energy"
        return {
            dim: ((dim,), self.energy, {"units": "TeV"}),
            f"{self.name}.dnde": ((dim,), self.likelihood.flux, {"units": UNIT, "long_name": "measured fluxes"}),
        }

    def in_short(self, values: np.ndarray) -> dict[str, np.ndarray]:
        """The fluxes themselves, shape ``(n_point,)``."""
        return {f"{self.name}.dnde": values}


class _PredictedFluxes(Numbers):
    """Predicted fluxes, shape ``(n_point,)``."""

    def __init__(self, observed: ObservedFluxes) -> None:
        super().__init__(observed.models, observed.parameters)
        self.observed = observed

    def expression(self, arguments: Sequence[Any]) -> Any:
        return self.observed.flux_graph(self.values(arguments))


class _LogDensities(_PredictedFluxes):
    """Log-likelihood of each point, shape ``(n_point,)``; the fluxes are read where the graph has them."""

    def expression(self, arguments: Sequence[Any]) -> Any:
        observed = self.observed
        return observed.likelihood.log_densities(observed.value, super().expression(arguments))
