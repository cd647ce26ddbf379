"""Counts cubes with their responses and models: `MapDataset`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from bayesmap._types import Axes, QuantityLike, RandomState, Region, Tree
from bayesmap.datasets import checks, info, predict, simulate
from bayesmap.datasets.components import is_lazy
from bayesmap.datasets.evaluator import Evaluator
from bayesmap.datasets.map_base import MapDatasetBase
from bayesmap.likelihoods import Likelihood, PoissonLikelihood
from bayesmap.maps import Map
from bayesmap.modeling import FoVBackgroundModel
from bayesmap.modeling.collection import ModelsLike

if TYPE_CHECKING:
    from bayesmap.modeling import Models

__all__ = ["MapDataset"]


class MapDataset(MapDatasetBase):
    """Binned counts with background, exposure, responses and masks, and the models that predict them.

    Arrays are in the order ``(energy, lat, lon)``.

    Parameters
    ----------
    models : `~bayesmap.modeling.Models`, list or model, optional
        Source and background models.
    counts : `~bayesmap.maps.Map`, optional
        Counts in reconstructed energy.
    exposure : `~bayesmap.maps.Map`, optional
        Exposure in true energy, of a unit like m2 s, on the sky pixels of the counts.
    background : `~bayesmap.maps.Map` or `~bayesmap.modeling.BackgroundModel`, optional
        Expected background counts, binned like the counts. A model gives its map, and a `FoVBackgroundModel` with its
        spectrum joins the models.
    psf : `~bayesmap.irf.PSFMap`, `~bayesmap.irf.RecoPSFMap` or `~bayesmap.irf.PSFKernel`, optional
        Point spread function; round images become a map of one pixel.
    edisp : `~bayesmap.irf.EDispKernelMap`, `~bayesmap.irf.EDispMap` or `~bayesmap.irf.EDispKernel`, optional
        Energy dispersion; a matrix becomes a map of one pixel.
    mask_safe : `~bayesmap.maps.Map`, optional
        True in the safe data range.
    mask_fit : `~bayesmap.maps.Map`, optional
        True in the bins that the likelihood uses.
    gti : `~bayesmap.irf.GTI`, optional
        Good time intervals.
    meta_table : `~astropy.table.Table`, optional
        One row per observation.
    name : str, optional
        Name; a random one by default.
    meta : `~bayesmap.datasets.MapDatasetMetaData` or dict, optional
        Information that travels with the dataset.

    Raises
    ------
    TypeError
        If a component is of the wrong class.
    bayesmap.errors.GeometryMismatchError
        If components that share a geometry do not.
    astropy.units.UnitConversionError
        If a component has a unit of the wrong kind.
    ValueError
        If counts, background or exposure are negative or not finite inside ``mask_safe``.

    Warns
    -----
    UserWarning
        If counts are not integers.

    Notes
    -----
    In place of a map one may give a location on disk (an object with ``load()``, see `bayesmap.io`); it is loaded and
    checked on first use.

    Examples
    --------
    >>> from bayesmap.datasets import MapDataset
    >>> from bayesmap.maps import MapAxis, WcsGeom
    >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
    >>> dataset = MapDataset.create(WcsGeom.create(npix=(4, 5), binsz=0.1, axes=[axis]), name="empty")
    >>> tuple(int(n) for n in dataset.data_shape)
    (3, 5, 4)
    """

    tag = "MapDataset"
    stat_type = "cash"
    likelihood: Likelihood = PoissonLikelihood()

    # --- models

    @property
    def models(self) -> "Models | None":
        """Models that apply to this dataset, or None.

        On assignment takes a model, a list or a `~bayesmap.modeling.Models` and keeps those whose
        ``datasets_names`` is None or contains the name of this dataset. A model whose source lies outside the field
        gives a warning; datasets that are not yet loaded are not looked at.
        """
        return self._models

    @models.setter
    def models(self, models: ModelsLike | None) -> None:
        MapDatasetBase.models.fset(self, models)  # type: ignore[attr-defined]
        if any(is_lazy(self.__dict__.get(name)) for name in self.components) or not list(self.reco_geoms()):
            return
        for model in self.models or ():
            checks.warn_outside_field(self, model)

    @property
    def background_model(self) -> FoVBackgroundModel | None:
        """The field-of-view background model of this dataset, or None."""
        found = [model for model in self.models or () if isinstance(model, FoVBackgroundModel)]
        return found[0] if found else None

    def fake(
        self, random_state: RandomState = "random-seed", *, posterior: Tree | None = None, prior: bool = False
    ) -> dict[str, u.Quantity] | None:
        """Overwrite the counts with one draw from the likelihood.

        By default the parameters have their current values. Draws fill all bins, also those outside the mask.

        Parameters
        ----------
        random_state : int, "random-seed", "global-rng" or generator
            Source of randomness.
        posterior : `xarray.DataTree`, optional
            If given, the parameters are those of one draw from this posterior, chosen at random.
        prior : bool
            If true, the parameters are one draw from their priors (default priors where none are set).

        Returns
        -------
        dict of str to `~astropy.units.Quantity` or None
            The free parameters of the draw by the names of their variables, in the declared units: the truth of a
            simulation with ``posterior`` or ``prior``. None if the parameters have their current values.

        Raises
        ------
        KeyError
            If the posterior lacks a free parameter.
        ValueError
            If both ``posterior`` and ``prior`` are asked for.

        Warns
        -----
        UserWarning
            If the models lack some of a posterior that is that of other datasets; see
            `~bayesmap.inference.posterior_npred`.

        Notes
        -----
        The values of the models are not changed. For many draws use `bayesmap.inference.posterior_predictive`.
        """
        self.counts, values = simulate.fake_counts(self, random_state, posterior=posterior, prior=prior)
        return values

    # --- predictions

    def npred(self) -> Map:
        """Total predicted counts of sources and background.

        Negative totals, which a negative amplitude gives, are set to zero as in Gammapy, with a warning if they are
        more than rounding; `npred_signal` and `npred_background` are never changed in this way.

        Returns
        -------
        `~bayesmap.maps.Map`
            Expected counts per bin, shape ``(n_energy, n_lat, n_lon)``, float64.
        """
        return predict.npred(self)

    def npred_signal(
        self, model_names: Sequence[str] | str | None = None, stack: bool = True, *, model: Any = None
    ) -> Map:
        """Predicted counts of the models other than the field-of-view background.

        Parameters
        ----------
        model_names : list of str or str, optional
            Names of models; all by default.
        stack : bool
            Whether the models are summed; if not, the map has a leading axis ``models``.
        model : `~bayesmap.modeling.SkyModel`, optional
            A model to predict in place of those of the dataset, as in older Gammapy releases (also as the first
            argument).

        Returns
        -------
        `~bayesmap.maps.Map`
            Expected counts per bin; zero without models. Not clipped.

        Raises
        ------
        KeyError
            If a name is unknown.
        ValueError
            If both names and a model are given.
        """
        return predict.npred_signal(self, model_names, stack, model)

    @property
    def evaluators(self) -> dict[str, Evaluator]:
        """One object per sky model, by name, that predicts its counts alone."""
        return {model.name: Evaluator(self, model) for model in predict.signal_models(self)}

    def npred_background(self) -> Map | None:
        """Predicted background counts: the background, changed by the `FoVBackgroundModel` if there is one.

        Returns
        -------
        `~bayesmap.maps.Map` or None
            Expected counts per bin, None if the dataset has no background. Not clipped.
        """
        return predict.npred_background(self)

    @property
    def excess(self) -> Map:
        """Observed counts minus predicted background counts."""
        predict.require_counts(self, "the excess")
        background = self.npred_background()
        expected = 0.0 if background is None else background.data
        return Map.from_geom(self._geom, data=self.counts.data.astype("float64") - expected, unit="")

    def residuals(self, method: str = "diff", **kwargs: Any) -> Map:
        """Residuals of counts and predicted counts.

        Parameters
        ----------
        method : {"diff", "diff/model", "diff/sqrt(model)"}
            "diff": data - model; "diff/model": (data - model) / model; "diff/sqrt(model)": (data - model) /
            sqrt(model).
        **kwargs : dict
            If any is given, counts and predictions inside the mask are first smoothed with `Map.smooth` and divided
            by the smoothed mask; defaults then are kernel "gauss", width "0.1 deg", mode "constant".

        Returns
        -------
        `~bayesmap.maps.Map`
            Residuals, NaN outside the mask.

        Raises
        ------
        ValueError
            If the method is unknown or the dataset has no counts.
        """
        return predict.residuals(self, method, **kwargs)

    def stat_array(self) -> np.ndarray:
        """Fit statistic per bin, also outside the mask, at the current parameter values.

        Returns
        -------
        numpy.ndarray
            -2 log L up to a constant, shape ``(n_energy, n_lat, n_lon)``; priors are not part of it.

        Raises
        ------
        ValueError
            If the dataset has no counts.
        """
        return predict.stat_array(self)

    # --- regions

    def to_region_map_dataset(self, region: Region, name: str | None = None) -> Any:
        """Dataset summed over a region of the sky; see `bayesmap.datasets.region.to_region_map_dataset`."""
        from bayesmap.datasets.region import to_region_map_dataset

        return to_region_map_dataset(self, region, name=name)

    def to_spectrum_dataset(self, on_region: Any, containment_correction: bool = False, name: str | None = None) -> Any:
        """Spectrum in a region of the sky; see `bayesmap.datasets.region.to_spectrum_dataset`."""
        from bayesmap.datasets.region import to_spectrum_dataset

        return to_spectrum_dataset(self, on_region, containment_correction, name=name)

    # --- summaries and figures

    def info_dict(self, in_safe_data_range: bool = True) -> dict[str, Any]:
        """Summary numbers, summed over energy and sky in double precision.

        Parameters
        ----------
        in_safe_data_range : bool
            Whether sums are over ``mask_safe`` only.

        Returns
        -------
        dict
            Counts, excess, background (as stored), predictions, exposure range, times, rates, numbers of bins and
            the fit statistic (inside the whole mask). ``excess`` and ``sqrt_ts`` use the predicted background.
        """
        return info.info_dict(self, in_safe_data_range)

    def __str__(self) -> str:
        return info.summary_text(self)

    def _repr_html_(self) -> str:
        return info.summary_html(self)

    def peek(self, figsize: tuple[float, float] = (13, 7)) -> Any:
        """Show counts, predicted counts, exposure and responses at a glance.

        Parameters
        ----------
        figsize : tuple of float
            Size of the figure in inches.
        """
        from bayesmap.plot.peek import peek

        return peek(self, figsize=figsize)

    def plot_residuals(
        self,
        ax_spatial: Axes | None = None,
        ax_spectral: Axes | None = None,
        kwargs_spatial: Mapping[str, object] | None = None,
        kwargs_spectral: Mapping[str, object] | None = None,
        *,
        npred: Map | None = None,
    ) -> tuple[Axes, ...]:
        """Plot spatial and spectral residuals side by side.

        Parameters
        ----------
        ax_spatial, ax_spectral : `~matplotlib.axes.Axes`, optional
            Where to plot, the first with a sky projection.
        kwargs_spatial, kwargs_spectral : dict, optional
            Arguments for `plot_residuals_spatial` and `plot_residuals_spectral`; the second names the ``region``.
        npred : `~bayesmap.maps.Map`, optional
            Prediction to compare with; ``npred()`` by default.

        Returns
        -------
        tuple of `~matplotlib.axes.Axes`
            The two axes.
        """
        from bayesmap.plot.residuals import plot_residuals

        return plot_residuals(self, ax_spatial, ax_spectral, kwargs_spatial, kwargs_spectral, npred=npred)

    def plot_residuals_spatial(
        self,
        ax: Axes | None = None,
        method: str = "diff",
        smooth_kernel: str = "gauss",
        smooth_radius: QuantityLike = "0.1 deg",
        **kwargs: Any,
    ) -> Axes:
        """Plot an image of smoothed residuals, summed over energy.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Axes with a sky projection.
        method : {"diff", "diff/model", "diff/sqrt(model)"}
            Normalisation, see `residuals`.
        smooth_kernel : {"gauss", "box"}
            Shape of the smoothing.
        smooth_radius : `~astropy.units.Quantity`, str or float
            Width of the smoothing, in pixels if a number.
        **kwargs : dict
            Arguments for the plot of the map.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The axes.
        """
        from bayesmap.plot.residuals import plot_residuals_spatial

        return plot_residuals_spatial(self, ax, method, smooth_kernel, smooth_radius, **kwargs)

    def plot_residuals_spectral(
        self,
        ax: Axes | None = None,
        method: str = "diff",
        region: Region = None,
        kwargs_fit: Mapping[str, object] | None = None,
        kwargs_safe: Mapping[str, object] | None = None,
        **kwargs: Any,
    ) -> Axes:
        """Plot residuals against energy, summed over a region, and shade the energies inside the masks.

        Parameters
        ----------
        ax : `~matplotlib.axes.Axes`, optional
            Where to plot.
        method : {"diff", "diff/sqrt(model)"}
            Normalisation, see `residuals`.
        region : `~regions.SkyRegion`
            Where counts and predictions are summed; the whole field by default.
        kwargs_fit, kwargs_safe : dict, optional
            Arguments for the shading of the two masks.
        **kwargs : dict
            Arguments for the error bars.

        Returns
        -------
        `~matplotlib.axes.Axes`
            The axes.
        """
        from bayesmap.plot.residuals import plot_residuals_spectral

        return plot_residuals_spectral(self, ax, method, region, kwargs_fit, kwargs_safe, **kwargs)
