"""The observed variable of a dataset of flux points."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt

from bayesmap import units
from bayesmap._backend.expressions import is_cast_of
from bayesmap.datasets.flux_points_stat import band_flux
from bayesmap.graph.arrays import time_intervals
from bayesmap.inference.observed_ops import defined, defined_gradient
from bayesmap.inference.predictor import internal_values
from bayesmap.likelihoods import FluxPointsLikelihood
from bayesmap.modeling import SkyModel

__all__ = ["ObservedFluxes"]

#: internal unit of differential fluxes
UNIT = "1e-12 cm-2 s-1 TeV-1"


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


class ObservedFluxes:
    """The observed differential fluxes of one dataset.

    Parameters
    ----------
    dataset : `~bayesmap.datasets.FluxPointsDataset`
        The dataset.
    models : sequence of models
        Those that apply to it; their spectra are summed.
    parameters : list of Parameter
        Free parameters, in the order in which they enter.

    Raises
    ------
    ValueError
        If no point is left by the masks, or there is no source model.
    """

    def __init__(self, dataset: Any, models: Sequence[Any], parameters: list[Any]) -> None:
        self.name, self.parameters, self.gti = dataset.name, parameters, dataset.gti
        self.models = [m for m in models if isinstance(m, SkyModel)]
        if not self.models:
            raise ValueError(f"dataset {self.name!r} has no source models, so there is no predicted flux")
        chosen = np.asarray(dataset.mask).ravel()
        if not chosen.any():
            raise ValueError(f"dataset {self.name!r}: the masks leave no flux point; look at mask_safe and mask_fit")
        self.energy = units.strip(dataset.data.energy_ref)[chosen]
        self.bands = _bands(dataset.data, chosen)
        self.likelihood: FluxPointsLikelihood = dataset.likelihood_of(chosen, UNIT)
        self.value = pytensor.shared(self.likelihood.flux, name=f"{self.name}.dnde_data")
        self.routes: dict[str, tuple[str, float]] = {}

    def _flux(self, arguments: Sequence[Any]) -> Any:
        """Predicted fluxes, shape ``(n_point,)``."""
        values = internal_values(self.models, self.parameters, arguments)
        energy = pt.as_tensor_variable(self.energy)
        return sum(self._of_model(m, energy, values) for m in self.models) * pt.ones(len(self.energy))

    def _of_model(self, model: Any, energy: Any, values: dict[Any, Any]) -> Any:
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
        held = self.likelihood.flux if is_cast_of(value, self.value) else value
        return defined(self.likelihood.logp(held, self._flux([defined_gradient(x) for x in arguments])))

    def register(self, variables: Sequence[Any]) -> Any:
        """Create the observed variable in the model of the context."""

        def dist(*arguments: Any) -> Any:
            *parameters, _size = arguments
            return pm.Normal.dist(self._flux(parameters), self.likelihood.sigma)

        return pm.CustomDist(
            f"{self.name}.dnde",
            *variables,
            dist=dist,
            logp=self.logp,
            signature=",".join("()" for _ in variables) + "->(e)",
            class_name="FluxPoints",
            observed=self.value,
        )

    def check(self, *args: Any, **kwargs: Any) -> None:
        """Flux points are no counts: there is nothing to replace."""
        raise ValueError(f"dataset {self.name!r} holds flux points, not counts; compile it again with other data")

    def set_counts(self, *args: Any, **kwargs: Any) -> None:
        """See `check`."""
        self.check()

    def summary(self) -> dict[str, Any]:
        """The fluxes that were fitted, for the result."""
        dim = f"{self.name}_energy"
        return {
            dim: ((dim,), self.energy, {"units": "TeV"}),
            f"{self.name}.dnde": ((dim,), self.likelihood.flux, {"units": UNIT, "long_name": "measured fluxes"}),
        }
