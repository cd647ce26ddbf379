"""Correlated priors over several parameters."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np

from bayesmap._types import QuantityLike, Tensor, Tree
from bayesmap._util import suggest
from bayesmap.modeling.priors.arguments import unit_text
from bayesmap.modeling.priors.joint import JointMember, JointPrior
from bayesmap.units import as_quantity, parse_unit

if TYPE_CHECKING:
    from bayesmap.modeling.parameter import Parameter

__all__ = ["MultivariateNormalPrior", "NormalMember"]


class MultivariateNormalPrior(JointPrior):
    """A multivariate normal prior over several parameters, as data.

    Parameters
    ----------
    parameters : sequence of str
        Names of the random variables, ``"<model>.<parameter>"``.
    mean : sequence of float, str or `~astropy.units.Quantity`
        Means, shape ``(n,)``. A bare number is in the unit that the parameter declares.
    covariance : array-like
        Covariance of the same numbers, shape ``(n, n)``, symmetric and positive definite.
    log : sequence of str
        Names of parameters whose natural logarithm is normal; mean and covariance are those of the logarithm of the
        value, as number in the declared unit (or in ``units``).
    units : sequence of str or `~astropy.units.Unit`, or None
        Units of the numbers, by default those that the parameters declare when the prior is given to them.

    Raises
    ------
    ValueError
        If names repeat, shapes do not fit, or the covariance is not symmetric and positive definite.

    Examples
    --------
    >>> from bayesmap.modeling import Models, MultivariateNormalPrior, SkyModel
    >>> models = Models([SkyModel.create("pl", name="gc")])
    >>> prior = MultivariateNormalPrior(["gc.index", "gc.amplitude"], [2.3, -27.6], [[0.01, 0.02], [0.02, 0.09]],
    ...                                 log=["gc.amplitude"])
    >>> models.set_joint_prior(prior)
    >>> models.parameters["index"].prior
    Prior('Normal', mu=2.3, sigma=0.1, joint with gc.amplitude)
    """

    def __init__(
        self,
        parameters: Sequence[str],
        mean: Sequence[QuantityLike] | np.ndarray | Mapping[str, QuantityLike],
        covariance: Any,
        *,
        log: Iterable[str] = (),
        units: Sequence[u.UnitBase | str] | None = None,
    ) -> None:
        super().__init__(parameters)
        self.log = frozenset([log] if isinstance(log, str) else log)
        for name in sorted(self.log - set(self.names)):
            raise ValueError(f"log: {name!r} is not among the parameters{suggest(name, self.names)}")
        given = [as_quantity(value) for value in mean]
        if len(given) != len(self.names) or not all(value.isscalar for value in given):
            raise ValueError(f"mean must hold one number per parameter, {len(self.names)}, got {len(given)}")
        self.units = self._merge_units(given, units)
        self.mean = np.array([value.value for value in given])
        self.covariance = np.array(covariance, dtype="float64")
        self._check_numbers()
        self.mean.flags.writeable = self.covariance.flags.writeable = False

    def _merge_units(self, given: Sequence[u.Quantity], units: Any) -> tuple[u.UnitBase | None, ...] | None:
        """Units of quantities in the mean, or those given, or None for the declared ones."""
        own = [None if value.unit == u.dimensionless_unscaled else value.unit for value in given]
        for name, unit in zip(self.names, own, strict=True):
            if unit is not None and name in self.log:
                raise ValueError(f"mean of {name!r} is that of a logarithm and has no unit, got {unit}")
        if units is None:
            return tuple(own) if any(unit is not None for unit in own) else None
        listed = [None if unit is None else parse_unit(unit) for unit in units]
        if len(listed) != len(self.names):
            raise ValueError(f"units must hold one unit per parameter, {len(self.names)}, got {len(listed)}")
        for name, unit, other in zip(self.names, listed, own, strict=True):
            if other is not None and other != unit:
                raise ValueError(f"mean of {name!r} is in {other}, units say {unit}")
        return tuple(listed)

    def _check_numbers(self) -> None:
        n = len(self.names)
        if self.covariance.shape != (n, n):
            raise ValueError(f"covariance must have shape {(n, n)}, got {self.covariance.shape}")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.covariance).all()):
            raise ValueError("mean and covariance must be finite")
        scale = np.sqrt(np.abs(np.diag(self.covariance)))
        if (np.diag(self.covariance) <= 0).any():
            bad = self.names[int(np.argmin(np.diag(self.covariance)))]
            raise ValueError(f"the variance of {bad!r} must be positive, got {np.diag(self.covariance).min()}")
        correlation = self.covariance / scale / scale[:, None]
        if not np.allclose(correlation, correlation.T, atol=1e-8):
            raise ValueError("covariance must be symmetric")
        smallest = float(np.linalg.eigvalsh(correlation)[0])
        if smallest <= 1e-12:
            raise ValueError(
                f"covariance must be positive definite; the smallest eigenvalue of the correlations is {smallest:.3g}"
            )

    def member(self, index: int) -> "NormalMember":
        """Return the prior that stands at one of the parameters."""
        return NormalMember(self, index)

    def resolved(self, targets: Sequence["Parameter"]) -> Self:
        """Return the prior with the units that parameters declare where it has none.

        Raises
        ------
        astropy.units.UnitConversionError
            If a unit does not convert to that of its parameter.
        """
        units = self.units or (None,) * len(targets)
        for name, unit, parameter in zip(self.names, units, targets, strict=True):
            if unit is not None and not unit.is_equivalent(parameter.unit):
                raise u.UnitConversionError(f"joint prior of {name!r}: '{unit}' does not convert to '{parameter.unit}'")
        declared = [parameter.unit if unit is None else unit for unit, parameter in zip(units, targets, strict=True)]
        return type(self)(self.names, self.mean, self.covariance, log=self.log, units=declared)

    def variables(
        self, free: Sequence["Parameter"], frozen: Sequence["Parameter"], names: Mapping["Parameter", str]
    ) -> "dict[Parameter, Tensor]":
        """Return the variables of the free members; see `JointPrior.variables`."""
        from bayesmap.modeling.priors.joint_variables import normal_variables

        return normal_variables(self, free, frozen, names)

    def part(self, names: Mapping[int, str]) -> Self:
        """Return the marginal of some members (at least two), under new names by position."""
        index = sorted(names)
        units = None if self.units is None else [self.units[i] for i in index]
        log = [names[i] for i in index if self.names[i] in self.log]
        covariance = self.covariance[np.ix_(index, index)]
        return type(self)([names[i] for i in index], self.mean[index], covariance, log=log, units=units)

    def to_dict(self) -> dict[str, object]:
        """Return plain data: names, mean, covariance, and where they are given log and units."""
        data: dict[str, Any] = {"parameters": list(self.names)}
        if self.log:
            data["log"] = [name for name in self.names if name in self.log]
        if self.units is not None:
            data["units"] = [None if unit is None else unit_text(unit) for unit in self.units]
        return {**data, "mean": self.mean.tolist(), "covariance": self.covariance.tolist()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Create the prior from the data of `to_dict`.

        Raises
        ------
        ValueError
            If the data do not describe one.
        """
        cls._check_keys(data, ("parameters", "mean", "covariance"), ("log", "units"))
        return cls(
            data["parameters"], data["mean"], data["covariance"], log=data.get("log") or (), units=data.get("units")
        )

    @classmethod
    def from_posterior(cls, tree: Tree, names: Sequence[str], *, log: Iterable[str] | None = None) -> Self:
        """Return the normal approximation of a posterior, as the prior of another analysis.

        Parameters
        ----------
        tree : xarray.DataTree
            Result of `bayesmap.sample`.
        names : sequence of str
            Names of the variables, ``"<model>.<parameter>"``.
        log : sequence of str or None
            Parameters whose logarithm is taken. By default those whose draws are all positive and whose logarithms
            are less skewed than the values (by 0.1).

        Raises
        ------
        KeyError
            If the posterior lacks a name.
        """
        from bayesmap.modeling.priors.from_posterior import joint_moments

        return cls(**joint_moments(tree, names, log))

    def __repr__(self) -> str:
        return f"MultivariateNormalPrior({list(self.names)}, mean={self.mean.tolist()})"


class NormalMember(JointMember):
    """The marginal of a `MultivariateNormalPrior`.

    Parameters
    ----------
    joint : MultivariateNormalPrior
        The joint prior, with units.
    index : int
        Position of the parameter in it.
    """

    __slots__ = ()

    joint: MultivariateNormalPrior

    def __init__(self, joint: MultivariateNormalPrior, index: int) -> None:
        mean, sigma = float(joint.mean[index]), float(np.sqrt(joint.covariance[index, index]))
        unit = joint.units[index] if joint.units else None
        unit = u.dimensionless_unscaled if unit is None else unit
        if joint.names[index] in joint.log:
            median = mean if unit.is_equivalent("") else np.exp(mean) * unit
            super().__init__(joint, index, "LogNormal", mu=median, sigma=sigma)
        else:
            super().__init__(joint, index, "Normal", mu=mean * unit, sigma=sigma * unit)

    @property
    def is_log(self) -> bool:
        """Whether the logarithm of the parameter is normal."""
        return self.joint.names[self.index] in self.joint.log

    @property
    def unit(self) -> u.UnitBase:
        """Unit of the numbers of the joint prior."""
        unit = self.joint.units[self.index] if self.joint.units else None
        return u.dimensionless_unscaled if unit is None else unit

    def check_bounds(self, parameter: "Parameter") -> None:
        """Raise a ValueError if the bounds of a parameter cut off more than 1e-6 of the prior."""
        dist = self.scipy(parameter.unit)
        low, high = parameter.bounds
        outside = float(dist.cdf(low) + dist.sf(high))
        if outside > 1e-6:
            raise ValueError(
                f"joint prior: {outside:.2g} of the prior of {parameter.name!r} is outside its bounds "
                f"[{parameter.min}, {parameter.max}] {parameter.unit}; remove the bounds, or for a positive "
                "parameter put its name into log"
            )
