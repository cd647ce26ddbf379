"""Time dependence: values and integrals against Gammapy and quadrature, gradients, files, bad input."""

import astropy.units as u
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from scipy.integrate import quad, simpson

from bayesmap.errors import FormatError, ModelFileError
from bayesmap.irf import GTI
from bayesmap.maps import MapAxis, WcsGeom
from bayesmap.modeling import (
    ConstantTemporalModel,
    ExpDecayTemporalModel,
    GaussianTemporalModel,
    GeneralizedGaussianTemporalModel,
    LightCurveTemplateTemporalModel,
    LinearTemporalModel,
    Models,
    Parameter,
    PowerLawTemporalModel,
    SineTemporalModel,
    SkyModel,
    TemplatePhaseCurveTemporalModel,
    TemporalModel,
    model_classes,
)
from tests.golden import golden, shared_path

TREF = 59000.0
START, STOP = (
    Time(TREF + np.array([0.05, 1.0, 3.2]), format="mjd"),
    Time(TREF + np.array([0.4, 2.5, 3.9]), format="mjd"),
)
CLASSES = [cls for cls in model_classes("temporal") if cls.__module__.startswith("bayesmap.")]
GOLDEN = [cls.__name__ for cls in CLASSES]
# Ranges of parameters in declared units.
RANGES = {
    "alpha": (-1.6, 1.5),
    "beta": (-0.1, 0.4),
    "t0": (0.3, 3.0),
    "sigma": (0.3, 2.0),
    "t_rise": (0.2, 1.5),
    "t_decay": (0.2, 1.5),
    "eta": (0.15, 1.5),
    "amp": (0.1, 0.9),
    "omega": (0.5, 6.0),
    "t_ref": (TREF - 0.5, TREF - 0.1),
    "t_ref of a pulse": (TREF + 0.1, TREF + 3.5),
    "phi_ref": (0.0, 1.0),
    "f0": (0.2e-5, 3e-5),
    "f1": (0.0, 1e-15),
    "f2": (0.0, 1e-22),
}


def light_curve(**kwargs):
    days = np.array([-1.0, 0.2, 1.1, 1.2, 3.5, 5.0])
    table = Table({"TIME": days * u.d, "NORM": [1.0, 0.3, 2.0, 0.1, 0.8, 0.5]})
    return LightCurveTemplateTemporalModel(table, **{"t_ref": TREF * u.d, **kwargs})


def phase_curve(**kwargs):
    table = Table({"PHASE": [0.1, 0.3, 0.35, 0.9], "NORM": [0.4, 2.0, 0.2, 0.6]})
    return TemplatePhaseCurveTemporalModel(table, **{"t_ref": TREF * u.d, "f0": "1.7 d-1", **kwargs})


TABLES = {LightCurveTemplateTemporalModel: light_curve, TemplatePhaseCurveTemporalModel: phase_curve}


def create(cls):
    return TABLES.get(cls, cls)()


def draw(cls, rng):
    model = create(cls)
    for p in model.parameters:
        pulse = p.name == "t_ref" and "t_rise" in model.parameter_names
        p.value = rng.uniform(*RANGES["t_ref of a pulse" if pulse else p.name])
    return model


def from_file(name):
    return Models.read(shared_path("data", "models", "yaml", "temporal", f"{name}.yaml"))[0].temporal_model


def times(stored):
    return Time(stored["mjd"], format="mjd", scale=stored["scale"])


@pytest.mark.parametrize("name", GOLDEN)
def test_values_and_integrals_of_gammapy(name):
    case = golden("models")[f"temporal/{name}"]
    model = from_file(name)
    assert type(model).__name__ == name
    assert model.scale == case["scale"]
    values = model(Time(case["times"]["mjd"], format="mjd", scale="utc"))
    assert values.unit == ""
    np.testing.assert_allclose(values.value, case["value"].data, rtol=1e-8)
    start, stop = times(case["time_start"]), times(case["time_stop"])
    np.testing.assert_allclose(model.integral(start, stop), case["numerical_integral"].data, rtol=1e-7)
    assert model.time_sum(start, stop).to_value("d") == pytest.approx(case["time_sum_d"])


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_integrals_against_quadrature(cls, rng):
    total = np.sum((STOP - START).to_value("d"))
    for _ in range(3):
        model = draw(cls, rng)
        expected = []
        for low, high in zip(START.mjd, STOP.mjd, strict=True):
            middle = np.clip(model.reference_time.mjd, low, high) if hasattr(model, "t_ref") else low
            grid = [np.linspace(a, b, 20001) for a, b in ((low, middle), (middle, high)) if b > a]
            expected.append(sum(simpson(model(Time(g, format="mjd")).value, x=g) for g in grid) / total)
        tolerance = 3e-4 if cls in TABLES else 2e-6  # the tables have bends everywhere
        np.testing.assert_allclose(model.integral(START, STOP).value, expected, rtol=tolerance, atol=1e-12)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_mean_and_its_gradient(cls, rng):
    for _ in range(4):
        model = draw(cls, rng)
        point = {p: p.internal for p in model.parameters}
        variables = {p: pt.dscalar() for p in model.parameters}
        start, stop = model.strip_time(START), model.strip_time(STOP)
        mean = model.mean_graph(start, stop, variables)
        assert pytensor.function(list(variables.values()), mean, mode="FAST_COMPILE")(*point.values()) == pytest.approx(
            model.integral(START, STOP).sum().value, rel=1e-12
        )
        if not point:
            continue
        slopes = pytensor.grad(mean, list(variables.values()))
        value = pytensor.function(list(variables.values()), [mean, *slopes], mode="FAST_COMPILE")
        exact = value(*point.values())
        assert np.all(np.isfinite(exact))
        for i, p in enumerate(model.parameters):
            step = (
                3e-3 * u.d.to("s")
                if p.name == "t_ref"
                else 1e-4 * max(abs(point[p]), RANGES[p.name][1] * p.scale_to_internal)
            )
            numbers = list(point.values())
            shifted = [[*numbers[:i], numbers[i] + k * step, *numbers[i + 1 :]] for k in (-2, -1, 1, 2)]
            low2, low, high, high2 = (value(*s)[0] for s in shifted)
            slope = (8 * (high - low) - (high2 - low2)) / (12 * step)
            tolerance = 3e-3 if cls in TABLES else 1e-5
            assert exact[1 + i] == pytest.approx(slope, rel=tolerance, abs=1e-7 * abs(exact[0]) / step), p.name


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_files(cls, tmp_path, rng):
    model = draw(cls, rng)
    model.scale = "tt"
    if cls in TABLES:
        model.filename = str(tmp_path / "table.fits")
        model.write()
        with pytest.raises(OSError, match="exists"):
            model.write()
    models = Models([SkyModel.create("pl", temporal_model=model, name="source")])
    for full_output in (False, True):
        text = models.to_yaml(full_output=full_output)
        new = Models.from_yaml(text)
        assert new.to_yaml(full_output=full_output) == text
        part = new["source"].temporal_model
        assert type(part) is cls
        assert part.scale == "tt"
        np.testing.assert_allclose(part.integral(START, STOP), model.integral(START, STOP), rtol=1e-9)
    copied = models["source"].copy(name="copy")
    assert copied.temporal_model is not model
    for p, q in zip(copied.temporal_model.parameters, model.parameters, strict=True):
        assert p is not q
        assert p.quantity == q.quantity


def test_tables_are_found_beside_the_model_file(tmp_path):
    for model in (light_curve(), phase_curve()):
        model.write(tmp_path / "table.fits", overwrite=True)
        model.filename = "table.fits"
        models = Models([SkyModel.create("pl", temporal_model=model, name="source")])
        models.write(tmp_path / "models.yaml", overwrite=True)
        new = Models.read(tmp_path / "models.yaml")["source"].temporal_model
        assert new.filename == "table.fits"
        np.testing.assert_allclose(new.integral(START, STOP), model.integral(START, STOP))


def test_time_scales():
    model = ExpDecayTemporalModel(t_ref=TREF * u.d, t0="0.01 d", scale="tt")
    utc = Time(TREF, format="mjd", scale="utc")
    assert model(utc).value == pytest.approx(np.exp(-69.184 / 864), rel=1e-6)
    model.reference_time = utc
    assert model(utc).value == pytest.approx(1, rel=1e-8)
    with pytest.raises(TypeError, match="must be a Time"):
        model.reference_time = 59000


def test_pulse_tails_and_limits():
    far = Time(TREF + np.array([12.0]), format="mjd"), Time(TREF + np.array([13.0]), format="mjd")
    gauss = GaussianTemporalModel(t_ref=TREF * u.d, sigma="1 d")
    expected = quad(lambda t: np.exp(-0.5 * t**2), 12, 13, epsabs=0)[0]
    assert gauss.integral(*far).value[0] == pytest.approx(expected, rel=1e-7)
    same = GeneralizedGaussianTemporalModel(t_ref=TREF * u.d, t_rise="1 d", t_decay="1 d", eta=0.5)
    np.testing.assert_allclose(same.integral(START, STOP), gauss.integral(START, STOP), rtol=1e-9)
    box = same.copy(eta=0.1)
    whole = Time(TREF - np.array([50.0]), format="mjd"), Time(TREF + np.array([50.0]), format="mjd")
    from scipy.special import gamma

    assert box.integral(*whole).value[0] * 100 == pytest.approx(2 * 2**0.1 * gamma(1.1), rel=1e-8)


@pytest.mark.parametrize("eta", [0.4, 0.7])
def test_gradient_of_a_pulse_whose_maximum_ends_an_interval(eta):
    model = GeneralizedGaussianTemporalModel(t_rise="1 d", t_decay="2 d", eta=eta)
    edges = model.strip_time(Time(TREF + np.arange(4.0), format="mjd"))
    variables = {p: pt.dscalar() for p in model.parameters}
    total = (model.integral_graph(edges[:-1], edges[1:], variables) * [1.0, 0.3, -0.5]).sum()
    inputs = list(variables.values())
    value = pytensor.function(inputs, [total, pytensor.grad(total, variables[model.t_ref])], mode="FAST_COMPILE")
    others = [p.internal for p in model.parameters[1:]]
    low, high = (value(edges[1] + step, *others)[0] for step in (-1.0, 1.0))
    assert value(edges[1], *others)[1] == pytest.approx((high - low) / 2, rel=1e-4)


def test_power_law_is_smooth_through_minus_one():
    means = [
        PowerLawTemporalModel(alpha=alpha, t_ref=(TREF - 1) * u.d).integral(START, STOP).sum().value
        for alpha in (-1 - 1e-6, -1, -1 + 1e-6)
    ]
    assert means[1] == pytest.approx(0.5 * (means[0] + means[2]), rel=1e-9)


def test_phase_curve_over_many_periods():
    model = phase_curve(f0="30 s-1")
    assert model.integral(START, STOP).sum().value == pytest.approx(1, rel=1e-6)
    raw = phase_curve(f0="30 s-1", normalize=False)
    area = np.trapezoid(raw.table["NORM"], raw.table["PHASE"])
    assert raw.integral(START, STOP).sum().value == pytest.approx(area, rel=1e-6)


def test_a_phase_curve_closes():
    model = phase_curve(normalize=False)
    np.testing.assert_allclose(model.table["PHASE"], [0, 0.1, 0.3, 0.35, 0.9, 1])
    np.testing.assert_allclose(model.table["NORM"], [0.5, 0.4, 2.0, 0.2, 0.6, 0.5])


def test_only_the_mean_of_a_line_counts():
    model = LinearTemporalModel(alpha=1.0, beta="0.1 d-1", t_ref=TREF * u.d)
    assert model.integral(START, STOP).sum().value == pytest.approx(
        1 + 0.1 * np.sum((STOP - START).value * (0.5 * (STOP.mjd + START.mjd) - TREF)) / np.sum((STOP - START).value)
    )


def test_sky_model_with_time():
    geom = WcsGeom.create(
        npix=5, binsz=0.2, axes=[MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2, name="energy_true")]
    )
    model = SkyModel.create("pl", "gauss", GaussianTemporalModel(t_ref=TREF * u.d), name="source")
    gti = GTI.create(START, STOP)
    steady = model.integrate_geom(geom)
    factor = model.temporal_model.integral(START, STOP).sum()
    np.testing.assert_allclose(model.integrate_geom(geom, gti).data, steady.data * factor.value)
    at = model.evaluate(0 * u.deg, 0 * u.deg, 1 * u.TeV, time=Time(TREF, format="mjd"))
    assert at == model.evaluate(0 * u.deg, 0 * u.deg, 1 * u.TeV)
    with pytest.raises(TypeError, match="temporal_model must be a TemporalModel"):
        SkyModel.create("pl", temporal_model=model.spatial_model)


def test_plot():
    import matplotlib.pyplot as plt

    ax = light_curve().plot((START[0], STOP[-1]), n_points=20)
    assert len(ax.lines[0].get_xdata()) == 20
    with pytest.raises(ValueError, match="must be ordered"):
        light_curve().plot((STOP[0], START[0]))
    plt.close("all")


def test_a_temporal_model_of_ones_own():
    class Bump(TemporalModel):
        tag = "bump-of-a-test"
        t_ref = Parameter("t_ref", "59000 d")
        width = Parameter("width", "1 d")

        @staticmethod
        def evaluate(time, t_ref, width):
            return 1 / (1 + ((time - t_ref) / width) ** 2)

    model = Bump(t_ref=TREF * u.d, width="2 d")
    expected = np.diff(np.arctan(np.array([START.mjd, STOP.mjd]) / 2 - TREF / 2), axis=0)[0] * 2
    np.testing.assert_allclose(model.integral(START, STOP), expected / np.sum((STOP - START).value), rtol=1e-8)


# -- bad input --------------------------------------------------------------------------------------------------------
def test_intervals_that_are_none():
    model = ConstantTemporalModel()
    with pytest.raises(ValueError, match="end after they start"):
        model.integral(STOP, START)
    with pytest.raises(ValueError, match="end after they start"):
        model.integral(START, START)


def test_times_where_a_model_is_not_defined():
    early = Time([TREF - 30], format="mjd")
    with pytest.raises(ValueError, match=r"light curve covers MJD 58999.000000 to 59005.000000, asked for 58970"):
        light_curve().integral(early, START[:1])
    with pytest.raises(ValueError, match="covers MJD"):
        light_curve()(early)
    with pytest.raises(ValueError, match="has no integral from .* s after t_ref"):
        PowerLawTemporalModel(t_ref=(TREF + 1) * u.d).integral(START, STOP)
    assert np.isnan(PowerLawTemporalModel(alpha=-0.5, t_ref=(TREF + 1) * u.d)(early).value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"TIME": [0, 1] * u.d}, r"column\(s\) \['NORM'\] are missing"),
        ({"TIME": [0, 1] * u.d, "NORM": [1, np.nan]}, "NORM has 1 NaN"),
        ({"TIME": [0, 1] * u.d, "NORM": [1, -1]}, "negative values, down to -1"),
        ({"TIME": [1, 0] * u.d, "NORM": [1, 1]}, "must increase"),
        ({"TIME": [0] * u.d, "NORM": [1]}, "at least two rows"),
        ({"TIME": [0, 1], "NORM": [1, 1]}, "has no unit"),
        ({"TIME": [0, 1] * u.m, "NORM": [1, 1]}, "must be in a unit of time, found 'm'"),
    ],
)
def test_light_curves_that_make_no_sense(table, message):
    with pytest.raises((ValueError, u.UnitConversionError), match=message):
        LightCurveTemplateTemporalModel(Table(table), t_ref=TREF * u.d)


def write_map(path, axes, columns, norms, interp="lin"):
    """Write a light curve in the layout of Gammapy's maps (`LightCurveTemplateTemporalModel.write(format="map")`)."""
    size = len(norms)
    data = fits.BinTableHDU.from_columns(
        [fits.Column("CHANNEL", "I", array=np.arange(size)), fits.Column("DATA", "D", array=norms)], name="SKYMAP"
    )
    bands = [fits.Column(name, "D", unit=unit, array=values) for name, (values, unit) in columns.items()]
    table = fits.BinTableHDU.from_columns(bands, name="SKYMAP_BANDS")
    table.header.update({f"AXCOLS{i + 1}": name for i, name in enumerate(axes)})
    table.header.update({"INTERP1": interp, "MJDREFI": 59000, "MJDREFF": 0.5, "TIMESYS": "utc"})
    fits.HDUList([fits.PrimaryHDU(), data, table]).writeto(path, overwrite=True)
    return path


def test_light_curves_of_the_map_format_of_gammapy(tmp_path):
    """Values from Gammapy 2.1, for files of this layout with nodes and with bins."""
    start = Time(59000.5, format="mjd")
    nodes = write_map(tmp_path / "nodes.fits", ["TIME"], {"TIME": ([0, 1, 3, 6], "d")}, [1, 2, 0.5, 1])
    model = LightCurveTemplateTemporalModel.read(nodes, format="map")
    np.testing.assert_allclose(model(start + [0.6, 1.2, 3.5] * u.d).value, [1.6, 1.85, 0.58333333], rtol=1e-7)
    times = {"TIME": ([0.5, 2, 4.5], "h"), "TIME_MIN": ([0, 1, 3], "h"), "TIME_MAX": ([1, 3, 6], "h")}
    bins = write_map(tmp_path / "bins.fits", ["TIME_MIN,TIME_MAX"], times, [1, 2, 0.5])
    model = LightCurveTemplateTemporalModel.read(bins, format="map")
    np.testing.assert_allclose(model(start + [0.6, 1.2, 3.5] * u.h).value, [1.1, 1.6, 1.0], rtol=1e-7)
    models = Models([SkyModel.create("pl", "point", model, name="a")])
    again = Models.from_yaml(models.to_yaml())
    assert again.to_yaml() == models.to_yaml()
    assert "format: map" in models.to_yaml()
    model.write(tmp_path / "table.fits")
    assert "format: table" in models.to_yaml()
    np.testing.assert_allclose(
        Models.from_yaml(models.to_yaml())[0].temporal_model.integral(start + 1 * u.h, start + 2 * u.h), 1.75
    )


def test_light_curves_that_depend_on_energy_are_refused(tmp_path):
    columns = {"TIME": ([0, 1, 0, 1], "d"), "ENERGY": ([1, 1, 10, 10], "TeV")}
    path = write_map(tmp_path / "energy.fits", ["TIME", "ENERGY"], columns, [1, 2, 1, 2])
    with pytest.raises(
        ValueError, match=r"energy.fits: the light curve has the axes \['time', 'energy'\], only 'time'"
    ):
        LightCurveTemplateTemporalModel.read(path, format="map")
    write_map(path, ["TIME"], {"TIME": ([1, 2], "d")}, [1, 2], interp="log")
    with pytest.raises(ValueError, match="the time axis is interpolated 'log', only 'lin'"):
        LightCurveTemplateTemporalModel.read(path, format="map")
    with pytest.raises(ValueError, match="no light curve of format 'map': HDUs .* are missing; try format 'table'"):
        LightCurveTemplateTemporalModel.read(shared_path("data", "models", "lightcrv_PKSB1222+216.fits"), format="map")


def test_more_tables_that_make_no_sense(tmp_path):
    with pytest.raises(ValueError, match="no keyword MJDREFI"):
        LightCurveTemplateTemporalModel(Table({"TIME": [0, 1] * u.d, "NORM": [1, 1]}))
    with pytest.raises(ValueError, match="between 0 and 1, found 0.5 to 1.5"):
        TemplatePhaseCurveTemporalModel(Table({"PHASE": [0.5, 1.5], "NORM": [1, 1]}))
    with pytest.raises(ValueError, match="NORM is zero everywhere"):
        TemplatePhaseCurveTemporalModel(Table({"PHASE": [0.5, 0.6], "NORM": [0, 0]}))
    with pytest.raises(TypeError, match="normalize must be True or False"):
        phase_curve(normalize="yes")
    for cls in TABLES:
        with pytest.raises(FileNotFoundError, match="absent.fits does not exist"):
            cls.read(tmp_path / "absent.fits")
        with pytest.raises(ValueError, match="has no filename"):
            create(cls).write()
        with pytest.raises(ValueError, match="has no filename; set it"):
            create(cls).to_dict()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{type: LightCurveTemplateTemporalModel, filename: absent.fits}", "absent.fits does not exist"),
        ("{type: LightCurveTemplateTemporalModel}", "needs the name of a file"),
        ("{type: template-phase, filename: 3}", "needs the name of a file, found filename: 3"),
        ("{type: exp-decay, scale: utcc}", "scale must be one of"),
        ("{type: exp-deca}", "did you mean 'exp-decay'"),
        ("{type: exp-decay, parameters: [{name: t0, value: 1, unit: m}]}", "needs a unit that converts to 'd'"),
        ("{type: sinus, parameters: [{name: omega, value: 1, unit: d-1}]}", "needs a unit that converts to 'rad / d'"),
    ],
)
def test_damaged_files(entry, message):
    text = f"components:\n- name: a\n  type: SkyModel\n  spectral: {{type: pl}}\n  temporal: {entry}\n"
    with pytest.raises(ModelFileError) as info:
        Models.from_yaml(text)
    assert "components[0].temporal" in str(info.value)
    assert message in str(info.value)


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"TIMESYS": "mars"}, "the keyword TIMESYS is 'mars'; known time scales are"),
        ({"MJDREFF": "x"}, "the keyword MJDREFF is 'x'"),
        ({"TIMEUNIT": "furlong"}, "'furlong' is no unit"),
    ],
)
def test_times_of_light_curves_that_are_none(tmp_path, meta, message):
    """The message names the file and the keyword."""
    table = Table({"TIME": [0.0, 1.0], "NORM": [1.0, 1.0]}, meta={"MJDREFI": 55555, "TIMEUNIT": "s"} | meta)
    table.write(tmp_path / "curve.fits")
    with pytest.raises(FormatError, match=rf"curve\.fits: .*{message}"):
        LightCurveTemplateTemporalModel.read(tmp_path / "curve.fits")


@pytest.mark.parametrize("stated", ["", "UTC", "GMT"])
def test_time_scales_of_light_curves(tmp_path, stated):
    table = Table({"TIME": [0.0, 1.0], "NORM": [1.0, 1.0]})
    table.meta |= {"MJDREFI": 55555, "TIMEUNIT": "s", "TIMESYS": stated}
    for suffix in ("fits", "ecsv"):
        table.write(tmp_path / f"curve.{suffix}")
        assert LightCurveTemplateTemporalModel.read(tmp_path / f"curve.{suffix}").reference_time.scale == "utc"


def test_signs():
    assert SineTemporalModel().may_be_negative({"amp": (0, 1.5)})
    assert not SineTemporalModel().may_be_negative({"amp": (0, 1)})
    assert LinearTemporalModel().may_be_negative({"alpha": (0, 1), "beta": (0, 1)})
    assert not LinearTemporalModel().may_be_negative({"alpha": (0, 1), "beta": (0, 0)})
    assert not ExpDecayTemporalModel().may_be_negative({})
