"""The posterior as a table: one row per parameter, beside the truth where it is known."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from astropy.table import QTable

from bayesmap._digits import decimals, fixed, power_of_ten
from bayesmap._html import html_table
from bayesmap._types import QuantityLike, Tree
from bayesmap.inference import convergence_report
from bayesmap.modeling.posterior import Posterior

__all__ = ["Summary", "SummaryRow", "measurement", "summary", "summary_rows", "summary_text"]


@dataclass(frozen=True)
class SummaryRow:
    """Summary of one variable of a posterior, in its declared unit.

    Attributes
    ----------
    name, unit : str
        Name of the variable and its unit.
    mean, sd : float
        Mean and standard deviation of the draws.
    low, high : float
        Ends of the central 95 % interval.
    ess, rhat : float
        Bulk effective sample size and R-hat.
    truth : float or None
        True value of a simulation.
    """

    name: str
    unit: str
    mean: float
    sd: float
    low: float
    high: float
    ess: float
    rhat: float
    truth: float | None = None

    @property
    def pull(self) -> float | None:
        """Difference from the truth in standard deviations; None if there is no truth."""
        return None if self.truth is None or self.sd == 0 else (self.mean - self.truth) / self.sd

    @property
    def cells(self) -> list[str]:
        """The row as text: name, measurement, interval, unit, ESS, R-hat, and truth and pull if there is a truth."""
        exponent = power_of_ten(self.mean, self.sd)
        digits = decimals(self.sd, exponent)
        low, high = (fixed(value, exponent, digits) for value in (self.low, self.high))
        cells = [
            self.name,
            measurement(self.mean, self.sd),
            _times(f"{low} .. {high}", exponent),
            self.unit,
            f"{self.ess:.0f}",
            f"{self.rhat:.3f}",
        ]
        if self.truth is not None:
            truth = _times(fixed(self.truth, exponent, digits), exponent)
            cells += [truth, "" if self.pull is None else f"{self.pull:+.1f}"]
        return cells


def _times(text: str, exponent: int) -> str:
    return f"({text})e{exponent:+03d}" if exponent else text


def measurement(mean: float, sd: float) -> str:
    """Write a number and its error with two significant digits of the error.

    Examples
    --------
    >>> from bayesmap.report import measurement
    >>> measurement(24.53012, 0.00123), measurement(1.02e-12, 5.3e-14)
    ('24.5301 +- 0.0012', '(1.020 +- 0.053)e-12')
    """
    exponent = power_of_ten(mean, sd)
    digits = decimals(sd, exponent)
    return _times(f"{fixed(mean, exponent, digits)} +- {fixed(sd, exponent, digits)}", exponent)


class Summary:
    """The posterior as a table that prints: value, error and interval with their units and the digits that matter.

    Attributes
    ----------
    rows : list of SummaryRow
        One per scalar variable.
    """

    def __init__(self, rows: list["SummaryRow"]) -> None:
        self.rows = rows

    def __str__(self) -> str:
        return summary_text(self.rows)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_table(headings(self.rows), [row.cells for row in self.rows])

    def to_table(self) -> QTable:
        """Return the numbers: columns name, unit, mean, sd, low, high (central 95 %), ess and rhat."""
        columns = ("name", "unit", "mean", "sd", "low", "high", "ess", "rhat")
        return QTable({name: [getattr(row, name) for row in self.rows] for name in columns})


def summary(tree: Tree, truth: Mapping[str, QuantityLike] | None = None) -> Summary:
    """Summarise a posterior: mean and standard deviation to the digits that matter, interval, unit, convergence.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    truth : Mapping of str to float or `~astropy.units.Quantity`, optional
        True values by variable, shown beside the results; bare numbers are in the units of the draws.

    Returns
    -------
    Summary
        Print it; `Summary.to_table` has the numbers.
    """
    return Summary(summary_rows(tree, truth))


def summary_rows(tree: Tree, truth: Mapping[str, QuantityLike] | None = None) -> list[SummaryRow]:
    """Summarise each scalar variable of a posterior; arrays, as parameters with a shape, have no row.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    truth : Mapping of str to float or `~astropy.units.Quantity`, optional
        True values by variable; bare numbers are in the units of the draws.

    Returns
    -------
    list of SummaryRow
        In the order of the variables.
    """
    report, posterior, rows = convergence_report(tree), Posterior(tree), []
    true = posterior.numbers(truth)
    for name in posterior.scalars:
        draws = posterior.column(name).ravel()
        low, high = np.quantile(draws, [0.025, 0.975])
        rows.append(
            SummaryRow(
                name=name,
                unit=str(posterior.unit(name) or ""),
                mean=float(draws.mean()),
                sd=float(draws.std(ddof=1)) if len(draws) > 1 else 0.0,
                low=float(low),
                high=float(high),
                ess=report.ess_bulk[name],
                rhat=report.rhat[name],
                truth=true.get(name),
            )
        )
    return rows


def headings(rows: list[SummaryRow]) -> list[str]:
    """Column headings for the cells of the rows."""
    names = ["parameter", "mean +- sd", "95 % interval", "unit", "ESS", "R-hat"]
    return names + (["truth", "pull"] if any(row.truth is not None for row in rows) else [])


def summary_text(rows: list[SummaryRow]) -> str:
    """Return the rows as an aligned table of plain text."""
    heads = headings(rows)
    table = [heads, *(row.cells + [""] * (len(heads) - len(row.cells)) for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(heads))]
    right = {"ESS", "R-hat", "truth", "pull"}
    lines = [
        "  ".join(
            text.rjust(width) if head in right else text.ljust(width)
            for head, text, width in zip(heads, line, widths, strict=True)
        ).rstrip()
        for line in table
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
