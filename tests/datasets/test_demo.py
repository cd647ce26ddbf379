import astropy.units as u
import numpy as np

from bayesmap.datasets import demo_dataset, simulate_cta_like
from bayesmap.datasets.demo import background_rate, effective_area, energy_dispersion, psf_profile


def test_psf_is_normalised():
    rad = np.linspace(0, 3, 30001)
    for energy in (0.1, 1.0, 10.0):
        integral = np.trapezoid(2 * np.pi * rad * psf_profile(rad, energy, 1.0), rad)
        np.testing.assert_allclose(integral, 1, rtol=1e-5)


def test_energy_dispersion_conserves_photons():
    edges = np.geomspace(1e-3, 1e4, 200)
    np.testing.assert_allclose(energy_dispersion(np.array([0.1, 1.0, 10.0]), edges).sum(axis=1), 1, rtol=1e-10)


def test_area_rises_with_energy_and_falls_with_offset():
    energy = np.geomspace(0.05, 100, 20)
    assert np.all(np.diff(effective_area(energy, 1.0)) > 0)
    assert np.all(np.diff(effective_area(1.0, np.linspace(0, 3, 10))) < 0)


def test_background_falls_with_energy_and_offset():
    rate = background_rate(np.geomspace(0.1, 30, 6), np.array([[0.0, 1.0, 2.0]]))
    assert rate.shape == (5, 1, 3)
    assert np.all(np.diff(rate, axis=0) < 0)
    assert np.all(np.diff(rate, axis=2) < 0)


def test_demo_dataset():
    demo = demo_dataset(1)
    assert demo.data_shape == (8, 100, 100)
    assert demo.models.names == ["nebula", "bright", "faint", "cta-like-bkg"]
    assert demo.mask.data.all()
    assert demo.exposure.meta["livetime"] == 5 * u.h
    counts = demo.counts.data.sum()
    assert 3e4 < counts < 3e5
    signal = demo.npred_signal(stack=False).data.sum(axis=(1, 2, 3))
    assert np.all(signal > 100)
    # total counts against the prediction, 5 sigma: false alarm 6e-7
    npred = signal.sum() + demo.npred_background().data.sum()
    assert abs(counts - npred) < 5 * np.sqrt(npred)


def test_simulation_is_reproducible(geom, energy_axis_true):
    one, two, other = (
        simulate_cta_like(geom=geom, energy_axis_true=energy_axis_true, random_state=seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.counts.data, two.counts.data)
    assert not np.array_equal(one.counts.data, other.counts.data)


def test_simulation_without_models_is_background(geom, energy_axis_true):
    dataset = simulate_cta_like(geom=geom, energy_axis_true=energy_axis_true, random_state=1, offset_max="0.4 deg")
    assert dataset.models is None
    assert 0 < dataset.mask_safe.data.sum() < dataset.mask_safe.data.size
    total = dataset.background.data.sum()
    assert abs(dataset.counts.data.sum() - total) < 5 * np.sqrt(total)
