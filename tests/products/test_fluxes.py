"""Fluxes and luminosities of draws, and limits on them."""

import json

import astropy.units as u
import numpy as np
import pytest
import scipy
from astropy.cosmology import FlatLambdaCDM

from bayesmap.modeling import Models, Prior, SkyModel
from bayesmap.products import UpperLimit, energy_flux, integral_flux, luminosity, upper_limit
from bayesmap.stats import flat_prior_upper_limit
from tests.products.trees import tree_of, two_sources

FLUX = u.Unit("cm-2 s-1")


def power_law(tree, low, high, power=0):
    """Integral of a power law at 1 TeV for all draws, from the formula."""
    index, amplitude = (tree["posterior"][f"first.{name}"].values for name in ("index", "amplitude"))
    exponent = power + 1 - index
    return amplitude * (high**exponent - low**exponent) / exponent


def test_fluxes_are_those_of_the_formula():
    models, tree = two_sources()
    found = integral_flux(tree, "first", "1 TeV", "10 TeV")
    assert found.draws.unit == FLUX
    np.testing.assert_allclose(found.draws.value, power_law(tree, 1, 10), rtol=1e-10)
    energies = energy_flux(tree, models["first"], [500, 2000] * u.GeV, [2, 10] * u.TeV)
    assert energies.draws.shape == (2, 500, 2)
    np.testing.assert_allclose(energies.draws[..., 1].to_value("TeV cm-2 s-1"), power_law(tree, 2, 10, 1), rtol=1e-10)
    np.testing.assert_allclose(found.median.value, np.median(power_law(tree, 1, 10)))
    np.testing.assert_allclose(found.interval(0.9).value, np.quantile(power_law(tree, 1, 10), [0.05, 0.95]))
    array = energies.to_dataarray()
    assert (array.attrs["units"], array.dims) == ("TeV / (s cm2)", ("chain", "draw", "band_0"))
    assert str(found).startswith("integral flux of first, median and 68 % of 1000 draws: ")
    with pytest.raises(ValueError, match="probability is between 0 and 1"):
        found.interval(68)


def test_a_sum_keeps_the_correlation():
    """The two amplitudes add up to a constant at 1 TeV, so the sum of the fluxes varies less than either."""
    models, tree = two_sources()
    total = integral_flux(tree, ["first", models["second"]], "1 TeV", "1.01 TeV")
    parts = [integral_flux(tree, name, "1 TeV", "1.01 TeV").draws for name in ("first", "second")]
    np.testing.assert_allclose(total.draws.value, sum(parts).value)
    assert total.draws.std() < 0.02 * parts[0].std()
    assert total.name == "integral flux of first + second"


def test_a_frozen_source_has_one_flux():
    models, tree = two_sources()
    frozen = models["second"].copy(name="second")
    frozen.spectral_model.freeze()
    assert np.ptp(integral_flux(tree, frozen, "1 TeV", "10 TeV").draws) == 0


def test_luminosity():
    """4 pi d^2 times the energy flux; of a redshift with the luminosity distance, in the energies of either side."""
    _, tree = two_sources()
    band = energy_flux(tree, "first", "1 TeV", "10 TeV").draws
    found = luminosity(tree, "first", "1 TeV", "10 TeV", distance="2 kpc")
    np.testing.assert_allclose(found.draws.value, (4 * np.pi * (2 * u.kpc) ** 2 * band).to_value("erg s-1"))
    distances = np.random.default_rng(1).normal(2, 0.1, (2, 500)) * u.kpc
    drawn = luminosity(tree, "first", "1 TeV", "10 TeV", distance=distances)
    np.testing.assert_allclose((drawn.draws / found.draws).value, (distances / (2 * u.kpc)).value ** 2)
    cosmology = FlatLambdaCDM(70, 0.3)
    far = cosmology.luminosity_distance(0.5)
    ours = luminosity(tree, "first", "1 TeV", "10 TeV", redshift=0.5, cosmology=cosmology)
    np.testing.assert_allclose(ours.draws.value, (4 * np.pi * far**2 * band).to_value("erg s-1"))
    theirs = luminosity(tree, "first", "1.5 TeV", "15 TeV", redshift=0.5, cosmology=cosmology, frame="source")
    np.testing.assert_allclose(theirs.draws.value, ours.draws.value)
    assert (luminosity(tree, "first", "1 TeV", "10 TeV", redshift=0.5).draws != ours.draws).all()


def test_what_is_no_distance():
    _, tree = two_sources()
    for options in ({}, {"distance": "1 kpc", "redshift": 0.1}):
        with pytest.raises(ValueError, match="either a distance or a redshift"):
            luminosity(tree, "first", "1 TeV", "10 TeV", **options)
    for wrong in ("0 kpc", "2 TeV"):
        with pytest.raises(ValueError, match="distance must be a positive length"):
            luminosity(tree, "first", "1 TeV", "10 TeV", distance=wrong)
    with pytest.raises(ValueError, match="redshift must be positive"):
        luminosity(tree, "first", "1 TeV", "10 TeV", redshift=-0.1)
    with pytest.raises(ValueError, match=r"shape \(chain, draw\), \(2, 500\), got \(3,\)"):
        luminosity(tree, "first", "1 TeV", "10 TeV", distance=[1, 2, 3] * u.kpc)
    with pytest.raises(ValueError, match="frame must be one of"):
        luminosity(tree, "first", "1 TeV", "10 TeV", redshift=0.1, frame="rest")


def test_sources_that_are_not_in_the_tree():
    models, tree = two_sources()
    with pytest.raises(KeyError, match=r"no source 'fist'.*did you mean 'first'.*valid: \['first', 'second'\]"):
        integral_flux(tree, "fist", "1 TeV", "10 TeV")
    with pytest.raises(KeyError, match=r"no source 'third'.*valid: \['first', 'second'\]"):
        integral_flux(tree, models["first"].copy(name="third"), "1 TeV", "10 TeV")
    with pytest.raises(ValueError, match=r"\['first'\] occur more than once"):
        integral_flux(tree, ["first", models["first"]], "1 TeV", "10 TeV")
    with pytest.raises(ValueError, match="no sources given"):
        integral_flux(tree, [], "1 TeV", "10 TeV")
    with pytest.raises(TypeError, match="a source is a SkyModel or its name, got 3"):
        integral_flux(tree, [3], "1 TeV", "10 TeV")
    del tree.attrs["models"]
    with pytest.raises(ValueError, match="does not hold its models .*give the SkyModel"):
        integral_flux(tree, "first", "1 TeV", "10 TeV")
    with pytest.raises(ValueError, match="energy bands must be positive and ordered"):
        integral_flux(tree, models["first"], "10 TeV", "1 TeV")
    other = SkyModel.create("ecpl", name="first")
    with pytest.raises(KeyError, match=r"no variable 'first\.lambda_'"):
        integral_flux(tree, other, "1 TeV", "10 TeV")


# -- limits ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("n", "b"), [(0, 2), (3, 0), (3, 3), (1, 3), (10, 3), (10, 10)])
def test_limits_of_draws_of_the_counting_posterior(n, b):
    """20000 independent draws of the cut gamma distribution: within 4 standard errors of a quantile."""
    rng = np.random.default_rng(n + 20 * b)
    gamma = scipy.stats.gamma(n + 1)
    draws = gamma.isf(gamma.sf(b) * rng.uniform(size=(4, 5000))) - b
    found, truth = upper_limit(draws), float(flat_prior_upper_limit(n, b))
    exact = np.sqrt(0.05 * 0.95 / draws.size) / (gamma.pdf(truth + b) / gamma.sf(b))
    assert found.error.value == pytest.approx(exact, rel=0.25)
    assert found.value.value == pytest.approx(truth, abs=4 * exact)


def test_hdi_ends_before_the_quantile_or_begins_at_zero():
    """The shortest 95 % of a normal distribution end at 1.96; of an exponential one they begin at zero."""
    rng = np.random.default_rng(6)
    normal = upper_limit(rng.normal(size=(4, 5000)), kind="hdi")
    assert normal.value.value == pytest.approx(1.960, abs=0.12)
    assert 0 < normal.error.value < 0.15
    falling = rng.exponential(size=20000) * FLUX
    assert upper_limit(falling, kind="hdi").value.value == pytest.approx(np.log(20), abs=0.1)
    assert upper_limit(falling).value.value == pytest.approx(np.log(20), abs=0.1)


def test_limits_of_a_flux_and_of_a_parameter():
    models, tree = two_sources()
    flux = integral_flux(tree, "first", "1 TeV", [2, 10] * u.TeV)
    limit = flux.upper_limit(0.9)
    assert isinstance(limit, UpperLimit)
    np.testing.assert_allclose(limit.value.value, np.quantile(flux.draws.value, 0.9, axis=(0, 1)))
    assert limit.value.unit == limit.error.unit == FLUX
    amplitude = upper_limit(tree, "second.amplitude")
    assert amplitude.value.unit == u.Unit("cm-2 s-1 TeV-1")
    assert amplitude.value.value == np.quantile(tree["posterior"]["second.amplitude"].values, 0.95)
    assert str(amplitude).startswith("second.amplitude is below 1.3")
    with pytest.raises(KeyError, match=r"no variable 'second\.amplitude_'.*did you mean"):
        upper_limit(tree, "second.amplitude_")
    with pytest.raises(TypeError, match="needs the name of a variable"):
        upper_limit(tree)


def test_too_few_draws():
    rng = np.random.default_rng(2)
    with pytest.raises(ValueError, match=r"the flux: 199 draws, .* a limit at 95 %: it needs 200 effective draws"):
        upper_limit(rng.exponential(size=199), "the flux")
    with pytest.raises(ValueError, match=r"4000 draws.*at 99\.9 %: it needs 10000"):
        upper_limit(rng.exponential(size=(4, 1000)), level=0.999)
    walk = scipy.signal.lfilter([1], [1, -0.99], rng.normal(size=(4, 1000)), axis=1)
    with pytest.raises(ValueError, match="4000 draws, [0-9]{2,3} of them effective, are too few"):
        upper_limit(walk)
    with pytest.raises(ValueError, match="2 of the draws are no finite numbers"):
        upper_limit(np.r_[rng.normal(size=500), np.nan, np.inf])
    with pytest.raises(ValueError, match="level is a probability"):
        upper_limit(rng.normal(size=500), level=95)
    with pytest.raises(ValueError, match="kind must be one of"):
        upper_limit(rng.normal(size=500), kind="profile")
    with pytest.raises(ValueError, match=r"shape \(n,\) or"):
        upper_limit(np.array(3.0))


def test_remarks_about_the_prior():
    """A log-normal amplitude and a prior that ends below what the data allow are named; a wide uniform one is not."""
    unit, rng = u.Unit("cm-2 s-1 TeV-1"), np.random.default_rng(3)
    priors = {
        "no density at zero": (Prior("LogNormal", mu="1e-12 cm-2 s-1 TeV-1", sigma=1), 0.5),
        "is one of the prior": (Prior("Uniform", lower="0 cm-2 s-1 TeV-1", upper="1e-12 cm-2 s-1 TeV-1"), 1.0),
        "": (Prior("Uniform", lower="0 cm-2 s-1 TeV-1", upper="1e-10 cm-2 s-1 TeV-1"), 1.0),
    }
    for words, (prior, top) in priors.items():
        data = json.dumps({"prior": prior.to_dict(), "bounds": [0.0, None], "joint": False})
        draws = rng.uniform(0, top * 1e-12, (2, 500)) * unit
        limit = upper_limit(tree_of({"s.amplitude": draws}, prior_data=data), "s.amplitude")
        assert len(limit.remarks) == bool(words)
        assert words in "".join(limit.remarks)


def test_linked_names_are_found():
    models, tree = two_sources()
    tree["posterior"]["first.index"].attrs["linked_names"] = ["second.index"]
    assert upper_limit(tree, "second.index").value == upper_limit(tree, "first.index").value
    linked = models["second"].copy(name="second")
    linked.spectral_model.index.frozen = False
    assert np.ptp(integral_flux(tree, Models([linked])["second"], "1 TeV", "10 TeV").draws) > 0
