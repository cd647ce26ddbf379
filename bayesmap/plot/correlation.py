"""A matrix of correlation coefficients."""

from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np

from bayesmap._types import Axes

if TYPE_CHECKING:
    from bayesmap.modeling import Covariance

__all__ = ["plot_correlation"]


def plot_correlation(covariance: "Covariance", figsize: tuple[float, float] | None = None, **kwargs: object) -> Axes:
    """Plot the correlation coefficients of parameters.

    Parameters
    ----------
    covariance : Covariance
        Covariance of parameters.
    figsize : (float, float), optional
        Size of the figure in inches.
    **kwargs : dict
        For `~matplotlib.axes.Axes.imshow`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes, one row and column per parameter.
    """
    size = max(4.0, 0.5 * len(covariance.names) + 2)
    _, ax = plt.subplots(figsize=figsize or (size, size), layout="constrained")
    settings = {"cmap": "coolwarm", "vmin": -1, "vmax": 1} | kwargs
    image = ax.imshow(covariance.correlation, **settings)
    ticks = np.arange(len(covariance.names))
    ax.set_xticks(ticks, covariance.names, rotation=90)
    ax.set_yticks(ticks, covariance.names)
    ax.figure.colorbar(image, ax=ax, label="correlation")
    return ax
