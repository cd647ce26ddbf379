"""Where figures are drawn, and what is written beside their axes."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest

from bayesmap.estimators import FluxPoints
from bayesmap.maps import Map
from bayesmap.plot import (
    plot_corner,
    plot_map,
    plot_marginal,
    plot_spectrum,
    plot_spectrum_posterior,
    plot_trace,
    plot_traces,
)
from bayesmap.plot.axes import flux_label, new_axes, unit_label
from tests.golden import shared_path


@pytest.fixture(autouse=True)
def _closed():
    plt.close("all")
    yield
    plt.close("all")


def test_a_figure_without_axes_is_a_new_one(dataset, tree):
    model = dataset.models["source"]
    image = dataset.counts.sum_over_axes(keepdims=False)
    calls = (
        lambda: plot_corner(tree, ["source.index"])[0, 0],
        lambda: plot_trace(tree, "source.index"),
        lambda: plot_marginal(tree, "source.index"),
        lambda: plot_spectrum(model, ("1 TeV", "10 TeV")),
        lambda: plot_spectrum_posterior(tree, model, ("1 TeV", "10 TeV")),
        lambda: plot_map(image),
        lambda: plot_map(image),
        lambda: plot_trace(tree, "source.index"),
    )
    figures = [call().figure.number for call in calls]
    assert figures == list(range(1, len(calls) + 1))


def test_empty_figures_and_axes_of_the_user_are_used(dataset, tree):
    mine = plt.figure(figsize=(3, 2))
    assert plot_trace(tree, "source.index").figure is mine
    _, (left, right) = plt.subplots(1, 2)
    assert plot_trace(tree, "source.index") is right
    plt.sca(left)
    assert plot_trace(tree, "source.amplitude") is left
    assert plot_trace(tree, "source.amplitude").figure not in (mine, left.figure)
    plt.figure().add_subplot()  # no sky axes
    assert plot_map(dataset.counts.sum_over_axes(keepdims=False)).figure.number == 5


def test_labels():
    assert unit_label(u.Unit("")) == unit_label(None) == ""
    assert unit_label(u.deg) == r"[$\mathrm{deg}$]"
    assert unit_label(None, -3) == "[$10^{-3}$]"
    assert unit_label(u.Unit("m2 s"), 10) == r"[$10^{10}$ $\mathrm{m^{2}\,s}$]"
    assert flux_label(u.Unit("erg cm-2 s-1"), "e2dnde").startswith(r"$E^{2}$ dN/dE [")
    assert flux_label(u.Unit("TeV cm-2 s-1"), "dnde", 2).startswith(r"$E^{2}$ dN/dE [")
    assert flux_label(u.Unit("cm-2 s-1"), "flux").startswith("flux [")


def test_no_column_names_on_the_axes_of_flux_points():
    points = FluxPoints.read(shared_path("data", "flux_points", "crab_hess_fp.fits"))
    for kind in ("e2dnde", "dnde"):
        label = points.plot(sed_type=kind).get_ylabel()
        assert "dN/dE" in label
        assert "dnde" not in label


@pytest.mark.parametrize("top", [5.0, 3e10])
def test_colour_bars_have_their_power_of_ten_in_the_label(dataset, top):
    geom = dataset.counts.geom.to_image()
    values = np.linspace(0.2, 1, geom.data_shape[0] * geom.data_shape[1]).reshape(geom.data_shape) * top
    figure = plot_map(Map.from_geom(geom, data=values, unit="m2 s"), add_cbar=True).figure
    figure.canvas.draw()
    bar = figure.axes[0].images[0].colorbar
    assert bar.ax.yaxis.get_offset_text().get_text() == ""
    power = 10 if top > 1e4 else 0
    assert bar.ax.get_ylabel() == unit_label(u.Unit("m2 s"), power)
    texts = {
        round(at / 10**power, 9): text.get_text()
        for at, text in zip(bar.get_ticks(), bar.ax.get_yticklabels(), strict=True)
    }
    assert all(float(text) == number for number, text in texts.items())
    assert len({len(text.partition(".")[2]) for text in texts.values()}) == 1
    map_ = Map.from_geom(geom, data=values)
    plot_map(map_, add_cbar=True, kwargs_colorbar={"label": "counts per pixel"})
    label = plt.gcf().axes[0].images[0].colorbar.ax.get_ylabel()
    assert label == ("counts per pixel [$10^{10}$]" if power else "counts per pixel")


def test_titles_of_a_corner_are_medians_with_errors(tree):
    draws = tree["posterior"]["source.amplitude"].to_numpy()
    low, median, high = np.quantile(draws, [0.16, 0.5, 0.84]) * 1e11
    axes = plot_corner(tree, ["source.index", "source.amplitude"])
    title = axes[1, 1].get_title()
    assert title.startswith("amplitude = ")
    assert title.endswith(unit_label(u.Unit("cm-2 s-1 TeV-1"), -11 if draws.max() >= 1e-11 else -12))
    scale = 1 if draws.max() >= 1e-11 else 10
    assert f"{median * scale:.2f}"[:4] in title
    assert f"{(high - median) * scale:.2f}"[:3] in title
    assert f"{(median - low) * scale:.2f}"[:3] in title


def test_traces_say_what_they_show(tree):
    axes = plot_traces(tree)
    assert [ax.get_xlabel() for ax in axes] == [""] * (len(axes) - 2) + ["draw"] * 2
    assert all(ax.get_ylabel() and ax.get_title() for ax in axes)
    assert [text.get_text() for text in axes[0].figure.legends[0].get_texts()] == ["chain 0", "chain 1"]


def test_new_axes_take_a_figure():
    figure = plt.figure()
    assert new_axes(figure=figure).figure is figure
