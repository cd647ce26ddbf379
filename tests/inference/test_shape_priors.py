"""Default priors of shapes and of time dependence: finite value and gradient over draws, for every registered type."""

import astropy.units as u
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from astropy.table import Table

from bayesmap.datasets import FluxPointsDataset
from bayesmap.estimators import FluxPoints
from bayesmap.graph import build_terms, fold_arrays, signal_counts
from bayesmap.graph.signs import prior_support
from bayesmap.inference.compile import compile_datasets
from bayesmap.inference.default_priors import default_priors
from bayesmap.maps import Map, MapAxis, MapCoord, WcsGeom
from bayesmap.modeling import (
    ConstantTemporalModel,
    FoVBackgroundModel,
    LightCurveTemplateTemporalModel,
    Models,
    PiecewiseNormSpatialModel,
    PointSpatialModel,
    PowerLawTemporalModel,
    SineTemporalModel,
    SkyModel,
    TemplateNDSpatialModel,
    TemplatePhaseCurveTemporalModel,
    TemplateSpatialModel,
    model_classes,
)
from tests.inference.tiny import LAT, LON, background, make_dataset, point, power_law

SKIPPED = (PointSpatialModel, TemplateSpatialModel)  # no formula; no free parameters
MJD = 58849.0
SPATIAL = [c for c in model_classes("spatial") if c.__module__.startswith("bayesmap.") and c not in SKIPPED]
TEMPORAL = [c for c in model_classes("temporal") if c.__module__.startswith("bayesmap.")]
DEFAULTS = {"lon_0": LON * u.deg, "lat_0": LAT * u.deg, "r_0": 0.2 * u.deg, "sigma": 0.1 * u.deg}
DEFAULTS |= {"radius": 0.2 * u.deg, "width": 0.1 * u.deg}
TIMES = {"t_ref": MJD * u.d, "omega": 6 * u.Unit("rad d-1")}


def shape(cls):
    if cls is PiecewiseNormSpatialModel:
        x, y = np.array([-2, -2, 2, 2]), np.array([-2, 2, 2, -2])
        return cls(MapCoord.create(((LON + x) * u.deg, (LAT + y) * u.deg)), frame="galactic")
    if cls is TemplateNDSpatialModel:
        axis = MapAxis.from_nodes([0.1, 0.2, 0.4], unit="deg", name="width")
        geom = WcsGeom.create(skydir=(LON, LAT), npix=20, binsz=0.05, frame="galactic", axes=[axis])
        return cls(Map.from_geom(geom, data=np.ones(geom.data_shape), unit="sr-1"))
    model = cls(**{k: v for k, v in DEFAULTS.items() if k in cls.parameter_names}, frame="galactic")
    for p in model.parameters:
        p.frozen = p.name == "value"
    return model


def change(cls):
    if cls is LightCurveTemplateTemporalModel:
        return cls(Table({"TIME": [-9.0, 0, 1, 9] * u.d, "NORM": [1, 2, 0.5, 1]}), **{"t_ref": MJD * u.d})
    if cls is TemplatePhaseCurveTemporalModel:
        model = cls(Table({"PHASE": [0, 0.5], "NORM": [1, 0.2]}), t_ref=MJD * u.d, f0="1.3 d-1")
        model.f0.frozen = model.f1.frozen = model.phi_ref.frozen = False
        return model
    model = cls(**{k: v for k, v in TIMES.items() if k in cls.parameter_names})
    if cls is PowerLawTemporalModel:
        model.t_ref.value -= 1
    return model


def draws(model, priors, rng, n=6):
    """Numbers of all parameters, free ones from their priors within the bounds."""
    for _ in range(n):
        numbers = []
        for part in (model.spatial_model, model.temporal_model):
            for p in part.parameters if part is not None else ():
                prior = next((priors[k] for k in priors if k.endswith(f".{p.name}") and not p.frozen), None)
                value = p.value
                if prior is not None:
                    value = prior.quantile(rng.uniform(0.001, 0.999), p.unit, lower=p.bounds[0], upper=p.bounds[1])
                numbers.append(value * p.scale_to_internal)
        yield numbers


def check(graph, variables, numbers):
    slopes = pytensor.grad(graph.sum(), variables, disconnected_inputs="ignore") if variables else []
    function = pytensor.function(variables, [graph, *slopes], mode="FAST_COMPILE", on_unused_input="ignore")
    for point_ in numbers:
        for output in function(*point_):
            assert np.all(np.isfinite(output)), point_


@pytest.mark.parametrize("cls", SPATIAL, ids=lambda cls: cls.__name__)
def test_shapes_over_their_default_priors(cls, rng):
    model = SkyModel(spectral_model=power_law(), spatial_model=shape(cls), name="source")
    priors = default_priors(make_dataset(models=[model, background()], counts=np.ones((3, 24, 30))))
    assert all(f"source.{p.name}" in priors for p in model.spatial_model.parameters if not p.frozen)
    lon, lat = np.meshgrid(LON + np.linspace(-0.6, 0.6, 25), LAT + np.linspace(-0.5, 0.5, 21))
    variables = {p: pt.dscalar() for p in model.spatial_model.parameters}
    for step in (0.05, 0.005):
        graph = model.spatial_model.resolved_graph(lon, lat, variables, step)
        check(graph, list(variables.values()), draws(model, priors, rng))


@pytest.mark.parametrize("cls", TEMPORAL, ids=lambda cls: cls.__name__)
def test_time_dependence_over_its_default_priors(cls, rng):
    temporal = change(cls)
    model = point()
    model.temporal_model = temporal
    dataset = make_dataset(models=[model, background()], counts=np.ones((3, 24, 30)))
    priors = default_priors(dataset)
    span = (dataset.gti.time_stop[-1] - dataset.gti.time_start[0]).to_value("d")
    for p in temporal.parameters:
        if not p.frozen:
            assert any(name.endswith(f".{p.name}") for name in priors)
        if not p.frozen and p.name in ("t0", "sigma", "t_rise", "t_decay"):
            key = next(name for name in priors if name.endswith(f".{p.name}"))
            assert priors[key].quantile(0.5, p.unit) == pytest.approx(span / 4)
    variables = {p: pt.dscalar() for p in temporal.parameters}
    start, stop = fold_arrays(dataset).intervals(model)
    mean = temporal.mean_graph(start, stop, variables)
    own = SkyModel(spectral_model=power_law(), temporal_model=temporal, name="source")
    check(mean, list(variables.values()), draws(own, priors, rng))


def test_no_factor_for_a_constant():
    model = point()
    dataset = make_dataset(models=[model, background()])
    steady = signal_counts(dataset, [model])["source"]
    dataset.gti = None
    model.temporal_model = ConstantTemporalModel()
    np.testing.assert_array_equal(signal_counts(dataset, [model])["source"], steady)


def test_errors_name_model_and_dataset():
    model = point()
    dataset = make_dataset(models=[model, background()])
    model.temporal_model = SineTemporalModel(t_ref=MJD * u.d)
    dataset.gti = None
    with pytest.raises(
        ValueError, match=r"model 'source' depends on time \(SineTemporalModel\), but dataset 'tiny' has"
    ):
        compile_datasets(dataset)
    with pytest.raises(ValueError, match="has no good time intervals"):
        dataset.npred()
    dataset = make_dataset(models=[background()])
    model.temporal_model = PowerLawTemporalModel(t_ref=(MJD + 1) * u.d)
    with pytest.raises(ValueError, match="model 'source' on dataset 'tiny': PowerLawTemporalModel .* no integral"):
        signal_counts(dataset, [model])


def test_signs_of_time_dependence_and_norms():
    model, dataset = point(), make_dataset(models=[background()])
    model.spectral_model.amplitude.min = 0
    model.temporal_model = SineTemporalModel(t_ref=MJD * u.d, amp=0.5)
    dataset.models = Models([model, background()])
    for name, prior in default_priors(dataset).items():
        p = next(p for p in [*model.parameters, *dataset.models[1].parameters] if name.endswith(f".{p.name}"))
        p.prior = prior
    arrays = fold_arrays(dataset)
    assert build_terms(arrays, [model]).may_be_negative(prior_support) == []
    model.temporal_model.amp.prior = None
    model.temporal_model.amp.frozen, model.temporal_model.amp.value = True, 1.5
    assert build_terms(arrays, [model]).may_be_negative(prior_support) == [
        "the SineTemporalModel of model 'source' can fall below zero"
    ]


def test_free_shape_without_position_needs_a_psf_in_true_energy():
    model = SkyModel(spectral_model=power_law(), spatial_model=shape(TemplateNDSpatialModel), name="source")
    dataset = make_dataset(models=[background()], reco=True)
    with pytest.raises(ValueError, match="cannot be combined with a PSF in reconstructed energy"):
        signal_counts(dataset, [model])


def test_norms_of_a_background_in_another_frame():
    """The norms are taken at the same place on the sky, whatever the frame of the dataset (unlike in Gammapy)."""
    dataset = make_dataset(models=[])
    galactic = shape(PiecewiseNormSpatialModel)
    for i, p in enumerate(galactic.parameters):
        p.value = 1 + 0.2 * i
    nodes = galactic.coords.skycoord.icrs
    icrs = PiecewiseNormSpatialModel(MapCoord.create((nodes.ra, nodes.dec)), norms=galactic.norms.value, frame="icrs")
    for norms in (galactic, icrs):
        dataset.models = [FoVBackgroundModel(spatial_model=norms, dataset_name="tiny")]
        factor = dataset.npred_background().data / dataset.background.data
        middle = dataset.counts.geom.center_skydir.transform_to(norms.frame).spherical
        assert norms(middle.lon, middle.lat).value == pytest.approx(factor[0, 11:13, 14:16].mean(), rel=1e-3)
        expected = norms.evaluate_geom(dataset.counts.geom.to_image()).value
        np.testing.assert_allclose(factor, np.broadcast_to(expected, factor.shape), rtol=1e-9)
        assert np.ptp(factor) > 0.1


def test_flux_points_are_means_over_time():
    table = Table({"e_ref": [1.0, 3.0] * u.TeV, "dnde": [1e-12, 1e-13] * u.Unit("cm-2 s-1 TeV-1")})
    table["dnde_err"] = 0.1 * table["dnde"].quantity
    table.meta["SED_TYPE"] = "dnde"
    model = SkyModel(spectral_model=power_law(), temporal_model=SineTemporalModel(t_ref=MJD * u.d), name="source")
    gti = make_dataset().gti
    points = FluxPoints.from_table(table, sed_type="dnde", gti=gti)
    dataset = FluxPointsDataset(data=points, models=[model], name="points")
    factor = model.temporal_model.integral(gti.time_start, gti.time_stop).sum()
    expected = model.spectral_model([1, 3] * u.TeV) * factor
    np.testing.assert_allclose(dataset.flux_pred().ravel(), expected)
    points = FluxPoints.from_table(table, sed_type="dnde")
    with pytest.raises(ValueError, match="dataset 'points' has no good time intervals"):
        FluxPointsDataset(data=points, models=[model], name="points").flux_pred()
