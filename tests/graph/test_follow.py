"""Responses that follow a source, on every route: predictions, totals and gradients."""

import functools
from dataclasses import replace

import astropy.units as u
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from bayesmap._backend.functions import QUICK
from bayesmap.graph import Fold, build_terms, fold_arrays
from bayesmap.graph.fold import all_bins, current_values, evaluate_cube
from bayesmap.irf import EDispKernelMap, PSFMap, RecoPSFMap
from bayesmap.maps import Map, WcsGeom
from bayesmap.modeling import DiskSpatialModel, GaussianSpatialModel, PointSpatialModel, SkyModel
from tests.inference.tiny import LAT, LON, geom, make_dataset, power_law, true_axis

#: pixels of the responses, 0.4 deg apart; the second node is to the North-East of the first
GRID = WcsGeom.create(skydir=(LON, LAT), npix=(2, 2), binsz=0.4, frame="galactic")
HERE, THERE = (LON - 0.2, LAT - 0.2), (LON + 0.2, LAT + 0.2)
SHAPES = {
    "point": (PointSpatialModel, {}),
    "gauss": (GaussianSpatialModel, {"sigma": 0.09 * u.deg}),
    "long": (GaussianSpatialModel, {"sigma": 0.12 * u.deg, "e": 0.7, "phi": 30 * u.deg}),
    "disk": (DiskSpatialModel, {"r_0": 0.15 * u.deg}),
}
CASES = [
    # shape, route, PSF in reconstructed energy, largest share of counts in another bin
    ("point", "mixture", False, 1e-3), ("gauss", "mixture", False, 1e-3), ("point", "stamp", False, 5e-4),
    ("point", "radial", False, 1e-3), ("gauss", "radial", False, 1e-3), ("disk", "round", False, 1e-4),
    ("long", "elliptical", False, 1e-4), ("disk", "fft", False, 1e-3), ("point", "stamp", True, 5e-4),
    ("disk", "round", True, 1e-4),
]  # fmt: skip


def spread(cube):
    """A map on the grid whose values differ between its pixels, each as wide as it should be."""
    return np.stack([np.stack(row, axis=-1) for row in cube], axis=-2)


@functools.cache
def dataset(reco):
    """Gaussian PSFs of four widths and energy dispersions of four biases."""
    data = make_dataset(counts=np.zeros(geom().data_shape), reco=reco)
    axis = geom().axes["energy"] if reco else true_axis()
    kind = RecoPSFMap if reco else PSFMap
    width = 0.09 * np.linspace(1, 0.7, axis.nbin) * u.deg
    psfs = [[kind.from_gauss(axis, sigma=s * width).psf_map for s in row] for row in ((1.0, 1.1), (1.2, 1.4))]
    psf = Map.from_geom(
        GRID.to_cube(psfs[0][0].geom.axes), data=spread([[m.data[..., 0, 0] for m in row] for row in psfs]), unit="sr-1"
    )
    data.psf = kind(psf)
    energies = geom().axes["energy"], true_axis()
    edisps = [
        [EDispKernelMap.from_gauss(*energies, sigma=0.15, bias=b).edisp_map for b in row]
        for row in ((0.0, 0.05), (0.1, 0.15))
    ]
    matrix = Map.from_geom(
        GRID.to_cube(edisps[0][0].geom.axes), data=spread([[m.data[..., 0, 0] for m in row] for row in edisps]), unit=""
    )
    data.edisp = EDispKernelMap(matrix)
    return data


def source(shape, position, **options):
    kind, values = SHAPES[shape]
    placed = kind(lon_0=position[0] * u.deg, lat_0=position[1] * u.deg, frame="galactic", **values)
    return SkyModel(spectral_model=power_law(), spatial_model=placed, name="s", **options)


def terms_of(model, route, reco, **options):
    arrays = replace(fold_arrays(dataset(reco)), background=None)
    terms = build_terms(arrays, [model], route=route, tolerance=2e-3, **options)
    assert terms.routes["s"][0] == route
    return terms


def moved(model, position):
    spatial = model.spatial_model
    return {**current_values([model]), spatial.lon_0: position[0], spatial.lat_0: position[1]}


def distance(found, wanted):
    """Share of the counts in another bin."""
    return 0.5 * np.abs(found - wanted).sum() / wanted.sum()


@pytest.mark.parametrize(("shape", "route", "reco", "tolerance"), CASES)
def test_far_from_where_it_was_looked_for(shape, route, reco, tolerance):
    """As if the source had been looked for there; at the pixels of the responses, as dispersions are not mixed else."""
    model = source(shape, HERE)
    follows = terms_of(model, route, reco, irf_position="source", reach={"s": 0.3})
    there = moved(model, THERE)
    other = source(shape, THERE)
    wanted = evaluate_cube(terms_of(other, route, reco), current_values([other]))
    stays = evaluate_cube(terms_of(model, route, reco, reach={"s": 0.6}), there)
    found = evaluate_cube(follows, there)
    assert distance(found, wanted) < tolerance + follows.routes["s"][1]
    assert distance(stays, wanted) > 0.03  # it does matter


@pytest.mark.parametrize(("shape", "route", "reco", "tolerance"), CASES)
def test_totals_and_gradients(shape, route, reco, tolerance):
    model = source(shape, HERE)
    terms = terms_of(model, route, reco, irf_position="source", reach={"s": 0.6})
    spatial = model.spatial_model
    free = [spatial.lon_0, spatial.lat_0, model.spectral_model.index, *spatial.parameters[2:3]]
    mask = np.ones(terms.arrays.mask.shape)
    mask[0, :6] = mask[1, :, 18:] = 0.0
    fold = Fold(terms, weights=mask)
    fold.select(all_bins(terms.arrays))
    vector = pt.dvector()
    counts, total = fold.at_and_total({**current_values([model]), **{p: vector[i] for i, p in enumerate(free)}})
    factors = np.random.default_rng(1).uniform(0.5, 1, mask.size) * (np.random.default_rng(2).random(mask.size) < 0.3)
    parts = [pt.sqrt(factors * counts + 1).sum(), total]
    function = pytensor.function([vector], [counts, *parts, *(pt.grad(p, vector) for p in parts)], mode=QUICK)
    start = np.array([LON + 0.033, LAT - 0.041, 2.2, 0.0])[: len(free)]
    start[3:] = [p.internal for p in free[3:]]
    npred, *values = function(start)
    assert values[1] == pytest.approx((npred * mask.ravel()).sum(), rel=1e-3)
    for i in range(len(free)):
        step = 1e-4 * np.eye(len(free))[i]
        high, low = function(start + step), function(start - step)
        for part in (0, 1):
            slope = (high[1 + part] - low[1 + part]) / 2e-4
            assert values[2 + part][i] == pytest.approx(slope, rel=2e-4, abs=2e-5 * np.abs(values[2 + part]).max())


def test_between_the_pixels_of_the_psf():
    """The PSF is linear there, and so are its tables."""
    between = (LON + 0.07, LAT - 0.11)
    for route in ("stamp", "radial"):
        model = source("point", HERE, apply_irf={"edisp": False})
        follows = terms_of(model, route, False, irf_position="source", reach={"s": 0.3})
        other = source("point", between, apply_irf={"edisp": False})
        wanted = evaluate_cube(terms_of(other, route, False), current_values([other]))
        assert distance(evaluate_cube(follows, moved(model, between)), wanted) < 1e-3


def test_a_position_that_is_no_number_gives_no_number():
    for shape, route in (("point", "stamp"), ("gauss", "radial")):
        model = source(shape, HERE)
        cube = evaluate_cube(terms_of(model, route, False, irf_position="source"), moved(model, (np.nan, LAT)))
        assert np.isnan(cube).any()


def test_what_cannot_be_followed_is_an_error():
    model = source("point", HERE)
    arrays = fold_arrays(make_dataset(models=[model], counts=np.zeros(geom().data_shape)))
    with pytest.raises(ValueError, match="its PSF map has .* pixels, so nothing follows a source"):
        build_terms(arrays, [model], irf_position="source")
    with pytest.raises(ValueError, match="irf_position='source' needs a PSF"):
        build_terms(replace(arrays, psf=None), [model], irf_position="source")
    model.spatial_model.freeze()
    assert build_terms(arrays, [model], irf_position="source").routes["s"][0] == "mixture"
