"""Spectra of all types in a dataset: predicted counts, gradients of the posterior, default priors."""

import functools

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from regions import CircleSkyRegion

from bayesmap.inference import assign_default_priors
from bayesmap.inference.compile import compile_datasets
from bayesmap.inference.density import LogDensity
from bayesmap.modeling import (
    FoVBackgroundModel,
    GaussianSpectralModel,
    PiecewiseNormSpectralModel,
    PointSpatialModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
)
from tests.inference.tiny import LAT, LON, background, make_dataset
from tests.modeling.spectral_zoo import examples

EXAMPLES = examples()


def sky_model(name):
    """The spectrum as a source; factors multiply a power law, and what has no free parameter gets one."""
    spectrum = EXAMPLES[name]()
    if spectrum.is_norm_spectral_model:
        spectrum = PowerLawSpectralModel() * spectrum
    elif not len(spectrum.parameters.free_parameters):
        spectrum = PowerLawNormSpectralModel() * spectrum
    shape = PointSpatialModel(lon_0=LON * u.deg, lat_0=LAT * u.deg, frame="galactic")
    shape.freeze()
    return SkyModel(spectrum, shape, name="source")


@functools.cache
def responses():
    """A dataset, and its counts for a line in each true energy bin."""
    dataset = make_dataset(models=[sky_model("PowerLawSpectralModel"), background()])
    edges = dataset.exposure.geom.axes["energy_true"].edges
    counts = []
    for middle in np.sqrt(edges[:-1] * edges[1:]):
        line = GaussianSpectralModel(amplitude="1e-12 cm-2 s-1", mean=middle, sigma="1e-4 TeV")
        dataset.models = [SkyModel(line, sky_model("PowerLawSpectralModel").spatial_model, name="line")]
        counts.append(dataset.npred_signal().data)
    return dataset, edges, np.array(counts)


@pytest.mark.parametrize("name", EXAMPLES)
def test_counts_are_those_of_the_integrals(name):
    """Predictions are linear in the flux per true energy."""
    dataset, edges, counts = responses()
    dataset.models = [model] = [sky_model(name)]
    flux = model.spectral_model.integral(edges[:-1], edges[1:]).to_value("1e-12 cm-2 s-1")
    expected = np.tensordot(flux, counts, axes=1)
    np.testing.assert_allclose(dataset.npred_signal().data, expected, rtol=1e-6, atol=1e-9 * expected.max())


@functools.cache
def spectrum():
    """The tiny dataset in a circle around the source."""
    circle = CircleSkyRegion(SkyCoord(LON, LAT, unit="deg", frame="galactic"), 0.2 * u.deg)
    dataset = make_dataset(models=[sky_model("PowerLawSpectralModel"), background()])
    return dataset.to_spectrum_dataset(circle, containment_correction=True, name="tiny")


@pytest.mark.parametrize("name", [name for name in EXAMPLES if not name.endswith("difference")])
def test_posterior_with_default_priors(name, rng):
    """Default priors exist, and over their draws the log-density has a finite gradient."""
    model = sky_model(name)
    if name == "SmoothBrokenPowerLawSpectralModel":
        model.spectral_model.index2.value = 2.9
    free = [p for p in model.parameters if not p.frozen]
    dataset = spectrum()
    dataset.models = [SkyModel(model.spectral_model, name="source"), background()]
    priors = assign_default_priors(dataset)
    assert len(priors) == len(free) + 1
    compiled, _ = compile_datasets(dataset)
    density = LogDensity(compiled, mode="FAST_COMPILE")
    for scatter in (0.0, 0.5, 1.0, 1.0, 2.0):
        value, gradient = density(density.start + scatter * rng.normal(size=density.size))
        assert np.isfinite(value)
        assert np.all(np.isfinite(gradient))


def test_piecewise_background_factor(rng):
    norms = PiecewiseNormSpectralModel([1, 3, 10] * u.TeV, [1.1, 0.9, 1.3])
    dataset = make_dataset(models=[background()])
    dataset.models = [FoVBackgroundModel(spectral_model=norms, dataset_name="tiny")]
    energy = dataset.counts.geom.axes["energy"].center
    expected = dataset.background.data * norms(energy).value[:, None, None]
    np.testing.assert_allclose(dataset.npred_background().data, expected, rtol=1e-12)
    assign_default_priors(dataset)
    density = LogDensity(compile_datasets(dataset)[0], mode="FAST_COMPILE")
    theta = density.start + 0.3 * rng.normal(size=density.size)
    _, gradient = density(theta)
    step = 1e-5
    for i, exact in enumerate(gradient):
        shift = step * np.eye(len(theta))[i]
        slope = (density(theta + shift)[0] - density(theta - shift)[0]) / (2 * step)
        assert exact == pytest.approx(slope, rel=1e-5, abs=1e-4)
