"""Numbers and sentences about the result of a study."""

import json
from collections.abc import Iterator, Sequence

import numpy as np
import xarray as xr
from astropy.table import Table
from scipy import stats

from bayesmap.studies.result import pit_group

__all__ = [
    "about_simulations",
    "binomial_interval",
    "calibration_table",
    "comparison_table",
    "coverage_table",
    "power_table",
    "sensitivity",
    "study_text",
]

#: probability of the intervals around fractions, and of a false alarm of the sentences about all parameters together
CONFIDENCE, FALSE_ALARM = 0.95, 0.05


def binomial_interval(k: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval for a probability after k successes in n trials.

    Parameters
    ----------
    k, n : int
        Successes and trials.
    confidence : float
        Its probability.

    Returns
    -------
    low, high : float
        Central interval of the Beta(k + 1/2, n - k + 1/2) posterior; 0 and 1 where k is 0 or n (Brown, Cai & DasGupta
        2001, Statistical Science 16, 101).
    """
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    low, high = stats.beta.ppf(tails, k + 0.5, n - k + 0.5)
    return 0.0 if k == 0 else float(low), 1.0 if k == n else float(high)


def calibration_table(tree: xr.DataTree) -> Table:
    """How far the ranks of each parameter are from uniform.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`sbc` or :func:`posterior_sbc`.

    Returns
    -------
    `~astropy.table.Table`
        Columns ``name``; ``n``; ``shift`` and ``shift_err``, the mean of z = Phi^-1(PIT): by how many of its standard
        deviations the truth lies above the posterior; ``width`` and ``width_err``, the root mean square of z: errors
        should be so many times larger; ``p_value``, the smallest of three (shift, width, and Kolmogorov-Smirnov), times
        three.

    Notes
    -----
    Of a calibrated posterior z is a unit normal, so that the sum of z over the root of n is one, and the sum of squares
    follows chi-squared with n degrees of freedom. In 500 simulations this sees errors that are 10 % wrong, which
    Kolmogorov-Smirnov does not.
    """
    rows = []
    for name, _, pit in _columns(tree):
        n, z = len(pit), stats.norm.ppf(np.clip(pit, 1e-12, 1 - 1e-12))
        shift, square = z.mean(), (z**2).sum()
        tails = [
            2 * stats.norm.sf(abs(shift) * np.sqrt(n)),
            2 * min(stats.chi2.sf(square, n), stats.chi2.cdf(square, n)),
            stats.kstest(pit, "uniform").pvalue,
        ]
        width = np.sqrt(square / n)
        rows.append((name, n, shift, 1 / np.sqrt(n), width, width / np.sqrt(2 * n), min(1.0, 3 * min(tails))))
    names = ("name", "n", "shift", "shift_err", "width", "width_err", "p_value")
    return _table(rows, names, dict.fromkeys(names[2:6], ".3f") | {"p_value": ".2g"})


def coverage_table(tree: xr.DataTree, levels: Sequence[float] = (0.68, 0.95)) -> Table:
    """How often central credible intervals contain the truth.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`coverage`, :func:`sbc` or :func:`posterior_sbc`.
    levels : sequence of float
        Probabilities of the intervals.

    Returns
    -------
    `~astropy.table.Table`
        A row per parameter, truth and level: ``name``; ``truth`` and ``unit`` (of a fixed truth); ``level``; ``n``;
        ``found``, the fraction of intervals with the truth in them, and ``low`` and ``high``, its 95 % interval;
        ``agrees``, whether this contains the level.

    Raises
    ------
    ValueError
        If a level is not between 0 and 1.

    Notes
    -----
    An interval contains the truth where (1 - level) / 2 <= PIT <= (1 + level) / 2, which needs no quantiles of a finite
    sample.
    """
    wrong = [level for level in levels if not 0 < level < 1]
    if wrong or not len(levels):
        raise ValueError(f"levels are probabilities between 0 and 1, got {list(levels)}")
    fixed = tree.attrs.get("kind") == "coverage"
    units = json.loads(tree.attrs.get("units", "{}"))
    rows = []
    for name, truth, pit in _columns(tree):
        for level in levels:
            k, n = int((np.abs(2 * pit - 1) <= level).sum()), len(pit)
            low, high = binomial_interval(k, n)
            place = (truth, units.get(name.partition("[")[0], "")) if fixed else (np.nan, "")
            rows.append((name, *place, level, n, k / n, low, high, low <= level <= high))
    names = ("name", "truth", "unit", "level", "n", "found", "low", "high", "agrees")
    table = _table(rows, names, {"truth": ".4g", "found": ".3f", "low": ".3f", "high": ".3f"})
    if not fixed:
        table.remove_columns(["truth", "unit"])
    return table


def power_table(tree: xr.DataTree, threshold: float | None = None) -> Table:
    """How often a source was found.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`power`.
    threshold : float, optional
        For the test statistic; that of the study by default.

    Returns
    -------
    `~astropy.table.Table`
        A row per true value: ``value``; ``n``; ``found``, the fraction of simulations above the threshold, with its
        95 % interval ``low``, ``high``; ``ts``, the median test statistic; ``upper_limit``, the median limit, and
        ``above``, the fraction of limits above the true value, where limits were asked for.

    Raises
    ------
    ValueError
        If the tree holds no study of power.
    """
    if "detection" not in tree.children:
        raise ValueError(f"no study of power: the tree has the groups {sorted(tree.children)}")
    group = tree["detection"].to_dataset()
    least = float(tree.attrs["threshold"]) if threshold is None else threshold
    values, ts = group["value"].to_numpy()[0], group["ts"].to_numpy()[0]
    names = ["value", "n", "found", "low", "high", "ts"]
    names += ["upper_limit", "above"] if "upper_limit" in group else []
    rows = []
    for value in np.unique(values):
        chosen = values == value
        k, n = int((ts[chosen] > least).sum()), int(chosen.sum())
        row = [value, n, k / n, *binomial_interval(k, n), np.median(ts[chosen])]
        if "upper_limit" in group:
            limits = group["upper_limit"].to_numpy()[0, chosen]
            row += [np.median(limits), (limits > value).mean()]
        rows.append(tuple(row))
    formats = dict.fromkeys(("found", "low", "high", "above"), ".3f") | {"value": ".4g", "ts": ".1f"}
    table = _table(rows, names, {**formats, "upper_limit": ".4g"})
    for name in {"value", "upper_limit"} & set(names):
        table[name].unit = group["value"].attrs.get("units") or None
    return table


def sensitivity(tree: xr.DataTree, fraction: float = 0.5, threshold: float | None = None) -> float:
    """The true value at which a source is found with some probability.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`power` at several values.
    fraction : float
        The probability.
    threshold : float, optional
        As for :func:`power_table`.

    Returns
    -------
    float
        In the unit of the values, interpolated between them.

    Raises
    ------
    ValueError
        If the fraction is not reached between two of the values.
    """
    table = power_table(tree, threshold)
    found, values = np.maximum.accumulate(np.array(table["found"])), np.array(table["value"])
    above = np.flatnonzero(found >= fraction)
    if not len(above) or above[0] == 0:
        raise ValueError(
            f"found are {found.min():.0%} to {found.max():.0%} of the sources between {values.min():.4g} and "
            f"{values.max():.4g} {table['value'].unit or ''}: simulate other values to get {fraction:.0%}"
        )
    i = above[0]
    return float(np.interp(fraction, found[i - 1 : i + 1], values[i - 1 : i + 1]))


def comparison_table(tree: xr.DataTree) -> Table:
    """Bias, scatter and coverage of each estimator.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`compare`.

    Returns
    -------
    `~astropy.table.Table`
        A row per parameter, truth and estimator: ``name``, ``truth``, ``estimator``; ``n`` and ``failed``; ``bias``,
        the mean of estimate less truth, and its error ``bias_err``; ``scatter``, the standard deviation of the
        estimates; ``error``, the mean of the errors that it states; ``covered``, the fraction of intervals of one error
        to either side that contain the truth, with its 95 % interval ``low``, ``high``.

    Raises
    ------
    ValueError
        If the tree holds no comparison.
    """
    if "estimates" not in tree.children:
        raise ValueError(f"no comparison of estimators: the tree has the groups {sorted(tree.children)}")
    group, truths = tree["estimates"].to_dataset(), tree["truth"].to_dataset()
    scenarios = truths["scenario"].to_numpy() if "scenario" in truths.coords else np.zeros(truths.sizes["draw"])
    rows = []
    for name in group.data_vars:
        for scenario in np.unique(scenarios):
            chosen = scenarios == scenario
            truth = truths[name].to_numpy()[0, chosen]
            for estimator in group["estimator"].to_numpy():
                value, error = group[name].sel(estimator=estimator).to_numpy()[0, chosen].T
                good = np.isfinite(value)
                n, off = int(good.sum()), (value - truth)[good]
                k = int((np.abs(off) <= error[good]).sum())
                spread = off.std(ddof=1) if n > 1 else np.nan
                numbers = (off.mean(), spread / np.sqrt(n), spread, error[good].mean(), k / n) if n else (np.nan,) * 5
                interval = binomial_interval(k, n)
                rows.append((str(name), truth[0], str(estimator), n, int((~good).sum()), *numbers, *interval))
    names = [*("name", "truth", "estimator", "n", "failed"), *("bias", "bias_err", "scatter", "error")]
    names += ["covered", "low", "high"]
    formats = dict.fromkeys(("truth", "bias", "scatter", "error"), ".4g") | {"bias_err": ".2g"}
    return _table(rows, names, formats | dict.fromkeys(("covered", "low", "high"), ".3f"))


def study_text(tree: xr.DataTree) -> str:
    """What a study found, in sentences.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`coverage`, :func:`sbc` or :func:`posterior_sbc`.
    """
    return "\n".join([*about_simulations(tree), *_about_parameters(tree)])


def about_simulations(tree: xr.DataTree) -> Iterator[str]:
    """Sentences about failed and doubtful simulations of a study."""
    group = tree["simulations"]
    failed = [str(error) for error in group["error"].to_numpy() if error]
    total, draws = group.sizes["simulation"], group["draws"].to_numpy()
    size = f"; {np.nanmedian(draws):.0f} independent draws each (median)" if np.isfinite(draws).any() else ""
    yield f"{total} simulations, {len(failed)} failed{size}."
    if failed:
        yield (
            f"Failed simulations ({len(failed) / total:.1%}) are not among the results, which may hide a fault. The "
            f"most frequent error: {max(set(failed), key=failed.count)}"
        )
    if few := int((draws < 50).sum()):
        yield f"Simulations with fewer than 50 independent draws: {few}. Sample longer (draws=, tune=)."
    if diverged := int((group["divergences"].to_numpy() > 0).sum()):
        yield f"Simulations with divergent transitions: {diverged}."


def _about_parameters(tree: xr.DataTree) -> Iterator[str]:
    if tree.attrs.get("kind") == "coverage":
        table = coverage_table(tree)
        wrong = table[~table["agrees"]]
        for row in wrong:
            yield (
                f"{row['level']:.0%} intervals of {row['name']} contain {row['truth']:.4g} {row['unit']} in "
                f"{row['found']:.1%} of cases ({row['low']:.1%} to {row['high']:.1%})."
            )
        yield f"{len(table) - len(wrong)} of {len(table)} coverages agree with their level within the 95 % interval."
        return
    table = calibration_table(tree)
    wrong = table[table["p_value"] * len(table) < FALSE_ALARM]
    for row in wrong:
        yield f"{row['name']} is not calibrated (p = {row['p_value']:.2g}): {_fault(row)}."
    if not len(wrong):
        n, least = table["n"][0], min(table["p_value"])
        yield (
            f"No sign of miscalibration in {len(table)} parameters: the smallest p = {least:.2g} is not below "
            f"{FALSE_ALARM / len(table):.2g}. A shift of {3 / np.sqrt(n):.2f} standard deviations, or errors wrong by "
            f"{3 / np.sqrt(2 * n):.0%}, would have been seen."
        )


def _fault(row: Table.Row) -> str:
    faults = []
    if abs(row["shift"]) > 3 * row["shift_err"]:
        side = "above" if row["shift"] > 0 else "below"
        faults.append(f"true values lie {abs(row['shift']):.2f} standard deviations {side} the posterior on average")
    if abs(row["width"] - 1) > 3 * row["width_err"]:
        kind = "small" if row["width"] > 1 else "large"
        faults.append(f"errors are too {kind}, they should be {row['width']:.2f} times what they are")
    return " and ".join(faults) or "the ranks have another shape than a uniform distribution"


def _columns(tree: xr.DataTree) -> Iterator[tuple[str, float, np.ndarray]]:
    """Name, true value and ranks of each parameter, element of an array, and truth that was set."""
    pits, truths = tree[pit_group(tree)].to_dataset(), tree["truth"].to_dataset()
    scenarios = pits["scenario"].to_numpy() if "scenario" in pits.coords else np.zeros(pits.sizes["draw"])
    for name in pits.data_vars:
        values, true = (group[name].to_numpy()[0].reshape(len(scenarios), -1) for group in (pits, truths))
        for i in range(values.shape[1]):
            label = str(name) if pits[name].ndim == 2 else f"{name}[{i}]"
            for scenario in np.unique(scenarios):
                chosen = scenarios == scenario
                yield label, float(true[chosen][0, i]), values[chosen, i]


def _table(rows: list[tuple], names: Sequence[str], formats: dict[str, str]) -> Table:
    table = Table(rows=rows, names=names)
    for name in set(formats) & set(names):
        table[name].format = formats[name]
    return table
