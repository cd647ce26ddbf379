"""Is a source there? TS, Bayes factors and maps of the excess against numbers made in another way."""

import astropy.units as u
import numpy as np
import pytest
import scipy
import xarray as xr

from bayesmap.inference.conflict import describe_prior
from bayesmap.modeling import Models, Prior
from bayesmap.products import excess_map, significance
from bayesmap.stats import sigma_to_ts
from tests.inference import spectra
from tests.inference.test_family import on_off
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


def test_what_has_no_excess_map():
    data, tree = map_and_tree()
    with pytest.raises(KeyError, match="no model 'sauce'.*did you mean 'source'"):
        excess_map(tree, data, without="sauce")
    spectrum = spectra.dataset(spectra.source(amplitude=FLAT))
    draws = tree_of({"s.amplitude": np.full((1, 4), 1e-12) * UNIT})
    with pytest.raises(ValueError, match="'d' is of a region and has no image"):
        excess_map(draws, spectrum)
    off = on_off()
    draws = tree_of({"source.amplitude": np.full((1, 4), 1e-12) * UNIT})
    with pytest.raises(ValueError, match="is of a region|measured in OFF regions"):
        excess_map(draws, off)
    other = tree.copy()
    other["observed_data"] = xr.DataTree(xr.Dataset({"tiny.counts": ("tiny_energy", [1, 2, 3])}))
    with pytest.raises(ValueError, match="not those that were sampled"):
        excess_map(other, data)
