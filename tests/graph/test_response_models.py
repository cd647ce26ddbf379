"""What response models do to predictions: on every route, against other datasets and closed forms."""

import functools
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from bayesmap import find_mode, to_pymc
from bayesmap._backend.functions import QUICK
from bayesmap.datasets import Datasets, FluxPointsDataset, MapDatasetEventSampler
from bayesmap.estimators import FluxPoints
from bayesmap.graph import Fold, build_terms, fold_arrays, signal_counts
from bayesmap.graph.fold import all_bins, current_values
from bayesmap.inference import default_priors
from bayesmap.irf import PSFMap
from bayesmap.modeling import (
    DiskSpatialModel,
    EnergyScaleResponseModel,
    ExposureScaleResponseModel,
    GaussianSpatialModel,
    IRFModel,
    LogParabolaSpectralModel,
    Models,
    Parameter,
    PointSpatialModel,
    Prior,
    PSFScaleResponseModel,
    ResponseModel,
    SkyModel,
    TemplateSpectralModel,
)
from tests.golden import shared_path
from tests.inference.tiny import LAT, LON, background, geom, make_dataset, point, power_law, true_axis

WIDTH = np.array([0.09, 0.08, 0.07, 0.06, 0.05]) * u.deg
SHAPES = {
    "point": (PointSpatialModel, {}),
    "gauss": (GaussianSpatialModel, {"sigma": 0.09 * u.deg}),
    "long": (GaussianSpatialModel, {"sigma": 0.12 * u.deg, "e": 0.7, "phi": 30 * u.deg}),
    "disk": (DiskSpatialModel, {"r_0": 0.15 * u.deg}),
}
ROUTES = [("point", "mixture"), ("gauss", "mixture"), ("point", "stamp"), ("gauss", "radial"), ("disk", "round"),
          ("long", "elliptical"), ("disk", "fft"), ("disk", "fixed")]  # fmt: skip


@functools.cache
def dataset(factor=1.0):
    data = make_dataset(counts=np.zeros(geom().data_shape))
    data.psf = PSFMap.from_gauss(true_axis(), sigma=factor * WIDTH)
    return data


def source(shape="point", fixed=False, spectrum=None, **options):
    kind, values = SHAPES[shape]
    placed = kind(lon_0=(LON + 0.03) * u.deg, lat_0=(LAT - 0.02) * u.deg, frame="galactic", **values)
    model = SkyModel(spectral_model=spectrum or power_law(), spatial_model=placed, name="s", **options)
    if fixed:
        placed.freeze()
    return model


def counts(models, route=None, data=None, **options):
    return signal_counts(data or dataset(), models, route=route, **options)["s"]


def distance(found, wanted):
    """Share of the counts in another bin."""
    return 0.5 * np.abs(found - wanted).sum() / wanted.sum()


def test_energy_scale_is_the_closed_form_for_a_power_law():
    plain = counts([source()])
    scaled = counts([source(), IRFModel(EnergyScaleResponseModel(scale=1.15), name="irf")])
    np.testing.assert_allclose(scaled, plain * 1.15**1.2, rtol=1e-12)


def test_energy_scale_of_a_curved_spectrum():
    """A log parabola f(E / s) / s is one with another reference, index and amplitude."""
    scale, alpha, beta = 0.9, 2.1, 0.3
    curved = LogParabolaSpectralModel(alpha=alpha, beta=beta, amplitude="1e-12 cm-2 s-1 TeV-1", reference="1 TeV")
    moved = LogParabolaSpectralModel(
        alpha=alpha, beta=beta, amplitude=1e-12 / scale * u.Unit("cm-2 s-1 TeV-1"), reference=scale * u.TeV
    )
    found = counts([source(spectrum=curved), IRFModel(EnergyScaleResponseModel(scale=scale), name="irf")])
    np.testing.assert_allclose(found, counts([source(spectrum=moved)]), rtol=1e-9)


def test_two_scales_multiply_and_both_kinds_act_together():
    models = [IRFModel(EnergyScaleResponseModel(scale=s), name=n) for s, n in ((1.1, "a"), (1.05, "b"))]
    models.append(IRFModel(ExposureScaleResponseModel(scale=0.8), name="c"))
    np.testing.assert_allclose(counts([source(), *models]), 0.8 * 1.155**1.2 * counts([source()]), rtol=1e-12)


def test_exposure_with_a_tilt_is_a_dataset_with_another_exposure():
    model = ExposureScaleResponseModel(scale=0.9, tilt=0.3, reference="2 TeV")
    other = dataset().copy(name="other")
    energy = true_axis().center.to_value("TeV")
    other.exposure.data = other.exposure.data * (0.9 * (energy / 2) ** 0.3)[:, None, None]
    found = counts([source("disk"), IRFModel(model, name="irf")])
    np.testing.assert_allclose(found, counts([source("disk")], data=other), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("shape", "route"), ROUTES)
def test_wider_psf_on_every_route(shape, route):
    """As the dataset whose PSF is that much wider; between the widths of tables as well."""
    psf = PSFScaleResponseModel(scale=1.15)
    psf.scale.prior = Prior("LogNormal", mu=0.0, sigma=0.1)
    model = source(shape, fixed=route == "fixed")
    found = counts([model, IRFModel(psf, name="irf")], route)
    wanted = counts([model], route, dataset(1.15))
    assert distance(found, wanted) < 3e-3
    assert distance(counts([model], route), wanted) > 0.02  # it does matter


@pytest.mark.parametrize(("shape", "route"), ROUTES)
def test_totals_and_gradients(shape, route):
    responses = [EnergyScaleResponseModel(), ExposureScaleResponseModel(), PSFScaleResponseModel()]
    responses[2].scale.prior = Prior("LogNormal", mu=0.0, sigma=0.05)
    models = [source(shape, fixed=route == "fixed"), *(IRFModel(r, name=type(r).__name__) for r in responses)]
    arrays = replace(fold_arrays(dataset()), background=None)
    terms = build_terms(arrays, models, route=route, tolerance=2e-3, reach={"s": 0.3})
    free = [r.scale for r in responses]
    mask = np.ones(arrays.mask.shape)
    mask[0, :6] = mask[1, :, 18:] = 0.0
    fold = Fold(terms, weights=mask)
    fold.select(all_bins(arrays))
    vector = pt.dvector()
    npred, total = fold.at_and_total({**current_values(models), **{p: vector[i] for i, p in enumerate(free)}})
    factors = np.random.default_rng(1).uniform(0.5, 1, mask.size) * (np.random.default_rng(2).random(mask.size) < 0.3)
    parts = [pt.sqrt(factors * npred + 1).sum(), total]
    function = pytensor.function([vector], [npred, *parts, *(pt.grad(p, vector) for p in parts)], mode=QUICK)
    start = np.array([1.02, 0.95, 1.013])
    found, *values = function(start)
    assert values[1] == pytest.approx((found * mask.ravel()).sum(), rel=1e-3)
    for i in range(3):
        step = 1e-4 * np.eye(3)[i]
        high, low = function(start + step), function(start - step)
        for part in (0, 1):
            slope = (high[1 + part] - low[1 + part]) / 2e-4
            assert values[2 + part][i] == pytest.approx(slope, rel=2e-4, abs=2e-5 * np.abs(values[2 + part]).max())


class WorseEnergies(ResponseModel):
    """An effect of somebody's own: a share of the events is reconstructed evenly over all energies."""

    tag = "test-worse-energies"
    share = Parameter("share", 0.0, min=0, max=1, role="fraction")

    def dispersion_graph(self, matrix, edges, edges_true, values):
        """Mix in a flat one."""
        share = values[self.share]
        return matrix * (1 - share) + share * matrix.sum(axis=0) * np.ones((len(edges) - 1, 1)) / (len(edges) - 1)


@pytest.mark.parametrize(("shape", "route"), ROUTES)
def test_a_model_of_the_energy_dispersion_acts_on_every_route(shape, route):
    model, own = source(shape, fixed=route == "fixed"), IRFModel(WorseEnergies(share=0.2), name="irf")
    plain, found = counts([model], route), counts([model, own], route)
    np.testing.assert_allclose(found, 0.8 * plain + 0.2 * plain.mean(axis=0), rtol=1e-3, atol=1e-3 * plain.max())


def test_spectra_of_counts_are_left_alone():
    table = TemplateSpectralModel(energy=[0.1, 100] * u.TeV, values=[100, 1] * u.Unit("TeV-1"))
    model = source(apply_irf={"exposure": False}, spectrum=table)
    scale = IRFModel(ExposureScaleResponseModel(scale=0.5), name="irf")
    np.testing.assert_array_equal(counts([model, scale]), counts([model]))


def test_a_dataset_shows_and_uses_its_response():
    data = dataset().copy(name="tiny")
    data.models = [source(), background(), IRFModel(ExposureScaleResponseModel(scale=0.5), "tiny", name="irf")]
    wanted = data.npred_background().data + 0.5 * counts([source()])
    np.testing.assert_allclose(data.npred().data, wanted, rtol=1e-12)
    assert "Response model type       : ExposureScaleResponseModel" in str(data)
    assert data.npred_signal(["s"]).data.sum() == pytest.approx(0.5 * counts([source()]).sum())
    with pytest.raises(KeyError, match="no sky model 'irf'"):
        data.npred_signal(["irf"])


def test_default_priors():
    data = make_dataset(models=[source(), background()])
    irf = ExposureScaleResponseModel()
    irf.tilt.frozen = False
    data.models = [*data.models, IRFModel(irf, name="irf")]
    priors = default_priors(data)
    assert priors["irf.scale"] == Prior("LogNormal", mu=0.0, sigma=0.1).as_default()
    assert priors["irf.tilt"] == Prior("Normal", mu=0.0, sigma=0.1).as_default()


def test_the_energy_scale_is_learnt_from_its_prior_and_widens_the_amplitude():
    """sd(ln K)**2 = stat**2 + ((index - 1) sd(ln s))**2 for a power law, whose index does not change."""
    data = make_dataset(models=[source(), background()])
    model = data.models["s"]
    model.spatial_model.freeze()
    model.spectral_model.amplitude.prior = Prior("LogUniform", lower=1e-13, upper=1e-11)
    model.spectral_model.index.prior = Prior("Uniform", lower=1.0, upper=4.0)
    alone = find_mode(data)
    scale = EnergyScaleResponseModel()
    scale.scale.prior = Prior("LogNormal", mu=0.0, sigma=0.1)
    data.models = [*data.models, IRFModel(scale, name="irf")]
    both = find_mode(data)
    relative = [m.errors["s.amplitude"] / m.values["s.amplitude"] for m in (alone, both)]
    index = both.values["s.index"]
    assert both.errors["irf.scale"] / both.values["irf.scale"] == pytest.approx(0.1, rel=0.02)
    assert both.errors["s.index"] == pytest.approx(alone.errors["s.index"], rel=0.02)
    assert relative[1] ** 2 == pytest.approx(relative[0] ** 2 + ((index - 1) * 0.1) ** 2, rel=0.05)


def test_flux_points_have_no_response():
    data = FluxPointsDataset(
        data=FluxPoints.read(shared_path("data", "flux_points", "crab_hess_fp.fits")), name="points"
    )
    data.models = Models([point(), IRFModel(ExposureScaleResponseModel(), name="irf")])
    with pytest.raises(ValueError, match=r"dataset 'points' holds flux points, which have no response.*\['irf'\]"):
        data.flux_pred()
    with pytest.raises(ValueError, match="holds flux points, which have no response"):
        to_pymc(data)


def test_events_are_not_drawn_with_another_response():
    data = dataset().copy(name="tiny")
    data.models = [source(), IRFModel(ExposureScaleResponseModel(), name="irf")]
    with pytest.raises(ValueError, match=r"response functions as they are; remove the models \['irf'\]"):
        MapDatasetEventSampler(random_state=0).sample_sources(data)


def test_one_scale_for_two_datasets():
    one, two = (make_dataset(name=name, counts=np.zeros(geom().data_shape)) for name in ("one", "two"))
    irf = IRFModel(ExposureScaleResponseModel(scale=0.5), ["two"], name="irf")
    datasets = Datasets([one, two])
    datasets.models = Models([source(), irf])
    assert one.npred_signal().data.sum() == pytest.approx(2 * two.npred_signal().data.sum(), rel=1e-12)
