"""How well parameters will be known: the Fisher information of counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bayesmap._types import QuantityLike
from bayesmap._util import suggest
from bayesmap.inference import CompiledFit
from bayesmap.inference.listing import as_datasets, dataset_models, parameter_names
from bayesmap.inference.observations import Observation, ObservedCounts, facts_of
from bayesmap.modeling.parameter import Parameter
from bayesmap.units import as_quantity

if TYPE_CHECKING:
    from bayesmap.datasets import Datasets, MapDataset

__all__ = ["Fisher", "fisher"]

#: step of angles in deg, small beside any PSF, and of other parameters relative to their value
ANGLE_STEP, STEP = 1e-3, 1e-3
#: central differences over one and two steps, whose errors of the second order cancel
STENCIL = ((1, 2 / 3), (2, -1 / 12))
#: smaller eigenvalues of the scaled information are zero
LEAST = 1e-10


@dataclass(frozen=True, eq=False)
class Fisher:
    """Fisher information of parameters; print it.

    Attributes
    ----------
    matrix : numpy.ndarray
        Information, shape ``(n, n)``, in the inverse declared units of the parameters.
    values : dict of float
        Where it was taken, by the names of the variables, in their order.
    units : dict of str
        Declared units.
    """

    matrix: np.ndarray
    values: dict[str, float]
    units: dict[str, str]

    @property
    def covariance(self) -> np.ndarray:
        """Inverse of the information, shape ``(n, n)``: the covariance of an estimate that uses all of the data.

        Raises
        ------
        ValueError
            If data of this kind say nothing of a parameter, or of a combination of some, which are named.
        """
        scale = np.sqrt(np.diag(self.matrix))
        names = np.array(list(self.values))
        if (scale == 0).any():
            raise ValueError(f"the data say nothing about {', '.join(names[scale == 0])}: freeze it")
        correlation = self.matrix / np.outer(scale, scale)
        values, vectors = np.linalg.eigh(correlation)
        if values[0] < LEAST:
            mixed = names[np.abs(vectors[:, 0]) > 0.1]
            raise ValueError(f"the data say nothing about a combination of {', '.join(mixed)}: freeze one of them")
        return np.linalg.inv(correlation) / np.outer(scale, scale)

    @property
    def errors(self) -> dict[str, float]:
        """Standard deviations by the names of the variables, with all others unknown, in declared units."""
        return dict(zip(self.values, np.sqrt(np.diag(self.covariance)).tolist(), strict=True))

    def __str__(self) -> str:
        width = max(map(len, self.values))
        return "\n".join(
            f"{name:<{width}}  {self.values[name]:12.5g} +- {error:<10.3g} {self.units[name]}".rstrip()
            for name, error in self.errors.items()
        )


def fisher(datasets: "MapDataset | Datasets | CompiledFit", values: Mapping[str, QuantityLike] | None = None) -> Fisher:
    r"""Fisher information of the free parameters in counts that are yet to be measured.

    .. math::
        I_{jk} = \sum_i \frac{1}{v_i} \frac{\partial \mu_i}{\partial \theta_j} \frac{\partial \mu_i}{\partial \theta_k},
        \quad v_i = \mu_i, \quad \text{or} \quad v_i = s_i + \alpha_i m_i + \alpha_i^2 m_i

    with the expected counts of each bin; the second of ON counts whose background is unknown and measured by m OFF
    counts.

    Parameters
    ----------
    datasets : MapDataset, Datasets, list of MapDataset or CompiledFit
        Counts with models; they need not hold counts. OFF counts are taken for what is expected.
    values : mapping of str to float or `~astropy.units.Quantity`, optional
        Values of free parameters by the names of their variables, numbers in declared units; those left out have their
        present ones.

    Returns
    -------
    Fisher
        Print it for the errors; ``covariance`` for all.

    Raises
    ------
    KeyError
        If a value is given for something that is no free parameter.
    ValueError
        If nothing is free, a parameter is an array, a dataset holds no counts with Poisson noise, a prediction is no
        number, or is zero where it changes.

    Notes
    -----
    Priors do not enter. Derivatives of the prediction are central differences of the fourth order, four predictions for
    each parameter. Beside the exact gradient of the likelihood they are right to 1e-6 for a point source, and to 1e-4
    for a Gaussian one, of which the prediction is a table.

    References
    ----------
    Cramér 1946, Mathematical Methods of Statistics, section 32; for the ON counts the background is eliminated from the
    information of both measurements (its Schur complement).
    """
    listed = datasets.datasets if isinstance(datasets, CompiledFit) else as_datasets(datasets)
    names = {p: name for p, name in parameter_names(dataset_models(listed)).items() if not p.frozen}
    if not names:
        raise ValueError("nothing to forecast: all parameters of all models are frozen, or no models are set")
    if arrays := [name for p, name in names.items() if p.shape]:
        raise ValueError(f"{arrays} are arrays, of which there is no forecast: freeze them")
    point = _point(names, values or {})
    matrix = np.zeros((len(names), len(names)))
    for dataset in listed:
        own = {p for model in dataset.models or () for p in model.parameters}
        places = [i for i, p in enumerate(names) if p in own]
        if places:
            free = [p for p in names if p in own]
            observed = facts_of(dataset).observe(free, data=False)
            matrix[np.ix_(places, places)] += _information(observed, [point[p] for p in free])
    units = {name: str(p.unit) for p, name in names.items()}
    return Fisher(matrix, {name: point[p] for p, name in names.items()}, units)


def _point(names: Mapping[Parameter, str], values: Mapping[str, QuantityLike]) -> dict[Parameter, float]:
    """Values of free parameters in declared units."""
    for name in values:
        if name not in names.values():
            raise KeyError(f"no free parameter {name!r}{suggest(name, names.values())}")
    point = {}
    for parameter, name in names.items():
        value = as_quantity(values.get(name, parameter.value))
        is_number = value.unit.is_equivalent("") and not parameter.unit.is_equivalent("")
        point[parameter] = float(value.value if is_number else value.to_value(parameter.unit))
    return point


def _information(observed: Observation, point: Sequence[float]) -> np.ndarray:
    """Information of one dataset about its free parameters, shape ``(n, n)``."""
    if not isinstance(observed, ObservedCounts) or not (observed.likelihood.is_poisson or observed.off):
        raise ValueError(
            f"dataset {observed.name!r}: a forecast needs counts with Poisson noise, it holds {observed.content}"
        )
    mask = observed.mask
    signal = observed.npred(*point)[mask]
    variance = signal
    if observed.off:
        alpha, off = (observed.off[key].get_value()[mask] for key in ("alpha", "counts_off"))
        variance = signal + alpha * off + alpha**2 * off
    columns = np.stack([_derivative(observed, point, i)[mask] for i in range(len(point))], axis=1)
    for values in (signal, columns):
        if not np.isfinite(values).all():
            raise ValueError(
                f"dataset {observed.name!r}: the prediction is no number at {dict(_named(observed, point))}"
            )
    seen = np.abs(columns).max(axis=1) > 0
    if (variance[seen] <= 0).any():
        raise ValueError(
            f"dataset {observed.name!r}: {int((variance[seen] <= 0).sum())} bins expect no counts but depend on a "
            "parameter, and their information is infinite: add a background, or take a point inside of the bounds"
        )
    weighted = columns[seen] / np.sqrt(variance[seen])[:, None]
    return weighted.T @ weighted


def _named(observed: Observation, point: Sequence[float]) -> list[tuple[str, float]]:
    return [(p.name, value) for p, value in zip(observed.parameters, point, strict=True)]


def _derivative(observed: ObservedCounts, point: Sequence[float], place: int) -> np.ndarray:
    """Derivative of the prediction by one parameter in its declared unit, a cube."""
    parameter, value = observed.parameters[place], point[place]
    step = STEP * (abs(value) or 1.0)
    if parameter.unit.is_equivalent("deg"):
        step = min(ANGLE_STEP * parameter.unit.to("deg") ** -1, step if parameter.bounds[0] == 0 and value else np.inf)

    def moved(by: float) -> np.ndarray:
        return observed.npred(*point[:place], value + by, *point[place + 1 :])

    differences = [factor * (moved(k * step) - moved(-k * step)) for k, factor in STENCIL]
    return sum(differences, np.zeros(())) / step
