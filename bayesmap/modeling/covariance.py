"""Covariance of the parameters of models."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmap._types import Axes, Tree
from bayesmap._util import Absent, suggest
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.posterior import Posterior

if TYPE_CHECKING:
    from astropy.table import Table

    from bayesmap.modeling.model_tools import CovarianceTools

__all__ = ["Covariance", "covariance_from", "covariance_of_errors", "set_covariance"]


@dataclass(frozen=True, eq=False)
class Covariance:
    """Covariance of the free parameters of models.

    Attributes
    ----------
    names : list of str
        Names of the variables, ``"<model>.<parameter>"``.
    units : list of str
        Declared units of the parameters.
    data : numpy.ndarray
        Covariance in these units, shape ``(n, n)``.
    """

    names: list[str]
    units: list[str]
    data: np.ndarray

    from_factor_matrix = Absent("goes with the optimiser of Fit, which stays out: use Models.covariance_from")
    from_stack = Absent("joins matrices of models: read the covariance of Models")
    set_subcovariance = Absent("changes a part of a matrix: set the covariance of a model")

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows and columns."""
        return self.data.shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.data, dtype=dtype, copy=copy)

    def __getitem__(self, key: Any) -> Any:
        return self.data[key]

    def get_subcovariance(self, parameters: Iterable[Parameter | str]) -> "Covariance":
        """Return the covariance of some parameters, given by name or as parameters."""
        return self.subset([p if isinstance(p, str) else p.name for p in parameters])

    @property
    def scipy_mvn(self) -> Any:
        """A frozen `scipy.stats.multivariate_normal` around zero with this covariance."""
        from scipy.stats import multivariate_normal

        return multivariate_normal(np.zeros(len(self.data)), self.data, allow_singular=True)

    def plot_correlation(self, figsize: tuple[float, float] | None = None, **kwargs: object) -> Axes:
        """Plot the correlation coefficients; see `bayesmap.plot.plot_correlation`."""
        from bayesmap.plot.correlation import plot_correlation

        return plot_correlation(self, figsize, **kwargs)

    @property
    def errors(self) -> dict[str, float]:
        """Standard deviations by name."""
        return dict(zip(self.names, np.sqrt(np.diag(self.data)).tolist(), strict=True))

    @property
    def correlation(self) -> np.ndarray:
        """Correlation coefficients, shape ``(n, n)``; NaN where a variance is zero."""
        scale = np.sqrt(np.diag(self.data))
        with np.errstate(invalid="ignore", divide="ignore"):
            correlation: np.ndarray = self.data / scale / scale[:, None]
        return correlation

    def subset(self, names: Sequence[str]) -> "Covariance":
        """Return the covariance of some parameters.

        Raises
        ------
        KeyError
            If a name is unknown.
        """
        for name in names:
            if name not in self.names:
                raise KeyError(f"no parameter {name!r}{suggest(name, self.names)}")
        index = [self.names.index(name) for name in names]
        return Covariance(list(names), [self.units[i] for i in index], self.data[np.ix_(index, index)])

    def to_table(self) -> "Table":
        """Return an `~astropy.table.Table` with one row and one column per parameter."""
        from astropy.table import Table

        table = Table([self.names, self.units], names=("name", "unit"))
        for name, column in zip(self.names, self.data.T, strict=True):
            table[name] = column
        return table


def covariance_from(names: Mapping[Parameter, str], tree: Tree) -> Covariance:
    """Return the covariance of the free parameters in a posterior; see `Models.covariance_from`."""
    columns = Posterior(tree).columns(names)
    if not columns:
        raise ValueError("there are no free parameters")
    rows = np.concatenate([draws.reshape(len(draws), -1).T for draws in columns.values()])
    labels = [(label, p.unit.to_string()) for p in columns for label in _labels(names[p], p)]
    return Covariance([n for n, _ in labels], [unit for _, unit in labels], np.atleast_2d(np.cov(rows)))


def _labels(name: str, parameter: Parameter) -> list[str]:
    """The name of a parameter, or those of its elements."""
    if not parameter.shape:
        return [name]
    return [f"{name}[{i}]" for i in range(math.prod(parameter.shape))]


def _rows(owner: Any, part: Any) -> list[int]:
    """Rows of the parameters of a part in the covariance of its owner; one with a shape has several."""
    rows: dict[int, list[int]] = {}
    number = 0
    for p in owner.parameters.unique_parameters:
        rows[id(p)] = list(range(number, number + math.prod(p.shape)))
        number += math.prod(p.shape)
    return [row for p in part.parameters.unique_parameters for row in rows[id(p)]]


def _parts(owner: "CovarianceTools") -> list[Any]:
    """Models that an owner of parameters consists of: the models of a collection, the parts of a sky model."""
    if isinstance(owner, Iterable):
        return list(owner)
    return list(getattr(owner, "parts", {}).values())


def covariance_of_errors(owner: "CovarianceTools") -> Covariance:
    """Return the covariance of the parameters of a model or of models; see `ModelBase.covariance`.

    Parameters
    ----------
    owner : model or Models
        A linked parameter appears once.

    Notes
    -----
    The errors of the parameters, with the correlations that were set for all; otherwise those of the models that it
    consists of.
    """
    unique = list(owner.parameters.unique_parameters)
    names = getattr(owner, "parameters_unique_names", None) or [p.name for p in unique]
    errors = np.array([e.error for p in unique for e in p.elements()], dtype="float64")
    correlation = owner.__dict__.get("_correlation")
    if correlation is None or len(correlation) != len(errors):
        correlation = np.eye(len(errors))
        for part in _parts(owner):
            inner = covariance_of_errors(part).correlation
            index = _rows(owner, part)
            correlation[np.ix_(index, index)] = np.where(np.isfinite(inner), inner, np.eye(len(index)))
    data = correlation * np.outer(errors, errors)
    labels = [(label, p.unit.to_string()) for name, p in zip(names, unique, strict=True) for label in _labels(name, p)]
    return Covariance([n for n, _ in labels], [unit for _, unit in labels], data)


def set_covariance(owner: "CovarianceTools", matrix: Any) -> None:
    """Store a covariance: its diagonal as the errors of the parameters, the correlations on the owner.

    Parameters
    ----------
    owner : model or Models
        Owner of the parameters.
    matrix : Covariance or array_like
        In declared units, one row per parameter; a linked parameter has one.

    Raises
    ------
    ValueError
        If the matrix has another shape, or is no covariance.
    """
    data = np.asarray(getattr(matrix, "data", matrix), dtype="float64")
    unique = list(owner.parameters.unique_parameters)
    n, label = sum(math.prod(p.shape) for p in unique), type(owner).__name__
    if data.shape != (n, n):
        raise ValueError(f"{label}: the covariance of {n} parameters has shape ({n}, {n}), got {data.shape}")
    errors = np.sqrt(np.diag(data)) if np.all(np.diag(data) >= 0) else np.full(n, np.nan)
    scale = np.where(errors > 0, errors, 1.0)
    correlation = data / np.outer(scale, scale)
    valid = np.all(np.isfinite(data)) and np.all(np.isfinite(errors)) and np.allclose(correlation, correlation.T)
    if not valid or (n and np.linalg.eigvalsh(correlation).min() < -1e-6):
        raise ValueError(f"{label}: a covariance must be finite, symmetric and without negative eigenvalues")
    for part in _parts(owner):
        index = _rows(owner, part)
        set_covariance(part, data[np.ix_(index, index)])
    for parameter in unique:
        own, errors = np.split(errors, [math.prod(parameter.shape)])
        parameter.error = own.reshape(parameter.shape)[()]  # type: ignore[assignment]
    owner.__dict__["_correlation"] = np.where(np.eye(n, dtype=bool), 1.0, correlation)
