"""Errors of what a spectrum predicts: from draws of a posterior, or of a normal distribution with a covariance."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import astropy.units as u
import numpy as np
import scipy

from bayesmap._types import RandomState, Tree
from bayesmap._util import get_random_state
from bayesmap.modeling.parameter import Parameter, Values
from bayesmap.modeling.posterior import Posterior
from bayesmap.modeling.spectral.energies import bands, strip_energy
from bayesmap.modeling.spectral.formulas import Slope

if TYPE_CHECKING:
    from bayesmap.modeling.spectral.base import SpectralModel

__all__ = [
    "band_draws",
    "band_errors",
    "flux_errors",
    "index_errors",
    "parameter_samples",
    "pivot_energy",
    "posterior_samples",
]

_PROBABILITIES = (0.15865525393145707, 0.5, 0.8413447460685429)
_PIVOT_RANGE = 3.0  # in ln(energy) around the reference, as in Gammapy


# -- draws ----------------------------------------------------------------------------------------------------------
def posterior_samples(model: "SpectralModel", tree: Tree, name: str | None = None) -> list[u.Quantity]:
    """Return the draws of the parameters of a spectrum.

    Parameters
    ----------
    model : SpectralModel
        The spectrum.
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    name : str or None
        Name of the sky model; may be left out if only one in the posterior has these parameters.

    Returns
    -------
    list of `~astropy.units.Quantity`
        One array of shape ``(chains * draws,)`` per parameter (and more axes for one with a shape), in the order of
        ``model.parameters``; frozen parameters are constant.

    Raises
    ------
    KeyError
        If the posterior lacks a free parameter.
    ValueError
        If the name is left out and several models have these parameters, or none.
    """
    posterior = Posterior(tree)
    prefix = name if name is not None else _only_owner(model, posterior)
    samples = []
    for local, parameter in zip(model.parameter_names, model.parameters, strict=True):
        if parameter.frozen:
            samples.append(np.broadcast_to(parameter.value, (len(posterior), *parameter.shape)) * parameter.unit)
        else:
            both = f"{prefix}.spectral.{local}"
            variable = both if both in posterior else f"{prefix}.{local}"
            samples.append(posterior.column(variable, parameter) * parameter.unit)
    return samples


def _only_owner(model: "SpectralModel", posterior: Posterior) -> str:
    """Name of the model that has all free parameters of a spectrum."""
    free = [n for n, p in zip(model.parameter_names, model.parameters, strict=True) if not p.frozen]
    names = [name for variable in posterior.names for name in (variable, *posterior.aliases(variable))]
    owners: set[str] | None = None
    for local in free:
        have = {
            name.removesuffix(f".{local}").removesuffix(".spectral") for name in names if name.endswith(f".{local}")
        }
        owners = have if owners is None else owners & have
    if owners is None or len(owners) != 1:
        raise ValueError(
            f"{type(model).__name__} with free parameters {free}: the posterior has {len(owners or ())} models with "
            f"these {sorted(owners or ())}; pass samples=posterior_samples(model, tree, name=...)"
        )
    return next(iter(owners))


def parameter_samples(
    model: "SpectralModel",
    n_samples: int,
    random_state: RandomState,
    samples: Tree | Sequence[u.Quantity] | None = None,
) -> dict[Parameter, np.ndarray]:
    """Return draws of the parameters as columns of shape ``(n, 1, ...)`` in internal units.

    Parameters
    ----------
    model : SpectralModel
        The spectrum.
    n_samples : int
        Number of draws; of a posterior, at most.
    random_state : int, numpy.random.Generator or str
        Chooses the draws.
    samples : xarray.DataTree, list of `~astropy.units.Quantity` or None
        Posterior; arrays of draws in the order of the parameters; None to draw from the covariance.
    """
    parameters = list(model.parameters)
    rng = get_random_state(random_state)
    if not parameters:
        return {}
    if samples is None:
        mean = model.parameters.value
        numbers = rng.multivariate_normal(mean, model.covariance.data, n_samples, method="svd")
        ends = np.cumsum([math.prod(p.shape) for p in parameters])[:-1]
        blocks = zip(parameters, np.split(numbers, ends, axis=1), strict=True)
        columns = [block.reshape(n_samples, *p.shape) * p.unit for p, block in blocks]
    elif isinstance(samples, list | tuple):
        columns = [u.Quantity(column) for column in samples]
    else:
        columns = posterior_samples(model, samples)
        index = rng.permutation(len(columns[0]))[:n_samples]
        columns = [column[index] for column in columns]
    if len(columns) != len(parameters):
        raise ValueError(f"{type(model).__name__}: {len(columns)} arrays of samples for {len(parameters)} parameters")
    return {
        p: (column.to_value(p.unit) * p.scale_to_internal)[:, None]
        for p, column in zip(parameters, columns, strict=True)
    }


def _over_draws(
    model: "SpectralModel", function: Callable[[Values], np.ndarray], draws: dict[Parameter, np.ndarray], n: int
) -> np.ndarray:
    """Numbers of a function of parameter values for all draws, shape ``(n_draws, n)``."""
    count = len(next(iter(draws.values()))) if draws else 1
    if any(array.ndim for array in model._arrays):  # tables: draw by draw, not to repeat them in memory
        rows = [function({p: column[i, 0] for p, column in draws.items()}) for i in range(count)]
        return np.stack([np.broadcast_to(row, (n,)) for row in rows])
    return np.broadcast_to(function(draws), (count, n))


def _summary(values: u.Quantity, shape: tuple[int, ...]) -> u.Quantity:
    """Median, negative and positive error over the draws."""
    low, median, high = np.quantile(values, _PROBABILITIES, axis=0)
    return u.Quantity([median, median - low, high - median]).reshape(3, *shape)


# -- errors ---------------------------------------------------------------------------------------------------------
def flux_errors(
    model: "SpectralModel",
    energy: u.Quantity,
    n_samples: int,
    random_state: RandomState,
    samples: Tree | Sequence[u.Quantity] | None,
) -> u.Quantity:
    """Return median and errors of the differential flux; see `SpectralModel.evaluate_error`."""
    numbers, shape = flux_draws(model, energy, parameter_samples(model, n_samples, random_state, samples))
    return _summary(numbers, shape)


def flux_draws(
    model: "SpectralModel", energy: u.Quantity, draws: dict[Parameter, np.ndarray]
) -> tuple[u.Quantity, tuple[int, ...]]:
    """Return the differential flux for draws, shape ``(n_draws, n_energy)``, and the shape of the energies."""
    energies = strip_energy(energy)
    flat = energies.ravel()
    numbers = _over_draws(model, lambda values: model._flux(flat, values), draws, flat.size)
    return model._as_flux(numbers, 0), energies.shape


def band_errors(
    model: "SpectralModel",
    energy_min: u.Quantity,
    energy_max: u.Quantity,
    power: int,
    n_samples: int,
    random_state: RandomState,
    samples: Tree | Sequence[u.Quantity] | None,
) -> u.Quantity:
    """Return median and errors of the integral of energy to a power times the flux."""
    draws = parameter_samples(model, n_samples, random_state, samples)
    numbers, shape = band_draws(model, energy_min, energy_max, power, draws)
    return _summary(numbers, shape)


def band_draws(
    model: "SpectralModel",
    energy_min: u.Quantity,
    energy_max: u.Quantity,
    power: int,
    draws: dict[Parameter, np.ndarray],
) -> tuple[u.Quantity, tuple[int, ...]]:
    """Return the integral of energy to a power times the flux for draws, ``(n_draws, n_band)``; shape of the bands."""
    low, high = bands(energy_min, energy_max)
    numbers = _over_draws(model, lambda v: model._integrate(low.ravel(), high.ravel(), v, power), draws, low.size)
    return model._as_flux(numbers, power + 1), low.shape


def index_errors(
    model: "SpectralModel",
    energy: u.Quantity,
    n_samples: int,
    random_state: RandomState,
    samples: Tree | Sequence[u.Quantity] | None,
) -> u.Quantity:
    """Return median and errors of the spectral index."""
    from bayesmap.modeling.formulas.evaluate import evaluate

    energies = strip_energy(energy)
    draws = parameter_samples(model, n_samples, random_state, samples)
    slope, flat = Slope(model._formula), energies.ravel()
    count = len(next(iter(draws.values()))) if draws else 1
    rows = [evaluate(slope, flat, *model._inputs({p: c[i, 0] for p, c in draws.items()})) for i in range(count)]
    return _summary(u.Quantity(np.stack(rows)), energies.shape)


def pivot_energy(model: "SpectralModel") -> u.Quantity:
    """Return the energy with the smallest relative error of the flux; see `SpectralModel.pivot_energy`.

    Notes
    -----
    The variance of the logarithm of the flux is linear in the covariance, with the derivatives in the parameters. It
    is searched within a factor e^3 of the reference energy.
    """
    reference = getattr(model, "reference", None)
    start, unit = (1.0, u.TeV) if reference is None else (reference.value, reference.unit)
    matrix = model.covariance.data
    free = [k for k, p in enumerate(model.parameters) if matrix[k, k] > 0]
    if not free:
        return np.nan * unit

    def variance(log_energy: np.ndarray | float) -> np.ndarray:
        energy = np.exp(np.atleast_1d(log_energy)) * unit
        slopes = np.stack([_log_slope(model, k, energy) for k in free])
        return np.einsum("ie,ij,je->e", slopes, matrix[np.ix_(free, free)], slopes)

    grid = np.log(start) + np.linspace(-_PIVOT_RANGE, _PIVOT_RANGE, 121)
    values = variance(grid)
    best = int(np.argmin(values))
    if np.ptp(values) < 1e-10 * np.max(values) or best in (0, len(grid) - 1):
        return np.nan * unit
    found = scipy.optimize.minimize_scalar(
        lambda t: float(variance(t)[0]),
        bounds=(grid[best - 1], grid[best + 1]),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return float(np.exp(found.x)) * unit


def _log_slope(model: "SpectralModel", index: int, energy: u.Quantity) -> np.ndarray:
    """Derivative of the logarithm of the flux in a parameter, in its declared unit."""
    parameter = list(model.parameters)[index]
    step = 1e-4 * parameter.error
    values = model.values
    sides = [
        model._flux(strip_energy(energy), values | {parameter: parameter.internal + s * parameter.scale_to_internal})
        for s in (step, -step)
    ]
    slope: np.ndarray = (np.log(np.abs(sides[0])) - np.log(np.abs(sides[1]))) / (2 * step)
    return slope
