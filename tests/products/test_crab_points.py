"""Flux points of the Crab nebula: beside Gammapy's of the same data, stored ones, and published spectra."""

import functools
import json
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
import scipy.stats

from bayesmap.datasets import Datasets, MapDataset, SpectrumDatasetOnOff
from bayesmap.estimators import FluxPoints
from bayesmap.likelihoods import OnOffLikelihood
from bayesmap.modeling import (
    LogParabolaSpectralModel,
    PointSpatialModel,
    PowerLawSpectralModel,
    SkyModel,
    create_crab_spectral_model,
)
from bayesmap.products import flux_points
from tests.golden import shared_path
from tests.inference.test_fit_golden_family import PUBLISHED, RANGES, ogip, reflected

#: made by tests/reference/gammapy_flux_points.py
REFERENCE = Path(__file__).parents[1] / "reference" / "gammapy-2.1-flux-points.json"
QUICK = {"draws": 2000, "random_state": 1, "progress_bar": False}
#: Monte Carlo error of a quantile of 8000 draws, in standard deviations: 0.02 for the median, 0.03 for the one at 95 %
NOISE = 0.1


@functools.cache
def gammapy():
    return json.loads(REFERENCE.read_text())["cases"]


def ranged(datasets, low, high, slack=1e-6):
    """Datasets of which only an energy range in TeV is used."""
    for dataset in datasets:
        mask = dataset.counts.geom.energy_mask(low * (1 - slack) * u.TeV, high * (1 + slack) * u.TeV)
        dataset.mask_fit = mask
    return Datasets(datasets)


def joint():
    """Ten spectra of five instruments, each in its range, with the published log parabola."""
    datasets = Datasets()
    for name, (low, high) in RANGES.items():
        datasets.extend(ranged([d.copy(name=d.name) for d in ogip(name)], low, high))
    amplitude, alpha, beta = (value for value, _ in PUBLISHED["joint"])
    spectrum = LogParabolaSpectralModel(
        amplitude=f"{amplitude}e-12 cm-2 s-1 TeV-1", alpha=alpha, beta=beta / np.log(10), reference="1 TeV"
    )
    return datasets, SkyModel(spectrum, name="crab")


def cube():
    file = shared_path("data", "hess-dl3-dr1-reduced", "crab-stacked-edispkernelmap.fits.gz")
    lon, lat = gammapy()["hess_cube"]["position"]
    place = PointSpatialModel(lon_0=lon * u.deg, lat_0=lat * u.deg, frame="icrs")
    place.freeze()
    return Datasets([MapDataset.read(file, name="cube")]), SkyModel(hess_2006(), place, name="crab")


def hess_2006():
    """Aharonian et al. 2006, A&A 457, 899: a power law with a cutoff."""
    return create_crab_spectral_model("hess_ecpl")


CASES = {
    "hess_spectra": lambda: (Datasets(reflected()), SkyModel(hess_2006(), name="crab")),
    "hess_cube": cube,
    "joint_crab": joint,
}


def in_band(case, low, high):
    """Datasets with data of one band of reconstructed energy alone; the OFF background is profiled."""
    datasets, source = CASES[case]()
    before = [None if d.mask_fit is None else d.mask_fit.data for d in datasets]
    for dataset, mask in zip(ranged(datasets, low, high), before, strict=True):
        if mask is not None:
            dataset.mask_fit.data &= mask
        if isinstance(dataset, SpectrumDatasetOnOff):
            dataset.likelihood = OnOffLikelihood("profile")
    used = Datasets([d for d in datasets if (d.mask_fit.data & d.mask_safe.data).any()])
    used.models = [source]
    return used


SLOW = [pytest.param(case, marks=pytest.mark.slow) for case in ("hess_cube", "joint_crab")]


@pytest.mark.parametrize("case", ["hess_spectra", *SLOW])
def test_of_one_band_they_are_those_of_gammapy(case):
    """With data of one band of reconstructed energy alone, the norm is what Gammapy estimates, but for the prior.

    With n counts of the source and a prior flat from zero the posterior is near Gamma(n + 1), whose median is n + 2/3,
    and whose quantile at 95 % is above the profile limit by about as much: quantiles may be higher by 2/3 of a count,
    which is 2 / (3 sqrt(n)) standard deviations, and no lower. Errors are compared where the posterior
    does not reach zero.
    """
    stored = gammapy()[case]
    for i, (low, high) in enumerate(zip(stored["edges"][:-1], stored["edges"][1:], strict=True)):
        points = flux_points(in_band(case, low, high), [low, high] * u.TeV, **QUICK)
        row = points.to_table(sed_type="likelihood")[0]
        shift = 2 / 3 / np.sqrt(stored["npred_excess"][i])
        for name in ("norm", "norm_ul"):
            assert -NOISE < (row[name] - stored[name][i]) / stored["norm_err"][i] < shift + NOISE, (low, name)
        if stored["ts"][i] > 9:
            for name in ("norm_errn", "norm_errp"):
                assert row[name] == pytest.approx(stored[name][i], rel=0.1), (low, name)


@pytest.fixture(scope="module")
def hess_points():
    """Of four runs from 0.76 TeV on, in the bands of stored points."""
    stored = FluxPoints.read(shared_path("data", "flux_points", "crab_hess_fp.fits"))
    edges = stored.geom.axes["energy"].edges[1:]  # the first band is empty
    datasets = Datasets(reflected())
    for dataset in datasets:
        dataset.likelihood = OnOffLikelihood()
    datasets.models = [SkyModel(PowerLawSpectralModel(index=2.6), name="crab")]
    return flux_points(datasets, edges, **QUICK), stored, edges


def test_of_the_same_runs_they_are_near_stored_ones(hess_points):
    """Gammapy-data has points of the same runs with another ON region and binning, in bands of reconstructed energy.

    Most of the events are the same, so that half of the joint error is much; but Gammapy takes what the energy
    dispersion brings from other bands for the band's own, and has smaller errors.
    """
    points, stored, _ = hess_points
    flux, other = points.to_table(sed_type="flux"), stored.to_table(sed_type="flux")[1:]
    error = np.hypot(flux["flux_err"].quantity, other["flux_err"].quantity)
    assert np.all(np.abs(flux["flux"].quantity - other["flux"].quantity) < 0.5 * error)


def test_they_are_near_the_published_spectrum(hess_points):
    """The published flux has a systematic error of 20 %, taken as one factor for all bands."""
    points, _, edges = hess_points
    norms = (points.flux_draws("crab", "flux") / hess_2006().integral(edges[:-1], edges[1:])).to_value("")
    difference, covariance = norms.mean(axis=0) - 1, np.cov(norms.T)
    assert difference @ np.linalg.solve(covariance + 0.2**2, difference) < scipy.stats.chi2.ppf(0.95, 4)
    assert np.all(np.abs(difference) < 2 * np.sqrt(np.diag(covariance) + 0.2**2))


@pytest.mark.slow
def test_five_instruments_give_one_set_of_points():
    """Points from 32 GeV to 32 TeV agree with the published log parabola, whose three parameters fit the same counts.

    Of ten points the sum of squares has 7 degrees of freedom then; that of any 10 is below 18.3 in 95 % of cases.
    """
    datasets, source = joint()
    datasets.models = [source]
    stored = gammapy()["joint_crab"]
    points = flux_points(datasets, stored["edges"] * u.TeV, **QUICK)
    norms = points.draws.values.reshape(-1, 10)
    difference, spread = norms.mean(axis=0) - 1, norms.std(axis=0)
    assert difference @ np.linalg.solve(np.cov(norms.T), difference) < scipy.stats.chi2.ppf(0.95, 10)
    assert np.all(np.abs(difference) < 2.5 * spread)
    # bands without energy dispersion have the errors of Gammapy, and wide ones up to 1.8 times as large
    assert np.all(spread[:9] > 0.9 * np.array(stored["norm_err"])[:9])
    assert np.all(spread[:9] < 2 * np.array(stored["norm_err"])[:9])
    # nine bands are measured, the last one is a limit
    assert list(points.to_table(sed_type="likelihood")["is_ul"]) == [False] * 9 + [True]
