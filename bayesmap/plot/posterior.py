"""Posteriors of parameters: marginals beside priors and truth, corner plots, traces."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.ticker import MaxNLocator
from scipy.ndimage import gaussian_filter

from bayesmap._digits import decimals, fixed, power_of_ten
from bayesmap._types import Axes, QuantityLike, Tree
from bayesmap.modeling import Models, parameter_names
from bayesmap.modeling.posterior import Posterior
from bayesmap.plot.axes import new_axes, unit_label
from bayesmap.plot.posterior_numbers import PROBABILITIES

if TYPE_CHECKING:
    from matplotlib.axis import Axis

    from bayesmap.modeling.parameter import Parameter

__all__ = ["plot_corner", "plot_marginal", "plot_marginals", "plot_trace", "plot_traces"]

COLOR = "tab:blue"
TRUTH = {"color": "tab:red", "linewidth": 1.5}


class _Scale:
    """Numbers and label of a variable for an axis: very small and large ones are shown times a power of ten."""

    def __init__(self, posterior: Posterior, name: str) -> None:
        values = posterior.chains(name)
        power = power_of_ten(float(values.min()), float(values.max()))
        self.factor = 10.0**-power
        self.values = values * self.factor
        self.unit_text = unit_label(posterior.unit(name), power)
        self.name = name.rpartition(".")[2]
        self.break_ = " " if "-" not in self.unit_text else "\n"
        self.label = f"{self.name}{self.break_}{self.unit_text}".strip()

    @property
    def title(self) -> str:
        """Median and the distances to the ends of the central 68 % interval, to the digits that they leave."""
        low, median, high = np.quantile(self.values, [0.5 - PROBABILITIES[0] / 2, 0.5, 0.5 + PROBABILITIES[0] / 2])
        digits = decimals(min(median - low, high - median))
        value, minus, plus = (fixed(number, 0, digits) for number in (median, median - low, high - median))
        errors = rf"\pm {plus}" if minus == plus else f"^{{+{plus}}}_{{-{minus}}}"
        return f"{self.name} = ${value} {errors}${self.break_}{self.unit_text}".strip()


def plot_marginal(
    tree: Tree,
    name: str,
    ax: Axes | None = None,
    *,
    truth: Any = None,
    parameter: "Parameter | None" = None,
    **kwargs: object,
) -> Axes:
    """Plot the posterior of one variable, with its prior and its true value where they are given.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    name : str
        Name of the variable, ``"<model>.<parameter>"``. A parameter that models share may be called by each of them.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    truth : float or `~astropy.units.Quantity`, optional
        True value; a bare number is in the unit of the draws.
    parameter : Parameter, optional
        If it has a prior, its density is drawn.
    **kwargs : dict
        For `~matplotlib.axes.Axes.hist`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes. Posterior and prior are densities; the range is that of the posterior (and the truth).
    """
    ax = new_axes() if ax is None else ax
    posterior = Posterior(tree)
    scale = _Scale(posterior, name)
    truth = None if truth is None else next(iter(posterior.numbers({name: truth}).values()))
    values = scale.values.ravel()
    settings = {"bins": 40, "density": True, "color": COLOR, "alpha": 0.5, "label": "posterior"} | kwargs
    ax.hist(values, **settings)
    shown = [values.min(), values.max()] + ([] if truth is None else [truth * scale.factor])
    margin = 0.05 * (max(shown) - min(shown)) or 1.0
    low, high = min(shown) - margin, max(shown) + margin
    if parameter is not None and parameter.prior is not None and parameter.prior.distribution.scipy is not None:
        x = np.linspace(low, high, 200)
        unit = posterior.unit(name) or parameter.unit
        density = parameter.prior.scipy(unit).pdf(x / scale.factor) / scale.factor
        ax.plot(x, density, color="gray", linestyle="--", label="prior")
    if truth is not None:
        ax.axvline(truth * scale.factor, label="truth", **TRUTH)
    ax.set_xlim(low, high)
    ax.set_yticks([])
    _few_ticks(ax.xaxis)
    ax.set_xlabel(scale.label)
    return ax


def plot_marginals(
    tree: Tree,
    names: Iterable[str] | None = None,
    *,
    truth: Mapping[str, QuantityLike] | None = None,
    models: Models | None = None,
    ncols: int = 3,
    figsize: tuple[float, float] | None = None,
) -> np.ndarray:
    """Plot the posteriors of several variables, one panel each.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    names : iterable of str, optional
        Variables; all by default.
    truth : Mapping of str to float or `~astropy.units.Quantity`, optional
        True values by variable; bare numbers are in the units of the draws.
    models : Models, optional
        Their priors are drawn.
    ncols : int
        Largest number of columns.
    figsize : (float, float), optional
        Size of the figure in inches.

    Returns
    -------
    numpy.ndarray
        The axes of the variables, shape ``(n,)``.
    """
    posterior = Posterior(tree)
    names, true = _names(posterior, names), posterior.numbers(truth)
    parameters = {} if models is None else posterior.parameters(parameter_names(Models(list(models))))
    ncols = min(ncols, len(names))
    nrows = -(-len(names) // ncols)
    fig, axes = plt.subplots(
        nrows, ncols, figsize=figsize or (3 * ncols, 2.2 * nrows), squeeze=False, layout="constrained"
    )
    for ax in axes.ravel()[len(names) :]:
        ax.remove()
    axes = axes.ravel()[: len(names)]
    for ax, name in zip(axes, names, strict=True):
        plot_marginal(tree, name, ax, truth=true.get(name), parameter=parameters.get(name))
        ax.set_title(name.rpartition(".")[0], fontsize="medium")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=3, frameon=False)
    return axes


def plot_corner(
    tree: Tree,
    names: Iterable[str] | None = None,
    *,
    truth: Mapping[str, QuantityLike] | None = None,
    figsize: tuple[float, float] | None = None,
) -> np.ndarray:
    """Plot the two-dimensional posteriors of all pairs of variables, and the marginals on the diagonal.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    names : iterable of str, optional
        Variables; all by default.
    truth : Mapping of str to float or `~astropy.units.Quantity`, optional
        True values by variable; bare numbers are in the units of the draws.
    figsize : (float, float), optional
        Size of the figure in inches.

    Returns
    -------
    numpy.ndarray
        The axes, shape ``(n, n)``; None above the diagonal.

    Notes
    -----
    Contours enclose 68 % and 95 % of the draws, from a lightly smoothed histogram. The titles on the diagonal are
    medians, with the distances to the ends of the central 68 % intervals as errors.
    """
    posterior = Posterior(tree)
    names, numbers = _names(posterior, names), posterior.numbers(truth)
    scales = [_Scale(posterior, name) for name in names]
    true = [numbers[name] * s.factor if name in numbers else None for name, s in zip(names, scales, strict=True)]
    n = len(names)
    fig, grid = plt.subplots(n, n, figsize=figsize or (1.8 * n + 1,) * 2, squeeze=False, layout="constrained")
    fig.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    axes = np.full((n, n), None, dtype=object)
    for row in range(n):
        for column in range(n):
            ax = grid[row, column]
            if column > row:
                ax.remove()
                continue
            axes[row, column] = ax
            _corner_panel(ax, scales, true, row, column)
    fig.align_labels()
    return axes


def _corner_panel(ax: Axes, scales: list[_Scale], truth: list[float | None], row: int, column: int) -> None:
    x, y = scales[column].values.ravel(), scales[row].values.ravel()
    if row == column:
        ax.hist(x, bins=40, color=COLOR, alpha=0.5, density=True)
        ax.set_yticks([])
        title = ax.set_title(scales[row].title, fontsize="small")
        title.set_in_layout(row == 0)  # above all others nothing is drawn
    else:
        _density(ax, x, y)
        ax.set_ylim(_range(y, truth[row]))
        _few_ticks(ax.yaxis)
        if truth[row] is not None:
            ax.axhline(truth[row], **TRUTH)
    if truth[column] is not None:
        ax.axvline(truth[column], **TRUTH)
    ax.set_xlim(_range(x, truth[column]))
    _few_ticks(ax.xaxis)
    if row < len(scales) - 1:
        ax.tick_params(labelbottom=False)
    else:
        ax.set_xlabel(scales[column].label)
        ax.tick_params(axis="x", rotation=35)
    if column > 0 or row == 0:
        ax.tick_params(labelleft=False)
    else:
        ax.set_ylabel(scales[row].label)


def _range(values: np.ndarray, truth: float | None) -> tuple[float, float]:
    low, high = np.quantile(values, [0.001, 0.999])
    if truth is not None:
        low, high = min(low, truth), max(high, truth)
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _density(ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Filled contours that enclose the stated shares of the draws."""
    histogram, x_edges, y_edges = np.histogram2d(x, y, bins=36, range=[_range(x, None), _range(y, None)])
    density = gaussian_filter(histogram, 2.0)
    ordered = np.sort(density.ravel())[::-1]
    share = np.cumsum(ordered) / ordered.sum()
    levels = sorted({float(ordered[np.searchsorted(share, p)]) for p in PROBABILITIES})
    centers = [0.5 * (edges[1:] + edges[:-1]) for edges in (x_edges, y_edges)]
    if len(levels) == len(PROBABILITIES) and levels[-1] < density.max():
        shades = [to_rgba(COLOR, alpha) for alpha in (0.25, 0.6)]
        ax.contourf(*centers, density.T, levels=[*levels, density.max()], colors=shades)
        ax.contour(*centers, density.T, levels=levels, colors=COLOR, linewidths=0.8)
    else:
        ax.plot(x, y, ".", color=COLOR, markersize=2, alpha=0.3)


def plot_trace(tree: Tree, name: str, ax: Axes | None = None, **kwargs: object) -> Axes:
    """Plot the draws of one variable in the order of sampling, one line per chain.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    name : str
        Name of the variable.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    **kwargs : dict
        For `~matplotlib.axes.Axes.plot`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes.
    """
    ax = new_axes() if ax is None else ax
    scale = _Scale(Posterior(tree), name)
    for number, chain in enumerate(scale.values):
        ax.plot(chain, **{"linewidth": 0.5, "alpha": 0.7, "label": f"chain {number}"} | kwargs)
    ax.set_xlim(0, scale.values.shape[1] - 1 or 1)
    ax.set_title(name, fontsize="medium")
    ax.set_xlabel("draw")
    ax.set_ylabel(scale.unit_text or scale.name)
    _few_ticks(ax.yaxis)
    return ax


def plot_traces(
    tree: Tree, names: Iterable[str] | None = None, *, ncols: int = 2, figsize: tuple[float, float] | None = None
) -> np.ndarray:
    """Plot the traces of several variables, one panel each; see `plot_trace`.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    names : iterable of str, optional
        Variables; all by default.
    ncols : int
        Largest number of columns.
    figsize : (float, float), optional
        Size of the figure in inches.

    Returns
    -------
    numpy.ndarray
        The axes of the variables, shape ``(n,)``.
    """
    names = _names(Posterior(tree), names)
    ncols = min(ncols, len(names))
    nrows = -(-len(names) // ncols)
    _, axes = plt.subplots(
        nrows, ncols, figsize=figsize or (4.5 * ncols, 1.6 * nrows + 0.4), squeeze=False, layout="constrained"
    )
    for ax in axes.ravel()[len(names) :]:
        ax.remove()
    axes = axes.ravel()[: len(names)]
    for ax, name in zip(axes, names, strict=True):
        plot_trace(tree, name, ax)
    for ax in axes[:-ncols]:
        ax.set_xlabel("")
    handles, labels = axes[0].get_legend_handles_labels()
    legend = axes[0].figure.legend(handles, labels, loc="outside upper right", ncols=min(len(labels), 6), frameon=False)
    for line in legend.get_lines():
        line.set(linewidth=2, alpha=1)
    return axes


def _names(posterior: Posterior, names: Iterable[str] | None) -> list[str]:
    """Names of variables, checked."""
    if names is None:
        found = posterior.scalars
    else:
        found = [posterior.find(name) for name in ([names] if isinstance(names, str) else names)]
    if not found:
        raise ValueError("no variables to plot")
    return found


def _few_ticks(axis: "Axis") -> None:
    """Few labels, without an offset beside the axis."""
    axis.set_major_locator(MaxNLocator(3, prune="both"))
    axis.get_major_formatter().set_useOffset(False)
