"""Predicted counts against Gammapy 2.1 on real datasets.

Point sources are compared through the bilinear average of our own predictions at the four pixel centres around them:
that is what Gammapy's prediction is. Tolerances are those of the reference folder's README: totals per energy 1e-3, pixels
1e-2 of the peak of their energy (5e-3 for the bilinear average).
"""

import functools

import numpy as np
import pytest
from astropy.coordinates import SkyCoord

from bayesmap.datasets import MapDataset
from bayesmap.graph import build_terms, fold_arrays, signal_counts
from bayesmap.graph.fold import current_values, evaluate_cube
from bayesmap.modeling import Models
from tests.golden import golden, shared_path

FILES = {
    "cta": ("cta-1dc-gc", "cta-1dc-gc.fits.gz"),
    "crabk": ("hess-dl3-dr1-reduced", "crab-stacked-edispkernelmap.fits.gz"),
    "crabm": ("hess-dl3-dr1-reduced", "crab-stacked-edispmap.fits.gz"),
    "crab1": ("hess-dl3-dr1-reduced", "crab-23523.fits.gz"),
    "fermi": ("fermi-3fhl-gc", "fermi-3fhl-gc.fits.gz"),
    "hawc": ("hawc", "nHit-8.fits.gz"),
}
CASES = [
    "cta/point_pixcenter_offset_pl", "cta/point_subpix_pl", "cta/point_subpix_ecpl", "cta/point_subpix_lp",
    "cta/gauss_pl", "cta/gauss_ecpl", "cta/gauss_lp", "cta/gauss_narrow_pl", "cta/gauss_elongated_pl", "cta/disk_pl",
    "cta/disk_elongated_pl", "cta/constant_pl", "cta/template2d_pl", "cta/template3d",
    "cta_position/gal_0_0", "cta_position/icrs_gc", "cta_position/far_0p6", "cta_position/far_outside",
    "cta_apply_irf/no_psf", "cta_apply_irf/no_edisp", "cta_multi/gauss_point_bkg",
    "crabk/point_lp", "crabk/gauss_pl", "crabk/disk_far", "crabk/point_galframe",
    "crabm/point_lp", "crabm/gauss_pl", "crabm/disk_far", "crabm/point_galframe",
    "crab1/point_lp", "crab1/gauss_pl", "crab1/disk_far", "crab1/point_galframe",
    "fermi/point_pl", "fermi/gauss_lp", "hawc/point_lp_recopsf", "hawc/disk_pl_recopsf",
]  # fmt: skip


@functools.cache
def dataset(key):
    return MapDataset.read(shared_path("data", *FILES[key]), name=key)


def models_of(case):
    models = Models.from_dict({"components": [d for d in case["model_dicts"] if d["type"] == "SkyModel"]})
    return list(models)


def bilinear_average(data, model):
    """Our prediction in the way in which Gammapy spreads a point source; IRFs stay those at the source."""
    spatial, wcs = model.spatial_model, data.counts.geom.wcs
    terms = build_terms(fold_arrays(data), [model])
    terms.backgrounds = []
    values = current_values([model])
    x, y = (float(v) for v in spatial.position.transform_to(data.counts.geom.frame).to_pixel(wcs))
    total = 0.0
    for px, wx in ((np.floor(x), np.floor(x) + 1 - x), (np.floor(x) + 1, x - np.floor(x))):
        for py, wy in ((np.floor(y), np.floor(y) + 1 - y), (np.floor(y) + 1, y - np.floor(y))):
            if wx * wy > 1e-9:
                centre = SkyCoord.from_pixel(px, py, wcs).transform_to(spatial.frame)
                moved = {spatial.lon_0: centre.data.lon.deg, spatial.lat_0: centre.data.lat.deg}
                total = total + wx * wy * evaluate_cube(terms, {**values, **moved})
    return total


def predicted(data, model):
    if "point" in model.spatial_model.tag:
        return bilinear_average(data, model)
    return signal_counts(data, [model])[model.name]


def same_pixels(cube, data, stored):
    """Some stored cubes are cut-outs."""
    stored_crpix = [stored.wcs["header"][f"CRPIX{i}"] for i in (1, 2)]
    x, y = (round(a - b) for a, b in zip(data.counts.geom.wcs.wcs.crpix, stored_crpix, strict=True))
    return cube[:, y : y + stored.data.shape[1], x : x + stored.data.shape[2]]


@pytest.mark.parametrize("name", CASES)
def test_counts_equal_gammapy(name):
    case = golden("npred")[name]
    data = dataset(name.split("/")[0].split("_")[0])
    ours = sum(predicted(data, model) for model in models_of(case))
    per_energy = case["npred_signal_per_energy"].data
    np.testing.assert_allclose(ours.sum(axis=(1, 2)), per_energy, rtol=1e-3, atol=1e-3 * per_energy.max())
    if "npred_signal" in case:
        theirs = case["npred_signal"].data
        ours = same_pixels(ours, data, case["npred_signal"])
        peak = np.maximum(theirs.max(axis=(1, 2), keepdims=True), 1e-3 * max(theirs.max(), 1e-300))
        assert np.abs((ours - theirs) / peak).max() < 1e-2
