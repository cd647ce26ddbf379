"""Figures of checks: counts over replicated ones, and which blocks spoil the agreement."""

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy

from bayesmap._types import Axes
from bayesmap._util import suggest
from bayesmap.checks import Checks, ProfileCheck
from bayesmap.datasets.image import ImageDataset
from bayesmap.maps import Map
from bayesmap.plot.axes import new_axes
from bayesmap.plot.maps import plot_map
from bayesmap.plot.posterior_numbers import PROBABILITIES

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset

__all__ = ["plot_pit_blocks", "plot_ppc_profile", "plot_ppc_spectrum"]

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
        The axes. Each pixel shows the block with the largest deviation among all energies: the normal quantile of its
        leave-one-out transform, positive where there are more counts than expected.

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
    worst = np.argmax(np.nan_to_num(np.abs(deviation), nan=-1.0), axis=0)
    image = np.take_along_axis(deviation, worst[None], axis=0)[0]
    shown = Map.from_geom(geom, data=image, unit="")
    label = r"largest deviation of a block [$\sigma$]"
    settings: dict[str, Any] = {"cmap": "RdBu_r", "vmin": -LARGEST, "vmax": LARGEST}
    ax = plot_map(shown, ax, add_cbar=True, kwargs_colorbar={"label": label}, **settings)
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
    ax.set_ylim(-limit, limit)
    ax.set_xlabel(f"energy [{profile.edges.unit}]")
    ax.set_xlim(edges[0], edges[-1])
    ax.set_ylabel("(counts - mean) / \N{SQUARE ROOT}mean")
    ax.legend(frameon=False, loc="upper right", ncols=3, fontsize="small", handlelength=1.2, columnspacing=1)
    return ax
