"""Round Gaussians seen through a table: counts, totals and gradients against sums over images."""

import astropy.units as u
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from bayesmap.datasets import MapDataset
from bayesmap.graph import fold_arrays
from bayesmap.graph.arrays import Selection
from bayesmap.graph.build import build_terms
from bayesmap.graph.fold import Fold, all_bins, current_values, signal_counts
from bayesmap.graph.ops.radial import GaussianTotal, RadialCounts
from bayesmap.graph.psf.profile import PSFProfile, pixel_integrals
from bayesmap.graph.psf.radial import fit_radial
from bayesmap.graph.psf.stamp import total_table
from bayesmap.irf import PSFMap
from bayesmap.maps import Map, MapAxis, WcsGeom
from bayesmap.modeling import GaussianSpatialModel, SkyModel
from tests.inference.tiny import LAT, LON, make_dataset, point, power_law

SCALE = (0.04, 0.05)
N_RECO, N_Y, N_X = 3, 14, 17
#: y, x in pixels and size in deg: small, at a pixel's corner, wide, out of the map, larger than the table
PLACES = [(6.3, 8.8, 0.0), (4.4, 7.1, 0.013), (4.5, 7.5, 0.06), (-1.3, 0.6, 0.09), (7.2, 9.1, 0.5), (7.2, 9.1, 3.0)]


@pytest.fixture(scope="module")
def profile():
    """A core with a tail that no Gaussians describe, of two widths; and an empty table."""
    rad = np.linspace(0, 0.3, 61)
    widths = np.array([[0.05], [0.07], [0.04]])
    density = np.maximum((1 + (rad / widths) ** 2) ** -2 - 0.02, 0) * (1 + 0.05 * np.sin(rad / 0.01))
    density[2] = 0
    norm = PSFProfile(rad, density).cumulative()[1][:, -1:]
    return PSFProfile(rad, density / np.where(norm > 0, norm, 1))


@pytest.fixture(scope="module")
def table(profile):
    return fit_radial(profile, SCALE, 0.8)


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(2)
    selected = rng.random((N_RECO, N_Y, N_X)) < 0.4
    return {
        "flux": rng.uniform(1, 2, 3),
        "edisp": np.array([[0.7, 0.3, 0.1], [0.3, 0.6, 0.2], [0.0, 0.1, 0.7]]),
        "exposure": rng.uniform(1, 3, (N_Y, N_X, 3)),
        "selected": selected,
        "columns": np.nonzero(selected)[2],
        "rows": np.concatenate([[0], np.cumsum(selected.reshape(-1, N_X).sum(axis=1))]),
    }


def image(table, place):
    """The source in all pixels of the map, ``(n_energy, n_y, n_x)``."""
    y, x, size = place
    shrink = min(1.0, table.largest / size) if size else 1.0
    dy, dx = (np.arange(N_Y) - y) * SCALE[1] * shrink, (np.arange(N_X) - x) * SCALE[0] * shrink
    z = (dx + 1j * dy[:, None]) / table.span
    splines = table.profile(size * shrink, np.abs(z).ravel() * table.span)
    return shrink**2 * np.einsum("mp,mpk->kp", np.real(z.ravel() ** table.harmonics[:, None]), splines).reshape(
        -1, N_Y, N_X
    )


def slopes(function, at, step=1e-6):
    return [(function(at + d) - function(at - d)) / (2 * step) for d in step * np.eye(len(at))]


def test_images_are_convolved_pixel_integrals(profile, table):
    """Against the PSF on a fine grid: blurred with a Gaussian it is a sum of shifted images."""
    assert table.error < 5e-4
    half, shift = table.half, (0.2, -0.3)
    wanted = pixel_integrals(profile, half, SCALE, (-shift[1], -shift[0]), fine=16)
    assert 0.5 * np.abs(table.at(shift) - wanted).sum(axis=(1, 2)).max() < 5e-4
    nodes, weights = np.polynomial.hermite_e.hermegauss(16)
    weights /= weights.sum()
    size, half = 0.03, half + 4
    wanted = sum(
        a
        * b
        * pixel_integrals(profile, half, SCALE, (-shift[1] + size * x / SCALE[0], -shift[0] + size * y / SCALE[1]))
        for x, a in zip(nodes, weights, strict=True)
        for y, b in zip(nodes, weights, strict=True)
    )
    assert 0.5 * np.abs(table.at(shift, size, half) - wanted).sum(axis=(1, 2)).max() < 5e-4
    np.testing.assert_allclose(table.at((0.0, 0.0), 0.2, 40).sum(axis=(1, 2)), [1, 1, 0], atol=1e-4)


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "NUMBA"])
def test_counts_and_their_gradient(table, arrays, mode):
    place, flux = pt.dvector("place"), pt.dvector("flux")
    grid = np.array([table.core, table.span, *table.steps, *table.scale])
    rest = (arrays[k] for k in ("edisp", "exposure", "columns", "rows"))
    inputs = table.nodes, table.harmonics, table.limits, grid, table.radii
    touched, counts, _, _ = RadialCounts()(place, flux, *inputs, *rest)
    weights = pt.as_tensor_variable(np.random.default_rng(3).normal(size=len(arrays["columns"])))
    value = (weights[touched] * counts**2).sum()
    function = pytensor.function([place, flux], [touched, counts, value, *pt.grad(value, [place, flux])], mode=mode)
    for at in PLACES:
        touched, counts, _, by_place, by_flux = function(np.array(at), arrays["flux"])
        cube = np.einsum("ek,k,yxk,kyx->eyx", arrays["edisp"], arrays["flux"], arrays["exposure"], image(table, at))
        wanted = cube[arrays["selected"]]
        assert len(set(touched)) == len(touched)
        # harmonics end where they hold less than 3e-5 of the light
        np.testing.assert_allclose(counts, wanted[touched], atol=1e-4 * np.abs(wanted).max())
        assert np.abs(np.delete(wanted, touched)).sum() <= 1e-4 * wanted.sum()
        by_hand = slopes(lambda p: function(p, arrays["flux"])[2], np.array(at))
        if at[0] != 4.5:  # the window jumps there
            np.testing.assert_allclose(by_place, by_hand, rtol=1e-5, atol=1e-5 * np.abs(by_place).max())
        by_hand = slopes(lambda f: function(np.array(at), f)[2], arrays["flux"])  # noqa: B023
        np.testing.assert_allclose(by_flux, by_hand, rtol=1e-5, atol=1e-7)
    for bad in range(3):
        at = np.array(PLACES[0])
        at[bad] = np.nan
        assert np.isnan(function(at, arrays["flux"])[2])


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "NUMBA"])
def test_total_and_its_gradient(table, mode):
    """At the edge of a mask; near the place that the fine table is made for, and elsewhere."""
    weights = np.linspace(1, 2, 3)[:, None, None] * (1 + 0.05 * np.arange(N_X) + 0.03 * np.arange(N_Y)[:, None])
    weights[:, :, 12:] = 0
    near, far = (total_table(table, weights, (6.0, 9.0), reach) for reach in (12.0, 60.0))
    box = np.array([*near.corner, 3.0, 9.0, 6.0, 12.0, near.nodes.shape[1]])
    inputs = near.table(), box, far.samples(), far.corner, np.array(SCALE[::-1])
    assert near.error < 1e-3
    place = pt.dvector("place")
    totals, _ = GaussianTotal()(place, *inputs)
    value = (totals * np.arange(1.0, 4.0)).sum()
    function = pytensor.function([place], [totals, value, pt.grad(value, place)], mode=mode)
    for at in [*PLACES[:3], (4.4, 11.6, 0.02), (5.0, 9.0, 0.0749), (5.0, 9.0, 0.0751), *PLACES[3:]]:
        found, _, gradient = function(np.array(at))
        wanted = (weights * image(table, at)).sum(axis=(1, 2))
        np.testing.assert_allclose(found, wanted, atol=5e-4 * weights.max())
        by_hand = slopes(lambda p: function(p)[1], np.array(at))
        np.testing.assert_allclose(gradient, by_hand, rtol=1e-5, atol=1e-5 * np.abs(gradient).max())
    assert np.isnan(function([1.0, np.nan, 0.1])[0]).all()
    # a narrow source where it is not expected counts as one of a pixel's width
    assert function([1.0, 1.0, 0.0])[0] == pytest.approx(function([1.0, 1.0, max(SCALE)])[0])


def test_counts_and_total_of_a_dataset():
    """A point and two Gaussians behind a PSF by table, against their full cubes."""
    shapes = [GaussianSpatialModel(lon_0=f"{LON + d} deg", lat_0=f"{LAT} deg", sigma=s, frame="galactic")
              for d, s in ((0.1, "0.02 deg"), (-0.2, "0.15 deg"))]  # fmt: skip
    models = [point("a"), *(SkyModel(spectral_model=power_law(), spatial_model=s, name=n)
                            for s, n in zip(shapes, "bc", strict=True))]  # fmt: skip
    dataset = make_dataset(models=models)
    mask = np.random.default_rng(1).random(dataset.counts.data.shape) < 0.8
    dataset.mask_safe = Map.from_geom(dataset.counts.geom, data=mask)
    arrays = fold_arrays(dataset)
    fold = Fold(build_terms(arrays, models, tolerance=0, reach=dict.fromkeys("abc", 0.1)))
    assert [r for r, _ in fold.terms.routes.values()] == ["stamp", "radial", "radial"]
    fold.select(Selection.from_mask((arrays.counts > 0) & mask))
    npred, total = pytensor.function([], fold.at_and_total(current_values(models)), mode="FAST_COMPILE")()
    wanted = arrays.background + sum(signal_counts(dataset, models, route="mixture").values())
    np.testing.assert_allclose(npred, wanted[(arrays.counts > 0) & mask], rtol=2e-3)
    assert total == pytest.approx(wanted[mask].sum(), rel=1e-4)
    assert max(error for _, error in fold.terms.routes.values()) < 1e-3


@pytest.mark.parametrize(("route", "lost"), [("round", 5e-3), ("stamp", 1e-2)])
def test_total_behind_a_psf_that_ends_in_an_edge(route, lost):
    """At 58 % of its peak, on pixels as wide as it: no spline of the radius is that, and totals are those of the bins.

    The table over radius and size was wrong by 6e-2, and totals from it by 9e-2.
    """
    true = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2, name="energy_true")
    geom = WcsGeom.create(skydir=(LON, LAT), npix=16, binsz=0.625, frame="galactic", axes=[true.copy(name="energy")])
    with pytest.warns(UserWarning, match="57 % of a Gaussian of 0.625 deg lie beyond the rad axis"):
        psf = PSFMap.from_gauss(true, sigma=np.full(2, 0.625) * u.deg)
    dataset = MapDataset(
        counts=Map.from_geom(geom, unit=""),
        exposure=Map.from_geom(geom.to_image().to_cube([true]), data=np.full((2, 16, 16), 1e10), unit="m2 s"),
        psf=psf,
        name="wide",
    )
    shape = GaussianSpatialModel(lon_0=f"{LON} deg", lat_0=f"{LAT} deg", sigma="1.5 deg", frame="galactic")
    model = point("s") if route == "stamp" else SkyModel(spectral_model=power_law(), spatial_model=shape, name="s")
    fold = Fold(build_terms(fold_arrays(dataset), [model], reach={"s": 0.1}))
    assert fold.terms.routes["s"][0] == route
    fold.select(all_bins(fold.arrays))
    npred, total = pytensor.function([], fold.at_and_total(current_values([model])), mode="FAST_COMPILE")()
    assert total == pytest.approx(npred.sum(), rel=1e-3)
    flux = float(model.spectral_model.integral(1 * u.TeV, 10 * u.TeV).to_value("m-2 s-1"))
    assert total == pytest.approx(1e10 * flux, rel=lost)


def test_routes_that_do_not_fit_are_errors():
    shape = GaussianSpatialModel(lon_0=f"{LON} deg", lat_0=f"{LAT} deg", sigma="0.1 deg", e=0.5, frame="galactic")
    model = SkyModel(spectral_model=power_law(), spatial_model=shape, name="long")
    with pytest.raises(ValueError, match="only points and round Gaussians behind a PSF can take the route 'radial'"):
        build_terms(fold_arrays(make_dataset(models=[model])), [model], route="radial")
