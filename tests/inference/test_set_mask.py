"""Other masks without compiling: the same numbers as a fit that is made with them, for all likelihoods and terms."""

import numpy as np
import pytest

from bayesmap.inference import CompiledFit
from bayesmap.likelihoods import (
    GaussianLikelihood,
    NegativeBinomialLikelihood,
    OnOffLikelihood,
    PoissonLikelihood,
    StudentTLikelihood,
)
from bayesmap.maps import Map
from bayesmap.modeling import GaussianSpatialModel, Prior, SkyModel
from tests.inference.test_likelihoods import GEOM, MASK, free_scale, spectrum
from tests.inference.test_observations import flux_points
from tests.inference.tiny import LAT, LON, background, geom, make_dataset, point, power_law, source_and_background

N_POINT = 4


def mask_of(seed, share=0.7):
    """Random pixels, the same in all energies but for one region that is left out at the lowest."""
    rng = np.random.default_rng(seed)
    mask = np.broadcast_to(rng.random(geom().data_shape[1:]) < share, geom().data_shape).copy()
    mask[0, 5:12, 5:12] = False
    return mask


def same(fit, fresh):
    """Value and gradient at several points."""
    one, other = fit._any_density, fresh._any_density
    rng = np.random.default_rng(1)
    for _ in range(N_POINT):
        theta = 0.5 * rng.normal(size=one.size)
        (value, gradient), (wanted, slope) = one(theta), other(theta)
        assert np.isfinite(wanted)
        np.testing.assert_allclose(value, wanted, rtol=1e-12)
        np.testing.assert_allclose(gradient, slope, rtol=0, atol=1e-12 * np.abs(slope).max())


def moving_and_extended():
    """A point, a Gaussian and a frozen source, and the background: terms of several kinds."""
    shape = GaussianSpatialModel(lon_0=f"{LON - 0.2} deg", lat_0=f"{LAT} deg", sigma="0.15 deg", frame="galactic")
    extended = SkyModel(power_law(), shape, name="extended")
    fixed = point("fixed", lon=LON + 0.3)
    fixed.spatial_model.freeze()
    return [point(), extended, fixed, background(prior=Prior("LogNormal", mu=0, sigma=0.2))]


@pytest.mark.parametrize("prior", [Prior("LogNormal", mu=0, sigma=0.2), Prior("Normal", mu=1, sigma=0.3)], ids=str)
def test_terms_of_several_kinds(prior):
    """In counted bins, and where all bins are looked at."""
    models = moving_and_extended()
    models[-1].spectral_model.norm.prior = prior
    dataset = make_dataset(models=models)
    fit = CompiledFit(dataset)
    fit._any_density(fit._any_density.start)
    for seed in (1, 2):
        fit.set_mask(mask_of(seed))
        dataset.mask_fit = Map.from_geom(geom(), data=mask_of(seed))
        same(fit, CompiledFit(dataset))


LIKELIHOODS = {
    "Poisson": PoissonLikelihood,
    "negative binomial": lambda: NegativeBinomialLikelihood(0.3),
    "Gaussian": lambda: GaussianLikelihood(np.linspace(1, 3, len(MASK)).reshape(-1, 1, 1)),
    "Student, free": lambda: StudentTLikelihood(np.linspace(1, 3, len(MASK)).reshape(-1, 1, 1), 5, scale=free_scale()),
    "ON/OFF": OnOffLikelihood,
    "ON/OFF, profile": lambda: OnOffLikelihood("profile"),
}


@pytest.mark.parametrize("key", LIKELIHOODS)
def test_likelihoods(key):
    dataset = spectrum(LIKELIHOODS[key]())
    fit = CompiledFit(dataset)
    other = ~MASK | (np.arange(len(MASK)) > 2).reshape(MASK.shape)
    fit.set_mask(other)
    dataset.mask_fit = Map.from_geom(GEOM, data=other)
    fresh = CompiledFit(dataset)
    same(fit, fresh)
    [mine], [theirs] = fit._observed.values(), fresh._observed.values()
    assert mine.summary()["d.counts"][1].tolist() == theirs.summary()["d.counts"][1].tolist()
    arguments = [p.value for p in mine.parameters]
    np.testing.assert_allclose(mine.pointwise(*arguments), theirs.pointwise(*arguments))


def test_counts_after_the_mask_and_before_it():
    dataset = make_dataset(models=source_and_background())
    counts = np.random.default_rng(5).poisson(dataset.counts.data + 0.5).astype(float)
    first, second = CompiledFit(dataset), CompiledFit(dataset)
    first.set_mask(mask_of(1))
    first.set_counts(counts)
    second.set_counts(counts)
    second.set_mask(Map.from_geom(geom(), data=mask_of(1)))
    dataset.counts.data, dataset.mask_fit = counts, Map.from_geom(geom(), data=mask_of(1))
    fresh = CompiledFit(dataset)
    same(first, fresh)
    same(second, fresh)
    second.set_mask(np.ones(geom().data_shape, bool))
    dataset.mask_fit = None
    same(second, CompiledFit(dataset))


def test_datasets_in_a_loop():
    """Three runs of one structure, masks by name."""
    runs = [make_dataset(n, [*source_and_background(n)][1:], seed=k) for k, n in enumerate("abc")]
    fit = CompiledFit(runs)
    fit._any_density(fit._any_density.start)
    masks = {"a": mask_of(1), "c": mask_of(2)}
    fit.set_mask(masks)
    for run in runs:
        run.mask_fit = Map.from_geom(geom(), data=masks.get(run.name, np.ones(geom().data_shape, bool)))
    same(fit, CompiledFit(runs))


class TestBadInput:
    @pytest.fixture
    def fit(self):
        runs = [make_dataset(n, [background(n)], seed=k) for k, n in enumerate("ab")]
        runs[1].background.data[0, 3, 4] = -0.1
        runs[1].mask_fit = Map.from_geom(geom(), data=np.ones(geom().data_shape, bool))
        runs[1].mask_fit.data[0, 3, 4] = False
        return CompiledFit(runs)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda m: m.astype(float), "'b': a mask holds booleans"),
            (lambda m: m[:, 1:], r"'b': a mask holds booleans in the shape \(3, 24, 30\), got bool in \(3, 23, 30\)"),
            (lambda m: np.zeros_like(m), "'b': the masks leave no bin"),
            (lambda m: m, "'b': the background has negative bins inside the mask.*compile it again"),
        ],
    )
    def test_nothing_is_changed(self, fit, change, message):
        """Not even in the dataset whose mask is right."""
        theta = fit._any_density.start + 0.1
        before = fit._any_density(theta)
        masks = {"a": mask_of(1), "b": change(np.ones(geom().data_shape, bool))}
        with pytest.raises(ValueError, match=message):
            fit.set_mask(masks)
        after = fit._any_density(theta)
        assert after[0] == before[0]
        np.testing.assert_array_equal(after[1], before[1])

    def test_names(self, fit):
        with pytest.raises(KeyError, match="unknown dataset 'c'"):
            fit.set_mask({"c": mask_of(1)})
        with pytest.raises(ValueError, match="give masks by dataset name"):
            fit.set_mask(mask_of(1))

    def test_counts_that_nothing_explains(self):
        dataset = make_dataset(models=[background()])
        dataset.background.data[1, 2, 3], dataset.counts.data[1, 2, 3] = 0, 5
        dataset.mask_fit = Map.from_geom(geom(), data=np.ones(geom().data_shape, bool))
        dataset.mask_fit.data[1, 2, 3] = False
        fit = CompiledFit(dataset)
        with pytest.raises(
            ValueError, match=r"'tiny': 1 bins hold counts but no model predicts any there.*\(1, 2, 3\)"
        ):
            fit.set_mask(np.ones(geom().data_shape, bool))

    def test_no_off_acceptance(self):
        dataset = spectrum(OnOffLikelihood())
        dataset.acceptance_off.data[2] = 0
        dataset.counts_off.data[2] = 0
        with pytest.raises(ValueError, match="'d': 1 bins inside the mask have no OFF acceptance"):
            CompiledFit(dataset).set_mask(np.ones(MASK.shape, bool))

    def test_a_sampled_background_has_one_number_per_bin(self):
        fit = CompiledFit(spectrum(OnOffLikelihood("latent")))
        fit.set_mask(MASK)
        with pytest.raises(ValueError, match="'d'.*latent.*an unknown in each bin of the mask; compile it again"):
            fit.set_mask(np.ones(MASK.shape, bool))

    def test_flux_points(self):
        with pytest.raises(ValueError, match="'points' holds flux points; compile it again with another mask"):
            CompiledFit(flux_points()).set_mask(np.ones(5, bool))
