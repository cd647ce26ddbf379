"""Rough amplitudes of all sources together, from the counts: the centres of default priors."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import astropy.units as u
import numpy as np
from scipy.optimize import nnls

from bayesmap.inference.listing import prior_median
from bayesmap.modeling import Parameter, SkyModel
from bayesmap.modeling.roles import part_of, role_of

__all__ = ["Templates", "estimate_amplitudes", "linear_parameter", "sources_of"]

NORM_WIDTH = 0.3  # relative width of the default prior of a norm
RIDGE = 1e-6  # shares the counts of sources that cannot be told apart; far below what data say about others
STEPS = 8


@dataclass(eq=False)
class Templates:
    """Data of one dataset in the bins that are looked at, what of them is known, and templates of the rest.

    Attributes
    ----------
    counts, known : numpy.ndarray
        The data, and what is predicted without free amplitudes, shape ``(n_bin,)``.
    units : dict of Parameter to numpy.ndarray
        What each linear parameter predicts where its value is one in internal units, shape ``(n_bin,)``.
    """

    counts: np.ndarray
    known: np.ndarray
    units: dict[Parameter, np.ndarray] = field(default_factory=dict)


def estimate_amplitudes(facts: Sequence[Any], wanted: Sequence[Parameter]) -> dict[Parameter, float]:
    """Estimate amplitudes of sources jointly, each at least at its own noise.

    Parameters
    ----------
    facts : sequence of Facts
        Of datasets with models. Counts are fitted with non-negative multiples of all sources and backgrounds at once,
        the other parameters as they are; flux points say something about parameters that no counts depend on.
    wanted : sequence of Parameter
        Linear parameters of spectral models; one may belong to several models.

    Returns
    -------
    dict of float
        Positive, by parameter, in its declared unit.

    Raises
    ------
    ValueError
        If a source predicts nothing in any dataset.

    Notes
    -----
    Weighted least squares with the variances of the fit before (which converges to the Poisson likelihood), solved
    with `scipy.optimize.nnls` on the normal equations. The noise of a source is the error of its amplitude when all
    others are known, and at least what one count is.
    """
    if not wanted:
        return {}
    tables = {f.name: table for f in facts if (table := f.templates()) is not None}
    counted = [p for p in wanted if any(p in table.units for table in tables.values())]
    found = _fit(list(tables.values())) if counted else {}
    result = {}
    for p in wanted:
        if p in found:
            result[p] = found[p] / p.scale_to_internal
        elif p in counted:
            names = [m.name for f in facts if f.name in tables for m in sources_of(f.models, p)]
            raise ValueError(
                f"model {names[0]!r} predicts no counts inside the masks of dataset(s) {list(tables)}:"
                " no default prior for its amplitude; move the source, enlarge the mask, or give the amplitude a prior"
            )
        else:
            result[p] = _from_ratios(facts, p)
    return result


def _from_ratios(facts: Sequence[Any], parameter: Parameter) -> float:
    """The median of what data without templates say, or the present value if there are none; in the declared unit."""
    ratios = np.concatenate([np.zeros(0), *(f.amplitude_ratios(parameter) for f in facts)])
    unit = 1.0 / parameter.scale_to_internal
    if len(ratios):
        return float(np.median(ratios)) * unit
    if hidden := [f for f in facts if f.hides(parameter)]:
        name = sources_of(hidden[0].models, parameter)[0].name
        raise ValueError(
            f"model {name!r} shines on no pixel inside the masks of dataset(s) {[f.name for f in hidden]}: no default "
            "prior for its flux; remove or move the source, or give its flux a prior"
        )
    return abs(parameter.value) or unit


def linear_parameter(model: Any) -> Parameter | None:
    """The free parameter that the counts of a model are proportional to."""
    if model.contribution == "response":
        return None
    free = [p for p in model.spectral_model.parameters if not p.frozen]
    found = [p for role in ("norm", "flux") for p in free if _plays(p, role, model)]
    return found[-1] if found else None


def _plays(parameter: Parameter, role: str, model: Any) -> bool:
    """Whether a parameter alone has a role in its part of a spectrum: one of several norms is one of several nodes."""
    part = part_of(model, parameter)
    return (
        not parameter.shape
        and role_of(parameter, part) == role
        and sum(role_of(p, part) == role for p in part.parameters) == 1
    )


def sources_of(models: Sequence[Any], parameter: Parameter) -> list[Any]:
    """The sources whose prediction is proportional to a parameter."""
    return [m for m in models if isinstance(m, SkyModel) and linear_parameter(m) is parameter]


def _fit(tables: Sequence[Templates]) -> dict[Parameter, float]:
    """Non-negative scales of all templates, at least at their noise; without those that predict nothing."""
    expected: dict[Parameter, float] = {}
    for table in tables:
        for key, template in table.units.items():
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
    tables: Sequence[Templates], keys: Sequence[Any], scale: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Matrix and right-hand side of least squares weighted with the variances that the scales predict."""
    matrix, vector = np.zeros((len(keys), len(keys))), np.zeros(len(keys))
    for table in tables:
        own = [i for i, key in enumerate(keys) if key in table.units]
        predicted = table.known + sum(scale[i] * table.units[keys[i]] for i in own)
        weight = np.where(predicted > 0, 1 / np.where(predicted > 0, predicted, 1), 0.0)
        for i in own:
            weighted = weight * table.units[keys[i]]
            vector[i] += weighted @ (table.counts - table.known)
            for j in own:
                if j <= i:
                    matrix[i, j] += weighted @ table.units[keys[j]]
                    matrix[j, i] = matrix[i, j]
    return matrix, vector


def _solve(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Non-negative solution of normal equations; directions that the data do not fix get the smallest values."""
    size = np.sqrt(np.maximum(np.diag(matrix), 1e-300))
    values, vectors = np.linalg.eigh(matrix / np.outer(size, size) + RIDGE * np.eye(len(size)))
    root = np.sqrt(np.maximum(values, RIDGE))
    solution: np.ndarray = nnls((vectors * root).T, (vectors / root).T @ (vector / size))[0] / size
    return solution
