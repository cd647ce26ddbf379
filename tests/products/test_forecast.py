"""Forecasts: Fisher information against gradients of the likelihood, and sensitivities against Gammapy's formula."""

import astropy.units as u
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from bayesmap._backend.functions import QUICK
from bayesmap.inference import compile_fit
from bayesmap.inference.observations import facts_of
from bayesmap.maps import Map
from bayesmap.modeling import GaussianSpatialModel, Models, Prior, SkyModel
from bayesmap.products import fisher, sensitivity
from bayesmap.stats import CashCountsStatistic, WStatCountsStatistic, wstat
from tests.inference import spectra
from tests.inference.test_family import on_off
from tests.inference.tiny import LAT, LON, background, make_dataset, point, power_law, source_and_background

FLAT = Prior("Uniform", lower="0 cm-2 s-1 TeV-1", upper="2e-11 cm-2 s-1 TeV-1")


def hessian_on_asimov_data(dataset):
    """Minus the second derivatives of the Poisson likelihood where counts are expectations, by its exact gradient."""
    free = [p for p in Models(dataset.models).parameters if not p.frozen]
    observed = facts_of(dataset).observe(free, data=False)
    point = np.array([p.value for p in free])
    counts, mask = observed.npred(*point), observed.mask
    inputs = [pt.tensor(dtype="float64", shape=()) for _ in free]
    mean = observed.npred.expression(inputs)[mask.nonzero()]
    gradient = pytensor.function(inputs, pt.grad((counts[mask] * pt.log(mean) - mean).sum(), inputs), mode=QUICK)
    steps = np.array([1e-4 if p.unit == "deg" else 1e-4 * abs(p.value) for p in free])
    rows = []
    for i, step in enumerate(steps):
        ends = [np.array(gradient(*(point + sign * step * (np.arange(len(free)) == i)))) for sign in (1, -1)]
        rows.append((ends[1] - ends[0]) / (2 * step))
    return np.array(rows)


def extended():
    shape = GaussianSpatialModel(lon_0=LON * u.deg, lat_0=LAT * u.deg, sigma="0.1 deg", frame="galactic")
    return SkyModel(spectral_model=power_law(amplitude="5e-12 cm-2 s-1 TeV-1"), spatial_model=shape, name="source")


@pytest.mark.parametrize(("source", "tolerance"), [(point(), 2e-6), (extended(), 2e-4)], ids=["point", "extended"])
def test_information_is_the_curvature_on_asimov_data(source, tolerance):
    dataset = make_dataset(models=Models([source, background()]))
    found = fisher(dataset)
    expected = hessian_on_asimov_data(dataset)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(found.matrix / scale, expected / scale, atol=tolerance)
    np.testing.assert_allclose(found.covariance * scale @ (found.matrix / scale), np.eye(len(expected)), atol=1e-9)


@pytest.mark.slow
def test_errors_are_those_of_laplace_on_asimov_data():
    """Counts so many that rounding the expectation says nothing; flat priors."""
    dataset = make_dataset(models=source_and_background(), level=400.0)
    dataset.models["source"].spectral_model.amplitude.quantity = "1e-9 cm-2 s-1 TeV-1"
    flat = {"index": Prior("Uniform", lower=0, upper=6), "lon_0": Prior("Uniform", lower="24 deg", upper="26 deg")}
    flat |= {"lat_0": Prior("Uniform", lower="0 deg", upper="2 deg"), "norm": Prior("Uniform", lower=0, upper=5)}
    flat["amplitude"] = Prior("Uniform", lower="0 cm-2 s-1 TeV-1", upper="1e-8 cm-2 s-1 TeV-1")
    for p in dataset.models.parameters.free_parameters:
        p.prior = flat[p.name]
    dataset.counts = Map.from_geom(dataset.counts.geom, data=np.rint(dataset.npred().data), unit="")
    mode = compile_fit(dataset).find_mode(1)
    for name, error in fisher(dataset).errors.items():
        assert error == pytest.approx(mode.errors[name], rel=0.01), name


def test_several_datasets_add_up():
    source = point()
    first, second = (make_dataset(name, Models([source, background(name)])) for name in ("a", "b"))
    both, one = fisher([first, second]), fisher(first)
    assert list(both.values)[-1] == "b-bkg.norm"
    shared = [list(both.values).index(name) for name in one.values if name.startswith("source")]
    np.testing.assert_allclose(both.matrix[np.ix_(shared, shared)], 2 * one.matrix[:4, :4])
    assert both.errors["source.amplitude"] == pytest.approx(one.errors["source.amplitude"] / np.sqrt(2), rel=1e-6)
    assert "source.index " in str(both)
    assert both.units["source.lon_0"] == "deg"


def test_unknown_backgrounds_have_the_information_of_the_w_statistic():
    """Half of its second derivative where ON and OFF counts are expectations, bins with and without OFF counts."""
    dataset = on_off(counts_off=[20, 6, 2, 1])
    signal, off = dataset.npred_signal().data.ravel(), dataset.counts_off.data.ravel()
    amplitude = dataset.models[0].spectral_model.amplitude.value
    on = signal + 0.25 * off

    def statistic(scale):
        return wstat(on, off, 0.25, scale * signal).sum()

    step = 1e-3
    curvature = (statistic(1 + step) - 2 * statistic(1) + statistic(1 - step)) / step**2 / 2
    found = fisher(dataset)
    assert list(found.values) == ["source.amplitude"]
    assert found.matrix[0, 0] * amplitude**2 == pytest.approx(curvature, rel=1e-4)


def test_a_forecast_needs_no_counts_and_takes_other_values():
    model = spectra.source(amplitude=FLAT)
    dataset = spectra.dataset(model)
    expected = fisher(dataset, {"s.amplitude": "3e-9 m-2 s-1 TeV-1"})
    dataset.counts = None
    model.spectral_model.amplitude.value = 3e-13
    found = fisher(dataset)
    np.testing.assert_allclose(found.matrix, expected.matrix, rtol=1e-6)
    np.testing.assert_allclose(fisher(dataset, {"s.amplitude": 3e-13}).matrix, expected.matrix, rtol=1e-6)
    signal = dataset.npred_signal().data.ravel()
    error = 3e-13 / np.sqrt((signal**2 / (signal + 2.0)).sum())
    assert found.errors["s.amplitude"] == pytest.approx(error, rel=1e-8)


def test_what_has_no_forecast():
    dataset = spectra.dataset(spectra.source(amplitude=FLAT))
    with pytest.raises(KeyError, match=r"no free parameter 's\.ampl'.*did you mean"):
        fisher(dataset, {"s.ampl": 1})
    with pytest.raises(ValueError, match="nothing to forecast"):
        fisher(spectra.dataset(spectra.source()))
    with pytest.raises(ValueError, match="expect no counts but depend on a parameter"):
        fisher(spectra.dataset(spectra.source(amplitude=FLAT), background=None), {"s.amplitude": 0.0})
    other = spectra.source(amplitude=FLAT).copy(name="t")
    other.spectral_model.amplitude.frozen = False
    dataset.models = Models([*dataset.models, other])
    with pytest.raises(ValueError, match=r"a combination of s\.amplitude, t\.amplitude: freeze one"):
        _ = fisher(dataset).errors
    nothing = spectra.dataset(spectra.source(index=spectra.INDEX, amplitude=FLAT))
    with pytest.raises(ValueError, match=r"say nothing about s\.index: freeze it"):
        _ = fisher(nothing, {"s.amplitude": 0.0}).errors


# -- sensitivity -----------------------------------------------------------------------------------------------------
def test_of_a_spectrum_it_is_the_formula_of_gammapy():
    """``SensitivityEstimator``: excess by the W statistic, at least 10 counts and 5 % of the background."""
    dataset = on_off(counts_off=[4000, 60, 6, 0])
    table = sensitivity(dataset, "source")
    off = dataset.counts_off.data.ravel()
    needed = WStatCountsStatistic(0.25 * off, off, np.full(4, 0.25)).n_sig_matching_significance(5.0)
    excess = np.maximum(np.maximum(needed, 10), 0.05 * 0.25 * off)
    np.testing.assert_allclose(table["excess"], excess, rtol=1e-8)
    axis = dataset.counts.geom.axes["energy"]
    spectrum = dataset.models[0].spectral_model
    norm = excess / dataset.npred_signal().data.ravel()
    e2dnde = (norm * spectrum(axis.center) * axis.center**2).to_value("erg cm-2 s-1")
    np.testing.assert_allclose(table["e2dnde"].to_value("erg cm-2 s-1"), e2dnde, rtol=1e-8)
    np.testing.assert_allclose(table["background"], 0.25 * off, rtol=1e-12)
    np.testing.assert_allclose(table["flux"].value, (norm * spectrum.integral(axis.edges[:-1], axis.edges[1:])).value)
    assert list(table["criterion"]) == ["significance", "significance", "significance", "gamma"]
    systematic = sensitivity(dataset, "source", background_fraction=0.5)
    assert systematic["criterion"][0] == "bkg"
    assert systematic["excess"][0] == 500


def test_known_backgrounds_have_the_cash_statistic():
    dataset = spectra.dataset(spectra.source(amplitude=FLAT), background=30.0)
    table = sensitivity(dataset, "s", significance=3, n_min=0, background_fraction=0)
    needed = float(CashCountsStatistic(30, 30).n_sig_matching_significance(3.0))
    np.testing.assert_allclose(table["excess"], needed, rtol=1e-8)


def asimov_sigma(dataset, table, row, bins):
    """Root of TS for the flux of a row, in some bins of a map, from predictions and the Cash formula."""
    source = dataset.models["source"]
    norm = float(table["flux"][row] / source.spectral_model.integral(table["e_min"][row], table["e_max"][row]))
    signal, rest = dataset.npred_signal(["source"]).data[bins] * norm, dataset.npred_background().data[bins]
    total = signal + rest
    keep = signal > 0
    return np.sqrt(2 * (total[keep] * np.log(total[keep] / rest[keep]) - signal[keep]).sum())


def test_of_a_map_all_pixels_are_used_and_bands_may_be_wider():
    dataset = make_dataset(models=source_and_background())
    dataset.counts = None
    single = sensitivity(dataset, "source", n_min=0)
    assert len(single) == 3
    for row in range(3):
        assert asimov_sigma(dataset, single, row, slice(row, row + 1)) == pytest.approx(5, rel=1e-8)
    whole = sensitivity(dataset, "source", [1, 10] * u.TeV, n_min=0)
    assert asimov_sigma(dataset, whole, 0, slice(0, 3)) == pytest.approx(5, rel=1e-8)
    unmasked = make_dataset(models=source_and_background())
    mask = np.ones(unmasked.counts.data.shape, dtype=bool)
    mask[:, :, :15] = False
    unmasked.mask_fit = Map.from_geom(unmasked.counts.geom, data=mask, unit="")
    assert (sensitivity(unmasked, "source", n_min=0)["flux"] > single["flux"]).all()


def test_two_datasets_reach_further():
    source = point()
    pair = [make_dataset(name, Models([source, background(name)]), level=5.0) for name in ("a", "b")]
    one, both = sensitivity(pair[0], "source", n_min=0), sensitivity(pair, "source", n_min=0)
    ratio = (both["flux"] / one["flux"]).value
    assert (ratio < 0.77).all()
    assert (ratio > 0.5).all()


def test_no_exposure_and_wrong_edges():
    dataset = spectra.dataset(spectra.source(amplitude=FLAT))
    dataset.exposure.data[0] = 0
    table = sensitivity(dataset, "s")
    assert table["criterion"][0] == "none"
    assert np.isnan(table["e2dnde"][0])
    assert np.isfinite(table["e2dnde"][1:]).all()
    with pytest.raises(ValueError, match="'d': the band from 1.1 TeV to 20 TeV does not begin and end at edges"):
        sensitivity(dataset, "s", [1.1, 20] * u.TeV)
    with pytest.raises(KeyError, match=r"no model 'x'.*valid: \['s'\]"):
        sensitivity(dataset, "x")
    for name in ("significance", "n_min", "background_fraction"):
        with pytest.raises(ValueError, match=f"{name} must be a number"):
            sensitivity(dataset, "s", **{name: -1})
