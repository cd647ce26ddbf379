"""Priors from posteriors."""

import numpy as np
import pytest
import xarray as xr

from bayesmap.modeling import Models, MultivariateNormalPrior, Parameter, Prior, SkyModel

FLUX = "cm-2 s-1 TeV-1"


def tree(number=4000):
    rng = np.random.default_rng(5)
    z = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=(2, number // 2))
    variables = {
        "gc.index": (2.3 + 0.1 * z[..., 0], ""),
        "gc.amplitude": (np.exp(-27 + 0.5 * z[..., 1]), FLUX),
        "gc.lon_0": (0.01 * rng.normal(size=z.shape[:2]), "deg"),
        "gc.e": (rng.beta(2, 3, size=z.shape[:2]) * 100, "%"),
    }
    posterior = {name: (("chain", "draw"), x, {"units": unit}) for name, (x, unit) in variables.items()}
    posterior["run.background_off"] = (("chain", "draw", "bin"), np.ones((*z.shape[:2], 3)))
    posterior["gc.tilt"] = (("chain", "draw"), np.ones(z.shape[:2]))
    return xr.DataTree.from_dict({"posterior": xr.Dataset(posterior)})


def test_moments():
    index = Prior.from_posterior(tree(), "gc.index")
    assert index.dist == "Normal"
    assert index.numbers() == pytest.approx({"mu": 2.3, "sigma": 0.1}, rel=0.05)
    amplitude = Prior.from_posterior(tree(), "gc.amplitude")
    assert amplitude.dist == "LogNormal"
    assert amplitude.median("cm-2 s-1 GeV-1") == pytest.approx(np.exp(-27) / 1e3, rel=0.05)
    assert amplitude.kwargs["sigma"] == pytest.approx(0.5, rel=0.05)
    position = Prior.from_posterior(tree(), "gc.lon_0")
    assert position.numbers("arcmin")["sigma"] == pytest.approx(0.6, rel=0.05)


@pytest.mark.parametrize("name", ["gc.index", "gc.amplitude", "gc.lon_0", "gc.e"])
@pytest.mark.parametrize("method", ["moments", "kde"])
def test_the_intervals_agree_with_the_draws(name, method):
    variable = tree()["posterior"][name]
    unit = variable.attrs["units"]
    prior = Prior.from_posterior(tree(), name, method)
    scale = variable.values.std()
    for mass in (0.5, 0.9):
        low, high = np.quantile(variable.values, [0.5 - mass / 2, 0.5 + mass / 2])
        factor = 0.01 if unit == "%" else 1
        own = np.array(prior.interval(mass, "" if unit == "%" else unit)) / factor
        np.testing.assert_allclose(own, [low, high], atol=(0.2 if method == "kde" else 0.25) * scale)
    assert Prior.from_dict(prior.to_dict()) == prior


def test_kernel_density_fits_to_a_parameter():
    prior = Prior.from_posterior(tree(), "gc.amplitude", "kde")
    assert len(prior.kwargs["samples"]) == 400
    parameter = Parameter("amplitude", 1e-12, "cm-2 s-1 GeV-1", min=0, prior=prior)
    assert parameter.prior.median("cm-2 s-1 GeV-1") == pytest.approx(np.exp(-27) / 1e3, rel=0.1)
    assert "<400 values>" in repr(prior)


def test_several_parameters():
    prior = MultivariateNormalPrior.from_posterior(tree(), ["gc.index", "gc.amplitude"])
    assert prior.log == {"gc.amplitude"}
    assert prior.covariance[0, 1] / np.sqrt(np.prod(np.diag(prior.covariance))) == pytest.approx(0.6, abs=0.05)
    models = Models([SkyModel.create("pl", name="gc")])
    models.set_joint_prior(prior)
    assert models.parameters["amplitude"].prior.median(FLUX) == pytest.approx(np.exp(-27), rel=0.05)
    plain = MultivariateNormalPrior.from_posterior(tree(), ["gc.index", "gc.amplitude"], log=())
    assert plain.mean[1] == pytest.approx(np.exp(-27 + 0.125), rel=0.05)


def test_errors():
    with pytest.raises(KeyError, match="did you mean 'gc.index'"):
        Prior.from_posterior(tree(), "gc.indx")
    with pytest.raises(ValueError, match="only numbers can become a prior"):
        Prior.from_posterior(tree(), "run.background_off")
    with pytest.raises(ValueError, match="must be finite and not all equal"):
        Prior.from_posterior(tree(), "gc.tilt")
    with pytest.raises(ValueError, match="method must be one of"):
        Prior.from_posterior(tree(), "gc.index", "mean")
    with pytest.raises(TypeError, match="give several names"):
        MultivariateNormalPrior.from_posterior(tree(), "gc.index")
    with pytest.raises(ValueError, match="logarithm of 'gc.lon_0' was asked for"):
        MultivariateNormalPrior.from_posterior(tree(), ["gc.index", "gc.lon_0"], log=["gc.lon_0"])
    with pytest.raises(ValueError, match="too few"):
        MultivariateNormalPrior.from_posterior(tree(2), ["gc.index", "gc.lon_0"], log=())
