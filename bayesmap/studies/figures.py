"""Figures of studies."""

import json

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr

from bayesmap._types import Axes
from bayesmap.studies.result import pit_group
from bayesmap.studies.tables import coverage_table, power_table

__all__ = ["plot_coverage", "plot_power", "plot_ranks"]

COLUMNS = 3


def plot_ranks(tree: xr.DataTree) -> np.ndarray:
    """Where the truth lies in the posterior, as distance of the cumulative distribution from a uniform one.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`sbc` or :func:`posterior_sbc`.

    Returns
    -------
    numpy.ndarray of `~matplotlib.axes.Axes`
        Of a new figure, one for each variable, shape ``(n,)``; ranks that lie where they should not are marked
        (``arviz.plot_ecdf_pit``).
    """
    group = pit_group(tree)
    rows = -(-sum(values[0, 0].size for values in tree[group].data_vars.values()) // COLUMNS)
    size = {"figsize": (9.5, 0.6 + 2.4 * rows), "layout": "constrained"}
    drawn = az.plot_ecdf_pit(tree, group=group, backend="matplotlib", col_wrap=COLUMNS, figure_kwargs=size)
    figure = drawn.viz["figure"].item()
    axes = np.array([one for one in figure.axes if one.get_visible() and one.has_data()])
    limit = max(abs(np.array([one.get_ylim() for one in axes]).ravel()))
    for one in axes:
        one.set(xlabel="", ylabel="", ylim=(-1.1 * limit, 1.4 * limit))  # room for p above the curve
        for text in one.texts:
            text.set(position=(0.03, 0.96), verticalalignment="top", transform=one.transAxes)
    figure.supxlabel("PIT: fraction of draws below the truth", fontsize="medium")
    figure.supylabel("ECDF less uniform", fontsize="medium")
    return axes


def plot_coverage(tree: xr.DataTree, ax: Axes = None, levels: tuple[float, ...] = (0.5, 0.68, 0.8, 0.9, 0.95)) -> Axes:
    """How often intervals contain the truth, beside how often they should.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`coverage`, :func:`sbc` or :func:`posterior_sbc`.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; a new figure by default.
    levels : tuple of float
        Probabilities of the intervals.

    Returns
    -------
    `~matplotlib.axes.Axes`
        With 95 % intervals as bars.
    """
    axis = plt.subplots(figsize=(7.5, 4), layout="constrained")[1] if ax is None else ax
    table = coverage_table(tree, levels)
    curves = [table[i : i + len(levels)] for i in range(0, len(table), len(levels))]
    for i, rows in enumerate(curves):
        label = rows["name"][0]
        if "truth" in table.colnames and len(set(table["name"])) < len(curves):
            label += f" = {rows['truth'][0]:.3g}"
        found = np.array(rows["found"])
        bars = np.clip([found - rows["low"], rows["high"] - found], 0, None)
        shift = 0.006 * (i - (len(curves) - 1) / 2)  # beside each other, not on top
        axis.errorbar(rows["level"] + shift, found - rows["level"], yerr=bars, fmt="o", ms=4, capsize=2, label=label)
    axis.axhline(0, color="0.4", lw=1)
    axis.set(xlabel="Probability of the interval", ylabel="Coverage less probability")
    axis.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1.01, 1))
    return axis


def plot_power(tree: xr.DataTree, ax: Axes = None) -> Axes:
    """How often a source is found as a function of its flux.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of :func:`power`.
    ax : `~matplotlib.axes.Axes`, optional
        Where to draw; a new figure by default.

    Returns
    -------
    `~matplotlib.axes.Axes`
        With 95 % intervals as bars.
    """
    axis = plt.subplots(figsize=(6, 4), layout="constrained")[1] if ax is None else ax
    table, found = power_table(tree), np.array(power_table(tree)["found"])
    bars = np.clip([found - table["low"], table["high"] - found], 0, None)
    axis.errorbar(np.array(table["value"]), found, yerr=bars, fmt="o-", capsize=3)
    name = tree.attrs["parameter"]
    unit = json.loads(tree.attrs["units"]).get(name, "")
    axis.set(
        xlabel=f"{name} [{unit}]" if unit else name, ylabel=f"Fraction with TS > {float(tree.attrs['threshold']):g}"
    )
    axis.set_ylim(-0.03, 1.03)
    return axis
