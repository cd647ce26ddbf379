"""exp(-abs(x)) sinh(x) / x against NumPy, also where the series takes over, and the integrals that it is for."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from bayesmap.modeling import PowerLaw2SpectralModel, PowerLawSpectralModel
from bayesmap.modeling.spectral.sinhc import exponential_integral, sinhce

X = np.array([-30.0, -3, -0.2, -0.1001, -0.0999, -1e-3, 1e-8, 0.05, 0.0999, 0.1001, 0.7, 25])


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "NUMBA"])
def test_value_and_slope(mode):
    x = pt.vector("x", dtype="float64")
    function = pytensor.function([x], [sinhce(x), pt.grad(sinhce(x).sum(), x)], mode=mode)
    value, slope = function(X)
    wide = X.astype("longdouble")
    damping = np.exp(-np.abs(wide))
    np.testing.assert_allclose(value, (damping * np.sinh(wide) / wide).astype(float), rtol=1e-14)
    # the closed form of the slope of sinh(x) / x cancels near zero: there its series
    series = wide / 3 + wide**3 / 30 + wide**5 / 840 + wide**7 / 45360
    closed = np.where(np.abs(wide) < 0.1, series, (np.cosh(wide) - np.sinh(wide) / wide) / wide)
    expected = damping * (closed - np.sign(wide) * np.sinh(wide) / wide)
    np.testing.assert_allclose(slope, expected.astype(float), rtol=1e-11)
    np.testing.assert_allclose(
        function([-1e300, 0.0, 1e5, np.inf]), [[5e-301, 1, 5e-6, 0], [0, 0, -5e-11, 0]], rtol=1e-12
    )


@pytest.mark.parametrize("power", [-3.0, -1e-9, 0.0, 1e-3, 2.0])
def test_integral_is_smooth_where_the_power_is_zero(power):
    p = pt.scalar("p")
    scale, factor = exponential_integral(0.3, 1.7, p)
    value, slope = pytensor.function([p], [pt.exp(scale) * factor, pt.grad(pt.exp(scale) * factor, p)])(power)
    nodes, weights = np.polynomial.legendre.leggauss(30)
    t = 1.0 + 0.7 * nodes
    np.testing.assert_allclose(value, 0.7 * (weights @ np.exp(power * t)), rtol=1e-13)
    np.testing.assert_allclose(slope, 0.7 * (weights @ (t * np.exp(power * t))), rtol=1e-12)


@pytest.mark.parametrize("index", [-2000.0, -300.0, 300.0, 2000.0])
def test_steep_power_laws_have_integrals(index):
    """Of the two ends of the band the one with the larger flux counts, whatever it is at the other."""
    edge = "1 TeV" if index > 0 else "10 TeV"
    model = PowerLawSpectralModel(index=index, amplitude="1 cm-2 s-1 TeV-1", reference=edge)
    want = (10.0 if index < 0 else 1.0) / abs(index - 1)
    np.testing.assert_allclose(model.integral("1 TeV", "10 TeV").value, want, rtol=1e-12)
    flux = PowerLaw2SpectralModel(index=index, amplitude="2 cm-2 s-1", emin="1 TeV", emax="10 TeV")
    np.testing.assert_allclose(flux.integral("1 TeV", "10 TeV").value, 2, rtol=1e-12)
    np.testing.assert_allclose(flux(edge).value, 2 / want, rtol=1e-9)
