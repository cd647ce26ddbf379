"""The kernels of images against plain NumPy, and their gradients against finite differences."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.gradient import verify_grad
from scipy import fft
from scipy.signal import convolve2d

from bayesmap.graph.ops.galaxies import CellConvolution, SpectrumSum
from bayesmap.graph.ops.stars import StarImage

MODES = ["FAST_COMPILE", "NUMBA"]
BOXES = np.array([[0, 5, 0, 6], [0, 5, 6, 9], [5, 8, 0, 6]])  # the fourth cell of 8 x 9 pixels is missing
PAD, HALF = 4, (2, 1)
N_Y, N_X, N_NODE = 18, 20, 40


def numbers(expression, mode):
    return pytensor.function([], expression, mode=mode)()


def check_gradients(build, start, mode="FAST_COMPILE"):
    for i in range(len(start)):
        others = [*start]

        def of(value, i=i, others=others):
            return build(*others[:i], value, *others[i + 1 :])

        verify_grad(of, [start[i]], rng=np.random.default_rng(1), mode=mode, abs_tol=1e-5, rel_tol=1e-5)


def kernels(rng):
    return rng.uniform(0.1, 1, (3, 2 * HALF[0] + 1, 2 * HALF[1] + 1))


def spectrum_data():
    wave_y, wave_x = 2 * np.pi * np.fft.fftfreq(N_Y), 2 * np.pi * np.fft.rfftfreq(N_X)
    widths = np.array([np.count_nonzero(np.hypot(wave_x, k) < 2.5) for k in wave_y])
    return wave_x, wave_y, widths


def spectrum_case(rng):
    """Two sources whose tables are smooth functions of the wave number."""
    tops = np.array([4.0, 6.0])
    waves = tops[:, None] * ((np.arange(N_NODE) - 1) / (N_NODE - 3)) ** 2
    tables = 1 / (1 + waves**2)
    places, metric = np.array([[6.3, 9.8], [7.1, 8.4]]), np.array([[1.0, 1.3], [0.2, -0.1], [0.7, 1.1]])
    return [rng.uniform(1, 2, 2), *places, metric, tables], tops


@pytest.mark.parametrize("mode", MODES)
def test_stars_are_shifted_kernels(mode):
    """By a whole number of pixels exactly."""
    stamps = kernels(np.random.default_rng(2))
    image = numbers(StarImage()([2.0, 3.0], [5.0, 8.0], [4.0, -1.0], stamps, BOXES, [8, 9]), mode)
    expected = np.zeros((8, 9))
    for flux, x, y in ((2, 5, 4), (3, 8, -1)):
        for stamp, (y0, y1, x0, x1) in zip(stamps, BOXES, strict=True):
            for row, column in np.ndindex(*stamp.shape):
                i, j = y + row - HALF[0], x + column - HALF[1]
                if y0 <= i < y1 and x0 <= j < x1:
                    expected[i, j] += flux * stamp[row, column]
    np.testing.assert_allclose(image, expected, atol=1e-12)


def test_gradient_of_stars():
    rng = np.random.default_rng(3)
    stamps, weights = kernels(rng), rng.normal(size=(8, 9))

    def build(flux, x, y):
        return (pt.sin(StarImage()(flux, x, y, stamps, BOXES, [8, 9])) * weights).sum()

    check_gradients(build, [np.array([2.0, 3.0]), np.array([5.3, 7.9]), np.array([3.8, 0.2])])


@pytest.mark.parametrize("mode", MODES)
def test_sum_of_spectra(mode):
    wave_x, wave_y, widths = spectrum_data()
    (flux, x, y, metric, tables), tops = spectrum_case(np.random.default_rng(4))
    found = numbers(SpectrumSum()(flux, x, y, metric, tables, tops, wave_x, wave_y, widths), mode)
    k_y, k_x = wave_y[:, None], wave_x[None, :]
    expected = 0
    for s in range(2):
        square = metric[0, s] * k_x**2 + 2 * metric[1, s] * k_x * k_y + metric[2, s] * k_y**2
        expected = expected + flux[s] / (1 + square) * np.exp(-1j * (k_x * x[s] + k_y * y[s]))
    kept = np.arange(len(wave_x)) < widths[:, None]
    np.testing.assert_allclose(found[0] + 1j * found[1], np.where(kept, expected, 0), atol=1e-3)


@pytest.mark.parametrize("mode", MODES)
def test_gradient_of_spectra(mode):
    wave_x, wave_y, widths = spectrum_data()
    start, tops = spectrum_case(np.random.default_rng(5))
    weights = np.random.default_rng(6).normal(size=(2, N_Y, len(wave_x)))

    def build(*sources):
        return (pt.sin(SpectrumSum()(*sources, tops, wave_x, wave_y, widths)) * weights).sum()

    check_gradients(build, start, mode)


@pytest.mark.parametrize("mode", MODES)
def test_cells_are_convolved_with_their_own_kernels(mode):
    rng = np.random.default_rng(7)
    scene, stamps = rng.normal(size=(N_Y, N_X)), kernels(rng)
    size = 10, 12
    inputs = fft.rfft2(stamps, s=size), BOXES, np.array([8, 9, PAD, *HALF])
    spectrum = fft.rfft2(scene)
    image = numbers(CellConvolution()(np.stack([spectrum.real, spectrum.imag]), *inputs), mode)
    expected = np.zeros((8, 9))
    for stamp, (y0, y1, x0, x1) in zip(stamps, BOXES, strict=True):
        whole = convolve2d(scene, stamp, mode="same")[PAD : PAD + 8, PAD : PAD + 9]
        expected[y0:y1, x0:x1] = whole[y0:y1, x0:x1]
    np.testing.assert_allclose(image, expected, atol=1e-12)


def test_gradient_of_cells_once_and_twice():
    """The operation is linear: its second derivative goes through the adjoint and back."""
    rng = np.random.default_rng(8)
    inputs = fft.rfft2(kernels(rng), s=(10, 12)), BOXES, np.array([8, 9, PAD, *HALF])
    start, weights = rng.normal(size=(2, N_Y, N_X // 2 + 1)), rng.normal(size=(8, 9))

    def once(spectrum):
        return (pt.sin(CellConvolution()(spectrum, *inputs)) * weights).sum()

    def twice(spectrum):
        return (pytensor.grad(once(spectrum), spectrum) ** 2).sum()

    verify_grad(once, [start], rng=rng, mode="FAST_COMPILE")
    verify_grad(twice, [start], rng=rng, mode="FAST_COMPILE")
