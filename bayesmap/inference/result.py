"""What an inference returns: a DataTree of draws, or a mode with errors."""

import datetime
import importlib.metadata
import json
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from bayesmap import __version__
from bayesmap.inference.density import LogDensity
from bayesmap.inference.mode import Laplace
from bayesmap.inference.samplers import Run
from bayesmap.modeling.collection import all_parameter_names
from bayesmap.modeling.random_variables import offset_names

__all__ = ["ModeResult", "build_tree"]

VERSIONED = ("pymc", "pytensor", "nutpie", "arviz", "numpy", "astropy")


@dataclass(frozen=True, eq=False)
class ModeResult:
    """A posterior mode, in the declared units of the parameters.

    Attributes
    ----------
    values, errors : dict of float
        By variable name, ``"<model>.<parameter>"``; the errors are standard deviations of the Gaussian with the
        curvature of the mode.
    covariance : numpy.ndarray
        Of the parameters, in the order of ``values``.
    log_density : float
        Log-posterior at the mode (natural logarithm).
    evaluations : int
        Gradient evaluations of the search that found it.
    rivals : list of dict
        Values at other modes of comparable mass.
    """

    values: dict[str, float]
    errors: dict[str, float]
    covariance: np.ndarray
    log_density: float
    evaluations: int
    rivals: list[dict[str, float]]
    units: dict[str, str]

    @classmethod
    def from_laplace(
        cls, best: Laplace, rivals: list[Laplace], density: LogDensity, parameters: dict[str, Any]
    ) -> "ModeResult":
        """Carry a mode and its covariance from unconstrained variables to parameters."""
        shown = [
            *(n for n in parameters if n in density.reported),
            *(n for n in density.reported if n not in parameters),
        ]
        point = _scalars(density.expand(best.mode), shown)
        names = list(point)
        jacobian = np.empty((len(names), density.size))
        for i in range(density.size):
            step = np.zeros(density.size)
            step[i] = 1e-4 * best.factor[i, i]
            high, low = (_scalars(density.expand(best.mode + s), shown) for s in (step, -step))
            jacobian[:, i] = [(high[name] - low[name]) / (2 * step[i]) for name in names]
        covariance = jacobian @ best.covariance @ jacobian.T
        errors = dict(zip(names, np.sqrt(np.diag(covariance)).tolist(), strict=True))
        others = [_scalars(density.expand(rival.mode), shown) for rival in rivals]
        units = {name: str(parameters[name].unit) if name in parameters else "" for name in names}
        return cls(point, errors, covariance, best.log_density, best.evaluations, others, units)

    def __str__(self) -> str:
        width = max(len(name) for name in self.values)
        lines = [
            f"{name:<{width}}  {value:12.5g} +- {self.errors[name]:<10.3g} {self.units[name]}"
            for name, value in self.values.items()
        ]
        return "\n".join(lines)


def _scalars(point: dict[str, np.ndarray], names: list[str]) -> dict[str, float]:
    """Variables as numbers; the elements of an array are called ``name[index]``."""
    scalars: dict[str, float] = {}
    for name in names:
        value = np.asarray(point[name], dtype="float64")
        if value.ndim == 0:
            scalars[name] = float(value)
        else:
            scalars |= {f"{name}[{i}]": float(v) for i, v in enumerate(value.ravel())}
    return scalars


def build_tree(fit: Any, run: Run, info: dict[str, Any]) -> xr.DataTree:
    """Put draws, statistics and the description of the analysis into one DataTree.

    Parameters
    ----------
    fit : CompiledFit
        What was sampled.
    run : Run
        The draws.
    info : dict
        Entries for the root attributes.
    """
    n_chain, n_draw = next(iter(run.posterior.values())).shape[:2]
    offsets = offset_names(run.posterior)
    coords = {"chain": np.arange(n_chain), "draw": np.arange(n_draw)}
    posterior = xr.Dataset(
        {
            name: (_dims(name, values), values, _describe(fit, name))
            for name, values in run.posterior.items()
            if name not in offsets
        },
        coords=coords,
        attrs={"sample_dims": ["chain", "draw"]},
    )
    stats = xr.Dataset(
        {name: (("chain", "draw"), values) for name, values in run.stats.items()},
        coords=coords,
        attrs={"sample_dims": ["chain", "draw"]},
    )
    tree = xr.DataTree.from_dict(
        {"posterior": posterior, "sample_stats": stats, "observed_data": _observed_summary(fit)}
    )
    tree.attrs.update(_provenance(fit), interrupted=int(run.interrupted), **info)
    return tree


def _dims(name: str, values: np.ndarray) -> tuple[str, ...]:
    """Dimensions of a variable: those of arrays are called after it."""
    return ("chain", "draw", *(f"{name}_dim_{i}" for i in range(values.ndim - 2)))


def _describe(fit: Any, name: str) -> dict[str, Any]:
    parameter = fit.parameters.get(name)
    if name in fit.hyperparameters:
        hyper = fit.hyperparameters[name]
        return {"units": str(hyper.unit), "prior": str(hyper.prior)}
    if parameter is None:
        return {"units": ""}
    linked = all_parameter_names(fit.models)[parameter][1:]
    attributes = {"units": str(parameter.unit), "prior": str(parameter.prior)}
    return {**attributes, "linked_names": linked} if linked else attributes


def _observed_summary(fit: Any) -> xr.Dataset:
    """The data of each dataset in short; cubes never enter a result."""
    variables: dict[str, Any] = {}
    for observed in fit._observed.values():
        variables |= observed.summary()
    return xr.Dataset(variables)


def _provenance(fit: Any) -> dict[str, Any]:
    versions = {"bayesmap": __version__}
    for package in VERSIONED:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "unknown"
    defaults = [name for name, p in fit.parameters.items() if p.prior is not None and p.prior.is_default]
    return {
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(),
        "inference_library": "bayesmap",
        "versions": json.dumps(versions),
        "models": _models_text(fit.models),
        "default_priors": ", ".join(defaults),
        "datasets": ", ".join(d.name for d in fit.datasets),
        "psf_routes": json.dumps(fit.routes),
    }


def _models_text(models: Any) -> str:
    """The models as YAML; a model that no file can hold (a template only in memory) must not cost the draws."""
    try:
        return str(models.to_yaml())
    except ValueError as error:
        warnings.warn(f"the result does not hold the models: {error}", stacklevel=5)
        return f"# not stored: {error}"
