"""sinh(x) / x against NumPy, on both sides of the point where the series takes over."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from bayesmap.modeling.spectral.sinhc import sinhc

X = np.array([-30.0, -3, -0.2, -0.1001, -0.0999, -1e-3, 0, 1e-8, 0.05, 0.0999, 0.1001, 0.7, 25])


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "NUMBA"])
def test_value_and_slope(mode):
    x = pt.vector("x", dtype="float64")
    value, slope = pytensor.function([x], [sinhc(x), pt.grad(sinhc(x).sum(), x)], mode=mode)(X)
    wide = X.astype("longdouble")
    safe = np.where(wide == 0, 1, wide)
    expected = np.where(wide == 0, 1, np.sinh(safe) / safe)
    np.testing.assert_allclose(value, expected.astype(float), rtol=1e-14)
    # the closed form of the slope cancels near zero: there its series
    series = wide / 3 + wide**3 / 30 + wide**5 / 840 + wide**7 / 45360
    closed = np.where(np.abs(wide) < 0.1, series, (np.cosh(safe) - np.sinh(safe) / safe) / safe)
    np.testing.assert_allclose(slope, closed.astype(float), rtol=1e-11)
