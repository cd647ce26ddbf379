"""The gradient of the log-posterior against differences of its values, for every free parameter of every model."""

import functools

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Table

from bayesmap.datasets import simulate_cta_like
from bayesmap.inference.compile import compile_datasets
from bayesmap.inference.density import LogDensity
from bayesmap.maps import Map, MapAxis, MapCoord, WcsGeom
from bayesmap.modeling import (
    ConstantSpatialModel,
    DiskSpatialModel,
    ExpCutoffPowerLawNormSpectralModel,
    ExpCutoffPowerLawSpectralModel,
    ExpDecayTemporalModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    GaussianTemporalModel,
    GeneralizedGaussianSpatialModel,
    GeneralizedGaussianTemporalModel,
    LinearTemporalModel,
    LogParabolaNormSpectralModel,
    LogParabolaSpectralModel,
    Models,
    PiecewiseNormSpatialModel,
    PointSpatialModel,
    PowerLawTemporalModel,
    Prior,
    Shell2SpatialModel,
    ShellSpatialModel,
    SineTemporalModel,
    SkyModel,
    TemplateNDSpatialModel,
    TemplateNPredModel,
    TemplatePhaseCurveTemporalModel,
    TemplateSpatialModel,
)
from tests.inference.tiny import LAT, LON, background, geom, make_dataset, point, power_law, true_axis

HERE = {"lon_0": (LON + 0.033) * u.deg, "lat_0": (LAT - 0.021) * u.deg, "frame": "galactic"}


def source(shape, spectrum=None, name="source"):
    return SkyModel(spectral_model=spectrum or power_law(), spatial_model=shape, name=name)


def curved():
    return LogParabolaSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1", reference="1 TeV", alpha=2.2, beta=0.1)


def cut():
    spectrum = ExpCutoffPowerLawSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1", index=1.9, lambda_="0.15 TeV-1")
    spectrum.alpha.frozen = False
    return spectrum


def gauss(elongated=False):
    shape = GaussianSpatialModel(sigma=0.11 * u.deg, **HERE)
    if elongated:
        shape.e.value, shape.phi.value = 0.6, 30.0
        shape.e.frozen = shape.phi.frozen = False
    else:
        shape.e.frozen = shape.phi.frozen = True
    return shape


def disk(everything=False):
    shape = DiskSpatialModel(r_0=0.24 * u.deg, edge_width=0.2, **HERE)
    shape.r_0.prior = Prior("LogNormal", mu=0.24 * u.deg, sigma=0.1)  # narrow priors keep the window small
    shape.lon_0.prior = Prior("Normal", mu=HERE["lon_0"], sigma=0.03)
    shape.lat_0.prior = Prior("Normal", mu=HERE["lat_0"], sigma=0.03)
    if everything:
        shape.e.value, shape.phi.value = 0.5, 20.0
        for p in shape.parameters:
            p.frozen = False
        shape.edge_width.prior = Prior("Beta", alpha=4.0, beta=12.0)
    return shape


def template():
    image = WcsGeom.create(skydir=(LON, LAT), npix=(16, 16), binsz=0.04, frame="galactic")
    data = np.exp(-0.5 * (image.separation(image.center_skydir).to_value("deg") / 0.15) ** 2)
    return TemplateSpatialModel(Map.from_geom(image, data=data, unit="sr-1"))


def tilted(name="tiny"):
    model = background(name)
    model.spectral_model.tilt.frozen = False
    return model


def all_norms():
    """Background models whose spectra are norms with more parameters, and a template in counts."""
    cutoff = ExpCutoffPowerLawNormSpectralModel(index=0.1, lambda_="0.05 TeV-1")
    parabola = LogParabolaNormSpectralModel()
    data = np.linspace(0.1, 0.5, geom().data_shape[2]) * np.ones(geom().data_shape)
    counts = TemplateNPredModel(Map.from_geom(geom(), data=data, unit=""), spectral_model=cutoff, name="extra")
    field = FoVBackgroundModel(spectral_model=parabola, dataset_name="tiny")
    for p in (*cutoff.parameters, *parabola.parameters):
        p.frozen = p.name == "reference"
    return [field, counts]


def fixed_shapes():
    frozen = disk()
    for p in frozen.parameters:
        p.frozen, p.prior = True, None
    everywhere = source(ConstantSpatialModel(value="1 sr-1"), power_law(amplitude="1e-9 cm-2 s-1 TeV-1"), "everywhere")
    everywhere.spatial_model.value.frozen = True
    return [source(template(), curved(), "template"), source(frozen, None, "disk"), everywhere, background()]


def shaped(shape, start, **priors):
    """A source of which all shape parameters are free, with narrow priors."""
    for name, value in {**start, "lon_0": LON + 0.033, "lat_0": LAT - 0.021}.items():
        parameter = getattr(shape, name)
        parameter.value, parameter.frozen = value, False
        width = 0.03 if "_0" in name and name != "r_0" else 0.1 * value
        parameter.prior = Prior("Normal", mu=value, sigma=width)
    return source(shape)


def varying(*temporal):
    """A point source per temporal model, all of their parameters free."""
    models = []
    for i, part in enumerate(temporal):
        for p in part.parameters:
            p.frozen = False
        models.append(point(f"source{i}", lon=LON + 0.1 * i))
        models[-1].temporal_model = part
    return [*models, background()]


def narrow(part, **priors):
    """Normal priors around the present values."""
    for p in part.parameters:
        width = 0.05 if p.name == "t_ref" else 0.1 * abs(p.value)
        p.prior = Prior("Normal", mu=p.value, sigma=priors.get(p.name, width))
    return part


MJD = 58849.0 * u.d


def pulses():
    return varying(
        narrow(GaussianTemporalModel(t_ref=MJD + 0.5 * u.d, sigma=0.6 * u.d)),
        narrow(GeneralizedGaussianTemporalModel(t_ref=MJD + 0.4 * u.d, t_rise=0.5 * u.d, t_decay="1 d", eta=0.7)),
        narrow(ExpDecayTemporalModel(t_ref=MJD, t0="1 d")),
    )


def trends():
    return varying(
        narrow(LinearTemporalModel(t_ref=MJD, alpha=1.0, beta="0.3 d-1")),
        narrow(PowerLawTemporalModel(t_ref=MJD - 1 * u.d, alpha=-0.8, t0="1 d")),
        narrow(SineTemporalModel(t_ref=MJD, amp=0.5, omega="2 rad d-1")),
    )


def tables():
    """A phase curve and templates whose further axes are parameters."""
    curve = Table({"PHASE": [0.0, 0.3, 0.6, 1.0], "NORM": [0.5, 2.0, 1.0, 0.5]})
    phases = TemplatePhaseCurveTemporalModel(curve, t_ref=MJD, f0="1.3 d-1", phi_ref=0.1)
    for name in ("f0", "phi_ref"):
        getattr(phases, name).frozen = False
        getattr(phases, name).prior = Prior("Normal", mu=getattr(phases, name).value, sigma=0.02)
    axis = MapAxis.from_nodes([0.1, 0.2, 0.4], unit="deg", name="width")
    image = WcsGeom.create(skydir=(LON, LAT), npix=(24, 24), binsz=0.04, frame="galactic", axes=[axis])
    offset = image.to_image().separation(image.center_skydir).to_value("deg")
    sigma = axis.center.to_value("deg")[:, None, None]
    data = np.exp(-0.5 * (offset / sigma) ** 2) / (2 * np.pi * np.deg2rad(sigma) ** 2)
    shape = TemplateNDSpatialModel(Map.from_geom(image, data=data, unit="sr-1"))
    model = source(shape)
    model.temporal_model = phases
    return [model, background()]


def patches(interp):
    """A field-of-view background with norms at positions."""
    corners = np.array([[-1, -1, 1, 1, 0.1], [-1, 1, 1, -1, 0.2]])
    coords = MapCoord.create(((LON + corners[0]) * u.deg, (LAT + corners[1]) * u.deg))
    norms = PiecewiseNormSpatialModel(coords, norms=[0.9, 1.1, 1.0, 1.2, 0.8], interp=interp, frame="galactic")
    field = FoVBackgroundModel(spatial_model=norms, dataset_name="tiny")
    field.spectral_model.norm.frozen = True
    return [point(), field]


CASES = {
    # name: (models, route that each source must take, options, reconstructed-energy PSF)
    "point, mixture": (lambda: [point(), tilted()], "mixture", {}, False),
    "Gaussian, mixture": (lambda: [source(gauss(), curved()), background()], "mixture", {}, False),
    "point, stamp": (lambda: [source(PointSpatialModel(**HERE), cut()), background()], "stamp", "stamp", False),
    "Gaussian, fft": (lambda: [source(gauss(), cut()), background()], "fft", "fft", False),
    "elongated Gaussian": (lambda: [source(gauss(True)), background()], "elliptical", {}, False),
    "elongated Gaussian, fft": (lambda: [source(gauss(True)), background()], "fft", "fft", False),
    "disk": (lambda: [source(disk()), background()], "round", {}, False),
    "elongated disk with edge": (lambda: [source(disk(True)), background()], "elliptical", {}, False),
    "fixed shapes": (fixed_shapes, "fixed", {}, False),
    "norms and counts": (lambda: [point(), *all_norms()], "mixture", {}, False),
    "point, mixture, reco": (lambda: [point(), background()], "mixture", {}, True),
    "point, stamp, reco": (lambda: [point(), background()], "stamp", "stamp", True),
    "shell": (lambda: [shaped(ShellSpatialModel(frame="galactic"), {"radius": 0.2, "width": 0.1})], "round", {}, False),
    "filled shell": (
        lambda: [shaped(Shell2SpatialModel(frame="galactic"), {"r_0": 0.3, "eta": 0.7})],
        "round",
        {},
        False,
    ),
    "generalised Gaussian": (
        lambda: [
            shaped(GeneralizedGaussianSpatialModel(frame="galactic"), {"r_0": 0.15, "eta": 0.4, "e": 0.5, "phi": 30.0})
        ],
        "elliptical",
        {},
        False,
    ),
    "pulses": (pulses, "mixture", {}, False),
    "tables": (tables, "fft", {}, False),
    "piecewise norms": (lambda: patches("log"), "mixture", {}, False),
    "Gaussian, reco": (lambda: [source(gauss()), background()], "radial", {}, True),
    "Gaussian, round, reco": (lambda: [source(gauss()), background()], "round", "round", True),
    "Gaussian, fft, reco": (lambda: [source(gauss()), background()], "fft", "fft", True),
    "Gaussian, radial": (lambda: [source(gauss(), cut()), background()], "radial", "radial", False),
}


@functools.cache
def build(case):
    models, route, forced, reco = CASES[case]
    models = Models(models())
    dataset = make_dataset(models=models, reco=reco)
    options = {"psf_route": forced} if forced else {}
    model, observed = compile_datasets(dataset, **options)
    taken = observed["tiny"].fold.terms.routes
    assert {r for r, _ in taken.values()} == {route}
    return LogDensity(model, mode="FAST_COMPILE"), observed["tiny"]


def differences(density, theta, step=1e-4):
    """Fourth-order central differences of the log-density."""
    slope = np.empty(len(theta))
    for i in range(len(theta)):
        shift = step * np.eye(len(theta))[i]
        one = density(theta + shift)[0] - density(theta - shift)[0]
        two = density(theta + 2 * shift)[0] - density(theta - 2 * shift)[0]
        slope[i] = (8 * one - two) / (12 * step)
    return slope


@pytest.mark.parametrize("case", CASES)
def test_gradient_equals_differences(case, rng):
    density, observed = build(case)
    assert observed.nonnegative
    assert len(density.names) == len(observed.npred.parameters)
    for _ in range(2):
        theta = density.start + 0.5 * rng.normal(size=density.size)
        value, gradient = density(theta)
        assert np.isfinite(value)
        assert np.all(gradient != 0), density.names
        np.testing.assert_allclose(gradient, differences(density, theta), rtol=1e-5, atol=1e-5 * np.abs(gradient).max())


@pytest.mark.parametrize("models", [trends, lambda: patches("lin")], ids=["trends", "piecewise norms"])
def test_gradient_where_terms_may_be_negative(models, rng):
    model, observed = compile_datasets(make_dataset(models=Models(models())))
    assert not observed["tiny"].nonnegative
    density = LogDensity(model, mode="FAST_COMPILE")
    theta = density.start + 0.3 * rng.normal(size=density.size)
    value, gradient = density(theta)
    assert np.isfinite(value)
    assert np.all(gradient != 0), density.names
    np.testing.assert_allclose(gradient, differences(density, theta), rtol=1e-5, atol=1e-5 * np.abs(gradient).max())


def test_gradient_of_the_dense_form(rng):
    source_model = point()
    source_model.spectral_model.amplitude.prior = Prior("Normal", mu=1e-12, sigma=3e-13)
    dataset = make_dataset(models=[source_model, tilted()])
    model, observed = compile_datasets(dataset)
    assert not observed["tiny"].nonnegative
    density = LogDensity(model, mode="FAST_COMPILE")
    for _ in range(2):
        theta = density.start + 0.5 * rng.normal(size=density.size)
        value, gradient = density(theta)
        assert np.isfinite(value)
        np.testing.assert_allclose(gradient, differences(density, theta), rtol=1e-5, atol=1e-5 * np.abs(gradient).max())
    # a source so negative that some bin is: impossible, not a large number
    low = density.start.copy()
    low[density.names.index("source.amplitude")] = -60
    assert density(low)[0] == -np.inf


def test_gradient_of_a_source_shared_by_two_datasets(rng):
    shared = point()
    first = make_dataset("first", [shared, background("first")], seed=1)
    second = make_dataset("second", [shared, background("second")], seed=2)
    model, _ = compile_datasets([first, second])
    density = LogDensity(model, mode="FAST_COMPILE")
    assert sorted(density.names) == sorted(
        ["first-bkg.norm", "second-bkg.norm", *(f"source.{n}" for n in ("index", "amplitude", "lon_0", "lat_0"))]
    )
    theta = density.start + 0.5 * rng.normal(size=density.size)
    _, gradient = density(theta)
    np.testing.assert_allclose(gradient, differences(density, theta), rtol=1e-5, atol=1e-5 * np.abs(gradient).max())


def at_pixel(density, x, y):
    """Unconstrained variables with the source at a pixel position and all else at the start."""
    sky = geom().to_image().pix_to_coord((x, y))
    wanted = dict(zip(("source.lon_0", "source.lat_0"), (u.Quantity(v).to_value("deg") for v in sky), strict=True))
    theta = density.start.copy()
    for name, value in wanted.items():
        i = density.names.index(name)
        low, high = theta.copy(), theta.copy()
        low[i], high[i] = 0.0, 1.0
        offset, top = (float(density.expand(t)[name]) for t in (low, high))
        theta[i] = (float(np.squeeze(value)) - offset) / (top - offset)
    return theta


CONTINUOUS = ["point, mixture", "Gaussian, mixture", "point, stamp", "Gaussian, fft", "disk", "point, mixture, reco"]


@pytest.mark.parametrize("case", CONTINUOUS)
def test_value_and_gradient_are_continuous_across_pixels(case):
    density, _ = build(case)
    apart = 1e-6  # pixels
    for x, y in ((14.5, 11.3), (14.2, 11.5), (14.5, 11.5), (14.0, 11.3), (14.2, 12.0), (14.0, 12.0)):
        left, lower = density(at_pixel(density, x - apart, y)), density(at_pixel(density, x, y - apart))
        right, upper = density(at_pixel(density, x + apart, y)), density(at_pixel(density, x, y + apart))
        for one, other in ((left, right), (lower, upper)):
            # what the gradient itself explains is 1e-6; the rest is the 1e-5 of the photons that a window cuts off
            assert abs(one[0] - other[0]) < 5e-3, (x, y)
            np.testing.assert_allclose(one[1], other[1], atol=2e-3 * max(np.abs(one[1]).max(), 10), err_msg=f"{x}, {y}")


def test_gradient_with_responses_at_the_moving_source(rng):
    """PSF and energy dispersion that change with the position add to its gradient."""
    pointing = SkyCoord(LON + 1.2, LAT - 0.9, unit="deg", frame="galactic")
    models = Models([point(), background()])
    dataset = simulate_cta_like(
        models,
        geom=geom(),
        energy_axis_true=true_axis(),
        pointing=pointing,
        livetime="20 h",
        name="tiny",
        random_state=1,
    )
    built = [compile_datasets(dataset, irf_position=where, psf_tolerance=3e-3) for where in ("source", "prior")]
    moving, fixed = (LogDensity(model, mode="FAST_COMPILE") for model, _ in built)
    assert built[0][1]["tiny"].fold.terms.routes["source"][0] == "mixture"
    for _ in range(2):
        theta = moving.start + 0.5 * rng.normal(size=moving.size)
        _, gradient = moving(theta)
        scale = np.abs(gradient).max()
        np.testing.assert_allclose(gradient, differences(moving, theta), rtol=1e-5, atol=1e-5 * scale)
        assert np.abs(fixed(theta)[1] - gradient).max() > 1e-4 * scale  # it does matter
