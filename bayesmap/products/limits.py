"""Upper limits from draws of a posterior."""

import json
import math
from dataclasses import dataclass

import astropy.units as u
import numpy as np

from bayesmap._types import Tree
from bayesmap._util import check_option
from bayesmap.modeling import Prior
from bayesmap.modeling.posterior import Posterior

__all__ = ["UpperLimit", "limit_of_draws", "upper_limit"]

KINDS = ("quantile", "hdi")
#: effective draws beyond a limit, without which it is not known
TAIL_DRAWS = 10
#: parts into which draws are cut for the error of an interval
CUTS = 4
#: a limit so near to that of the prior alone is one of the prior
PRIOR_SHARE = 0.9


@dataclass(frozen=True, eq=False)
class UpperLimit:
    """An upper limit from draws; print it.

    Attributes
    ----------
    value : `~astropy.units.Quantity`
        The limit, of the shape of one draw.
    error : `~astropy.units.Quantity`
        Its standard error, as there are finitely many draws; of the same shape.
    level : float
        Probability of the credible interval that ends here.
    kind : str
        "quantile" or "hdi".
    effective_draws : float
        Effective number of draws for this limit, the smallest of all elements.
    name : str
        Of what.
    remarks : tuple of str
        What speaks against the number, a sentence each.
    """

    value: u.Quantity
    error: u.Quantity
    level: float
    kind: str
    effective_draws: float
    name: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The number in words."""
        what = {"quantile": "quantile", "hdi": "end of the highest-density interval"}[self.kind]
        numbers = f"{self.value.value:.4g} +- {self.error.value:.1g}" if self.value.isscalar else f"{self.value.value}"
        unit = f" {self.value.unit}" if str(self.value.unit) else ""
        return (
            f"{self.name or 'The value'} is below {numbers}{unit} ({100 * self.level:g} % {what}, "
            f"{self.effective_draws:.0f} effective draws)."
        )

    def __str__(self) -> str:
        return "\n".join([self.sentence, *(f"- {remark}" for remark in self.remarks)])


def upper_limit(
    draws: Tree | u.Quantity | np.ndarray, name: str | None = None, level: float = 0.95, kind: str = "quantile"
) -> UpperLimit:
    """Upper limit on a parameter, or on anything that there are draws of.

    Parameters
    ----------
    draws : xarray.DataTree, `~astropy.units.Quantity` or numpy.ndarray
        Result of `bayesmap.sample`; or draws of shape ``(n,)`` or ``(chain, draw, ...)``, as the attribute ``draws`` of
        `~bayesmap.products.FluxDraws`.
    name : str, optional
        Of a tree the variable, ``"<model>.<parameter>"``; of draws what they are called in the sentence.
    level : float
        Probability of the interval.
    kind : {"quantile", "hdi"}
        "quantile": so much of the posterior lies below. "hdi": the upper end of the shortest interval that holds so
        much, which begins at zero where the posterior falls from there on, and else has a lower end too.

    Returns
    -------
    UpperLimit
        Print it; ``value`` has the unit of the draws, of a parameter the one that it declared.

    Raises
    ------
    KeyError
        If the posterior has no such variable.
    TypeError
        If a tree is given without a name.
    ValueError
        If there are too few draws for the level (it says how many are needed), a draw is no finite number, the shape
        has no axis of draws, or level or kind are impossible.

    Notes
    -----
    At least ten effective draws must lie beyond the limit: 200 effective draws for 95 %, 1000 for 99 %. The error is
    the Monte Carlo standard error of the quantile, of "hdi" from the spread between four parts of the draws.

    A limit is as good as its prior: a prior without density at zero, as the log-normal default of an amplitude, drives
    it. A remark says so; give the amplitude a uniform prior from zero on. For counts over a known background
    `bayesmap.stats.flat_prior_upper_limit` is the closed form.

    References
    ----------
    Vehtari et al. 2021, Bayesian Analysis 16, 667 (effective draws for a quantile, and its error).

    Examples
    --------
    >>> import astropy.units as u
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> print(upper_limit(rng.exponential(size=(4, 1000)) * u.Unit("cm-2 s-1"), "The flux"))
    The flux is below 2.916 +- 0.07 1 / (s cm2) (95 % quantile, 4087 effective draws).
    """
    if not isinstance(draws, u.Quantity | np.ndarray):
        if name is None:
            raise TypeError("upper_limit(tree, name) needs the name of a variable, '<model>.<parameter>'")
        posterior = Posterior(draws)
        variable = posterior.find(name)
        values = posterior.chains(variable) * (posterior.unit(variable) or u.dimensionless_unscaled)
        found = limit_of_draws(values, variable, level, kind)
        return UpperLimit(**{**vars(found), "name": name, "remarks": _remarks(draws, variable, found)})
    values = u.Quantity(draws)
    return limit_of_draws(values[None] if values.ndim == 1 else values, name or "", level, kind)


def limit_of_draws(draws: u.Quantity, name: str, level: float, kind: str) -> UpperLimit:
    """The limit from draws of shape ``(chain, draw, ...)``; see `upper_limit`."""
    check_option("kind", kind, KINDS)
    if not 0 < level < 1:
        raise ValueError(f"level is a probability between 0 and 1, got {level!r}")
    if draws.ndim < 2:
        raise ValueError(f"draws have the shape (n,) or (chain, draw, ...), got {draws.shape}")
    what = name or "the draws"
    if not np.isfinite(draws.value).all():
        raise ValueError(f"{what}: {int((~np.isfinite(draws.value)).sum())} of the draws are no finite numbers")
    columns = draws.value.reshape(*draws.shape[:2], -1)
    limits = [_of_column(columns[..., i], what, level, kind) for i in range(columns.shape[-1])]
    value, error, effective = (np.array(x) for x in zip(*limits, strict=True))
    shape, unit = draws.shape[2:], draws.unit
    return UpperLimit(
        u.Quantity(value.reshape(shape), unit),
        u.Quantity(error.reshape(shape), unit),
        level,
        kind,
        effective.min(),
        name,
    )


def needed_draws(level: float) -> int:
    """Effective draws that a limit of a level needs."""
    return math.ceil(TAIL_DRAWS / (1 - level) * (1 - 1e-12))


def _of_column(chains: np.ndarray, what: str, level: float, kind: str) -> tuple[float, float, float]:
    """Limit, its error and the effective number of draws, from ``(chain, draw)``."""
    from arviz_stats import ess, mcse

    needed = needed_draws(level)
    flat = chains.ravel()
    constant = np.ptp(flat) == 0
    few = flat.size < needed or chains.shape[1] < 2 * CUTS
    if not (few or constant):
        effective = float(ess(chains, method="quantile", prob=level))
        few = not effective >= needed
    else:
        effective = float(flat.size)
    if few:
        raise ValueError(
            f"{what}: {flat.size} draws, {effective:.0f} of them effective, are too few for a limit at {100 * level:g} "
            f"%: it needs {needed} effective draws, ten beyond the limit. Sample more"
        )
    if constant:
        return float(flat[0]), 0.0, effective
    if kind == "quantile":
        return float(np.quantile(flat, level)), float(mcse(chains, method="quantile", prob=level)), effective
    parts = [shortest_interval(part.ravel(), level)[1] for part in np.array_split(chains, CUTS, axis=1)]
    return shortest_interval(flat, level)[1], float(np.std(parts, ddof=1) / np.sqrt(CUTS)), effective


def shortest_interval(draws: np.ndarray, level: float) -> tuple[float, float]:
    """Ends of the shortest interval that holds a share of draws, shape ``(n,)``."""
    ordered = np.sort(draws)
    inside = math.ceil(level * len(ordered))
    first = int(np.argmin(ordered[inside - 1 :] - ordered[: len(ordered) - inside + 1]))
    return float(ordered[first]), float(ordered[first + inside - 1])


def _remarks(tree: Tree, variable: str, limit: UpperLimit) -> tuple[str, ...]:
    """What the prior of a variable has to do with a limit on it."""
    described = json.loads(tree["posterior"][variable].attrs.get("prior_data", "{}"))
    prior = Prior.from_dict(described["prior"]) if described.get("prior") else None
    if prior is None or prior.distribution.scipy is None:
        return ()
    law, bounds = prior.scipy(limit.value.unit), described["bounds"]
    lower, upper = (end if x is None else x for x, end in zip(bounds, (-np.inf, np.inf), strict=True))
    near, further = law.pdf(np.array([1e-9, 1e-6]) * float(law.ppf(0.5)))
    remarks = []
    if max(lower, law.support()[0]) == 0 and (further <= 0 or near < 0.5 * further):
        remarks.append(
            f"The prior of {variable}, {prior.summary}, has no density at zero, and the limit depends on it: give "
            "amplitudes a uniform prior from zero on."
        )
    below, inside = law.cdf(lower), law.cdf(upper) - law.cdf(lower)
    alone = np.asarray(law.ppf(below + limit.level * inside))
    if np.isfinite(alone).all() and (limit.value.value > PRIOR_SHARE * alone).any() and (alone > 0).all():
        remarks.append(
            f"The prior of {variable}, {prior.summary}, has its {100 * limit.level:g} % at {float(alone.max()):.4g}: "
            "the limit is one of the prior, and the data say little."
        )
    return tuple(remarks)
