"""One contract for all likelihoods: one log p in all forms, one source of draws; a new one is one class."""

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
import scipy.optimize
import scipy.special
import scipy.stats

from bayesmap.datasets import SpectrumDataset, SpectrumDatasetOnOff
from bayesmap.inference import compile_fit, find_mode, posterior_predictive, sample, to_pymc
from bayesmap.inference.compile import compile_datasets
from bayesmap.inference.observations import ObservedCounts
from bayesmap.likelihoods import (
    GaussianLikelihood,
    Likelihood,
    NegativeBinomialLikelihood,
    OnOffLikelihood,
    PoissonLikelihood,
    StudentTLikelihood,
)
from bayesmap.maps import Map, MapAxis, RegionGeom, RegionNDMap
from bayesmap.modeling import FoVBackgroundModel, Parameter, PowerLawSpectralModel, Prior, SkyModel
from tests.inference.tiny import background, make_dataset

N = 7
AXIS = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=N, name="energy")
TRUE = MapAxis.from_energy_edges(AXIS.edges, name="energy_true")
GEOM = RegionGeom.create("icrs;circle(83.6, 22.0, 0.2)", axes=[AXIS])
MASK = np.array([True, True, False, True, True, True, True]).reshape(N, 1, 1)
SMALL = 1e-9  # width of priors where one point is wanted


class Powers(Likelihood):
    """Not Poisson, and half of it linear in the prediction: n log m - m / 2 per bin."""

    def support(self, counts, mask):
        return mask & (counts > 0)

    def weights(self, mask):
        return 0.5 * mask

    def logp(self, npred, total, bins, latents):
        return (bins["counts"] * pt.log(npred)).sum() - total

    def pointwise(self, counts, npred):
        return counts * np.log(npred) - 0.5 * npred

    def random(self, npred, rng):
        return rng.poisson(2 * npred).astype("float64")


class Overdispersed(PoissonLikelihood):
    """A subclass of the Poisson likelihood that is none."""

    def support(self, counts, mask):
        return np.asarray(mask, bool)

    def weights(self, mask):
        return np.zeros(mask.shape)

    def bin_data(self, chosen, mask, counts):
        return {"counts": counts[chosen]}

    def logp(self, npred, total, bins, latents):
        n, r = bins["counts"], 0.5
        value = pt.gammaln(n + r) - scipy.special.gammaln(r) - pt.gammaln(n + 1)
        return (value + r * pt.log(r / (r + npred)) + n * pt.log(npred / (r + npred))).sum()

    def pointwise(self, counts, npred):
        return scipy.stats.nbinom.logpmf(counts, 0.5, 0.5 / (0.5 + npred))

    def random(self, npred, rng):
        return rng.negative_binomial(0.5, 0.5 / (0.5 + npred)).astype("float64")

    def stat_array(self, counts, npred):
        return -2 * self.pointwise(counts, npred)


def free_dispersion():
    prior = Prior("LogNormal", mu=np.log(0.2), sigma=SMALL)
    return NegativeBinomialLikelihood(Parameter("dispersion", 0.2, prior=prior))


def free_scale():
    return Parameter("errors", 1.3, prior=Prior("LogNormal", mu=np.log(1.3), sigma=SMALL))


SIGMA = np.linspace(1, 3, N).reshape(N, 1, 1)
LIKELIHOODS = {
    "Poisson": PoissonLikelihood,
    "negative binomial": lambda: NegativeBinomialLikelihood(0.3),
    "negative binomial, free": free_dispersion,
    "Gaussian": lambda: GaussianLikelihood(SIGMA),
    "Gaussian, scaled": lambda: GaussianLikelihood(SIGMA, scale=1.3),
    "Gaussian, free": lambda: GaussianLikelihood(SIGMA, scale=free_scale()),
    "Student": lambda: StudentTLikelihood(SIGMA, nu=12),
    "Student, free": lambda: StudentTLikelihood(SIGMA, nu=12, scale=free_scale()),
    "ON/OFF": OnOffLikelihood,
    "ON/OFF, profile": lambda: OnOffLikelihood("profile"),
    "ON/OFF, latent": lambda: OnOffLikelihood("latent"),
    "weights of its own": Powers,
    "subclass": Overdispersed,
}


def cube(values):
    return RegionNDMap.from_geom(GEOM, data=np.broadcast_to(np.reshape(values, (-1, 1, 1)), (N, 1, 1)).astype(float))


def spectrum(likelihood, width=0.3):
    """A spectrum with a power-law source, and a background that is predicted or measured."""
    kind = SpectrumDatasetOnOff if "counts_off" in likelihood.needs else SpectrumDataset
    dataset = kind(name="d", mask_fit=RegionNDMap.from_geom(GEOM, data=MASK))
    dataset.likelihood = likelihood
    dataset.exposure = RegionNDMap.create("icrs;circle(83.6, 22.0, 0.2)", axes=[TRUE], unit="cm2 s")
    dataset.exposure.data += 3e13
    dataset.counts = cube([9, 4, 7, 0, 3, 0, 1]) - (0.5 if likelihood.allows_negative else 0)
    source = PowerLawSpectralModel(index=2, amplitude="1e-12 cm-2 s-1 TeV-1")
    source.index.prior = Prior("Normal", mu=2, sigma=width)
    source.amplitude.prior = Prior("LogNormal", mu=np.log(1e-12), sigma=width)
    models = [SkyModel(spectral_model=source, name="source")]
    if kind is SpectrumDataset:
        dataset.background = cube([3.0, 2.0, 2.0, 1.0, 1.0, 0.5, 0.5])
        models.append(FoVBackgroundModel(dataset_name="d", name="bkg"))
        models[1].spectral_model.norm.prior = Prior("LogNormal", mu=0, sigma=width)
    else:
        dataset.counts_off, dataset.acceptance = cube([9, 6, 5, 0, 3, 1, 2]), cube(1)
        dataset.acceptance_off = cube(3)
    dataset.models = models
    return dataset


def latent_values(likelihood):
    values = {"background_off": np.linspace(1, 8, MASK.sum()), "dispersion": np.array(0.4), "errors": np.array(1.1)}
    return [values[key] for key in likelihood.latent_names]


def numbers(dataset, npred, latents):
    """Sum of the log-probabilities of the bins in the mask."""
    likelihood, counts = dataset.likelihood, dataset.counts.data
    if likelihood.latent_names == ("background_off",):
        on = npred[MASK] + dataset.alpha.data[MASK] * latents[0]
        return scipy.stats.poisson.logpmf(counts[MASK], on).sum()
    if latents:
        unknown = likelihood.scale if likelihood.allows_negative else likelihood.dispersion
        unknown.value = float(latents[0])
    off = {key: np.asarray(getattr(dataset, key).data, dtype="float64") for key in likelihood.needs}
    return likelihood.pointwise(counts, npred, **off)[MASK].sum()


@pytest.mark.parametrize("key", LIKELIHOODS)
def test_log_p_is_the_sum_over_the_bins_in_all_forms(key):
    """Counted bins, all bins, and data that the graph does not hold; and minus half the statistic."""
    dataset = spectrum(LIKELIHOODS[key]())
    likelihood, (observed,) = dataset.likelihood, compile_datasets(dataset)[1].values()
    parameters = observed.npred.parameters
    dense = ObservedCounts(observed.arrays, list(dataset.models), parameters, likelihood, every_bin=True)
    latents = latent_values(likelihood)
    symbols = [pt.dscalar() for _ in parameters], [pt.as_tensor_variable(x) for x in latents]
    unknown = pt.dtensor3()
    outputs = [o.logp(v, *symbols[0], *symbols[1]) for o, v in ((observed, observed.value), (dense, dense.value))]
    outputs += [observed.logp(unknown, *symbols[0], *symbols[1]), *pt.grad(outputs[0], symbols[0])]
    function = pytensor.function([unknown, *symbols[0]], outputs, mode="FAST_COMPILE")
    differences = []
    for factor in (0.8, 1.0, 1.3):
        at = [factor * p.value for p in parameters]
        counted, all_bins, elsewhere, *gradient = function(dataset.counts.data.astype(float), *at)
        wanted = numbers(dataset, observed.npred(*at), latents)
        np.testing.assert_allclose([counted, all_bins, elsewhere], wanted, rtol=1e-11)
        assert np.isfinite(gradient).all()
        for p, value in zip(parameters, at, strict=True):
            p.value = value
        differences.append(counted + 0.5 * dataset.stat_sum())
        for p, value in zip(parameters, at, strict=True):
            p.value = value / factor
    if key not in ("ON/OFF", "ON/OFF, latent"):  # their statistic is W, that of the profile
        np.testing.assert_allclose(differences, differences[0], atol=1e-9)


@pytest.mark.parametrize("key", LIKELIHOODS)
def test_draws_of_the_variable_are_those_of_the_likelihood(key):
    """Mean and variance of 2000 draws each, to five standard errors; and `fake` is the same distribution."""
    dataset = spectrum(LIKELIHOODS[key](), width=SMALL)
    likelihood, size = dataset.likelihood, 2000
    model = to_pymc(dataset)
    drawn = pm.draw(model["d.counts"], draws=size, random_seed=1, mode="FAST_COMPILE")[..., 0, 0]
    rng, npred = np.random.default_rng(2), dataset.npred_signal().data
    if not likelihood.needs:
        npred = dataset.npred().data
    off = {name: np.asarray(getattr(dataset, name).data, dtype="float64") for name in likelihood.needs}
    wanted = np.array([likelihood.random(npred, rng, **off) for _ in range(size)])[..., 0, 0]
    error = np.sqrt(2 * wanted.var(axis=0) / size)
    np.testing.assert_array_less(np.abs(drawn.mean(axis=0) - wanted.mean(axis=0)), 5 * error)
    np.testing.assert_allclose(drawn.var(axis=0), wanted.var(axis=0), rtol=0.35)
    np.testing.assert_allclose(drawn.var(axis=0).sum(), wanted.var(axis=0).sum(), rtol=0.15)
    dataset.fake(random_state=5)
    spread = np.sqrt(wanted.var(axis=0))
    np.testing.assert_array_less(np.abs(dataset.counts.data[..., 0, 0] - wanted.mean(axis=0)), 7 * spread)


@pytest.mark.parametrize("prior", [Prior("LogNormal", mu=0.0, sigma=0.3), Prior("Normal", mu=1.0, sigma=0.3)])
def test_a_subclass_of_the_poisson_likelihood_is_used_as_it_is(prior):
    """Where the terms collapse to a background, and with a prior that reaches below zero."""
    dataset = make_dataset(models=[background(prior=prior)])
    dataset.likelihood = Overdispersed()
    assert not Overdispersed.is_poisson
    model = to_pymc(dataset)
    logp = model.compile_fn(model.logp(vars=model.observed_RVs), mode="FAST_COMPILE")
    point = dict.fromkeys(model.initial_point(), np.array(0.0))  # the median of the prior
    assert logp(point) == pytest.approx(-0.5 * dataset.stat_sum(), rel=1e-12)
    draws = pm.draw(model["tiny.counts"], draws=30, random_seed=1, mode="FAST_COMPILE")
    assert draws.var() / draws.mean() > 2


def test_gaussian_data_may_be_negative():
    """Negative data and amplitude; the mode is that of a weighted mean, and simulations are not cut at zero."""
    likelihood = GaussianLikelihood(np.linspace(1, 3, N).reshape(N, 1, 1))
    dataset = SpectrumDataset(name="d", mask_fit=RegionNDMap.from_geom(GEOM, data=MASK))
    dataset.likelihood = likelihood
    dataset.background, dataset.counts = cube(np.linspace(1, 2, N)), cube(np.linspace(-3, -1, N))
    norm = FoVBackgroundModel(dataset_name="d", name="bkg")
    norm.spectral_model.norm.prior = Prior("Normal", mu=0, sigma=100)
    norm.spectral_model.norm.value = -1.5
    dataset.models = [norm]
    assert dataset.npred().data.min() < -2
    assert dataset.stat_sum() == pytest.approx(
        (likelihood.stat_array(dataset.counts.data, dataset.npred().data))[MASK].sum()
    )
    weight = MASK / likelihood.sigma**2
    template, counts = dataset.background.data, dataset.counts.data
    wanted = (weight * template * counts).sum() / ((weight * template**2).sum() + 100.0**-2)
    found = find_mode(dataset)
    assert found.values["bkg.norm"] == pytest.approx(wanted, rel=1e-6)
    cut = dataset.slice_by_idx({"energy": slice(0, 3)}, name="cut")
    assert cut.counts.data.min() < 0
    cut.models = [FoVBackgroundModel(dataset_name="cut")]
    with pytest.raises(ValueError, match=r"'cut': sigma of its GaussianLikelihood has shape \(7, 1, 1\), the data \(3"):
        to_pymc(cut)


class TestBadInput:
    def test_likelihood_of_another_kind_of_dataset(self):
        dataset = spectrum(PoissonLikelihood())
        dataset.likelihood = OnOffLikelihood()
        with pytest.raises(ValueError, match="'d'.*OnOffLikelihood.*needs alpha and counts_off.*has nothing"):
            to_pymc(dataset)
        dataset = spectrum(OnOffLikelihood())
        dataset.likelihood = NegativeBinomialLikelihood(0.1)
        with pytest.raises(ValueError, match="'d'.*needs nothing.*has alpha and counts_off"):
            to_pymc(dataset)

    @pytest.mark.parametrize("dispersion", [0, -1, np.nan, np.inf])
    def test_dispersion(self, dispersion):
        with pytest.raises(ValueError, match="dispersion must be positive and finite"):
            NegativeBinomialLikelihood(dispersion)

    def test_dispersion_without_prior(self):
        dataset = spectrum(NegativeBinomialLikelihood(Parameter("dispersion", 0.2)))
        with pytest.raises(ValueError, match="'d'.*'dispersion' needs a prior of its own"):
            to_pymc(dataset)

    def test_dispersion_below_zero(self):
        prior = Prior("Normal", mu=0.2, sigma=0.1)
        dataset = spectrum(NegativeBinomialLikelihood(Parameter("dispersion", 0.2, prior=prior)))
        with pytest.raises(ValueError, match="'d'.*'dispersion' reaches below zero"):
            to_pymc(dataset)

    @pytest.mark.parametrize("scale", [0, -1, np.nan, np.inf, "fixed"])
    def test_scale(self, scale):
        with pytest.raises(ValueError, match="scale of errors must be"):
            GaussianLikelihood(1.0, scale=scale)

    def test_scale_below_zero(self):
        prior = Prior("Normal", mu=1.0, sigma=0.1)
        dataset = spectrum(StudentTLikelihood(1.0, nu=4, scale=Parameter("errors", 1.0, prior=prior)))
        with pytest.raises(ValueError, match="'d'.*scale 'errors' reaches below zero"):
            to_pymc(dataset)

    @pytest.mark.parametrize("nu", [0, -1, np.nan, np.inf])
    def test_nu(self, nu):
        with pytest.raises(ValueError, match="nu must be positive and finite"):
            StudentTLikelihood(1.0, nu=nu)

    @pytest.mark.parametrize("sigma", [0.0, -1.0, np.inf])
    def test_sigma(self, sigma):
        dataset = spectrum(GaussianLikelihood(sigma))
        with pytest.raises(ValueError, match="'d': sigma of its GaussianLikelihood must be positive numbers"):
            to_pymc(dataset)

    def test_counts_of_gaussian_data_that_are_not_finite(self):
        dataset = spectrum(GaussianLikelihood(1.0))
        with pytest.raises(ValueError, match="not finite"):
            dataset.counts = cube(np.nan)

    def test_negative_counts_need_a_likelihood_that_allows_them(self):
        with pytest.raises(ValueError, match="negative"):
            spectrum(PoissonLikelihood()).counts = cube(-1.0)


def test_posterior_predictive_takes_the_unknowns_of_the_likelihood():
    """A sampled OFF background, far from what the OFF counts say, is that of the drawn counts."""
    from xarray import Dataset, DataTree

    dataset = spectrum(OnOffLikelihood("latent"))
    draws = {f"source.{key}": (("chain", "draw"), np.full((1, 40), value)) for key, value in
             (("index", 2.0), ("amplitude", 1e-20))}  # fmt: skip
    background_off = np.full((1, 40, int(MASK.sum())), 3e4)
    draws["d.background_off"] = (("chain", "draw", "bin"), background_off)
    tree = DataTree.from_dict({"posterior": Dataset(draws)})
    mean = posterior_predictive(tree, dataset, num_draws=40).data
    np.testing.assert_allclose(mean[MASK], 1e4, rtol=0.02)
    assert mean[~MASK].max() < 100


def test_parts_of_the_posterior_with_a_sampled_background():
    """The prior of the background is a Gamma distribution of the OFF counts, the likelihood that of the ON counts."""
    dataset = spectrum(OnOffLikelihood("latent"))
    made = sample(dataset, draws=20, tune=100, chains=1, random_state=1, progress_bar=False)
    draws = {name: values.values[0] for name, values in made["posterior"].data_vars.items()}
    off, background_off = dataset.counts_off.data[MASK], draws["d.background_off"]
    expected = scipy.stats.gamma.logpdf(background_off, off + 0.5).sum(axis=-1)
    np.testing.assert_allclose(made["log_prior"]["d.background_off"].values[0], expected, rtol=1e-8)
    spectral = dataset.models[0].spectral_model
    for i in (0, 7, 19):
        spectral.index.value, spectral.amplitude.value = draws["source.index"][i], draws["source.amplitude"][i]
        wanted = numbers(dataset, dataset.npred_signal().data, [background_off[i]])
        np.testing.assert_allclose(made["log_likelihood"]["d.counts"].values[0, i], wanted, rtol=1e-6)


def test_densities_are_those_of_scipy():
    rng = np.random.default_rng(1)
    data, mean = rng.normal(size=(2, N, 1, 1))
    found = StudentTLikelihood(SIGMA, nu=3.5, scale=1.2).pointwise(data, mean)
    np.testing.assert_allclose(found, scipy.stats.t.logpdf(data, 3.5, mean, 1.2 * SIGMA), rtol=1e-12)
    found = GaussianLikelihood(SIGMA, scale="free").pointwise(data, mean, latents={"noise_scale": np.array(1.2)})
    np.testing.assert_allclose(found, scipy.stats.norm.logpdf(data, mean, 1.2 * SIGMA), rtol=1e-12)


def test_free_scale_is_that_of_the_residuals():
    """With the prediction held fixed: n ln s + chi2 / 2 s^2 and, of the prior's density in s, ln s + ln(s)^2 / 0.08."""
    dataset = spectrum(GaussianLikelihood(SIGMA, scale="free"), width=SMALL)
    chi2, size = spectrum(GaussianLikelihood(SIGMA), width=SMALL).stat_sum(), MASK.sum()
    scale = scipy.optimize.brentq(lambda s: size + 1 - chi2 / s**2 + np.log(s) / 0.04, 0.1, 10)
    mode = find_mode(dataset)
    assert mode.values["d.noise_scale"] == pytest.approx(scale, rel=1e-5)
    assert 0.1 < mode.errors["d.noise_scale"] / scale < 0.2
    assert repr(dataset.likelihood) == "GaussianLikelihood(sigma=<array of shape (7, 1, 1)>, scale='free')"


def test_map_of_sigma():
    sigma = Map.from_geom(make_dataset().counts.geom, data=np.full(make_dataset().counts.data.shape, 2.0))
    assert GaussianLikelihood(sigma).sigma.shape == sigma.data.shape


@pytest.mark.parametrize("background", ["marginal", "latent", "profile"])
def test_off_counts_are_replaced_wherever_they_enter(background):
    """Also in the prior of a background that is sampled: as if compiled with them."""
    dataset = spectrum(OnOffLikelihood(background))
    fit, off = compile_fit(dataset), dataset.counts_off.data
    fit.set_counts((dataset.counts.data, off + 3))
    other = dataset.copy(name=dataset.name)
    other.models, other.likelihood = dataset.models, dataset.likelihood
    other.counts_off.data = off + 3
    fresh = compile_fit(other)
    at = fresh._any_density.start + 0.1
    (value, gradient), (wanted, slopes) = fit._any_density(at), fresh._any_density(at)
    assert value == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_allclose(gradient, slopes, rtol=1e-10)
