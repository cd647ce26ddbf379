"""Rough amplitudes of all sources together, from the counts: the centres of default priors."""

from collections.abc import Mapping, Sequence
from typing import Any

import astropy.units as u
import numpy as np
from scipy.optimize import nnls

from bayesmap.graph import background_counts, model_at, signal_counts
from bayesmap.inference.listing import is_flux_points, prior_median
from bayesmap.modeling import FoVBackgroundModel, Parameter, SkyModel
from bayesmap.modeling.roles import part_of, role_of

__all__ = ["estimate_amplitudes", "linear_parameter"]

NORM_WIDTH = 0.3  # relative width of the default prior of a norm
RIDGE = 1e-6  # shares the counts of sources that cannot be told apart; far below what data say about others
STEPS = 8


def estimate_amplitudes(datasets: Sequence[Any], wanted: Sequence[Parameter]) -> dict[Parameter, float]:
    """Estimate amplitudes of sources jointly, each at least at its own noise.

    Parameters
    ----------
    datasets : sequence of Dataset
        With models. Counts are fitted with non-negative multiples of all sources and backgrounds at once, the other
        parameters as they are; flux points say something about parameters that no counts depend on.
    wanted : sequence of Parameter
        Linear parameters of spectral models; one may belong to several models.

    Returns
    -------
    dict of float
        Positive, by parameter, in its declared unit.

    Raises
    ------
    ValueError
        If a source predicts no counts in any dataset.

    Notes
    -----
    Weighted least squares with the variances of the fit before (which converges to the Poisson likelihood), solved
    with `scipy.optimize.nnls` on the normal equations. The noise of a source is the error of its amplitude when all
    others are known, and at least what one count is.
    """
    if not wanted:
        return {}
    with_counts = [d for d in datasets if not is_flux_points(d)]
    tables = [_Table(dataset) for dataset in with_counts]
    counted = [p for p in wanted if any(p in table.templates for table in tables)]
    found = _fit(tables) if counted else {}
    result = {}
    for p in wanted:
        if p in found:
            result[p] = found[p] / p.scale_to_internal
        elif p in counted:
            names = [m.name for d in with_counts for m in _sources(d, p)]
            raise ValueError(
                f"model {names[0]!r} predicts no counts inside the masks of dataset(s) {[d.name for d in with_counts]}:"
                " no default prior for its amplitude; move the source, enlarge the mask, or give the amplitude a prior"
            )
        else:
            result[p] = _from_flux_points(datasets, p)
    return result


class _Table:
    """Counts of one dataset in the bins of its mask, what of them is known, and templates of the rest."""

    def __init__(self, dataset: Any) -> None:
        models = list(dataset.models or [])
        mask = None if dataset.mask is None else np.asarray(dataset.mask.data, dtype=bool)

        def inside(cube: Any) -> np.ndarray:
            cube = np.asarray(cube, dtype="float64")
            return np.nan_to_num(cube[mask] if mask is not None else cube.ravel())

        self.counts = inside(dataset.counts.data)
        self.known = np.zeros_like(self.counts)
        self.templates: dict[Parameter, np.ndarray] = {}
        for model in models:
            parameter = linear_parameter(model)
            cube = _cube(dataset, model, {} if parameter is None else {parameter: 1.0})
            if cube is None:
                continue
            if parameter is None:
                self.known += inside(cube)
            else:
                self.templates[parameter] = self.templates.get(parameter, 0) + np.maximum(inside(cube), 0)
        if dataset.background is not None and not any(isinstance(m, FoVBackgroundModel) for m in models):
            self.known += inside(dataset.background.data)


def _cube(dataset: Any, model: Any, values: Mapping[Parameter, float]) -> np.ndarray | None:
    """Predicted counts of a model in all bins; None for a background model of a dataset without background."""
    if not isinstance(model, FoVBackgroundModel):
        return signal_counts(dataset, [model], values)[model.name]
    if dataset.background is None or hasattr(dataset, "counts_off"):
        return None
    return background_counts(dataset, [model], values)


def linear_parameter(model: Any) -> Parameter | None:
    """The free parameter that the counts of a model are proportional to."""
    free = [p for p in model.spectral_model.parameters if not p.frozen]
    found = [p for role in ("norm", "flux") for p in free if _plays(p, role, model)]
    return found[-1] if found else None


def _plays(parameter: Parameter, role: str, model: Any) -> bool:
    """Whether a parameter alone has a role in its part of a spectrum: one of several norms is one of several nodes."""
    part = part_of(model, parameter)
    return role_of(parameter, part) == role and sum(role_of(p, part) == role for p in part.parameters) == 1


def _sources(dataset: Any, parameter: Parameter) -> list[Any]:
    return [m for m in dataset.models or [] if isinstance(m, SkyModel) and linear_parameter(m) is parameter]


def _fit(tables: Sequence[_Table]) -> dict[Parameter, float]:
    """Non-negative scales of all templates, at least at their noise; without those that predict nothing."""
    expected: dict[Parameter, float] = {}
    for table in tables:
        for key, template in table.templates.items():
            expected[key] = expected.get(key, 0.0) + float(template.sum())
    keys = [key for key, total in expected.items() if total > 0]
    if not keys:
        return {}
    total = np.array([expected[key] for key in keys])
    norms = np.array([key.unit == u.dimensionless_unscaled for key in keys])
    centre = np.array([max(prior_median(key), 0.1) if key.prior is not None else 1.0 for key in keys])
    counts = sum(float(table.counts.sum()) for table in tables)
    excess = counts - sum(float(table.known.sum()) for table in tables) - (total * centre)[norms].sum()
    scale = np.where(norms, centre, max(excess, np.sqrt(counts), 1.0) / max((~norms).sum(), 1) / total)
    for _ in range(STEPS):
        matrix, vector = _normal_equations(tables, keys, scale)
        noise = np.maximum(1 / np.sqrt(np.maximum(np.diag(matrix), 1e-300)), 1 / total)
        matrix[norms, norms] += (NORM_WIDTH * centre[norms]) ** -2
        vector[norms] += (NORM_WIDTH**2 * centre[norms]) ** -1
        before, scale = scale, np.maximum(_solve(matrix, vector), np.where(norms, 0.1 * centre, 0.1 * noise))
        if np.abs(scale / before - 1).max() < 0.01:
            break
    return {key: float(max(s, n)) for key, s, n in zip(keys, scale, noise, strict=True)}


def _normal_equations(
    tables: Sequence[_Table], keys: Sequence[Any], scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and right-hand side of least squares weighted with the variances that the scales predict."""
    matrix, vector = np.zeros((len(keys), len(keys))), np.zeros(len(keys))
    for table in tables:
        own = [i for i, key in enumerate(keys) if key in table.templates]
        predicted = table.known + sum(scale[i] * table.templates[keys[i]] for i in own)
        weight = np.where(predicted > 0, 1 / np.where(predicted > 0, predicted, 1), 0.0)
        for i in own:
            weighted = weight * table.templates[keys[i]]
            vector[i] += weighted @ (table.counts - table.known)
            for j in own:
                if j <= i:
                    matrix[i, j] += weighted @ table.templates[keys[j]]
                    matrix[j, i] = matrix[i, j]
    return matrix, vector


def _solve(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Non-negative solution of normal equations; directions that the data do not fix get the smallest values."""
    size = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    values, vectors = np.linalg.eigh(matrix / np.outer(size, size) + RIDGE * np.eye(len(size)))
    root = np.sqrt(np.maximum(values, RIDGE))
    solution: np.ndarray = nnls((vectors * root).T, (vectors / root).T @ (vector / size))[0] / size
    return solution


def _from_flux_points(datasets: Sequence[Any], parameter: Parameter) -> float:
    """Median ratio of measured fluxes to those of unit amplitude, shared among the sources of a dataset."""
    ratios: list[float] = []
    for dataset in datasets:
        if not is_flux_points(dataset) or not _sources(dataset, parameter):
            continue
        unit = sum(dataset.flux_of(model_at(m, {parameter: 1.0})) for m in _sources(dataset, parameter))
        measured = dataset.data.dnde.quantity.squeeze().to_value(unit.unit)
        chosen = np.asarray(dataset.mask).ravel() & np.isfinite(measured) & (measured > 0) & (unit.value > 0)
        share = len({linear_parameter(m) for m in dataset.models} - {None})
        ratios += list(measured[chosen] / unit.value[chosen] / share)
    if not ratios:
        return abs(parameter.value) or 1.0 / parameter.scale_to_internal
    return float(np.median(ratios)) / parameter.scale_to_internal
