"""The kernel of spline stamps against SciPy's B-splines, and its gradient."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.ndimage import map_coordinates

from bayesmap.graph.psf.stamp import SplineStamp, spline_stamps

HALF, OVER, N_ENERGY = 3, 2, 3
SIZE, N_NODE = 2 * HALF + 1, (2 * HALF + 5) * OVER
STAMP = SplineStamp(np.random.default_rng(1).normal(size=(N_ENERGY, N_NODE, N_NODE)), HALF, OVER, 0.0)


def compiled(mode):
    x, y = pt.dscalars("x", "y")
    stamps, window = spline_stamps(x, y, STAMP)
    weights = np.random.default_rng(2).normal(size=N_ENERGY * SIZE**2)
    gradient = pt.grad((stamps * weights).sum(), [x, y])
    return pytensor.function([x, y], [stamps, window, (stamps * weights).sum(), *gradient], mode=mode)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "NUMBA"])
def test_values_and_gradient(mode):
    function = compiled(mode)
    for x, y in [(10.3, 20.8), (10.5, 20.0), (-4.49, 0.51), (9.999, 3.001)]:
        stamps, window, value, *gradient = function(x, y)
        y0, x0 = np.floor(y + 0.5), np.floor(x + 0.5)
        assert window.tolist() == [[y0 - HALF, x0 - HALF, SIZE, SIZE]]
        # a pixel at distance d of the source is at the node (d + half + 2) * oversampling
        rows, columns = ((np.arange(SIZE) + start - at + 2) * OVER for start, at in ((y0, y), (x0, x)))
        nodes = np.meshgrid(rows, columns, indexing="ij")
        wanted = [map_coordinates(table, nodes, order=3, prefilter=False) for table in STAMP.coefficients]
        np.testing.assert_allclose(stamps, np.ravel(wanted), atol=1e-12)
        for i, step in enumerate(np.eye(2) * 1e-5):
            high, low = function(x + step[0], y + step[1])[2], function(x - step[0], y - step[1])[2]
            if i == 0 and x == 10.5:
                continue  # the window jumps there
            assert gradient[i] == pytest.approx((high - low) / 2e-5, rel=1e-5, abs=1e-6)
        assert np.isfinite(value)


def test_a_position_that_is_no_number_gives_no_number():
    stamps, _, value, *_ = compiled("NUMBA")(np.nan, 1.0)
    assert np.isnan(stamps).all()
    assert np.isnan(value)
