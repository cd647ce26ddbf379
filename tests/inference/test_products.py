"""Products of a posterior that was really sampled."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from bayesmap.products import excess_map, fisher, integral_flux, position_regions, upper_limit


def test_fluxes_limits_and_positions(tree, dataset):
    """Names find the models in the tree; at single draws the flux is that of the model with these values."""
    flux = integral_flux(tree, "source", "1 TeV", "10 TeV")
    index, amplitude = (tree["posterior"][f"source.{name}"].values for name in ("index", "amplitude"))
    np.testing.assert_allclose(flux.draws.value, amplitude * (1 - 10 ** (1 - index)) / (index - 1), rtol=1e-10)
    limit = upper_limit(tree, "source.amplitude")
    assert limit.value.value == np.quantile(amplitude, 0.95)
    assert 0 < limit.error < 0.2 * (limit.value - np.median(amplitude) * limit.value.unit)
    found = position_regions(tree, "source", levels=[0.68, 0.95])
    truth = dataset.models["source"].position
    assert found.center.frame.name == "galactic"
    assert found.center.separation(truth) < 2 * found.radii[1]
    draws = SkyCoord(*(tree["posterior"][f"source.{name}"].values.ravel() for name in ("lon_0", "lat_0")), unit="deg")
    assert np.mean(draws.separation(SkyCoord(found.center.data)) < found.radii[0]) == pytest.approx(0.68, abs=0.01)


def test_the_model_explains_its_map(tree, dataset):
    assert excess_map(tree, dataset, num_draws=200).p_excess > 0.01
    assert excess_map(tree, dataset, without="source", num_draws=200).p_excess < 0.01


def test_the_posterior_is_about_as_wide_as_the_forecast(tree, dataset):
    """At the posterior medians; counts and their expectations differ, and so do the errors, by some ten per cent."""
    posterior = tree["posterior"]
    values = {name: float(posterior[name].median()) for name in posterior.data_vars}
    for name, error in fisher(dataset, values).errors.items():
        assert float(posterior[name].std()) == pytest.approx(error, rel=0.35), name
