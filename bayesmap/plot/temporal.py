"""Time dependence of models."""

from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.time import Time

from bayesmap._types import Axes
from bayesmap.plot.axes import new_axes
from bayesmap.plot.settings import line_settings

if TYPE_CHECKING:
    from bayesmap.modeling import TemplatePhaseCurveTemporalModel
    from bayesmap.modeling.temporal.base import TemporalModel

__all__ = ["plot_phasogram", "plot_temporal"]


def plot_temporal(
    model: "TemporalModel", time_range: Any, ax: Axes | None = None, n_points: int = 100, **kwargs: object
) -> Axes:
    """Plot a temporal model at its current parameter values.

    Parameters
    ----------
    model : TemporalModel
        The model.
    time_range : `~astropy.time.Time` or pair of them
        Start and stop.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    n_points : int
        Number of times.
    **kwargs : dict
        For `~matplotlib.axes.Axes.plot`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes; times are Modified Julian Dates in the scale of the model.

    Raises
    ------
    ValueError
        If the times are not ordered.
    """
    ax = new_axes() if ax is None else ax
    start, stop = (float(getattr(Time(time), model.scale).mjd) for time in time_range)
    if not start < stop:
        raise ValueError(f"time_range must be ordered, got MJD {start} and {stop}")
    mjd = np.linspace(start, stop, n_points)
    ax.plot(mjd, model(Time(mjd, format="mjd", scale=model.scale)).value, **kwargs)
    ax.set_xlabel(f"time [MJD, {model.scale.upper()}]")
    ax.set_ylabel("norm")
    ax.grid(visible=True, which="major", alpha=0.2)
    return ax


def plot_phasogram(
    model: "TemplatePhaseCurveTemporalModel", ax: Axes | None = None, n_points: int = 100, **kwargs: object
) -> Axes:
    """Plot a phase curve over one period.

    Parameters
    ----------
    model : TemplatePhaseCurveTemporalModel
        Model.
    ax : `~matplotlib.axes.Axes`, optional
        Axes; those of a new figure by default.
    n_points : int
        Number of phases, at the centres of as many bins.
    **kwargs : dict
        For `~matplotlib.axes.Axes.plot`.

    Returns
    -------
    `~matplotlib.axes.Axes`
        The axes.
    """
    ax = new_axes() if ax is None else ax
    phase = (np.arange(n_points) + 0.5) / n_points
    ax.plot(phase, np.interp(phase, model.table["PHASE"], model.table["NORM"]), **line_settings(kwargs))
    ax.set_xlabel("phase")
    ax.set_ylabel("norm")
    return ax
