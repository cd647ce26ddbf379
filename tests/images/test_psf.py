"""Point spread function per cell."""

import numpy as np
import pytest

from bayesmap.errors import BoundsError
from bayesmap.images import YX, Box, CellGrid, CellGridBounds, CellIJ, CellPointSpreadFunction

GRID = CellGrid(Box.factory[0:40, 0:60], YX(20, 20))
BOUNDS = CellGridBounds(GRID, Box.factory[0:40, 20:60], {CellIJ(1, 1)})


def gaussian(size, dx=0.0, dy=0.0, sigma=1.6):
    y, x = np.mgrid[:size, :size] - size // 2
    image = np.exp(-0.5 * ((x - dx) ** 2 + (y - dy) ** 2) / sigma**2)
    return image / image.sum()


@pytest.fixture
def psf():
    array = np.stack([[gaussian(25, sigma=1.5 + 0.1 * (2 * i + j)) for j in range(2)] for i in range(2)])
    array[1, 0] = np.nan
    return CellPointSpreadFunction(array, BOUNDS)


def test_cells(psf):
    assert psf.grid == GRID
    assert psf.kernel_bbox == Box.factory[-12:13, -12:13]
    kernel = psf[CellIJ(0, 2)]
    assert kernel.unit is None
    assert kernel.bbox == psf.kernel_bbox
    assert np.shares_memory(kernel.array, psf.array)
    part = psf[Box.factory[22:23, 45:50]]
    assert part.array.shape == (1, 1, 25, 25)
    assert not np.shares_memory(part.array, psf.array)
    assert part[CellIJ(1, 2)] == psf[CellIJ(1, 2)]
    for cell in (CellIJ(0, 1), CellIJ(0, 2), CellIJ(2, 2), CellIJ(1, 1)):  # below the subset too: no index wraps around
        with pytest.raises(BoundsError, match="CellIJ"):
            part[cell]
    with pytest.raises(BoundsError, match="missing"):
        psf[CellIJ(1, 1)]
    with pytest.raises(ValueError, match="not inside"):
        psf[Box.factory[0:5, 19:22]]


@pytest.mark.parametrize(
    ("x", "y", "cell"), [(30, 5, (0, 1)), (39.49, 5, (0, 1)), (39.5, 5, (0, 2)), (50, 19.5, (1, 2)), (19.5, 0, (0, 1))]
)
def test_kernel_at_a_point(psf, x, y, cell):
    assert psf.compute_kernel_image(x=x, y=y) == psf[CellIJ(*cell)]
    assert BOUNDS.contains(x=x, y=y)


@pytest.mark.parametrize(("x", "y"), [(19.49, 0), (30, 30), (59.5, 0), (30, 39.5)])
def test_points_without_kernel(psf, x, y):
    assert not BOUNDS.contains(x=x, y=y)
    for method in (psf.compute_kernel_image, psf.compute_stellar_image, psf.compute_stellar_bbox):
        with pytest.raises(BoundsError):
            method(x=x, y=y)


@pytest.mark.parametrize(("kernel", "size"), [("lanczos5", 2e-4), ("lanczos3", 5e-4)])
@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (0.3, -0.45), (-0.5, 0.25), (0.49, 0.49)])
def test_stellar_image(psf, kernel, size, dx, dy):
    """A shifted Gaussian with peak 0.06, to the accuracy of the filter; the flux is kept."""
    psf = CellPointSpreadFunction(psf.array, BOUNDS, kernel)
    image = psf.compute_stellar_image(x=47 + dx, y=9 + dy)
    assert image.bbox == psf.compute_stellar_bbox(x=47 + dx, y=9 + dy) == Box.factory[-3:22, 35:60]
    assert np.abs(image.array - gaussian(25, dx, dy, sigma=1.6)).max() < size
    assert image.array.sum() == pytest.approx(1, abs=1e-3 if kernel == "lanczos3" else 1e-4)


@pytest.mark.parametrize(("kernel", "a"), [("lanczos5", 5), ("lanczos3", 3)])
def test_stellar_image_is_the_sum_of_its_definition(psf, kernel, a):
    def weights(shift):
        distances = [tap - shift for tap in range(-a, a + 1)]
        values = [
            (1 if d == 0 else np.sin(np.pi * d) * np.sin(np.pi * d / a) * a / (np.pi * d) ** 2) if abs(d) < a else 0
            for d in distances
        ]
        return dict(zip(range(-a, a + 1), np.array(values) / sum(values), strict=True))

    dx, dy, source = 0.21, -0.37, psf[CellIJ(0, 2)].array
    image = CellPointSpreadFunction(psf.array, BOUNDS, kernel).compute_stellar_image(x=47 + dx, y=9 + dy).array
    wx, wy = weights(dx), weights(dy)
    for j, i in ((12, 12), (3, 20), (0, 11), (24, 24)):
        inside = ((n, m) for n in range(25) for m in range(25) if abs(j - n) <= a and abs(i - m) <= a)
        value = sum(source[n, m] * wy[j - n] * wx[i - m] for n, m in inside)
        assert image[j, i] == pytest.approx(value, rel=1e-12, abs=1e-18)


def test_stellar_image_in_the_centre_of_a_pixel(psf):
    assert psf.compute_stellar_image(x=47, y=9).array == pytest.approx(psf[CellIJ(0, 2)].array, abs=1e-16)


def test_psf_that_cannot_be(psf):
    with pytest.raises(ValueError, match=r"shape \(2, 2, n_y, n_x\)"):
        CellPointSpreadFunction(psf.array[:1], BOUNDS)
    with pytest.raises(ValueError, match="odd sizes"):
        CellPointSpreadFunction(psf.array[..., 1:], BOUNDS)
    with pytest.raises(ValueError, match=r"CellIJ\(i=1, j=1\) has values that are not finite"):
        CellPointSpreadFunction(psf.array, CellGridBounds(GRID, BOUNDS.bbox))
    with pytest.raises(ValueError, match="resampling_kernel"):
        CellPointSpreadFunction(psf.array, BOUNDS, "cubic")
    with pytest.raises(ValueError, match="finite numbers"):
        psf.compute_kernel_image(x=np.nan, y=3)
