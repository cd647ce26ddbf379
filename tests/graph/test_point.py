"""Point sources seen through a table: counts, totals and gradients against SciPy's splines and plain sums."""

import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest
from scipy.ndimage import map_coordinates

from bayesmap.graph import fold_arrays
from bayesmap.graph.arrays import Selection
from bayesmap.graph.build import build_terms
from bayesmap.graph.fold import Fold, current_values, signal_counts
from bayesmap.graph.ops.merge import merge_bins
from bayesmap.graph.ops.point import PointCounts, PointTotal
from bayesmap.graph.psf.profile import PSFProfile
from bayesmap.graph.psf.stamp import SplineStamp, fit_stamp, total_table
from bayesmap.likelihoods.counted import counted_logp
from bayesmap.maps import Map
from tests.inference.tiny import LAT, LON, make_dataset, point

MODES = ["FAST_COMPILE", "NUMBA"]
HALF, OVER, N_ENERGY, N_RECO, N_Y, N_X = 3, 2, 4, 3, 12, 15
SIDE = (HALF + 3) * OVER
PLACES = [(20 / 3, 8.8), (4.5, 7.0), (-1.49, 0.51), (11.999, 13.001), (50.0, 3.0)]


@pytest.fixture(scope="module")
def stamp():
    """Random nodes: the kernels know nothing of what a PSF looks like, only that it is symmetric."""
    return SplineStamp(
        np.random.default_rng(1).normal(size=(HALF + 3, OVER, HALF + 3, OVER, N_ENERGY)), HALF, OVER, 0.0
    )


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(2)
    edisp = rng.uniform(0.1, 1, (N_RECO, N_ENERGY))
    edisp[0, 3] = edisp[2, 0] = edisp[2, 1] = 0.0
    selected = rng.random((N_RECO, N_Y, N_X)) < 0.3
    rows = np.concatenate([[0], np.cumsum(selected.reshape(-1, N_X).sum(axis=1))])
    return {
        "flux": rng.uniform(1, 2, N_ENERGY),
        "edisp": edisp,
        "exposure": rng.uniform(1, 3, (N_Y, N_X, N_ENERGY)),
        "selected": selected,
        "columns": np.nonzero(selected)[2],
        "rows": rows,
    }


def image(stamp, place):
    """The PSF in all pixels of the map, by SciPy: ``(n_energy, n_y, n_x)``."""
    flat = stamp.nodes.reshape(SIDE, SIDE, N_ENERGY)
    whole = np.concatenate([flat[:0:-1], flat])
    whole = np.concatenate([whole[:, :0:-1], whole], axis=1)
    y, x = np.arange(N_Y) - place[0], np.arange(N_X) - place[1]
    middle = np.floor(np.array(place) + 0.5)
    near_y, near_x = (np.abs(np.arange(n) - m) <= HALF for n, m in ((N_Y, middle[0]), (N_X, middle[1])))
    nodes = np.meshgrid(y * OVER + SIDE - 1, x * OVER + SIDE - 1, indexing="ij")
    values = [map_coordinates(whole[..., k], nodes, order=3, prefilter=False) for k in range(N_ENERGY)]
    return np.array(values) * (near_y[:, None] & near_x)


def compiled_counts(stamp, arrays, mode):
    place, flux = pt.dvector("place"), pt.dvector("flux")
    rest = (arrays[k] for k in ("edisp", "exposure", "columns", "rows"))
    touched, counts, _, _ = PointCounts()(place, flux, stamp.nodes, *rest)
    weights = pt.as_tensor_variable(np.random.default_rng(3).normal(size=len(arrays["columns"])))
    value = (weights[touched] * counts**2).sum()
    return pytensor.function([place, flux], [touched, counts, value, *pt.grad(value, [place, flux])], mode=mode)


def slopes(function, point, step=1e-6):
    return [(function(point + d) - function(point - d)) / (2 * step) for d in step * np.eye(len(point))]


@pytest.mark.parametrize("mode", MODES)
def test_counts_and_their_gradient(stamp, arrays, mode):
    function = compiled_counts(stamp, arrays, mode)
    flux = arrays["flux"]
    for place in PLACES:
        touched, counts, _, by_place, by_flux = function(np.array(place), flux)
        cube = np.einsum("ek,k,yxk,kyx->eyx", arrays["edisp"], flux, arrays["exposure"], image(stamp, place))
        wanted = cube[arrays["selected"]]
        assert len(set(touched)) == len(touched)
        np.testing.assert_allclose(counts, wanted[touched], atol=1e-11)
        assert not np.delete(wanted, touched).any()  # bins that are not touched are out of reach
        if place[0] != 4.5:  # the window jumps there
            by_hand = slopes(lambda p: function(p, flux)[2], np.array(place))  # noqa: B023
            np.testing.assert_allclose(by_place, by_hand, rtol=1e-5, atol=1e-5)
        by_hand = slopes(lambda f: function(np.array(place), f)[2], flux)  # noqa: B023
        np.testing.assert_allclose(by_flux, by_hand, rtol=1e-5, atol=1e-5)


def compiled_total(nodes, weights, table, corner, mode="NUMBA"):
    place = pt.dvector("place")
    totals, _ = PointTotal()(place, nodes, weights, table, corner)
    value = (totals * np.arange(1.0, nodes.shape[-1] + 1)).sum()
    return pytensor.function([place], [totals, value, pt.grad(value, place)], mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_total_outside_of_the_table(stamp, arrays, mode):
    weights = arrays["exposure"]
    function = compiled_total(stamp.nodes, weights, stamp.nodes, np.array([1000, 1000]), mode)
    for at in PLACES:
        totals, _, gradient = function(np.array(at))
        np.testing.assert_allclose(totals, np.einsum("yxk,kyx->k", weights, image(stamp, at)), atol=1e-11)
        if at[0] != 4.5:  # the window jumps there
            np.testing.assert_allclose(gradient, slopes(lambda p: function(p)[1], np.array(at)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reach", [5.0, 500.0])
def test_total_from_the_table(mode, reach):
    """A PSF narrower than a pixel, at the edges of a mask and of the map."""
    rad = np.linspace(0, 0.6, 241)
    profile = PSFProfile(rad, np.exp(-0.5 * (rad[None] / np.array([[0.04], [0.1]])) ** 2))
    profile = PSFProfile(rad, profile.density / profile.cumulative()[1][:, -1:])
    stamp = fit_stamp(profile, (0.05, 0.05))
    weights = np.ones((2, 30, 40))
    weights[:, :, 22:] = 0.0
    table = total_table(stamp, weights, (4.0, 20.0), reach)
    assert table.nodes.shape[1] > 1
    assert table.error < 3e-4
    weights = np.ascontiguousarray(weights.transpose(1, 2, 0))
    near = compiled_total(stamp.nodes, weights, table.nodes, table.corner, mode)
    exact = compiled_total(stamp.nodes, weights, table.nodes, table.corner + 1000, mode)
    for at in np.random.default_rng(4).uniform((-1, 16), (8, 24), (30, 2)):
        totals, _, gradient = near(at)
        np.testing.assert_allclose(totals, exact(at)[0], atol=5e-4)
        np.testing.assert_allclose(gradient, slopes(lambda p: near(p)[1], at), rtol=1e-5, atol=1e-5)
    assert near([15.0, 10.0])[0] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_a_position_that_is_no_number_gives_no_number(stamp, arrays, mode):
    _, counts, value, *_ = compiled_counts(stamp, arrays, mode)(np.array([np.nan, 1.0]), arrays["flux"])
    assert np.isnan(value)
    assert np.isnan(counts).all()
    totals, _ = PointTotal()(np.array([1.0, np.nan]), stamp.nodes, arrays["exposure"], stamp.nodes, np.zeros(2, int))
    assert np.isnan(pytensor.function([], totals, mode=mode)()).all()


@pytest.mark.parametrize("mode", MODES)
def test_merge_adds_up_what_is_in_the_same_bin(mode):
    first, second = pt.dvector("first"), pt.dvector("second")
    bins, counts = merge_bins([(np.array([7, 2, 9]), first), (np.array([2, 8]), second)])
    gradients = pt.grad((counts * np.array([1.0, 10, 100, 1000])).sum(), [first, second])
    function = pytensor.function([first, second], [bins, counts, *gradients], mode=mode)
    bins, counts, *gradients = function([1.0, 2.0, 3.0], [4.0, 5.0])
    np.testing.assert_array_equal(bins, [2, 7, 8, 9])
    np.testing.assert_array_equal(counts, [6, 1, 5, 3])
    np.testing.assert_array_equal(gradients[0], [10, 1, 1000])
    np.testing.assert_array_equal(gradients[1], [1, 100])


@pytest.mark.parametrize("reco", [False, True])
def test_sources_of_all_kernels_in_the_same_bins(reco):
    """The sum over counted bins and the total of two tabulated points and a mixture, against their full cubes."""
    models = [point("a"), point("b", LON - 0.04), point("c", LON + 0.1, LAT + 0.05)]
    dataset = make_dataset(models=models, reco=reco)
    mask = np.random.default_rng(1).random(dataset.counts.data.shape) < 0.8
    dataset.mask_safe = Map.from_geom(dataset.counts.geom, data=mask)
    arrays, routes = fold_arrays(dataset), {"a": "stamp", "b": "stamp", "c": "mixture"}
    terms = build_terms(arrays, models, route=routes, reach={"a": 0.1})
    assert {name: route for name, (route, _) in terms.routes.items()} == routes
    fold = Fold(terms)
    selection = Selection.from_mask((arrays.counts > 0) & mask)
    fold.select(selection)
    counts, values = arrays.counts[(arrays.counts > 0) & mask], current_values(models)
    assert fold.baseline is not None
    read = {"counts": counts, "constant": 0.0, **fold.count_sums(counts)}
    prediction, total = fold.layers(values)
    logp = counted_logp(prediction, total, {key: pt.as_tensor_variable(value) for key, value in read.items()})
    logp, total, npred = pytensor.function([], [logp, total, fold.at(values)], mode="FAST_COMPILE")()
    cubes = [signal_counts(dataset, [m], route=routes[m.name])[m.name] for m in models]
    wanted = sum(cubes) + arrays.background
    seen = wanted[(arrays.counts > 0) & mask]
    np.testing.assert_allclose(npred, seen, rtol=1e-10)
    assert total == pytest.approx(wanted[mask].sum(), rel=1e-4)
    assert logp + total == pytest.approx((counts * np.log(seen)).sum(), rel=1e-9)
