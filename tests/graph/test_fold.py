"""Terms and their sum: bins and weights are replaced without compiling, and routes go by what shapes declare."""

import functools

import astropy.units as u
import numpy as np
import pytensor
import pytest

from bayesmap.graph import Fold, Selection, build_terms, fold_arrays
from bayesmap.graph.fold import current_values
from bayesmap.graph.terms.base import SparseCounts, Term
from bayesmap.modeling import DiskSpatialModel, GaussianSpatialModel, SkyModel
from tests.graph.test_gradients import patches, template
from tests.inference.tiny import LAT, LON, background, make_dataset, point, power_law

HERE = {"lon_0": (LON - 0.1) * u.deg, "lat_0": (LAT + 0.07) * u.deg, "frame": "galactic"}
ROUTES = {"a": "stamp", "b": "radial"}


def shaped(shape, name):
    return SkyModel(spectral_model=power_law(), spatial_model=shape, name=name)


def everything():
    """A model for each kind of term."""
    return [
        point("a"),
        shaped(GaussianSpatialModel(sigma=0.1 * u.deg, **HERE), "b"),
        point("c", LON + 0.2),
        shaped(DiskSpatialModel(r_0=0.2 * u.deg, **HERE), "d"),
        shaped(template(), "e"),
    ]


def masks(shape):
    """Boolean cubes with one, a few and many different spectra of weights."""
    rng = np.random.default_rng(1)
    yield np.ones(shape, dtype=bool)
    low = np.ones(shape, dtype=bool)
    low[0, :10] = low[2, :, 20:] = False
    yield low
    yield rng.random(shape) < 0.7


def numbers(fold, values):
    return pytensor.function([], fold.at_and_total(values), mode="FAST_COMPILE")


@pytest.mark.parametrize("scaled", [lambda: [background()], lambda: patches("log")[1:]], ids=["norm", "norms"])
def test_bins_and_weights_are_replaced_without_compiling(scaled):
    models = [*everything(), *scaled()]
    arrays = fold_arrays(make_dataset(models=models))
    terms, values = build_terms(arrays, models, route=ROUTES, reach=dict.fromkeys("abcd", 0.1)), current_values(models)
    first, *others = masks(arrays.mask.shape)
    fold = Fold(terms, weights=first)
    fold.select(Selection.from_mask(first))
    function = numbers(fold, values)
    npred, total = function()
    cube = npred.reshape(first.shape)
    assert total == pytest.approx(cube.sum(), rel=1e-4)
    for mask in others:
        fold.select(Selection.from_mask(mask))
        fold.set_weights(2.0 * mask)
        counts, total = function()
        np.testing.assert_allclose(counts, cube[mask], rtol=1e-12)
        assert total == pytest.approx(2 * cube[mask].sum(), rel=1e-4)
        anew = Fold(terms, weights=2.0 * mask)
        anew.select(Selection.from_mask(mask))
        assert total == pytest.approx(numbers(anew, values)()[1], rel=1e-13)


def test_each_term_is_a_part_of_the_sum():
    models = [*everything(), background()]
    arrays = fold_arrays(make_dataset(models=models))
    terms, values = build_terms(arrays, models, route=ROUTES), current_values(models)
    assert sorted(m.name for term in terms for m in term.models) == sorted(m.name for m in models)
    fold = Fold(terms)
    fold.select(Selection.from_mask(arrays.mask))
    number, cubes, totals = arrays.mask.size, [], []
    for term in terms:
        counts, total = term.both(values, fold.bins, fold.weights)
        assert isinstance(counts, SparseCounts) is term.is_sparse
        assert term.both(values, fold.bins)[1] is None
        parts = list(counts) if term.is_sparse else [counts]
        *where, found, total = pytensor.function([], [*parts, total], mode="FAST_COMPILE")()
        cube = np.zeros(number)
        cube[where[0] if where else slice(None)] += found
        cubes.append(cube)
        totals.append(total)
    npred, total = numbers(fold, values)()
    np.testing.assert_allclose(npred, sum(cubes), rtol=1e-13)
    assert total == pytest.approx(sum(totals), rel=1e-13)


def test_a_term_of_ones_own():
    """What predicts counts need not come from a model."""

    class Flat(Term):
        models = ()

        def __init__(self, arrays):
            self.arrays = arrays

        def both(self, values, bins, weights=None):
            counts = bins.of(self._ones)
            return counts, None if weights is None else weights.of(np.sum)

        def _ones(self, selection):
            return np.ones(len(selection.index))

    arrays = fold_arrays(make_dataset())
    terms = build_terms(arrays, [background()])
    terms.members.append(Flat(arrays))
    fold = Fold(terms)
    assert fold.baseline is None  # it is dense
    fold.select(Selection.from_mask(arrays.mask))
    npred, total = numbers(fold, current_values([terms.members[0].model]))()
    np.testing.assert_allclose(npred, arrays.background.ravel() + 1, rtol=1e-14)
    assert total == pytest.approx(npred.sum(), rel=1e-12)


SHAPES = {
    "point": functools.partial(point, "s"),
    "gauss": lambda: shaped(GaussianSpatialModel(sigma=0.1 * u.deg, **HERE), "s"),
    "disk": lambda: shaped(DiskSpatialModel(r_0=0.2 * u.deg, **HERE), "s"),
    "long": lambda: shaped(GaussianSpatialModel(sigma=0.1 * u.deg, e=0.5, **HERE), "s"),
    "template": lambda: shaped(template(), "s"),
}


def frozen(shape):
    model = SHAPES[shape]()
    model.spatial_model.freeze()
    return model


SHAPES |= {f"frozen {shape}": functools.partial(frozen, shape) for shape in ("gauss", "disk")}
ONLY = "only points and round Gaussians"


@pytest.mark.parametrize(
    ("shape", "asked", "taken"),
    [
        ("point", None, "mixture"), ("point", "fft", "stamp"), ("point", "radial", "radial"),
        ("point", "round", "its shape takes the route 'stamp', it cannot take 'round'"),
        ("point", "fixed", "has free spatial parameters and cannot take the route 'fixed'"),
        ("gauss", None, "mixture"), ("gauss", "round", "round"), ("gauss", "fft", "fft"),
        ("gauss", "stamp", "only point sources can take the route 'stamp'"),
        ("gauss", "elliptical", "its shape takes the route 'round', it cannot take 'elliptical'"),
        ("disk", None, "round"), ("disk", "mixture", f"{ONLY} can take the route 'mixture'"),
        ("disk", "radial", f"{ONLY} behind a PSF can take the route 'radial'"),
        ("long", None, "elliptical"), ("long", "fft", "fft"),
        ("template", None, "fixed"), ("template", "fft", "fixed"), ("template", "mixture", "fixed"),
        ("frozen gauss", None, "mixture"), ("frozen gauss", "fft", "fixed"), ("frozen disk", None, "fixed"),
        ("point", "nonsense", "PSF route of model 's' must be one of"),
    ],
)  # fmt: skip
def test_routes_by_what_a_shape_declares(shape, asked, taken):
    model = SHAPES[shape]()
    arrays = fold_arrays(make_dataset(models=[model]))
    if " " in taken:
        with pytest.raises(ValueError, match=taken):
            build_terms(arrays, [model], route=asked)
        return
    assert build_terms(arrays, [model], route=asked).routes["s"][0] == taken
