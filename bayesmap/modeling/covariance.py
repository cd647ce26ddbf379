"""Covariance of the parameters of models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesmap._util import suggest
from bayesmap.modeling.parameter import Parameter
from bayesmap.modeling.posterior import Posterior

__all__ = ["Covariance", "covariance_from"]


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

    def to_table(self) -> Any:
        """Return an `~astropy.table.Table` with one row and one column per parameter."""
        from astropy.table import Table

        table = Table([self.names, self.units], names=("name", "unit"))
        for name, column in zip(self.names, self.data.T, strict=True):
            table[name] = column
        return table


def covariance_from(names: Mapping[Parameter, str], tree: Any) -> Covariance:
    """Return the covariance of the free parameters in a posterior; see `Models.covariance_from`."""
    columns = Posterior(tree).columns(names)
    if not columns:
        raise ValueError("there are no free parameters")
    data = np.atleast_2d(np.cov(np.stack(list(columns.values()))))
    return Covariance([names[p] for p in columns], [p.unit.to_string() for p in columns], data)
