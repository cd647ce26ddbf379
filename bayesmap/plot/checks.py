"""Figures of checks: counts over replicated ones, and which blocks and points spoil the agreement."""

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from bayesmap._types import Axes
from bayesmap._util import suggest
from bayesmap.checks import Checks, ProfileCheck
from bayesmap.checks.passes import K_LIMIT
from bayesmap.datasets.image import ImageDataset
from bayesmap.maps import Map
from bayesmap.plot.axes import new_axes
from bayesmap.plot.maps import plot_map
from bayesmap.plot.posterior_numbers import PROBABILITIES

if TYPE_CHECKING:
    from bayesmap.datasets.flux_points import FluxPointsDataset
    from bayesmap.datasets.map import MapDataset

__all__ = [
    "mark_worst_blocks",
    "plot_block_deviations",
    "plot_pit_blocks",
    "plot_pit_points",
    "plot_ppc_profile",
    "plot_ppc_spectrum",
]

#: largest deviation in the map of blocks, in standard deviations
LARGEST = 4.0


def plot_ppc_spectrum(checks: Checks, dataset: str | None = None, ax: Axes | None = None) -> Axes:
    """Plot the counts of each energy inside the mask over the 68 % and 95 % bands of replicated counts.

    Parameters
    ----------
    checks : Checks
        Result of `bayesmap.checks.check`.
    dataset : str, optional
        Name of a dataset; the first by default.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes, with differences from the mean in units of its square root.

    Raises
    ------
    KeyError
        If there is no such dataset.
    """
    ax = _plot_profile(_named(checks.spectra, dataset, "dataset"), ax)
    ax.set_xscale("log")
    return ax


def plot_ppc_profile(checks: Checks, source: str | None = None, ax: Axes | None = None) -> Axes:
    """Plot the counts in rings around a source over the 68 % and 95 % bands of replicated counts.

    Parameters
    ----------
    checks : Checks
        Result of `bayesmap.checks.check`.
    source : str, optional
        ``"<dataset>.<source>"``; the first by default.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes, with differences from the mean in units of its square root.

    Raises
    ------
    KeyError
        If there is no such profile.
    """
    ax = _plot_profile(_named(checks.profiles, source, "profile"), ax)
    ax.set_xlabel(f"distance from the source [{ax.get_xlabel().rpartition('[')[2]}")
    return ax


def plot_pit_blocks(checks: Checks, dataset: "MapDataset | ImageDataset", ax: Axes | None = None) -> Axes:
    """Plot where blocks disagree with what the other data let expect of them.

    Parameters
    ----------
    checks : Checks
        Result of `bayesmap.checks.check`.
    dataset : MapDataset or ImageDataset
        The dataset that was checked, of maps or an image.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`, optional
        Axes; new ones by default.

    Returns
    -------
    `~astropy.visualization.wcsaxes.WCSAxes`
        The axes. Each pixel shows the block with the largest deviation among all energies that have several blocks: the
        normal quantile of its leave-one-out transform, positive where there are more counts than expected.

    Raises
    ------
    KeyError
        If the dataset was not checked.
    """
    blocks = _named(checks.blocks, dataset.name, "dataset")
    pit = np.clip(checks.tree["loo_pit"][dataset.name].values, 1e-9, 1 - 1e-9)
    deviation = np.append(scipy.special.ndtri(pit), np.nan)[blocks.labels]  # the label -1 is the last
    geom = dataset.geom if isinstance(dataset, ImageDataset) else dataset.counts.geom.to_image()
    deviation = deviation.reshape(-1, *geom.data_shape)
    # a block that is the whole field in its energies says nothing of where; `plot_ppc_spectrum` shows it
    whole = np.array([len(np.unique(layer[layer >= 0])) < 2 for layer in blocks.labels.reshape(deviation.shape)])
    if not whole.all():
        deviation = deviation[~whole]
    worst = np.argmax(np.nan_to_num(np.abs(deviation), nan=-1.0), axis=0)
    image = np.take_along_axis(deviation, worst[None], axis=0)[0]
    shown = Map.from_geom(geom, data=image, unit="")
    label = r"largest deviation of a block [$\sigma$]"
    settings: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -LARGEST, "vmax": LARGEST}
    ax = plot_map(shown, ax, add_cbar=True, kwargs_colorbar={"label": label}, **settings)
    return ax


def plot_block_deviations(checks: Checks, dataset: "ImageDataset", ax: Axes | None = None) -> Axes:
    """Plot how far the flux in each block of an image lies from the prediction.

    Parameters
    ----------
    checks : Checks
        Result of `bayesmap.checks.check`.
    dataset : ImageDataset
        The image that was checked.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`, optional
        Axes; new ones by default.

    Returns
    -------
    `~astropy.visualization.wcsaxes.WCSAxes`
        The axes. Each pixel shows its block: the deviation of the sum of its pixels in standard deviations of the
        noise, mean over the draws. Unlike the transforms of `plot_pit_blocks`, which are ranks among the draws, it has
        no largest value.

    Raises
    ------
    KeyError
        If the dataset was not checked.
    """
    blocks = _named(checks.blocks, dataset.name, "dataset")
    deviation = np.append(checks.tree["deviation"][dataset.name].values, np.nan)[blocks.labels]
    label = r"deviation of a block [$\sigma$]"
    settings: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -LARGEST, "vmax": LARGEST}
    shown = Map.from_geom(dataset.geom, data=deviation, unit="")
    return plot_map(shown, ax, add_cbar=True, kwargs_colorbar={"label": label}, **settings)


def mark_worst_blocks(
    checks: Checks, dataset: "ImageDataset", ax: Axes, number: int = 3, *, numbers: bool = True
) -> Axes:
    """Draw a frame around the blocks of an image that lie farthest from the prediction, and write how far.

    Parameters
    ----------
    checks : Checks
        Result of `bayesmap.checks.check`.
    dataset : ImageDataset
        The image that was checked.
    ax : `~astropy.visualization.wcsaxes.WCSAxes`
        Axes with a picture of all of its pixels, for example from `plot_image_residuals`.
    number : int
        How many blocks; those of a right model are marked too, by their numbers one sees that they are small.
    numbers : bool
        Whether to write the deviations, in standard deviations of the noise, over the blocks.

    Returns
    -------
    `~astropy.visualization.wcsaxes.WCSAxes`
        The axes.

    Raises
    ------
    KeyError
        If the dataset was not checked.
    """
    blocks = _named(checks.blocks, dataset.name, "dataset")
    deviation = checks.tree["deviation"][dataset.name].values
    edge = [withStroke(linewidth=2.5, foreground="white")]
    for block in np.argsort(-np.abs(deviation), kind="stable")[:number]:
        rows, columns = np.nonzero(blocks.labels == block)
        low = columns.min() - 0.5, rows.min() - 0.5
        size = columns.max() + 0.5 - low[0], rows.max() + 0.5 - low[1]
        ax.add_patch(Rectangle(low, *size, fill=False, linewidth=1.3, path_effects=edge))
        if numbers:
            middle = low[0] + 0.5 * size[0], low[1] + 0.5 * size[1]
            ax.text(*middle, f"{deviation[block]:+.1f}", ha="center", va="center", fontsize=9, path_effects=edge)
    return ax


def plot_pit_points(checks: Checks, dataset: "FluxPointsDataset", ax: Axes | None = None) -> Axes:
    """Plot the probability integral transforms of flux points against energy.

    Parameters
    ----------
    checks : Checks
        Result of `bayesmap.checks.check`.
    dataset : FluxPointsDataset
        The flux points that were checked.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes, with the transforms of leave-one-out predictions as full points, those of the whole posterior as open
        ones, over bands that hold 68 % and 95 % of the points of a right model. Upper limits have no transform.
        Leave-one-out transforms whose Pareto k is above 0.7 are crosses.

    Raises
    ------
    KeyError
        If the dataset was not checked.
    """
    labels = _named(checks.blocks, dataset.name, "dataset").labels
    ax = new_axes() if ax is None else ax
    pit, loo, pareto_k = (checks.tree[group][dataset.name].values for group in ("pit", "loo_pit", "pareto_k"))
    for probability, alpha in zip(PROBABILITIES[::-1], (0.2, 0.4), strict=True):
        label = f"{100 * probability:.0f} %"
        ax.axhspan(0.5 - probability / 2, 0.5 + probability / 2, color="tab:orange", lw=0, alpha=alpha, label=label)
    energy = dataset.data.energy_ref[np.asarray(dataset.mask).ravel()]  # labels are of the points inside the masks
    x = energy.value[labels >= 0]
    rough = pareto_k > K_LIMIT
    ax.plot(x, pit, "o", color="black", mfc="white", ms=7, label="all points fitted")
    ax.plot(x[~rough], loo[~rough], "o", color="black", ms=4, label="the point left out")
    if rough.any():
        ax.plot(x[rough], loo[rough], "x", color="black", ms=6, label="left out, rough")
    # points at the ends are seen whole, and the legend has room above
    ax.set(xscale="log", xlabel=f"energy [{energy.unit}]", ylim=(-0.05, 1.25), ylabel="PIT")
    ax.set_yticks(np.linspace(0, 1, 6))
    spacing = {"handlelength": 1.2, "handletextpad": 0.4, "columnspacing": 0.9}
    ax.legend(frameon=False, ncols=5, fontsize="small", loc="upper center", **spacing)
    return ax


def _named[T](members: dict[str, T], name: str | None, what: str) -> T:
    """A member by name, or the first."""
    if name is None and members:
        return next(iter(members.values()))
    if name not in members:
        raise KeyError(f"the checks have no {what} {name!r}{suggest(str(name), members)}; there are {sorted(members)}")
    return members[name]


def _plot_profile(profile: ProfileCheck, ax: Axes | None) -> Axes:
    """Bands and points, as differences from the mean in units of its square root."""
    ax = new_axes() if ax is None else ax
    mean = profile.replicates.mean(axis=0)
    scale = np.sqrt(np.maximum(mean, 1e-9))
    edges = profile.edges.value
    for probability, alpha in zip(PROBABILITIES[::-1], (0.2, 0.4), strict=True):
        tails = [0.5 - probability / 2, 0.5 + probability / 2]
        low, high = (np.quantile(profile.replicates, tails, axis=0) - mean) / scale
        label = f"{100 * probability:.0f} % replicated"
        ax.stairs(high, edges, baseline=low, fill=True, color="tab:orange", alpha=alpha, label=label)
    points = (profile.counts - mean) / scale
    middle = np.sqrt(edges[1:] * edges[:-1]) if edges[0] > 0 else 0.5 * (edges[1:] + edges[:-1])
    ax.plot(middle, points, "ko", ms=4, label="counts")
    ax.axhline(0, color="black", linewidth=0.7)
    limit = max(4.0, 1.1 * float(np.abs(points).max()))
    ax.set_ylim(-limit, 1.25 * limit)  # with room for the legend
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.set_xlabel(f"energy [{profile.edges.unit}]")
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylabel("(counts - mean) / \N{SQUARE ROOT}mean")
    ax.legend(frameon=False, loc="upper right", ncols=3, fontsize="small", handlelength=1.2, columnspacing=1)
    return ax
