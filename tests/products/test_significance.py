"""Is a source there? TS, Bayes factors and maps of the excess against numbers made in another way."""

import json
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
import scipy
import xarray as xr

from bayesmap.datasets import MapDatasetOnOff
from bayesmap.inference.conflict import describe_prior
from bayesmap.likelihoods import GaussianLikelihood
from bayesmap.modeling import Models, Prior, SkyModel
from bayesmap.products import excess_map, significance
from bayesmap.stats import WStatCountsStatistic, sigma_to_ts
from tests.golden import shared_path
from tests.inference import spectra
from tests.inference.tiny import background, make_dataset, point
from tests.products.trees import tree_of

FLAT = Prior("Uniform", lower="0 cm-2 s-1 TeV-1", upper="2e-11 cm-2 s-1 TeV-1")
UNIT = u.Unit("cm-2 s-1 TeV-1")


def log_likelihoods(data, amplitudes):
    """Of a dataset with a known background, from predictions and SciPy alone."""
    signal = data.npred_signal().data / data.models[0].spectral_model.amplitude.value
    rest = 0.0 if data.background is None else data.background.data
    counts, rest = (np.broadcast_to(x, signal.shape)[..., None] for x in (data.counts.data, rest))
    return scipy.stats.poisson.logpmf(counts, signal[..., None] * amplitudes + rest).sum(axis=(0, 1, 2))


def test_ts_is_that_of_the_likelihoods():
    data = spectra.dataset(spectra.source(amplitude=FLAT), counts=(9, 4, 5, 2, 3, 1))
    grid = np.linspace(0, 5e-12, 5001)
    values = log_likelihoods(data, grid)
    found = significance(spectra.quick_fit(data), "s")
    assert found.ts == pytest.approx(2 * (values.max() - values[0]), abs=1e-4)
    assert found.sigma == pytest.approx(np.sqrt(found.ts), rel=1e-6)
    assert (found.df, found.remarks) == (1, ())
    assert str(found).startswith(
        f"s: TS = {found.ts:.2f}, {found.sigma:.2f} standard deviations by Wilks' theorem with 1"
    )


def test_more_parameters_of_the_source_count():
    """A free index is a second degree of freedom, which means nothing without the source."""
    data = spectra.dataset(spectra.source(index=spectra.INDEX, amplitude=FLAT))
    found = significance(spectra.quick_fit(data), "s")
    assert found.df == 2
    assert sigma_to_ts(found.sigma, 2) == pytest.approx(found.ts, rel=1e-6)
    assert "s.index mean nothing without the source" in found.remarks[0]


def exact_log_bayes_factor(data):
    """With over without the source, by quadrature over the flat prior."""
    grid = np.linspace(0, 2e-11, 100001)
    values = log_likelihoods(data, grid)
    return np.log(np.mean(np.exp(values - values[0])))


def test_savage_dickey_is_the_ratio_of_evidences():
    """4000 draws of the exact posterior of a weak source; the kernel density at the edge has an error of some %."""
    data = spectra.dataset(spectra.source(amplitude=FLAT), counts=(3, 2, 3, 1, 2, 1))
    grid = np.linspace(0, 2e-11, 100001)
    weights = np.exp(log_likelihoods(data, grid))
    draws = np.interp(np.random.default_rng(1).uniform(size=(4, 1000)), np.cumsum(weights) / weights.sum(), grid)
    amplitude = data.models[0].spectral_model.amplitude
    tree = tree_of({"s.amplitude": draws * UNIT}, **describe_prior(amplitude))
    found = significance(data, "s", "savage_dickey", tree=tree)
    assert found.log_bayes_factor == pytest.approx(exact_log_bayes_factor(data), abs=0.1)
    assert np.isnan(found.ts)
    assert "with the source over without it (savage_dickey)" in found.sentence
    with pytest.raises(ValueError, match="needs the draws"):
        significance(data, "s", "savage_dickey")
    free = spectra.dataset(spectra.source(index=spectra.INDEX, amplitude=FLAT))
    with pytest.raises(ValueError, match=r"with \['s\.index'\] free .*freeze them"):
        significance(free, "s", "savage_dickey", tree=tree)


def test_evidences_of_two_sources():
    """The second one is bright: Laplace has the two-dimensional integral, up to what is no Gaussian."""
    first = spectra.source(amplitude=FLAT)
    data = spectra.dataset(first, counts=(260, 64, 30, 14, 9, 5))
    second = spectra.source(amplitude=FLAT)
    second = second.copy(name="t", spectral_model=second.spectral_model.copy(index=5.0))
    second.spectral_model.index.frozen = True
    second.spectral_model.amplitude.prior, second.spectral_model.amplitude.frozen = FLAT, False
    data.models = Models([first, second])
    signals = [data.npred_signal([name]).data for name in "st"]
    grid = np.linspace(0, 20, 1001)
    counts, rest = data.counts.data[..., None, None], data.background.data[..., None, None]
    mean = rest + signals[0][..., None, None] * grid[:, None] + signals[1][..., None, None] * grid
    values = scipy.stats.poisson.logpmf(counts, mean).sum(axis=(0, 1, 2))
    exact = np.log(np.exp(values - values.max()).mean()) - np.log(np.exp(values[:, 0] - values.max()).mean())
    found = significance(data, "t", "laplace")
    assert found.log_bayes_factor == pytest.approx(exact, abs=0.1)
    assert np.isnan(found.error)
    with pytest.raises(ValueError, match="nothing is free without 's'"):
        significance(spectra.dataset(first), "s", "laplace")


def test_sources_without_an_amplitude():
    data = spectra.dataset(spectra.source(amplitude=FLAT))
    with pytest.raises(KeyError, match=r"no model 'x'.*valid: \['s'\]"):
        significance(data, "x")
    frozen = spectra.dataset(spectra.source(index=spectra.INDEX))
    with pytest.raises(ValueError, match="'s' has no free amplitude"):
        significance(frozen, "s")
    with pytest.raises(ValueError, match="method must be one of"):
        significance(data, "s", "wald")


# -- maps ------------------------------------------------------------------------------------------------------------
def map_and_tree(seed=5, extra=0.0, draws=200):
    """A source with frozen position over a background, and draws around the truth; ``extra`` counts in one pixel."""
    models = Models([point(amplitude="8e-12 cm-2 s-1 TeV-1"), background()])
    for name in ("lon_0", "lat_0", "index"):
        models["source"].parameters[name].frozen = True
    data = make_dataset(models=models, level=2.0, seed=seed)
    data.counts.data[0, 5, 5] += extra
    rng, tree = np.random.default_rng(seed), {}
    for model in models:
        for p in model.parameters.free_parameters:
            tree[f"{model.name}.{p.name}"] = p.value * (1 + 0.02 * rng.normal(size=(2, draws // 2))) * p.unit
    return data, tree_of(tree)


def test_right_models_have_no_small_p_and_a_missing_source_has():
    data, tree = map_and_tree(seed=7)
    found = excess_map(tree, data, "0.1 deg")
    assert 0.02 < found.p_excess < 0.98
    assert 0.02 < found.p_deficit < 0.98
    seen = excess_map(tree, data, "0.1 deg", without="source")
    assert seen.p_excess == pytest.approx(0.5 / 201)
    assert seen.position.separation(data.models["source"].position) < 0.1 * u.deg
    assert "without source has" in str(seen)
    spot = excess_map(*map_and_tree(extra=25)[::-1], "0.1 deg")
    assert spot.p_excess < 0.02
    assert spot.p_deficit > 0.02


def test_the_maps_are_sums_over_disks():
    """In one pixel, by hand: counts minus mean prediction in a disk of 2 pixels, and Li & Ma without an OFF region."""
    data, tree = map_and_tree(draws=20)
    found = excess_map(tree, data, 2)
    assert found.excess.data.shape == (1, 24, 30)
    mean = np.zeros_like(data.counts.data)
    for i in range(20):
        for model in data.models:
            for p in model.parameters.free_parameters:
                p.value = tree["posterior"][f"{model.name}.{p.name}"].values.ravel()[i]
        mean += data.npred().data / 20
    y, x = np.mgrid[:24, :30]
    disk = np.hypot(y - 12, x - 9) <= 2
    counts, expected = data.counts.data[:, disk].sum(), mean[:, disk].sum()
    assert found.excess.data[0, 12, 9] == pytest.approx(counts - expected, abs=1e-6 * expected)
    ts = 2 * (counts * np.log(counts / expected) - counts + expected)
    assert found.significance.data[0, 12, 9] == pytest.approx(np.sign(counts - expected) * np.sqrt(ts), abs=1e-6)


def test_p_values_are_uniform():
    """Of 30 maps under draws around the truth, by the test of Kolmogorov and Smirnov."""
    p = [excess_map(*map_and_tree(seed, draws=40)[::-1], 2).p_excess for seed in range(30)]
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.01


def test_masked_pixels_stay_empty():
    data, tree = map_and_tree()
    data.mask_fit = data.counts.copy(data=np.ones(data.counts.data.shape, dtype=bool), unit="")
    data.mask_fit.data[:, :4] = False
    found = excess_map(tree, data)
    assert np.isnan(found.significance.data[0, :4]).all()
    assert np.isfinite(found.significance.data[0, 4:]).all()


# -- maps with OFF counts ------------------------------------------------------------------------------------------
ALPHA = 0.25


def ring_and_tree(seed=5, extra=0.0, draws=200):
    """The same field with OFF counts of its own for each pixel, and no background model."""
    data, tree = map_and_tree(seed, extra, draws)
    rng, level = np.random.default_rng(seed), 2.0 * data.background.data
    on = rng.poisson(level + data.npred_signal().data).astype(float)
    on[0, 5, 5] += extra
    measured = MapDatasetOnOff(
        models=Models([data.models["source"]]),
        counts=data.counts.copy(data=on),
        counts_off=data.counts.copy(data=rng.poisson(level / ALPHA).astype(float)),
        acceptance=data.counts.copy(data=np.ones_like(on)),
        acceptance_off=data.counts.copy(data=np.full_like(on, 1 / ALPHA)),
        exposure=data.exposure,
        psf=data.psf,
        edisp=data.edisp,
        name="tiny",
    )
    return measured, tree_of({"source.amplitude": tree["posterior"]["source.amplitude"].values * UNIT})


def li_ma(n_on, n_off, alpha):
    """Li & Ma 1983, ApJ 272, 317, equation 17, with the sign of the excess."""
    total = n_on + n_off
    first = n_on * np.log((1 + alpha) / alpha * n_on / total)
    return np.sign(n_on - alpha * n_off) * np.sqrt(2 * (first + n_off * np.log((1 + alpha) * n_off / total)))


@pytest.mark.parametrize("correlate", [True, False])
def test_over_a_measured_background_they_are_those_of_li_and_ma(correlate):
    """Without a source the maps are ON and OFF counts of the disk (or OFF counts of its middle) and nothing else."""
    data, tree = ring_and_tree(draws=20)
    data.mask_fit = data.counts.copy(data=np.ones(data.counts.data.shape, dtype=bool), unit="")
    data.mask_fit.data[2, :, 8:] = False
    found = excess_map(tree, data, 2, without="source", correlate_off=correlate)
    y, x = np.mgrid[:24, :30]
    for row, column in [(12, 9), (5, 20)]:
        disk = (np.hypot(y - row, x - column) <= 2) & data.mask_fit.data
        n_on, n_off = data.counts.data[disk].sum(), data.counts_off.data[disk].sum()
        assert found.excess.data[0, row, column] == pytest.approx(n_on - ALPHA * n_off)
        middle = (data.counts_off.data * data.mask_fit.data)[:, row, column].sum()
        expected = li_ma(n_on, n_off, ALPHA) if correlate else li_ma(n_on, middle, ALPHA * n_off / middle)
        assert found.significance.data[0, row, column] == pytest.approx(expected, abs=1e-6)


def test_over_a_measured_background_the_signal_counts():
    """With the source its mean prediction is no excess: the W statistic of the disk says how much is beyond it."""
    data, tree = ring_and_tree(draws=20)
    found = excess_map(tree, data, 2)
    source = data.models["source"].spectral_model.amplitude
    disk = np.hypot(*(np.mgrid[:24, :30] - np.array([12, 14])[:, None, None])) <= 2
    source.value = tree["posterior"]["source.amplitude"].values.mean()  # the signal is linear in it
    n_on, n_off = data.counts.data[:, disk].sum(), data.counts_off.data[:, disk].sum()
    signal = data.npred_signal().data[:, disk].sum()
    assert signal > 20
    assert found.excess.data[0, 12, 14] == pytest.approx(n_on - ALPHA * n_off - signal, rel=1e-6)
    expected = WStatCountsStatistic(n_on, n_off, ALPHA, signal).sqrt_ts
    assert found.significance.data[0, 12, 14] == pytest.approx(float(expected), abs=1e-5)


def test_p_values_over_a_measured_background():
    """Uniform under right models (of 20 maps, Kolmogorov and Smirnov), small for a source that is missing."""
    p = [excess_map(*ring_and_tree(seed, draws=40)[::-1], 2).p_excess for seed in range(20)]
    assert scipy.stats.kstest(p, "uniform").pvalue > 0.01
    data, tree = ring_and_tree(seed=7)
    seen = excess_map(tree, data, "0.1 deg", without="source")
    assert seen.p_excess == pytest.approx(0.5 / 201)
    assert seen.position.separation(data.models["source"].position) < 0.1 * u.deg
    spot = excess_map(*ring_and_tree(extra=40)[::-1], "0.1 deg")
    assert spot.p_excess < 0.02
    assert spot.p_deficit > 0.02


def test_over_a_ring_they_are_those_of_gammapy():
    """Disks of 0.1 deg on the H.E.S.S. Crab field, by Gammapy's ``ExcessMapEstimator``."""
    file = Path(__file__).parents[1] / "reference" / "gammapy-2.1-flux-points.json"
    stored = json.loads(file.read_text())["cases"]["excess_map"]
    image = shared_path("data", "hess-dl3-dr1-reduced", "crab-onoff-ring-image.fits.gz")
    data = MapDatasetOnOff.read(image, name="ring")
    crab = SkyModel.create("pl", "point", name="crab")
    crab.spatial_model.position = data.counts.geom.center_skydir
    for name in ("lon_0", "lat_0", "index"):
        crab.parameters[name].frozen = True
    data.models = [crab]
    tree = tree_of({"crab.amplitude": np.full((1, 4), 4e-11) * UNIT})
    found = excess_map(tree, data, "0.1 deg", without="crab")
    assert np.allclose(found.excess.data[0, ::10, ::10], stored["npred_excess"], atol=1e-3)
    assert np.allclose(found.significance.data[0, ::10, ::10], stored["sqrt_ts"], atol=1e-5)
    assert np.max(stored["sqrt_ts"]) > 5


def test_without_off_counts_the_ratio_is_that_of_the_acceptances():
    data, tree = ring_and_tree(draws=20)
    data.counts_off.data[...] = 0
    found = excess_map(tree, data, 2, without="source")
    disk = np.hypot(*(np.mgrid[:24, :30] - np.array([12, 9])[:, None, None])) <= 2
    n_on = data.counts.data[:, disk].sum()
    assert found.excess.data[0, 12, 9] == pytest.approx(n_on)
    assert found.significance.data[0, 12, 9] == pytest.approx(np.sqrt(2 * n_on * np.log(1 + 1 / ALPHA)))


def test_what_has_no_excess_map():
    data, tree = map_and_tree()
    with pytest.raises(KeyError, match="no model 'sauce'.*did you mean 'source'"):
        excess_map(tree, data, without="sauce")
    spectrum = spectra.dataset(spectra.source(amplitude=FLAT))
    draws = tree_of({"s.amplitude": np.full((1, 4), 1e-12) * UNIT})
    with pytest.raises(ValueError, match="'d' is of a region and has no image"):
        excess_map(draws, spectrum)
    noisy = data.copy(name="tiny")
    noisy.models, noisy.likelihood = data.models, GaussianLikelihood(1.0)
    with pytest.raises(ValueError, match="'tiny': its noise is not that of counts"):
        excess_map(tree, noisy)
    other = tree.copy()
    other["observed_data"] = xr.DataTree(xr.Dataset({"tiny.counts": ("tiny_energy", [1, 2, 3])}))
    with pytest.raises(ValueError, match="not those that were sampled"):
        excess_map(other, data)
