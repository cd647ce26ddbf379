"""Joint fits over dataset types, ON/OFF backgrounds in their three forms, and draws of data."""

import astropy.units as u
import numpy as np
import pymc as pm
import pytest
from regions import CircleSkyRegion
from scipy.integrate import trapezoid

from bayesmap.datasets import Datasets, FluxPointsDataset, SpectrumDataset, SpectrumDatasetOnOff
from bayesmap.estimators import FluxPoints
from bayesmap.inference import compile_fit, find_mode, posterior_npred, posterior_predictive, to_pymc
from bayesmap.inference.density import LogDensity
from bayesmap.likelihoods import OnOffLikelihood
from bayesmap.maps import Map, MapAxis, RegionGeom
from bayesmap.modeling import LogParabolaSpectralModel, PowerLawSpectralModel, Prior, SkyModel
from tests.golden import shared_path
from tests.inference.test_fit_golden_family import flat_priors
from tests.inference.tiny import make_dataset, point

AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=4)
REGION = "galactic;circle(25, 1, 0.3)"


def source(frozen_index=True):
    """A power law whose amplitude has a flat prior."""
    model = SkyModel(PowerLawSpectralModel(index=2.2, amplitude="2e-12 cm-2 s-1 TeV-1"), name="source")
    model.spectral_model.amplitude.prior = Prior("Uniform", lower=0, upper=2e-11)
    model.spectral_model.index.frozen = frozen_index
    return model


def spectrum(kind=SpectrumDatasetOnOff, name="spectrum", **maps):
    """Four energies in a circle, exposure 3e13 cm2 s, no energy dispersion."""
    geom = RegionGeom.create(REGION, axes=[AXIS])
    exposure_geom = RegionGeom.create(REGION, axes=[AXIS.copy(name="energy_true")])
    given = {key: Map.from_geom(geom, data=np.reshape(data, (4, 1, 1)).astype(float)) for key, data in maps.items()}
    return kind(exposure=Map.from_geom(exposure_geom, data=3e9, unit="m2 s"), name=name, **given)


def on_off(background="marginal", a0=0.5, **changes):
    maps = {"counts": [31, 9, 4, 0], "counts_off": [20, 6, 0, 1], "acceptance": [1] * 4, "acceptance_off": [4] * 4}
    dataset = spectrum(**{**maps, **changes})
    dataset.likelihood = OnOffLikelihood(background, a0)
    dataset.models = [source()]
    return dataset


def log_posterior(dataset, amplitudes):
    """Log-density of the amplitude alone, from the likelihood's numbers."""
    counts, off = dataset.counts.data, {"counts_off": dataset.counts_off.data, "alpha": dataset.alpha.data}
    signal = dataset.npred_signal().data / dataset.models[0].spectral_model.amplitude.value
    return np.array([dataset.likelihood.pointwise(counts, a * signal, **off).sum() for a in amplitudes])


@pytest.mark.parametrize("background", ["marginal", "profile"])
def test_density_is_the_likelihood(background):
    dataset = on_off(background)
    density = LogDensity(to_pymc(dataset), mode="FAST_COMPILE")
    points = np.array([[-1.0], [0.0], [0.7]])
    amplitudes = [float(density.expand(p)["source.amplitude"]) for p in points]
    differences = [density(p, jacobian=False)[0] for p in points] - log_posterior(dataset, amplitudes)
    np.testing.assert_allclose(differences, differences[0], atol=1e-9)


def test_sampled_and_integrated_backgrounds_give_the_same_source():
    """NUTS over amplitude and four backgrounds against the one-dimensional integral; 5 standard errors."""
    dataset = on_off("latent")
    tree = dataset.sample(draws=1000, chains=4, random_state=4, progress_bar=False)
    drawn = tree["posterior"]["source.amplitude"].to_numpy()
    grid = np.linspace(1e-14, 2e-11, 2000)
    dataset.likelihood = OnOffLikelihood("marginal", 0.5)
    density = np.exp(log_posterior(dataset, grid) - log_posterior(dataset, grid).max())
    density /= trapezoid(density, grid)
    mean = trapezoid(density * grid, grid)
    sd = np.sqrt(trapezoid(density * (grid - mean) ** 2, grid))
    assert drawn.mean() == pytest.approx(mean, abs=5 * sd / np.sqrt(1500))
    assert drawn.std() == pytest.approx(sd, rel=0.1)
    background = tree["posterior"]["spectrum.background_off"]
    assert background.shape == (4, 1000, 4)
    # without ON counts the background is what OFF and ON exposures leave: Gamma(1 + 1/2) / (1 + 1/4)
    assert float(background[..., 3].mean()) == pytest.approx(1.5 / 1.25, abs=0.1)


def test_draws_of_data():
    dataset = on_off()
    before = dataset.counts_off.data.copy()
    dataset.fake(random_state=3)
    assert not np.array_equal(dataset.counts_off.data, before)
    again = on_off()
    again.fake(random_state=3)
    np.testing.assert_array_equal(again.counts.data, dataset.counts.data)
    given = Map.from_geom(dataset.counts.geom, data=np.full((4, 1, 1), 100.0))
    dataset.fake(npred_background=given, random_state=5)
    # OFF counts scatter around 400: 8 standard deviations
    np.testing.assert_allclose(dataset.counts_off.data, 400, atol=160)
    dataset.fake(prior=True, random_state=1)
    with pytest.raises(ValueError, match="both"):
        dataset.fake(prior=True, posterior=object())
    dataset.counts_off = None
    with pytest.raises(ValueError, match="'spectrum' has no counts_off: give fake"):
        dataset.fake()


def test_prior_predictive_counts_follow_the_off_counts():
    """Mean over draws: the signal at the prior's mean amplitude plus alpha (m + a0)."""
    dataset = on_off()
    with to_pymc(dataset):
        tree = pm.sample_prior_predictive(draws=3000, random_seed=2)
    counts = tree["prior_predictive"]["spectrum.counts"].to_numpy()[0, ..., 0, 0]
    dataset.models[0].spectral_model.amplitude.value = 1e-11
    expected = dataset.npred_signal().data[:, 0, 0] + 0.25 * (dataset.counts_off.data[:, 0, 0] + 0.5)
    error = counts.std(axis=0) / np.sqrt(3000)
    assert np.all(np.abs(counts.mean(axis=0) - expected) < 5 * error)


def test_posterior_predictions_of_on_off_data():
    """Without uncertainty in the source: npred() has the profiled background, draws have that of the OFF counts."""
    import xarray as xr

    dataset = on_off()
    value = dataset.models[0].spectral_model.amplitude.value
    draws = xr.Dataset({"source.amplitude": (("chain", "draw"), np.full((1, 600), value), {"units": "cm-2 s-1 TeV-1"})})
    tree = xr.DataTree.from_dict({"posterior": draws})
    np.testing.assert_allclose(posterior_npred(tree, dataset, 5).data, dataset.npred().data, rtol=1e-10)
    counts = posterior_predictive(tree, dataset, 600).data
    expected = dataset.npred_signal().data + 0.25 * (dataset.counts_off.data + 0.5)
    np.testing.assert_allclose(counts, expected, rtol=0.15, atol=0.3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"acceptance_off": [4, 0, 4, 4]}, r"1 bins inside the mask have no OFF acceptance, first .* = \(1, 0, 0\)"),
        ({"counts": [3, 1, 0.5, 0]}, "counts must be whole"),
    ],
)
@pytest.mark.filterwarnings("ignore:dataset 'spectrum'. counts is not an integer")
def test_data_that_say_nothing_are_refused(change, message):
    with pytest.raises(ValueError, match=f"dataset 'spectrum'.*{message}"):
        to_pymc(on_off(**change))


def test_missing_off_data_are_named():
    dataset = on_off()
    dataset.acceptance_off = None
    with pytest.raises(ValueError, match="dataset 'spectrum' has no acceptance_off"):
        to_pymc(dataset)


def test_counts_without_acceptance_need_a_signal():
    """Where the ON acceptance is zero there is no background; counts there are signal, or impossible."""
    dataset = on_off(acceptance=[1, 1, 1, 0], counts=[31, 9, 4, 2])
    assert np.isfinite(LogDensity(to_pymc(dataset), mode="FAST_COMPILE")(np.zeros(1))[0])


def test_counts_and_off_counts_are_replaced_together():
    fit = compile_fit(on_off())
    density = LogDensity(fit.model, mode="FAST_COMPILE")
    new_on, new_off = np.reshape([12, 0, 7, 1], (4, 1, 1)), np.reshape([3, 5, 2, 0], (4, 1, 1))
    fit.set_counts((new_on, new_off))
    swapped = density(np.array([0.3]))[0]
    fresh = on_off(counts=[12, 0, 7, 1], counts_off=[3, 5, 2, 0])
    assert swapped == pytest.approx(LogDensity(to_pymc(fresh), mode="FAST_COMPILE")(np.array([0.3]))[0], rel=1e-12)
    with pytest.raises(ValueError, match="counts_off must be non-negative"):
        fit.set_counts((new_on, new_off - 5))
    fit.set_counts((new_on, new_off - 1e-7 * (new_off == 0)))  # round-off of a ring background is zero counts
    assert density(np.array([0.3]))[0] == swapped


def test_cubes_spectra_and_flux_points_share_a_source():
    """The joint mode is that of the product of the three likelihoods."""
    points = FluxPointsDataset(
        data=FluxPoints.read(shared_path("data", "flux_points", "crab_hess_fp.fits")), name="points"
    )
    cube = make_dataset("cube", models=[point("seed", amplitude="4e-11 cm-2 s-1 TeV-1")])
    plain = spectrum(SpectrumDataset, "plain", counts=[300, 80, 22, 5], background=[10, 5, 2, 1])
    model = point("shared", index=2.5, amplitude="4e-11 cm-2 s-1 TeV-1")
    for p in model.spatial_model.parameters:
        p.frozen = True
    model = flat_priors(model)
    datasets = Datasets([cube, plain, on_off(), points])
    datasets.models = [model]
    joint = datasets.find_mode(searches=1)
    observed = {"cube.counts", "plain.counts", "spectrum.counts", "points.dnde"}
    assert {variable.name for variable in datasets.to_pymc().observed_RVs} == observed
    assert set(joint.values) == {"shared.index", "shared.amplitude"}

    def statistic(index, amplitude):
        model.spectral_model.index.value, model.spectral_model.amplitude.value = index, amplitude
        onoff = datasets["spectrum"]
        off = {"counts_off": onoff.counts_off.data, "alpha": onoff.alpha.data}
        marginal = onoff.likelihood.pointwise(onoff.counts.data, onoff.npred_signal().data, **off).sum()
        return -2 * marginal + sum(datasets[name].stat_sum() for name in ("cube", "plain", "points"))

    best = np.array(list(joint.values.values()))
    for i, error in enumerate(joint.errors.values()):
        step = np.eye(2)[i] * error
        low, middle, high = (statistic(*(best + k * step)) for k in (-1, 0, 1))
        # vertex of the parabola through three points, in standard deviations
        assert abs(0.5 * (low - high) / (low - 2 * middle + high)) < 0.05


def test_default_priors_for_all_types():
    points = FluxPointsDataset(
        data=FluxPoints.read(shared_path("data", "flux_points", "crab_hess_fp.fits")), name="points"
    )
    points.models = [
        SkyModel(LogParabolaSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1", reference="1 TeV"), name="crab")
    ]
    mode = find_mode(points, searches=1)
    assert 3e-11 < mode.values["crab.amplitude"] < 6e-11
    onoff = on_off()
    onoff.models[0].spectral_model.amplitude.prior = None
    amplitude = find_mode(onoff, searches=1).values["source.amplitude"]
    onoff.models[0].spectral_model.amplitude.value = amplitude
    assert onoff.npred_signal().data.sum() == pytest.approx(44 - 27 / 4, rel=0.3)


def test_free_position_in_a_region():
    """A point source whose position is free inside a circle: the mode exists, the errors are finite."""
    from bayesmap.irf import PSFMap

    dataset = spectrum(SpectrumDataset, "r", counts=[300, 80, 22, 5], background=[10, 5, 2, 1])
    dataset.psf = PSFMap.from_gauss(AXIS.copy(name="energy_true"), sigma=0.1 * u.deg)
    model = point("s", lon=25.0, lat=1.0, index=2.2)
    model.spectral_model.index.frozen = True
    dataset.models = [model]
    density = LogDensity(to_pymc(dataset), mode="FAST_COMPILE")
    value, gradient = density(density.start + 0.1)
    numeric = [(density(density.start + 0.1 + e)[0] - density(density.start + 0.1 - e)[0]) / 2e-5
               for e in np.eye(density.size) * 1e-5]  # fmt: skip
    assert np.isfinite(value)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-3, atol=1e-3)


def test_region_from_a_string_is_a_circle():
    geom = RegionGeom.create(REGION, axes=[AXIS])
    assert isinstance(geom.region, CircleSkyRegion)
