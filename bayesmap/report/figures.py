"""The figures of an analysis report."""

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patheffects import withStroke

from bayesmap._types import Axes, QuantityLike, Tree
from bayesmap.checks import Checks
from bayesmap.datasets import FluxPointsDataset, ImageDataset
from bayesmap.inference.streaming import Moments, Stream, routes_of
from bayesmap.maps import Map
from bayesmap.modeling import SkyModel, parameter_names
from bayesmap.modeling.posterior import Posterior
from bayesmap.plot import (
    mark_worst_blocks,
    peek,
    plot_block_deviations,
    plot_corner,
    plot_image_residuals,
    plot_map,
    plot_marginals,
    plot_pit_blocks,
    plot_pit_points,
    plot_ppc_profile,
    plot_ppc_spectrum,
    plot_predictive_band,
    plot_residual_points,
    plot_significance,
    plot_significance_distribution,
    plot_spectrum,
    plot_spectrum_posterior,
    plot_traces,
)
from bayesmap.plot.posterior_numbers import PredictiveBand, RegionSums
from bayesmap.report.page import Figure

if TYPE_CHECKING:
    import matplotlib.figure

    from bayesmap.datasets.base import Datasets
    from bayesmap.datasets.map import MapDataset
    from bayesmap.modeling import Models

__all__ = ["analysis_figures", "check_figures", "source_regions"]

#: radius of the regions around sources and of the disks of the significance map
RADIUS = 0.2 * u.deg
CORRELATION_RADIUS = 0.1 * u.deg
#: draws of predictive bands and of the mean prediction, which is good to a tenth of the spread then
BAND_DRAWS = 200


def sources(dataset: "MapDataset") -> list[SkyModel]:
    """Sky models of a dataset that have a position."""
    return [m for m in dataset.models or () if isinstance(m, SkyModel) and m.position is not None]


def source_regions(dataset: "MapDataset") -> dict[str, Any]:
    """A circle around each source inside the field, at its current position, and None for the whole field.

    The radius is 0.2 deg, or twice the extension ``sigma`` where that is larger.
    """
    from regions import CircleSkyRegion

    if dataset.counts.geom.is_region:
        return {dataset.name: None}
    regions: dict[str, Any] = {"whole field": None}
    geom = dataset.counts.geom.to_image()
    for model in sources(dataset):
        sigma = getattr(model.spatial_model, "sigma", None)
        radius = RADIUS if sigma is None else max(RADIUS, 2 * sigma.quantity.to("deg"))
        region = CircleSkyRegion(model.position, radius)
        if geom.region_mask(region).data.any():
            regions[model.name] = region
    return regions


def analysis_figures(
    tree: Tree,
    datasets: "Datasets",
    truth: Mapping[str, QuantityLike] | None = None,
    true_models: "Models | None" = None,
) -> dict[str, Figure]:
    """Make all figures of a report.

    Parameters
    ----------
    tree : xarray.DataTree
        Result of `bayesmap.sample`.
    datasets : Datasets
        With data, and with the sampled models at their posterior means.
    truth : Mapping of str to float or `~astropy.units.Quantity`, optional
        True values by variable.
    true_models : Models, optional
        Models of a simulation at their true values.

    Returns
    -------
    dict of Figure
        By file name without ending; those of a dataset, if there are several, begin with its name.
    """
    figures: dict[str, Figure] = {}
    for dataset in datasets:
        prefix = f"{dataset.name}-" if len(datasets) > 1 else ""
        figures |= {prefix + name: figure for name, figure in _data_figures(dataset, tree).items()}
    models, posterior = datasets.models, Posterior(tree)
    figures["marginals"] = _marginals(tree, models, truth)
    if _with_spectrum(datasets):
        figures["spectra"] = _spectra(tree, datasets, true_models)
    for model in models:
        names = [name for name in posterior.parameters(parameter_names([model])) if name in posterior.scalars]
        if len(names) > 1:
            figures[f"corner-{model.name}"] = _corner(tree, model.name, names, truth)
    figures["traces"] = _traces(tree)
    return figures


def check_figures(checks: Checks, datasets: "Datasets") -> dict[str, Figure]:
    """Make a figure of the checks of each dataset.

    Parameters
    ----------
    checks : Checks
        Result of `bayesmap.checks.check`.
    datasets : Datasets
        All of the analysis, with the models at the posterior means; those that were not checked have no figure.

    Returns
    -------
    dict of Figure
        By file name without ending.
    """
    figures = {}
    for dataset in datasets:
        if dataset.name in checks.blocks:
            prefix = f"{dataset.name}-" if len(datasets) > 1 else ""
            figures[f"{prefix}checks"] = _checks_figure(dataset, checks)
    return figures


@functools.singledispatch
def _checks_figure(dataset: Any, checks: Checks) -> Figure:
    """Blocks on the sky, counts per energy, and the profile of each source; of counts, if it is of no other kind."""
    names = [name for m in dataset.models if (name := f"{dataset.name}.{m.name}") in checks.profiles]
    maps = [] if dataset.counts.geom.is_region else [dataset]
    number = len(maps) + 1 + len(names)
    fig = plt.figure(figsize=(5.2 * min(2, number), 4 * -(-number // 2)), layout="constrained")
    place = functools.partial(fig.add_subplot, -(-number // 2), min(2, number))
    for each in maps:
        plot_pit_blocks(checks, each, place(1, projection=each.counts.geom.to_image().wcs)).set_title("blocks")
    plot_ppc_spectrum(checks, dataset.name, place(len(maps) + 1)).set_title("per energy")
    for i, name in enumerate(names):
        plot_ppc_profile(checks, name, place(len(maps) + 2 + i)).set_title(f"around {name.partition('.')[2]}")
    caption = (
        "Counts against replicated data, Poisson noise included (68 % and 95 % bands): per energy, and in rings around "
        "each source. The map shows blocks of several expected counts: how far they lie from what all others predict."
    )
    return _render(fig, caption)


@_checks_figure.register
def _flux_points_checks(dataset: FluxPointsDataset, checks: Checks) -> Figure:
    """Residuals of the points, and their transforms below."""
    fig, (top, bottom) = plt.subplots(2, 1, figsize=(6.8, 5.4), sharex=True, layout="constrained")
    plot_residual_points(dataset, top, "diff/model")
    plot_pit_points(checks, dataset, bottom)
    top.set_xlabel("")
    caption = (
        "Flux points against the spectrum at the posterior mean, and their probability integral transforms (PIT): the "
        "probability of a lower flux than the one measured, under the posterior of all points and without the point. "
        "Of a right model the bands hold 68 % and 95 % of the points; near 1 the flux is above the prediction. Upper "
        "limits have no transform."
    )
    return _render(fig, caption)


@_checks_figure.register
def _image_checks(dataset: ImageDataset, checks: Checks) -> Figure:
    """Residuals of the pixels, and of blocks of them, with frames around the worst."""
    fig = plt.figure(figsize=(10.5, 4.5), layout="constrained")
    left, right = (fig.add_subplot(1, 2, number, projection=dataset.geom.wcs) for number in (1, 2))
    plot_image_residuals(dataset, left).set_title("residuals / standard deviation")
    plot_block_deviations(checks, dataset, right).set_title("blocks")
    mark_worst_blocks(checks, dataset, left, numbers=False)
    mark_worst_blocks(checks, dataset, right)
    caption = (
        "Residuals of pixels, and of the sum of the pixels of each block, in standard deviations of the noise. Frames "
        "are around the three blocks farthest from the prediction, with their deviations: the largest of a right "
        "model is about 2.6 among 100 blocks, and 3.5 among 2000."
    )
    return _render(fig, caption)


@functools.singledispatch
def _data_figures(dataset: Any, tree: Tree) -> dict[str, Figure]:
    """Data and prediction of one dataset; of counts, if it is of no other kind."""
    if dataset.counts.geom.is_region:
        axes = dataset.peek()
        peeked = _render(axes[0].figure, "The spectrum and its responses.")
        return {"predictive": _predictive(_predictions(tree, dataset)[0]), "dataset": peeked}
    bands, npred = _predictions(tree, dataset)
    return {
        "counts": _counts(dataset, npred),
        "significance": _significance(dataset, npred),
        "predictive": _predictive(bands),
        "dataset": _peek(dataset, npred),
    }


@_data_figures.register
def _flux_points_figures(dataset: FluxPointsDataset, tree: Tree) -> dict[str, Figure]:
    top, _ = dataset.plot_fit()
    return {"fit": _render(top.figure, "Flux points and the spectrum at the posterior mean, with residuals.")}


@_data_figures.register
def _image_figures(dataset: ImageDataset, tree: Tree) -> dict[str, Figure]:
    axes = dataset.peek()
    text = "Image, prediction at the posterior mean, and residuals in standard deviations of the noise."
    return {"fit": _render(axes[0].figure, text)}


def _render(figure: "matplotlib.figure.Figure", caption: str) -> Figure:
    """Render and close a figure."""
    rendered = Figure.from_matplotlib(figure, caption)
    plt.close(figure)
    return rendered


def _mark_sources(ax: Axes, dataset: "MapDataset") -> None:
    """Draw a cross and the name at each source, black with a white edge."""
    edge = [withStroke(linewidth=2.5, foreground="white")]
    model: Any
    for model in sources(dataset):
        position: Any = model.position.transform_to(dataset.counts.geom.frame)
        lon, lat = position.data.lon.deg, position.data.lat.deg
        where = ax.get_transform("world")
        cross = {"color": "black", "markersize": 9, "path_effects": edge}
        ax.plot(lon, lat, "+", transform=where, scalex=False, scaley=False, **cross)
        text = {"xytext": (7, 6), "textcoords": "offset points", "fontsize": 10, "path_effects": edge}
        ax.annotate(model.name, (lon, lat), xycoords=where, **text)


def _images(dataset: "MapDataset", npred: Any) -> tuple[Any, Any]:
    """Counts and prediction inside the mask, summed over energy."""
    keep = 1.0 if dataset.mask is None else dataset.mask.data
    maps: Any = (Map.from_geom(m.geom, data=m.data * keep, unit="") for m in (dataset.counts, npred))
    counts, predicted = (m.sum_over_axes(keepdims=False) for m in maps)
    return counts, predicted


def _counts(dataset: "MapDataset", npred: Map) -> Figure:
    """Smoothed counts beside the mean prediction, on one colour scale."""
    images = [image.smooth("0.05 deg") for image in _images(dataset, npred)]
    fig = plt.figure(figsize=(10.5, 4.5), layout="constrained")
    top = max(float(image.data.max()) for image in images)
    for number, (image, title) in enumerate(zip(images, ("counts", "posterior mean prediction"), strict=True)):
        ax = fig.add_subplot(1, 2, number + 1, projection=image.geom.wcs)
        bar = {"label": "counts per pixel"}
        plot_map(image, ax, add_cbar=True, stretch="sqrt", vmin=0, vmax=top, kwargs_colorbar=bar)
        ax.set_title(title)
        if number:
            _mark_sources(ax, dataset)
    caption = "Counts per pixel inside the mask, summed over energy and smoothed by 0.05 deg, and the posterior mean."
    return _render(fig, caption)


def _significance(dataset: "MapDataset", npred: Map) -> Figure:
    fig = plt.figure(figsize=(10.5, 4.5), layout="constrained")
    grid = fig.add_gridspec(1, 2, width_ratios=(1.25, 1))
    ax = fig.add_subplot(grid[0], projection=dataset.counts.geom.to_image().wcs)
    plot_significance(dataset, ax, radius=CORRELATION_RADIUS, npred=npred)
    _mark_sources(ax, dataset)
    plot_significance_distribution(dataset, fig.add_subplot(grid[1]), radius=CORRELATION_RADIUS, npred=npred)
    caption = (
        "Significance of counts against the posterior mean prediction, all energies, in disks of 0.1 deg radius around "
        "each pixel: the map, and its distribution beside a standard normal. A good model leaves no structure."
    )
    return _render(fig, caption)


def _predictions(tree: Tree, dataset: "MapDataset") -> tuple[dict[str, PredictiveBand], Map]:
    """Predictive bands in the regions and the mean prediction, of the same draws in one pass."""
    Posterior(tree).warn_of_left_out(parameter_names(dataset.models or ()), dataset.name)
    draws, rng = Stream(tree, dataset, **routes_of(tree, dataset.name)), np.random.default_rng(0)
    chosen = rng.choice(len(draws), min(BAND_DRAWS, len(draws)), replace=False)
    sums = RegionSums(dataset, source_regions(dataset))
    reducers: dict[str, Any] = {"sums": lambda draw: sums.of(draw.replicate), "mean": Moments(lambda draw: draw.mean)}
    made = draws.reduce(reducers, chosen, rng)
    return sums.bands(made["sums"]), draws.observed.wrap(made["mean"][0])


def _predictive(bands: Mapping[str, PredictiveBand]) -> Figure:
    """Predictive bands in the regions, with relative residuals below each."""
    ncols = min(2, len(bands))
    nrows = -(-len(bands) // ncols)
    fig = plt.figure(figsize=(5.2 * ncols, 4.4 * nrows), layout="constrained")
    for panel, (name, band) in zip(fig.subfigures(nrows, ncols, squeeze=False).ravel(), bands.items(), strict=False):
        top, bottom = panel.subplots(2, 1, sharex=True, height_ratios=(5, 2))
        plot_predictive_band(band, top)
        plot_predictive_band(band, bottom, relative=True)
        top.set_title(name)
        top.set_xlabel("")
        panel.align_ylabels()
        if name != next(iter(bands)):
            top.get_legend().remove()
    caption = (
        "Counts per energy bin over what the posterior predicts, Poisson noise included (68 % and 95 % bands): in the "
        "whole field and in a circle around each source. Below, the same as differences from the mean prediction."
    )
    return _render(fig, caption)


def _with_spectrum(datasets: "Datasets") -> list[SkyModel]:
    """Sky models of datasets that have energies, each once."""
    models = {id(m): m for d in datasets if _energy_limits(d) is not None for m in d.models or ()}
    return [m for m in models.values() if isinstance(m, SkyModel)]


def _spectra(tree: Tree, datasets: "Datasets", true_models: Any) -> Figure:
    fig, ax = plt.subplots(figsize=(6.8, 4.6), layout="constrained")
    limits = [found for dataset in datasets if (found := _energy_limits(dataset)) is not None]
    bounds = (min(low for low, _ in limits), max(high for _, high in limits))
    true = {model.name: model for model in true_models or ()}
    for number, model in enumerate(_with_spectrum(datasets)):
        color = f"C{number}"
        plot_spectrum_posterior(tree, model, bounds, ax, color=color)
        if model.name in true:
            plot_spectrum(true[model.name], bounds, ax, color=color, linestyle="--", label="", linewidth=1)
    if true:
        ax.plot([], [], color="gray", linestyle="--", linewidth=1, label="truth")
    ax.legend(frameon=False)
    caption = "Spectra of the sources: posterior median with 68 % and 95 % bands at each energy."
    return _render(fig, caption + (" Dashed: the simulated spectra." if true else ""))


@functools.singledispatch
def _energy_limits(dataset: Any) -> tuple[u.Quantity, u.Quantity] | None:
    """Lowest and highest energy that a dataset sees, in TeV; None if it has no energies."""
    low, high = dataset.energy_range_total
    if dataset.exposure is not None:
        true = dataset.exposure.geom.axes["energy_true"].edges
        low, high = max(low, true[0]), min(high, true[-1])
    return low.to("TeV"), high.to("TeV")


@_energy_limits.register
def _flux_points_limits(dataset: FluxPointsDataset) -> tuple[u.Quantity, u.Quantity]:
    return dataset.data.energy_min[0].to("TeV"), dataset.data.energy_max[-1].to("TeV")


@_energy_limits.register
def _image_limits(dataset: ImageDataset) -> None:
    return None


def _marginals(tree: Tree, models: "Models", truth: Mapping[str, QuantityLike] | None) -> Figure:
    axes = plot_marginals(tree, truth=truth, models=models)
    return _render(axes[0].figure, "Posterior of each parameter, with the density of its prior (dashed).")


def _corner(tree: Tree, model: str, names: list[str], truth: Mapping[str, QuantityLike] | None) -> Figure:
    axes = plot_corner(tree, names, truth=truth)
    return _render(axes[0, 0].figure, f"Parameters of {model}: contours enclose 68 % and 95 % of the draws.")


def _traces(tree: Tree) -> Figure:
    axes = plot_traces(tree)
    return _render(axes[0].figure, "Draws in the order of sampling, one colour per chain: they should look like noise.")


def _peek(dataset: "MapDataset", npred: Map) -> Figure:
    axes = peek(dataset, figsize=(11, 7), npred=npred)
    return _render(axes[0, 0].figure, "The dataset, its responses and the posterior mean prediction.")
