"""The kernels against plain NumPy, and their gradients against finite differences."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
import scipy.stats
from pytensor.gradient import verify_grad
from scipy.signal import fftconvolve

from bayesmap.graph.ops.banded import banded
from bayesmap.graph.ops.convolve import Convolve, KernelTransform, _Transforms, convolved
from bayesmap.graph.ops.mixture import MixtureStamps
from bayesmap.graph.ops.project import project

MODES = ["FAST_COMPILE", "NUMBA"]


def numbers(expression, mode="FAST_COMPILE"):
    return pytensor.function([], expression, mode=mode)()


class Case:
    """Two sources with overlapping windows, one partly outside of the map."""

    n_reco, n_true, n_y, n_x = 3, 4, 9, 11
    windows = np.array([[2, 3, 5, 5], [-2, 5, 6, 8]])

    def __init__(self):
        rng = np.random.default_rng(1)
        self.stamps = [rng.uniform(0.1, 1, (self.n_true, h, w)) for _, _, h, w in self.windows]
        # The third energy of the first source is narrower than its window.
        self.halves = np.full((2, self.n_true), 9)
        self.halves[0, 2] = 1
        self.stamps[0][2, [0, -1], :] = self.stamps[0][2, :, [0, -1]] = 0
        self.flux = rng.uniform(1, 2, (2, self.n_true))
        self.edisp = rng.uniform(0, 1, (2, self.n_reco, self.n_true)) * (
            rng.random((2, self.n_reco, self.n_true)) < 0.7
        )
        self.exposure = rng.uniform(1, 3, (self.n_true, self.n_y, self.n_x))
        self.classes = rng.integers(0, 2, (self.n_y, self.n_x))
        self.class_weights = rng.uniform(0, 1, (2, self.n_reco))
        self.selected = rng.random((self.n_reco, self.n_y, self.n_x)) < 0.4
        index = np.flatnonzero(self.selected)
        self.columns = index % self.n_x
        per_row = self.selected.reshape(-1, self.n_x).sum(axis=1)
        self.rows = np.concatenate([[0], np.cumsum(per_row)])
        self.flat = np.concatenate([s.ravel() for s in self.stamps])

    def cube(self):
        npred = np.zeros((self.n_reco, self.n_y, self.n_x))
        for s, (y0, x0, height, width) in enumerate(self.windows):
            for j in range(self.n_true):
                picture = np.zeros((self.n_y, self.n_x))
                for y in range(height):
                    for x in range(width):
                        if 0 <= y0 + y < self.n_y and 0 <= x0 + x < self.n_x:
                            picture[y0 + y, x0 + x] = self.stamps[s][j, y, x]
                for e in range(self.n_reco):
                    npred[e] += self.edisp[s, e, j] * self.flux[s, j] * self.exposure[j] * picture
        return npred

    def expression(self, flat=None, flux=None, edisp=None):
        return project(
            self.flat if flat is None else flat,
            self.windows,
            self.halves,
            self.flux if flux is None else flux,
            self.edisp if edisp is None else edisp,
            self.exposure,
            self.classes,
            self.class_weights,
            self.columns,
            self.rows,
        )


@pytest.mark.parametrize("mode", MODES)
def test_project_equals_the_dense_sum(mode):
    case = Case()
    touched, counts, total, _ = numbers(case.expression(), mode)
    npred = case.cube()
    found = np.zeros(len(case.columns))
    found[touched] = counts
    assert len(np.unique(touched)) == len(touched)
    np.testing.assert_allclose(found, npred[case.selected], rtol=1e-12)
    weights = case.class_weights[case.classes].transpose(2, 0, 1)
    np.testing.assert_allclose(total, (weights * npred).sum(), rtol=1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("what", ["flat", "flux", "edisp"])
def test_project_gradient(what, mode):
    case = Case()
    weights = np.random.default_rng(2).normal(size=len(case.columns))

    def loss(value):
        touched, counts, total, _ = case.expression(**{what: value})
        return (pt.sin(counts) * pt.as_tensor(weights)[touched]).sum() + 0.3 * total

    start = getattr(case, what)
    if what == "edisp":
        # Entries that are exactly zero are outside of the band by construction: keep the point dense.
        start = start + 0.1
    verify_grad(loss, [start], rng=np.random.default_rng(3), mode=mode, abs_tol=1e-5, rel_tol=1e-5)


def test_banded_is_a_dot_product_and_its_gradient():
    rng = np.random.default_rng(5)
    flux, response, first = rng.normal(size=6), rng.normal(size=(20, 3)), rng.integers(0, 4, 20)
    expected = [response[b] @ flux[f : f + 3] for b, f in enumerate(first)]
    for mode in MODES:
        np.testing.assert_allclose(numbers(banded(flux, response, first), mode), expected, rtol=1e-12)
    verify_grad(lambda f: pt.sin(banded(f, response, first)), [flux], rng=rng, mode="FAST_COMPILE")


@pytest.mark.parametrize("kernel_shape", [(5, 3), (15, 21)])
def test_convolve_keeps_the_shape_and_does_not_wrap(kernel_shape):
    rng = np.random.default_rng(6)
    image, kernels = rng.normal(size=(12, 17)), rng.normal(size=(2, *kernel_shape))
    padded = np.pad(image, 30)
    expected = [fftconvolve(padded, k, mode="same")[30:-30, 30:-30] for k in kernels]
    np.testing.assert_allclose([convolved(image, k) for k in kernels], expected, atol=1e-12)
    transform = KernelTransform()(kernels, kernels.size, *image.shape)
    for mode in MODES:
        np.testing.assert_allclose(numbers(Convolve()(image, transform), mode), expected, atol=1e-12)
    verify_grad(lambda x: Convolve()(x, transform), [image], rng=rng, mode="FAST_COMPILE")


def test_transforms_are_kept_until_they_fill_the_memory():
    kernels = {number: np.random.default_rng(number).normal(size=(2, 3, 3)) for number in range(40)}
    one = 2 * 12 * 7 * 16  # bytes for images of 10 x 10
    transforms = _Transforms(limit=30 * one)
    first = [transforms(kernels[i], i, 10, 10) for i in range(30)]
    assert all(transforms(kernels[i], i, 10, 10) is first[i] for i in range(30))
    assert all(transforms(kernels[i], i, 11, 11) is first[i] for i in range(30)), "the same padded size"
    for i in range(30, 40):
        transforms(kernels[i], i, 10, 10)
    assert transforms(kernels[29], 29, 10, 10) is first[29]
    assert transforms(kernels[0], 0, 10, 10) is not first[0], "the longest unused went"
    assert transforms._filled == sum(t.nbytes for t in transforms._kept.values()) <= transforms.limit
    large = transforms(kernels[0], 0, 300, 300)
    np.testing.assert_array_equal(large, transforms(kernels[0], 0, 300, 300))
    assert large.nbytes > transforms.limit
    assert transforms(kernels[29], 29, 10, 10) is first[29], "what is too large to be kept drives nothing out"


class Mixtures:
    """Two sources, three energies with windows of different widths, two components."""

    def __init__(self):
        rng = np.random.default_rng(7)
        self.centres = [np.array([5.3, 20.8]), np.array([-2.4, 7.1])]
        self.scales = [np.array([1.3, 0.8]), np.array([0.9, 1.1])]
        self.variance, self.weight = rng.uniform(0.5, 3, (2, 3, 2)), rng.uniform(0.2, 1, (2, 3, 2))
        self.halves = np.array([[5, 4, 2], [3, 5, 5]])

    def expression(self, *changed):
        return MixtureStamps()(*(changed or (*self.centres, *self.scales, self.variance, self.weight)), self.halves)

    def images(self):
        pixels = np.arange(-5, 6)
        images = np.zeros((2, 3, 11, 11))
        for (s, e, k), variance in np.ndenumerate(self.variance):
            sides = []
            for centre, scale in zip(self.centres, self.scales, strict=True):
                edges = np.arange(12) - 5.5 + np.floor(centre[s] + 0.5)
                sides.append(np.diff(scipy.stats.norm(centre[s], np.sqrt(variance * scale[s])).cdf(edges)))
                sides[-1] *= np.abs(pixels) <= self.halves[s, e]
            images[s, e] += self.weight[s, e, k] * np.outer(sides[1], sides[0])
        return images


@pytest.mark.parametrize("mode", MODES)
def test_mixture_stamps(mode):
    case = Mixtures()
    stamps, windows, _ = numbers(case.expression(), mode)
    np.testing.assert_array_equal(windows, [[-7, 0, 11, 11], [2, 16, 11, 11]])
    np.testing.assert_allclose(stamps.reshape(2, 3, 11, 11), case.images(), atol=1e-12)


def test_mixture_stamps_gradient():
    case = Mixtures()
    weights = np.random.default_rng(8).normal(size=2 * 3 * 121)

    def loss(*arguments):
        return (pt.sin(case.expression(*arguments)[0]) * weights).sum()

    point = [*case.centres, *case.scales, case.variance, case.weight]
    verify_grad(loss, point, rng=np.random.default_rng(9), mode="FAST_COMPILE")
