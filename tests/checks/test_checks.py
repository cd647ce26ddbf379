"""Checks: silent where the model is right, and loud, in the right place, where it is not."""

import arviz as az
import astropy.units as u
import numpy as np
import pytest
import scipy
import xarray as xr
from astropy.coordinates import SkyCoord

from bayesmap.checks import check, pit_of
from bayesmap.checks.blocks import blocks_of, refined
from bayesmap.checks.pit import importance_weights, rank_pit, uniformity
from bayesmap.datasets import Datasets
from bayesmap.inference import compile_fit
from bayesmap.irf import PSFMap
from bayesmap.modeling import Models
from tests.inference.test_family import on_off
from tests.inference.tiny import LAT, LON, background, make_dataset, point, psf_of, source_and_background, true_axis

FALSE_ALARMS = 0.01


def tree_of(models, spread=0.0, draws=200, seed=3):
    """Draws around the present values of the models, with a relative spread."""
    rng = np.random.default_rng(seed)
    variables = {}
    for model in models:
        for p in model.parameters.free_parameters:
            values = p.value * (1 + spread * rng.normal(size=(2, draws // 2)))
            variables[f"{model.name}.{p.name}"] = (("chain", "draw"), values, {"units": str(p.unit)})
    coords = {"chain": [0, 1], "draw": np.arange(draws // 2)}
    return xr.DataTree.from_dict({"posterior": xr.Dataset(variables, coords=coords)})


def frozen_positions(models):
    for name in ("lon_0", "lat_0"):
        models["source"].parameters[name].frozen = True
    return models


@pytest.fixture(scope="module")
def right():
    """A dataset whose model is right, bright enough to tell, and draws at the truth."""
    models = frozen_positions(Models([point(amplitude="2e-11 cm-2 s-1 TeV-1"), background()]))
    data = make_dataset(models=models, level=20.0)
    return data, tree_of(models)


def failed(checks):
    return {result.name for result in checks.results if result.fails}


# -- the transforms --------------------------------------------------------------------------------------------------
def test_pit_is_the_poisson_distribution_averaged(rng):
    counts, means = np.array([0.0, 3.0, 40.0]), rng.gamma(5.0, size=(50, 3))
    u = np.random.default_rng(4).uniform(size=3)
    law = scipy.stats.poisson(means)
    expected = (law.cdf(counts - 1) + u * law.pmf(counts)).mean(axis=0)
    np.testing.assert_allclose(pit_of(counts, means, np.random.default_rng(4)), expected, rtol=1e-10)


def test_leave_one_out_is_that_of_gamma_and_poisson():
    """Counts in 6 blocks of one mean with a gamma prior: without one block the prediction is negative binomial."""
    rng = np.random.default_rng(8)
    counts, a, b = np.array([7, 12, 9, 22, 3, 11.0]), 2.0, 0.1
    mean = rng.gamma(a + counts.sum(), 1 / (b + 6), size=40000)
    weights, pareto_k = importance_weights(scipy.stats.poisson.logpmf(counts, mean[:, None]))
    assert pareto_k.max() < 0.7
    found = pit_of(counts, np.repeat(mean[:, None], 6, axis=1), np.random.default_rng(2), weights)
    rest = counts.sum() - counts
    law = scipy.stats.nbinom(a + rest, (b + 5) / (b + 6))
    u = np.random.default_rng(2).uniform(size=6)
    np.testing.assert_allclose(found, law.cdf(counts - 1) + u * law.pmf(counts), atol=0.01)
    constant = importance_weights(np.zeros((50, 2)))
    np.testing.assert_allclose(np.exp(constant[0]), 1 / 50)


def test_transforms_of_poisson_counts_are_uniform(rng):
    """Over 200 maps of 150 blocks: rejected as often as stated, within three binomial standard deviations."""
    means = rng.gamma(3.0, 4.0, size=150)
    p = [uniformity(pit_of(rng.poisson(means).astype(float), means[None], rng)) for _ in range(200)]
    assert abs(np.mean(np.less(p, 0.05)) - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 200)
    wrong = [uniformity(pit_of(rng.poisson(means * 1.1).astype(float), means[None], rng)) for _ in range(20)]
    assert np.median(wrong) < 0.01


def test_ranks_are_uniform_too(rng):
    means = rng.gamma(3.0, 4.0, size=2000)
    pit = rank_pit(rng.poisson(means).astype(float), rng.poisson(means, size=(100, 2000)).astype(float), rng)
    assert scipy.stats.kstest(pit, "uniform").pvalue > 0.001
    assert uniformity(pit) > 0.001


def test_blocks_hold_enough_counts(rng):
    expected = rng.gamma(0.5, size=(6, 20, 25)) * 0.5 ** np.arange(6)[:, None, None]
    mask = rng.uniform(size=expected.shape) < 0.8
    blocks = blocks_of(expected, mask, 5.0)
    assert blocks.sums(expected).min() >= 5
    assert ((blocks.labels >= 0) == mask).all()
    assert blocks.number > 20
    assert blocks_of(expected, mask, 1e9).number == 1


# -- the model is right ----------------------------------------------------------------------------------------------
def alarms_and_p(data, tree_for, seeds):
    """Number of maps whose right model fails, and all p, of simulated maps; the dataset is as it was afterwards."""
    before, alarms, p = data.counts, 0, []
    try:
        for seed in seeds:
            data.fake(random_state=seed)
            checks = check(tree_for(seed), data, 100, alpha=FALSE_ALARMS, random_state=seed)
            alarms += not checks.passed
            p.append([result.p for result in checks.results])
    finally:
        data.counts = before
    return alarms, np.array(p)


def test_sums_by_common_cells_are_the_same(rng):
    mask = rng.random((4, 9, 11)) < 0.8
    several = [blocks_of(np.full(mask.shape, 0.7), mask, least) for least in (5.0, 20.0, 80.0)]
    cube = rng.poisson(0.7, mask.shape).astype(float)
    for before, after in zip(several, refined(several), strict=True):
        assert after.cells.number >= before.number > 1
        np.testing.assert_array_equal(after.sums(cube), before.sums(cube))


def test_a_right_model_passes(right):
    """At a rate of 1 % two of 10 maps fail in 0.4 % of all cases."""
    data, tree = right
    alarms, _ = alarms_and_p(data, lambda seed: tree, range(10))
    assert alarms < 2


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_false_alarms_at_the_truth(right):
    """200 maps: the rate of alarms, and small and large p as often as stated, within four standard deviations."""
    data, tree = right
    alarms, p = alarms_and_p(data, lambda seed: tree, range(200))
    assert alarms < 7  # more happen in 0.4 % of all cases
    for tail in (p < 0.1, p[:, 2:] > 0.9):  # the test of uniformity combines probabilities and is never so large
        assert (np.abs(tail.mean(axis=0) - 0.1) < 4 * np.sqrt(0.1 * 0.9 / 200)).all(), tail.mean(axis=0)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_false_alarms_of_real_fits():
    """200 maps, each of them fitted: alarms and small p at most as often as stated."""
    data = make_dataset(models=source_and_background(), level=3.0)
    fit = compile_fit(data)

    def fitted(seed):
        fit.set_counts(data.counts)
        return fit.sample(100, tune=200, chains=2, random_state=seed, progress_bar=False, searches=1)

    alarms, p = alarms_and_p(data, fitted, range(200))
    assert alarms < 7
    assert ((p < 0.1).mean(axis=0) < 0.1 + 4 * np.sqrt(0.1 * 0.9 / 200)).all()


def test_what_is_kept(right):
    data, tree = right
    checks = check(tree, data, statistics={"emptiness": lambda counts, mean: np.sum((counts == 0) & (mean > 0))})
    assert {"block PIT", "leave-one-out block PIT", "counts per energy", "profile of source"} <= set(
        checks.table()["check"]
    )
    assert "emptiness" in checks.table()["check"]
    spectrum = checks.spectra["tiny"]
    np.testing.assert_array_equal(spectrum.counts, data.counts.data.sum(axis=(1, 2)))
    assert spectrum.replicates.shape == (200, 3)
    profile = checks.profiles["tiny.source"]
    assert profile.replicates.shape == (200, len(profile.edges) - 1)
    assert abs(profile.counts.sum() / profile.replicates.sum(axis=1).mean() - 1) < 0.1
    assert checks.tree["pit"].sizes["tiny_block"] == checks.blocks["tiny"].number
    assert str(checks).startswith("None of 9 checks")
    az.plot_ecdf_pit(checks.tree, group="pit", sample_dims=["tiny_block"])


# -- it is wrong -----------------------------------------------------------------------------------------------------
def test_a_source_that_is_missing_at_five_sigma_is_found(right):
    data, tree = right
    wrong = data.copy(name="tiny")
    lon, lat = LON - 0.4, LAT + 0.3
    inside = data.counts.geom.to_image().separation(_galactic(lon, lat)).deg < 0.1
    expected = data.npred().data[:, inside].sum()
    rng = np.random.default_rng(4)
    wrong.counts.data = rng.poisson(_with_source(data, lon, lat, 6.5 * np.sqrt(expected) / 0.6)).astype(float)
    checks = check(tree, wrong)
    assert "largest smoothed residual" in failed(checks)
    sentence = next(s for s in checks.sentences if "excess" in s)
    found = [float(part.split()[2]) for part in sentence.split(" at ")[1].split(",")[:2]]
    np.testing.assert_allclose(found, [lon, lat], atol=0.11)


def _galactic(lon, lat):
    return SkyCoord(lon, lat, unit="deg", frame="galactic")


def _with_source(data, lon, lat, counts):
    """Predicted counts with a Gaussian of 0.06 deg more that holds so many counts."""
    shape = np.exp(-0.5 * (data.counts.geom.to_image().separation(_galactic(lon, lat)).deg / 0.06) ** 2)
    share = data.npred().data.sum(axis=(1, 2))
    cube = share[:, None, None] / share.sum() * shape / shape.sum()
    return data.npred().data + counts * cube


def test_a_psf_ten_per_cent_wrong_is_found():
    models = frozen_positions(Models([point(amplitude="2e-10 cm-2 s-1 TeV-1"), background()]))
    data = make_dataset(models=models)
    tree = tree_of(models)
    assert check(tree, data).passed
    sigma = 1.1 * np.array([0.09, 0.08, 0.07, 0.06, 0.05])
    data.psf = PSFMap.from_gauss(true_axis(), sigma=sigma * u.deg)
    data.fake(random_state=2)
    data.psf = psf_of()
    checks = check(tree, data)
    assert "profile of source" in failed(checks)
    assert any("around source the counts are wider than predicted" in s for s in checks.sentences)


def test_a_background_three_per_cent_wrong_with_a_gradient_is_found():
    models = frozen_positions(source_and_background())
    data = make_dataset(models=models, level=300.0)
    tree = tree_of(models)
    assert check(tree, data).passed
    slope = 1 + 0.03 * np.linspace(-1, 1, data.counts.data.shape[2])
    data.counts.data = np.random.default_rng(5).poisson(data.npred().data * slope).astype(float)
    checks = check(tree, data)
    assert any(name.startswith("scatter of blocks") for name in failed(checks))
    assert any("scatter more around the prediction" in sentence for sentence in checks.sentences)
    larger = check(tree, data, block_counts=2000)
    assert {"block PIT", "leave-one-out block PIT"} <= failed(larger)


def test_means_in_place_of_counts_are_found():
    """Rounded means scatter too little, and draws of means would pass for replicated data elsewhere."""
    models = frozen_positions(source_and_background())
    data = make_dataset(models=models, level=300.0)
    data.counts.data = np.rint(data.npred().data)
    checks = check(tree_of(models), data)
    assert {"block PIT", "leave-one-out block PIT"} <= failed(checks)
    assert any("are the data means?" in sentence for sentence in checks.sentences)


def test_a_statistic_of_the_user_fails_with_its_name(right):
    data, tree = right
    wrong = data.copy(name="tiny")
    wrong.counts.data[:, 3, 4] = 500
    checks = check(tree, wrong, statistics={"brightest bin": lambda counts, mean: (counts - mean).max()})
    assert "brightest bin" in failed(checks)
    assert any(sentence.startswith("tiny: brightest bin is") for sentence in checks.sentences)
    with pytest.raises(ValueError, match="'odd' must return a finite number"):
        check(tree, data, statistics={"odd": lambda counts, mean: counts})


# -- what cannot be checked ------------------------------------------------------------------------------------------
def test_few_draws_other_models_and_other_data(right):
    data, tree = right
    with pytest.raises(ValueError, match="at least 100 draws, the posterior has 60"):
        check(tree_of(data.models, draws=60), data)
    with pytest.raises(ValueError, match="at least 100 draws, num_draws is 50"):
        check(tree, data, 50)
    lacking = xr.DataTree.from_dict({"posterior": tree["posterior"].to_dataset().drop_vars("source.index")})
    with pytest.raises(KeyError, match="'tiny': the posterior has no variables"):
        check(lacking, data)
    other = tree.copy()
    sums = data.counts.data.sum(axis=(1, 2))
    other["observed_data"] = xr.DataTree(xr.Dataset({"tiny.counts": (("tiny_energy",), sums + [1, 0, 0])}))
    with pytest.raises(ValueError, match="'tiny': its counts per energy inside the mask are not those"):
        check(other, data)
    other["observed_data"] = xr.DataTree(xr.Dataset({"run.counts": (("run_energy",), sums)}))
    with pytest.raises(ValueError, match=r"'tiny' is not among those that were sampled, which hold \['run.counts'\]"):
        check(other, data)


def test_divergent_chains_are_told(right):
    data, tree = right
    bad = tree.copy()
    diverging = np.zeros((2, 100), dtype=bool)
    diverging[0, :7] = True
    bad["sample_stats"] = xr.DataTree(xr.Dataset({"diverging": (("chain", "draw"), diverging)}))
    assert any(s.startswith("7 transitions of the sampler diverged") for s in check(bad, data, 100).sentences)


def test_a_measured_background_has_transforms_only():
    """Its best value follows the counts of each bin: statistics of a right model would agree too well."""
    dataset = on_off("marginal")
    checks = check(tree_of(dataset.models), dataset, 200)
    assert {result.name for result in checks.results} == {"block PIT", "leave-one-out block PIT"}
    (remark,) = checks.remarks
    assert "only the transforms of blocks are checked" in remark
    assert 'OnOffLikelihood("latent")' in remark


def test_a_remark_on_several_datasets_is_made_once():
    dataset = on_off("marginal")
    others = Datasets([dataset, dataset.copy(name="other")])
    others.models = dataset.models
    (remark,) = check(tree_of(dataset.models), others, 200).remarks
    assert remark.startswith(f"{dataset.name}, other: only the transforms")


def test_too_few_draws_for_so_many_checks_are_told(right):
    data, tree = right
    assert any("200 draws are too few" in remark for remark in check(tree, data, 200).remarks)
    assert not check(tree, data, 200, alpha=0.5).remarks
