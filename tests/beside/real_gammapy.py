"""What needs Gammapy itself; run by `tests/test_beside_gammapy.py` in an environment that has it."""

import numpy as np
import pytest
from gammapy.datasets import Datasets as GammapyDatasets
from gammapy.datasets import FluxPointsDataset, MapDataset, SpectrumDatasetOnOff
from gammapy.estimators import FluxPoints
from gammapy.modeling.models import (
    FoVBackgroundModel,
    GaussianPrior,
    LogParabolaSpectralModel,
    LogUniformPrior,
    Models,
    SkyModel,
    TemplateSpatialModel,
    UniformPrior,
)

import bayesmap
from bayesmap.datasets import from_gammapy
from tests.golden import shared_path


@pytest.fixture
def cta():
    """A cut-out of a real cube with two sources whose indices are linked."""
    dataset = MapDataset.read(shared_path("data", "cta-1dc-gc", "cta-1dc-gc.fits.gz"), name="cta")
    first, second = SkyModel.create("pl", "gauss", name="first"), SkyModel.create("pl", "point", name="second")
    first.spectral_model.index.prior = GaussianPrior(mu=2.3, sigma=0.2)
    first.spectral_model.amplitude.value = 1e-11
    second.spectral_model.index = first.spectral_model.index
    second.spectral_model.amplitude.prior = LogUniformPrior(min=1e-14, max=1e-10)
    first.spatial_model.sigma.value = 0.3
    second.spatial_model.lon_0.prior = UniformPrior(min=266, max=267)
    for model, lon, lat in ((first, 266.3, -28.9), (second, 266.4, -29.0)):
        model.spatial_model.lon_0.value, model.spatial_model.lat_0.value = lon, lat
    dataset = dataset.cutout(first.spatial_model.position, "3 deg", name="small")
    dataset.models = Models([first, second, FoVBackgroundModel(dataset_name="small")])
    dataset.fake(1)
    return dataset


def test_prediction_and_priors(cta):
    (own,) = from_gammapy(cta)
    # points and Gaussians are integrated over pixels here, not read at their centres
    np.testing.assert_allclose(own.npred().data.sum(), cta.npred().data.sum(), rtol=2e-3)
    np.testing.assert_array_equal(own.counts.data, cta.counts.data)
    assert own.models["first"].spectral_model.index is own.models["second"].spectral_model.index
    assert own.models["first"].spectral_model.index.prior == bayesmap.Prior("Normal", mu=2.3, sigma=0.2)
    assert [p.frozen for p in own.models.parameters] == [p.frozen for p in cta.models.parameters]


def test_spectrum():
    run = SpectrumDatasetOnOff.read(shared_path("data", "joint-crab", "spectra", "hess", "pha_obs23523.fits"))
    run.models = [SkyModel.create("pl", name="crab")]
    (own,) = from_gammapy(run)
    np.testing.assert_allclose(own.stat_sum(), run.stat_sum(), rtol=1e-9)


def test_flux_points():
    path = shared_path("data", "hawc", "HAWC19_flux_points.fits")
    points = FluxPoints.read(path, reference_model=LogParabolaSpectralModel())
    data = FluxPointsDataset(data=points, models=[SkyModel.create("pl", name="crab")], name="hawc")
    (own,) = from_gammapy(data)
    np.testing.assert_allclose(own.stat_sum(), data.stat_sum(), rtol=1e-9)


def test_shared_model_and_template(cta):
    other = cta.copy(name="other")
    template = TemplateSpatialModel(cta.counts.sum_over_axes(keepdims=False))
    shape = SkyModel(cta.models["first"].spectral_model.copy(), template, name="shape")
    for dataset in (cta, other):
        dataset.models = Models([cta.models["first"], shape])
    one, two = from_gammapy(GammapyDatasets([cta, other]))
    assert one.models["first"] is two.models["first"]
    # ours is normalised by the integral of what is interpolated, Gammapy's by the sum over pixels
    own = one.models["shape"].spatial_model
    shares = [m.data / m.data.sum() for m in (own.map, template.map)]
    np.testing.assert_allclose(*shares, atol=1e-12)
    assert own.integrate_geom(own.map.geom.pad(2).upsample(4)).data.sum() == pytest.approx(1, abs=1e-4)


def test_posterior_and_back(cta):
    tree = bayesmap.sample(cta, draws=300, tune=300, chains=2, random_state=1, progress_bar=False)
    (own,) = from_gammapy(cta)
    own.models["second"].spectral_model.index.prior = bayesmap.Prior("Beta", alpha=2, beta=2)
    with pytest.warns(UserWarning, match="no counterpart of the prior"):
        own.models.to_gammapy()
    (own,) = from_gammapy(cta)
    back = own.models.to_gammapy(tree)
    want = own.models.covariance_from(tree)
    for name, error in want.errors.items():
        model, parameter = name.split(".")
        assert np.isclose(back[model].parameters[parameter].error, error)
        mean = float(tree["posterior"][name].mean())
        unit = tree["posterior"][name].attrs["units"]
        quantity = back[model].parameters[parameter].quantity.to_value(unit)
        assert np.isclose(quantity, mean)
    assert back["first"].spectral_model.index is back["second"].spectral_model.index
    # as good a fit as Gammapy's own
    cta.models = back
    assert np.isfinite(cta.stat_sum())
    npred = bayesmap.posterior_npred(tree, own, num_draws=10)
    np.testing.assert_allclose(npred.data.sum(), cta.counts.data.sum(), rtol=0.02)
