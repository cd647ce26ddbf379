"""Default priors: sensible where the answer is known, and the user's to change."""

import functools

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from bayesmap.datasets import MapDataset, demo_dataset
from bayesmap.inference import assign_default_priors, default_priors
from bayesmap.modeling import (
    BrokenPowerLawSpectralModel,
    ConstantSpatialModel,
    ConstantSpectralModel,
    DiskSpatialModel,
    ExpCutoffPowerLawNormSpectralModel,
    ExpCutoffPowerLawSpectralModel,
    FoVBackgroundModel,
    GaussianSpatialModel,
    LogParabolaNormSpectralModel,
    PowerLawSpectralModel,
    Prior,
    SineTemporalModel,
    SkyModel,
    SmoothBrokenPowerLawSpectralModel,
)
from tests.golden import shared_path
from tests.inference.tiny import (
    LAT,
    LON,
    NPIX,
    background,
    make_dataset,
    point,
    power_law,
    source_and_background,
)


@functools.cache
def cta():
    """The Galactic centre as CTA would see it; the source there has about 3e-12 cm-2 s-1 TeV-1 at 1 TeV."""
    data = MapDataset.read(shared_path("data", "cta-1dc-gc", "cta-1dc-gc.fits.gz"), name="cta")
    return data.cutout(SkyCoord(0, 0, unit="deg", frame="galactic"), 2 * u.deg, name="cta")


def test_demo_truth_is_inside_of_every_default():
    data = demo_dataset()
    truth = {f"{m.name}.{p.name}": (p.value, p.unit) for m in data.models for p in m.parameters}
    priors = default_priors(data)
    assert len(priors) == 14
    for name, prior in priors.items():
        value, unit = truth[name]
        low, high = prior.interval(0.95, unit)
        assert low < value < high, (name, prior)
        if name.endswith("amplitude"):
            assert 1 / 3 < prior.median(unit) / value < 3, name
        if name.endswith(("lon_0", "lat_0")):
            assert high - low < 4, name


def test_cta_file():
    data = cta()
    spectrum = ExpCutoffPowerLawSpectralModel(index=2.0, amplitude="1e-10 cm-2 s-1 TeV-1", lambda_="0.1 TeV-1")
    shape = point(lon=-0.05, lat=-0.05).spatial_model
    data.models = [SkyModel(spectral_model=spectrum, spatial_model=shape, name="gc"), background("cta")]
    priors = default_priors(data)
    assert set(priors) == {
        "gc.index", "gc.amplitude", "gc.lambda_", "gc.lon_0", "gc.lat_0", "cta-bkg.norm",
    }  # fmt: skip
    # the estimate is the data's: the value of the model is thirty times off
    assert 1e-12 < priors["gc.amplitude"].median("cm-2 s-1 TeV-1") < 9e-12
    low, high = priors["gc.lambda_"].interval(0.95, "TeV-1")
    assert low < 0.1
    assert 0.3 < high < 30
    assert priors["cta-bkg.norm"].median() == pytest.approx(1)


def test_slopes_of_factors_are_around_zero():
    """A factor to a background or to another spectrum is flat a priori, a spectrum is not."""
    factor, cutoff = LogParabolaNormSpectralModel(), ExpCutoffPowerLawNormSpectralModel()
    cutoff.alpha.frozen = False
    source = point()
    source.spectral_model = PowerLawSpectralModel(amplitude="1e-11 cm-2 s-1 TeV-1") * cutoff
    data = make_dataset(models=[point(), background()])
    data.models = [source, FoVBackgroundModel(spectral_model=factor, dataset_name=data.name, name="bkg")]
    priors, names = default_priors(data), data.models.parameter_names
    assert priors[names[factor.alpha]].summary == "Normal(mu=0, sigma=0.2)"
    assert priors[names[cutoff.index]].summary == "Normal(mu=0, sigma=0.2)"
    assert priors[names[cutoff.alpha]].median() == 1
    assert priors[names[source.spectral_model.model1.index]].median() == 2.3


def test_amplitude_estimate_follows_the_data_not_the_model(rng):
    """Whatever value the model has, the prior is the same, and near the truth."""
    for true in (1e-12, 1e-11):
        counts = make_dataset(models=[point(amplitude=true * u.Unit("cm-2 s-1 TeV-1")), background()]).counts.data
        medians = []
        for guess in (1e-14, 1e-9):
            source = point(amplitude=guess * u.Unit("cm-2 s-1 TeV-1"))
            priors = default_priors(make_dataset(models=[source, background()], counts=counts))
            medians.append(priors["source.amplitude"].median("cm-2 s-1 TeV-1"))
            assert source.spectral_model.amplitude.value == guess
        assert medians[0] == pytest.approx(medians[1])
        assert true / 2 < medians[0] < 2 * true


def test_amplitude_without_excess_is_at_the_noise():
    counts = np.random.default_rng(4).poisson(make_dataset().background.data)
    source = point()
    prior = default_priors(make_dataset(models=[source, background()], counts=counts))["source.amplitude"]
    # what the data allow (the error of the amplitude is about 1e-13) is inside the prior
    low, high = prior.interval(0.95, "cm-2 s-1 TeV-1")
    assert low < 1e-13 < high < 1e-11


def test_two_sources_at_once():
    """A faint source is not given the counts of a bright neighbour."""
    bright, faint = point("bright", amplitude="1e-10 cm-2 s-1 TeV-1"), point("faint", lon=LON + 0.35)
    priors = default_priors(make_dataset(models=[bright, faint, background()]))
    assert 0.5e-10 < priors["bright.amplitude"].median("cm-2 s-1 TeV-1") < 2e-10
    assert 2e-13 < priors["faint.amplitude"].median("cm-2 s-1 TeV-1") < 5e-12


def test_extension_by_field_scale():
    here = {"lon_0": LON * u.deg, "lat_0": LAT * u.deg, "frame": "galactic"}
    for shape, name in ((GaussianSpatialModel(sigma="0.1 deg", **here), "sigma"), (DiskSpatialModel(**here), "r_0")):
        source = SkyModel(spectral_model=power_law(), spatial_model=shape, name="wide")
        low, high = default_priors(make_dataset(models=[source, background()]))[f"wide.{name}"].interval(0.95, "deg")
        assert 0.01 < low < 0.05
        assert 0.6 < high < 2


def test_source_outside_of_the_field_is_an_error():
    with pytest.warns(UserWarning, match="outside the field"):
        data = make_dataset(models=[point(lon=LON + 5), background()])
    with pytest.raises(ValueError, match=r"'source' is at .*outside of the field of dataset\(s\) \['tiny'\]"):
        default_priors(data)
    data.models["source"].spatial_model.freeze()
    with pytest.raises(ValueError, match="'source' predicts no counts"):
        default_priors(data)


def test_defaults_are_stored_marked_and_not_repeated():
    data = make_dataset(models=source_and_background())
    statistic = data.stat_sum()
    source = data.models["source"]
    chosen = Prior("Normal", mu=2.0, sigma=0.1)
    source.spectral_model.index.prior = chosen
    assert "source.index" not in default_priors(data)
    assert source.spectral_model.amplitude.prior is None  # only computed
    given = assign_default_priors(data)
    assert set(given) == {"source.amplitude", "source.lon_0", "source.lat_0", "tiny-bkg.norm"}
    for name, prior in given.items():
        model, _, parameter = name.rpartition(".")
        assert data.models[model].parameters[parameter].prior is prior
        assert prior.is_default
        assert "is_default=True" in repr(prior)
    assert source.spectral_model.index.prior is chosen
    assert not chosen.is_default
    assert default_priors(data) == {}
    data.fake(9)  # other counts, same priors: a simulation study keeps them
    assert assign_default_priors(data) == {}
    data = make_dataset(models=data.models, counts=make_dataset(models=source_and_background()).counts.data)
    assert data.stat_sum() == pytest.approx(statistic)  # the statistic knows no priors
    text = data.models.to_yaml()
    assert text.count("default: true") == 4


def test_defaults_respect_bounds():
    source = point()
    source.spectral_model.index.value = 6.5
    source.spectral_model.index.min, source.spectral_model.index.max = 6, 7
    prior = default_priors(make_dataset(models=[source, background()]))["source.index"]
    assert prior.support() == (6, 7)
    assert prior.is_default


def test_defaults_need_counts():
    data = make_dataset(models=source_and_background())
    data.counts = None
    with pytest.raises(ValueError, match="'tiny' has no counts"):
        default_priors(data)


def test_frozen_parameters_get_none():
    source = point()
    source.freeze()
    assert set(default_priors(make_dataset(models=[source, background()]))) == {"tiny-bkg.norm"}


def test_weak_source_on_a_bright_extended_one():
    """The counts are shared out: the point does not get those of the Gaussian around it."""
    shape = GaussianSpatialModel(lon_0=LON * u.deg, lat_0=LAT * u.deg, sigma="0.25 deg", frame="galactic")
    bright = SkyModel(spectral_model=power_law(amplitude="4e-11 cm-2 s-1 TeV-1"), spatial_model=shape, name="bright")
    data = make_dataset(models=[bright, point("faint"), background()])
    priors = default_priors(data)
    assert 3e-11 < priors["bright.amplitude"].median("cm-2 s-1 TeV-1") < 5e-11
    assert 1e-12 / 3 < priors["faint.amplitude"].median("cm-2 s-1 TeV-1") < 3e-12


def test_sources_that_cannot_be_told_apart_share_the_counts():
    twins = [point("one"), point("two")]
    priors = default_priors(make_dataset(models=[*twins, background()]))
    for name in ("one", "two"):
        assert 5e-13 < priors[f"{name}.amplitude"].median("cm-2 s-1 TeV-1") < 2e-12


def test_no_counts_at_all():
    """One count's worth, or the noise of the background: small but positive."""
    data = make_dataset(models=[point("one"), point("two", lon=LON + 0.3)], counts=np.zeros((3, *NPIX[::-1])))
    data.background = None
    unit = u.Unit("cm-2 s-1 TeV-1")
    for name in ("one", "two"):
        assert 1e-15 < default_priors(data)[f"{name}.amplitude"].median(unit) < 1e-13


def test_amplitude_that_two_sources_share():
    """One parameter, both templates."""
    first, second = point("first"), point("second", lon=LON + 0.35)
    second.spectral_model.amplitude = first.spectral_model.amplitude
    priors = default_priors(make_dataset(models=[first, second, background()]))
    medians = [prior.median("cm-2 s-1 TeV-1") for name, prior in priors.items() if name.endswith("amplitude")]
    assert len(medians) == 1
    assert 6e-13 < medians[0] < 1.6e-12


def test_indices_on_both_sides_of_a_break():
    for values, expected in (({}, (2.05, 2.55)), ({"index1": 1.2, "index2": 3.0}, (1.2, 3.0))):
        for cls in (BrokenPowerLawSpectralModel, SmoothBrokenPowerLawSpectralModel):
            source = SkyModel(cls(**values), point().spatial_model, name="source")
            priors = default_priors(make_dataset(models=[source]))
            assert tuple(priors[f"source.index{i}"].median("") for i in (1, 2)) == expected


def test_a_sine_is_expected_within_one_period():
    source = point()
    source.temporal_model = SineTemporalModel(t_ref="58849 d", omega="100 rad d-1")
    prior = default_priors(make_dataset(models=[source]))["source.t_ref"]
    low, high = prior.support("d")
    assert high - low == pytest.approx(2 * np.pi / 100)
    source.temporal_model.omega.value = 0.1  # the data cover a part of one
    assert default_priors(make_dataset(models=[source]))["source.t_ref"].dist == "Normal"


def test_scales_are_positive():
    flat = SkyModel(ConstantSpectralModel(), point().spatial_model, name="flat")
    glow = SkyModel(power_law(), ConstantSpatialModel(), name="glow")
    glow.spatial_model.value.frozen = False
    priors = default_priors(make_dataset(models=[flat, glow]))
    assert {priors[name].dist for name in ("flat.const", "glow.value")} == {"LogNormal"}
