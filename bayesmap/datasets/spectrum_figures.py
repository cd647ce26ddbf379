"""Names of the figures of spectrum datasets; they are drawn by `bayesmap.plot`."""

from collections.abc import Mapping
from typing import Any

from bayesmap._types import Axes

__all__ = ["SpectrumFigures"]


class SpectrumFigures:
    """Figures of counts in a region, as methods of the datasets."""

    def plot_counts(
        self,
        ax: Axes | None = None,
        kwargs_counts: Mapping[str, object] | None = None,
        kwargs_background: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> Axes:
        """Plot counts and background.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Where to plot.
        kwargs_counts, kwargs_background : dict, optional
            Arguments for the two histograms.
        **kwargs : dict
            Arguments for both.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The axes.
        """
        from bayesmap.plot.spectrum_dataset import plot_counts

        return plot_counts(self, ax, kwargs_counts, kwargs_background, **kwargs)  # type: ignore[arg-type]

    def plot_excess(
        self,
        ax: Axes | None = None,
        kwargs_excess: Mapping[str, object] | None = None,
        kwargs_npred_signal: Mapping[str, object] | None = None,
        **kwargs: object,
    ) -> Axes:
        """Plot the excess with symmetric errors, and the predicted signal.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Where to plot.
        kwargs_excess : dict, optional
            Arguments for the error bars.
        kwargs_npred_signal : dict, optional
            Arguments for the histogram of the prediction.
        **kwargs : dict
            Arguments for both.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The axes.
        """
        from bayesmap.plot.spectrum_dataset import plot_excess

        return plot_excess(self, ax, kwargs_excess, kwargs_npred_signal, **kwargs)  # type: ignore[arg-type]

    def plot_masks(
        self,
        ax: Axes | None = None,
        kwargs_fit: Mapping[str, object] | None = None,
        kwargs_safe: Mapping[str, object] | None = None,
    ) -> Axes:
        """Shade the energies inside the fit mask and the safe mask.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Where to plot.
        kwargs_fit, kwargs_safe : dict, optional
            Arguments for the two masks.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The axes.
        """
        from bayesmap.plot.spectrum_dataset import plot_masks

        return plot_masks(self, ax, kwargs_fit, kwargs_safe)  # type: ignore[arg-type]

    def plot_fit(
        self,
        ax_spectrum: Axes | None = None,
        ax_residuals: Axes | None = None,
        kwargs_spectrum: Mapping[str, object] | None = None,
        kwargs_residuals: Mapping[str, object] | None = None,
    ) -> tuple[Axes, ...]:
        """Plot excess and prediction above their residuals.

        Parameters
        ----------
        ax_spectrum, ax_residuals : `~matplotlib.axes.Axes`, optional
            Where to plot.
        kwargs_spectrum : dict, optional
            Arguments of `plot_excess`.
        kwargs_residuals : dict, optional
            Arguments of `plot_residuals_spectral`.

        Returns
        -------
        tuple of `~matplotlib.axes.Axes`
            The two axes.
        """
        from bayesmap.plot.spectrum_dataset import plot_fit

        return plot_fit(self, ax_spectrum, ax_residuals, kwargs_spectrum, kwargs_residuals)  # type: ignore[arg-type]

    def peek(self, figsize: tuple[float, float] = (16, 4)) -> Any:
        """Show counts, exposure and energy dispersion at a glance.

        Parameters
        ----------
        figsize : tuple of float
            Size of the figure in inches.
        """
        from bayesmap.plot.spectrum_dataset import peek_spectrum

        return peek_spectrum(self, figsize=figsize)  # type: ignore[arg-type]
