"""Flux points and light curves: closed forms, the linear limit of the smooth prior, files, and wrong arguments."""

import astropy.units as u
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import xarray as xr
from astropy.time import Time

from bayesmap.datasets import Datasets, FluxPointsDataset
from bayesmap.estimators import FluxPoints
from bayesmap.inference import find_mode
from bayesmap.io import load
from bayesmap.irf import GTI
from bayesmap.maps import MapAxis
from bayesmap.modeling import (
    Models,
    PowerLawSpectralModel,
    Prior,
    ProcessPrior,
    SkyModel,
    StepNormSpectralModel,
)
from bayesmap.products import PosteriorPoints, flux_points, light_curve
from bayesmap.products.bands import band_axis, banded, intervals_of, own_models, source_names
from bayesmap.products.estimate import flux_ratios
from bayesmap.products.points import CONFIDENCE, begins_at_zero
from bayesmap.products.shares import data_information, prior_share
from tests.inference import spectra

EDGES = np.geomspace(1, 20, 7) * u.TeV
BACKGROUND = 2.0
DAY = Time("2006-07-29")


def spectrum(name="d", counts=spectra.COUNTS, day=None):
    """Six energies, perfect response, known background; the source has a free amplitude and index."""
    free = {"index": spectra.INDEX, "amplitude": spectra.AMPLITUDE}
    dataset = spectra.dataset(spectra.source(**free), BACKGROUND, counts, name)
    if day is not None:
        dataset.gti = GTI.create([0] * u.d + day * u.d, [0.02] * u.d + day * u.d, DAY)
    return dataset


def exact_quantiles(n, background, unit, q):
    """Of s under a flat prior from zero, for n Poisson counts of mean unit * s + background, by SciPy's gamma."""
    mass = scipy.stats.gamma(n + 1)
    below, level = mass.cdf(background), np.asarray(q)
    return (mass.ppf(below + level * (1 - below)) - background) / unit


@pytest.fixture(scope="module")
def points():
    return flux_points(spectrum(), EDGES, draws=2000, random_state=1, progress_bar=False)


def test_points_of_known_counts(points):
    """Each band has its own bin: quantiles are those of a gamma distribution cut at the background."""
    data = spectrum()
    unit = data.npred_signal().data.ravel()
    table = points.to_table(sed_type="likelihood")
    n = np.array(spectra.COUNTS)
    exact = np.array(
        [exact_quantiles(k, BACKGROUND, one, [0.1587, 0.5, 0.8413, 0.95]) for k, one in zip(n, unit, strict=True)]
    )
    error = 4 * (exact[:, 2] - exact[:, 0]) / 2 / np.sqrt(1500)  # Monte Carlo, of at least 1500 effective draws
    assert np.all(np.abs(table["norm"] - exact[:, 1]) < error)
    assert np.all(np.abs(table["norm_ul"] - exact[:, 3]) < 2 * error)
    assert np.all(np.abs(table["norm"] - table["norm_errn"] - exact[:, 0]) < 1.5 * error)
    assert np.all(np.abs(table["norm"] + table["norm_errp"] - exact[:, 2]) < 1.5 * error)
    at_zero = scipy.stats.poisson.logpmf(n, BACKGROUND)
    at_limit = scipy.stats.poisson.logpmf(n, BACKGROUND + unit * exact_quantiles(n, BACKGROUND, unit, CONFIDENCE))
    assert list(table["is_ul"]) == list(at_zero > at_limit)  # where the shortest interval begins at zero
    assert 0 < np.sum(table["is_ul"]) < 6
    assert np.all(table["prior_share"] == 0)
    assert table.meta["UL_CONF"] == 0.95
    correlation = points.covariance / np.sqrt(np.outer(*2 * [np.diag(points.covariance)]))
    assert np.abs(correlation - np.eye(6)).max() < 0.1


def test_fluxes_are_norms_times_the_reference(points):
    dataset = spectrum()
    spectrum_ = dataset.models[0].spectral_model
    table = points.to_table("s", "dnde")
    centre = np.sqrt(EDGES[:-1] * EDGES[1:])
    assert u.allclose(table["dnde"].quantity, points.to_table(sed_type="likelihood")["norm"] * spectrum_(centre))
    draws = points.flux_draws("s", "flux")
    assert draws.shape == (8000, 6)
    assert u.allclose(np.median(draws, axis=0), points.to_table(sed_type="flux")["flux"].quantity)
    assert dataset.models[0].spectral_model.amplitude.frozen is False  # what was given is as it was
    assert repr(points) == "<PosteriorPoints of s: 1 source, 6 energy, 8000 draws>"


def test_files(points, tmp_path):
    files = points.write(tmp_path / "points")
    assert [f.name for f in files] == ["s-sed.fits", "draws.nc"]
    again = FluxPoints.read(files[0])
    assert u.allclose(again.dnde.quantity, points["s"].dnde.quantity)
    assert again.to_table()["prior_share"].sum() == 0
    xr.testing.assert_allclose(load(files[1])["points"]["norm"], points.draws)
    with pytest.raises(OSError, match="exist already"):
        points.write(tmp_path / "points")


def test_light_curve_of_known_counts():
    counts = [(60, 50, 30, 10, 6, 2), (5, 4, 2, 1, 0, 0), (31, 22, 14, 4, 3, 1)]
    runs = Datasets([spectrum(f"run{i}", c, day=2 * i) for i, c in enumerate(counts)])
    runs.models = [runs[0].models[0]]
    curve = light_curve(runs, draws=2000, random_state=1, progress_bar=False)
    unit = runs[0].npred_signal().data.ravel()

    def density(s, n):
        return scipy.stats.poisson.logpmf(n, unit * s + BACKGROUND).sum()

    norms = curve.draws.values[..., 0, :, 0].reshape(-1, 3)
    for i, n in enumerate(counts):
        grid = np.linspace(0, 6, 4001)
        weight = np.exp([density(s, n) - density(grid[1], n) for s in grid])
        mean = scipy.integrate.trapezoid(grid * weight, grid) / scipy.integrate.trapezoid(weight, grid)
        assert norms[:, i].mean() == pytest.approx(mean, abs=4 * norms[:, i].std() / np.sqrt(1500))
    table = curve.to_table()
    assert np.allclose(table["time_min"], [(DAY + 2 * i * u.d).mjd for i in range(3)])
    assert table["dnde"].shape == (3, 1)
    found = curve.variability()
    spread = norms.std(axis=1, ddof=1) / norms.mean(axis=1)
    assert np.allclose(found["fractional_rms"], spread)
    fastest = np.abs(np.diff(np.log(norms), axis=1)).max(axis=1) / 2  # the runs are two days apart
    assert np.allclose(found["doubling_time"].to_value("d"), np.log(2) / fastest)


def test_a_smooth_prior_in_the_linear_limit():
    """Gaussian data linear in the norms: the covariance is (D + P / tau^2)^-1, and the share of the prior follows."""
    axis = MapAxis.from_energy_edges(EDGES)
    reference = PowerLawSpectralModel()
    error = np.array([0.1, 0.2, 0.1, 0.3, 0.2, 0.5])
    truth = np.array([1.0, 1.2, 0.9, 1.1, 1.3, 0.8])
    table = FluxPoints.from_maps(reference_maps(axis, truth, error), "likelihood", reference).to_table("dnde")
    reference.freeze()
    model = SkyModel(reference * StepNormSpectralModel(EDGES), name="s")
    dataset = FluxPointsDataset(data=FluxPoints.from_table(table, "dnde"), models=Models([model]), name="points")
    names = [f"s.norm_{i}" for i in range(6)]
    prior = ProcessPrior(names, np.arange(6.0), kind="curve", scale=0.2)
    dataset.models.set_joint_prior(prior)
    mode = find_mode(dataset)
    weight = np.diag(error**-2) + prior.precision(0.2)
    expected = np.linalg.inv(weight)
    covariance = np.array(mode.covariance)
    assert list(mode.values) == names
    assert np.allclose(covariance, expected, rtol=1e-4)
    best = list(mode.values.values())
    assert np.allclose(best, expected @ (truth / error**2), rtol=1e-4)
    share = prior_share(np.diag(error**-2), prior, np.array([0.2]))
    assert np.allclose(share, 1 - np.diag(expected) / error**2)


@pytest.mark.parametrize("kind", ["curve", "ou"])
def test_information_of_the_data(kind):
    """Of n Poisson counts of mean unit * s + b: unit^2 n / (unit * s + b)^2 in each band, whatever the prior."""
    copies = own_models([spectrum()], None)
    unit = copies[0].npred_signal().data.ravel()
    model = banded(copies, ["s"], band_axis(EDGES, copies))
    names = [f"s.norm_{i}" for i in range(6)]
    prior = ProcessPrior(names, np.arange(6.0), kind=kind)
    model.models.set_joint_prior(prior)
    fit = spectra.quick_fit(model.datasets)
    s = np.array([1.1, 0.9, 1.3, 0.6, 1.5, 0.8])
    found = data_information(fit.density, np.log(s), range(6), prior)
    expected = unit**2 * np.array(spectra.COUNTS) / (unit * s + BACKGROUND) ** 2
    assert np.allclose(found, np.diag(expected), atol=1e-4 * expected.max())


def reference_maps(axis, norm, error):
    from bayesmap.maps import Map, RegionGeom

    geom = RegionGeom(None, axes=[axis])
    columns = {"norm": norm, "norm_err": error}
    return {name: Map.from_geom(geom, data=np.reshape(x, geom.data_shape), unit="") for name, x in columns.items()}


def test_models_of_bands():
    """Copies: norms flat from zero, the spectrum frozen, what else is free stays free; nothing given changes."""
    runs = Datasets([spectrum("a", day=0), spectrum("b", day=1)])
    runs.models = [runs[0].models[0]]
    copies = own_models(list(runs), None)
    axis = band_axis([1, 4, 20] * u.TeV, copies)
    model = banded(copies, ["s"], axis, {"a": 0, "b": 1}, index=True)
    names = model.models.parameter_names
    free = {name: p for p, name in names.items() if not p.frozen}
    assert sorted(free) == ["s_t0.norm_0", "s_t0.norm_1", "s_t0.tilt", "s_t1.norm_0", "s_t1.norm_1", "s_t1.tilt"]
    assert {free[f"s_t0.norm_{i}"].prior for i in range(2)} == {Prior("Flat")}
    assert free["s_t0.norm_0"].min == 0
    assert [d.models.names for d in copies] == [["s_t0"], ["s_t1"]]
    assert runs.models.names == ["s"]
    free["s_t0.norm_0"].value = 2.0
    ratio = copies[0].npred_signal().data.ravel() / runs[0].npred_signal().data.ravel()
    low = np.sqrt(EDGES[:-1] * EDGES[1:]) < 4 * u.TeV
    whole = (EDGES[1:] <= 4 * u.TeV) | (EDGES[:-1] >= 4 * u.TeV)
    assert np.allclose(ratio[whole], np.where(low, 2.0, 1.0)[whole], rtol=1e-9)
    assert copies[0].counts is runs[0].counts  # not copied


def test_fluxes_of_tilted_spectra():
    """Power laws, whose integrals are known: of index 2 + tilt over that of index 2, equal at the pivot."""
    axis, pivot = MapAxis.from_energy_edges([1, 4, 25] * u.TeV), 5 * u.TeV
    reference = PowerLawSpectralModel(index=2, reference=pivot)
    found = flux_ratios([SkyModel(reference, name="s")], axis, np.array([[[0.5, 0.0]], [[-0.3, 1.0]]]))
    assert found.shape == (2, 1, 2, 2)
    for tilt, ratio in zip([0.5, 0.0, -0.3, 1.0], found.reshape(4, 2), strict=True):
        tilted = PowerLawSpectralModel(index=2 + tilt, reference=pivot)
        expected = tilted.integral(axis.edges[:-1], axis.edges[1:]) / reference.integral(
            axis.edges[:-1], axis.edges[1:]
        )
        assert np.allclose(ratio, expected, rtol=1e-3)


def test_intervals_are_those_of_the_runs_or_given():
    runs = [spectrum(f"run{i}", day=day) for i, day in enumerate((0, 0.01, 3))]
    intervals, numbers = intervals_of(runs, None)
    assert numbers == {"run0": 0, "run1": 0, "run2": 1}  # the first two overlap
    assert (intervals[0][1] - intervals[0][0]).to_value("d") == pytest.approx(0.03)
    edges = DAY + [-1, 1, 2, 5] * u.d
    intervals, numbers = intervals_of(runs, edges)
    assert numbers == {"run0": 0, "run1": 0, "run2": 1}  # the empty interval is left out
    with pytest.warns(UserWarning, match=r"in no interval are left out: \['run2'\]"):
        _, numbers = intervals_of(runs, [(DAY - 1 * u.d, DAY + 1 * u.d)])
    assert numbers == {"run0": 0, "run1": 0}


def test_wrong_intervals():
    runs = [spectrum("run0", day=0)]
    with pytest.raises(ValueError, match="'run0', from 2006-07-29 .* lies only partly in the interval"):
        intervals_of(runs, [(DAY, DAY + 0.01 * u.d)])
    with pytest.raises(ValueError, match="must ascend and not overlap"):
        intervals_of(runs, [(DAY, DAY + 2 * u.d), (DAY + 1 * u.d, DAY + 3 * u.d)])
    with pytest.raises(ValueError, match="no dataset lies in any of the intervals"):
        intervals_of(runs, [(DAY + 1 * u.d, DAY + 2 * u.d)])
    with pytest.raises(ValueError, match="'none' has no good time intervals"):
        intervals_of([spectrum("none")], None)
    with pytest.raises(ValueError, match="pairs of a start and a later stop"):
        intervals_of(runs, [(DAY + 1 * u.d, DAY)])


def test_wrong_arguments():
    dataset = spectrum()
    with pytest.raises(ValueError, match=r"energy_edges reach from 0.5 TeV .* only from 1 TeV to 20 TeV"):
        flux_points(dataset, [0.5, 2] * u.TeV)
    with pytest.raises(ValueError, match="at least two ascending energies"):
        flux_points(dataset, [2, 1] * u.TeV)
    with pytest.raises(ValueError, match="at least two ascending energies"):
        flux_points(dataset, ["2 TeV", "1000 GeV"])
    with pytest.raises(KeyError, match="no source 'crab'"):
        flux_points(dataset, EDGES, "crab")
    with pytest.raises(ValueError, match="did you mean 'smooth'"):
        flux_points(dataset, EDGES, prior="smoth")
    with pytest.raises(ValueError, match="joins bands needs at least two"):
        flux_points(dataset, [1, 20] * u.TeV, prior="smooth")
    dataset.models[0].spectral_model.freeze()
    with pytest.raises(ValueError, match=r"no source has a spectrum with a free parameter, sources are \['s'\]"):
        source_names(dataset.models, None)


def test_bands_without_data_are_named():
    dataset = spectrum()
    dataset.exposure.data[4:] = 0
    dataset.background.data[...] = BACKGROUND
    with pytest.raises(ValueError, match="nothing about source 's' from 7.368 TeV to 12.14 TeV"):
        flux_points(dataset, EDGES)


def made_up_tree(**variables):
    rng = np.random.default_rng(1)
    data = {name: (("chain", "draw"), rng.normal(value, 0.01, (2, 50))) for name, value in variables.items()}
    observed = xr.Dataset({"d.counts": ("energy", np.zeros(3))})
    return xr.DataTree.from_dict({"posterior": xr.Dataset(data), "observed_data": observed})


def test_trees_of_other_models_or_data():
    dataset = spectrum()
    good = {"s.index": 2.0, "s.amplitude": 2e-12}
    (copied,) = own_models([dataset], made_up_tree(**good))
    assert copied.models[0].spectral_model.index.value == pytest.approx(2.0, abs=0.01)
    assert dataset.models[0].spectral_model.index.value == 2.2
    with pytest.raises(KeyError, match="no variables .'s.amplitude'."):
        own_models([dataset], made_up_tree(**{"s.index": 2.0}))
    with pytest.raises(ValueError, match=r"posterior of other models: \['gc.lon_0'\] are not parameters"):
        own_models([dataset], made_up_tree(**good, **{"gc.lon_0": 2.0}))
    with pytest.raises(ValueError, match=r"other data: datasets \['d'\] were left out"):
        own_models([spectrum("other")], made_up_tree(**good))


def test_where_an_interval_begins():
    rng = np.random.default_rng(3)
    assert begins_at_zero(rng.exponential(size=4000))
    assert not begins_at_zero(rng.normal(5, 1, 4000))


def test_points_of_several_sources_need_a_name():
    draws = xr.DataArray(
        np.ones((1, 4, 2, 6)), dims=["chain", "draw", "source", "energy"], coords={"source": ["a", "b"]}
    )
    references = {name: SkyModel(PowerLawSpectralModel(), name=name) for name in "ab"}
    points = PosteriorPoints(draws, references, MapAxis.from_energy_edges(EDGES), np.zeros((2, 6)), xr.DataTree())
    assert list(points) == ["a", "b"]
    with pytest.raises(ValueError, match=r"several sources, name one of \['a', 'b'\]"):
        points.to_table()
    page = points._repr_html_()
    assert page.count("<table>") == 2
    assert "<h4>b</h4>" in page
    assert "e2dnde_ul [erg / (s cm2)]" in page
    with pytest.raises(KeyError, match="no points of 'c'"):
        points["c"]
    with pytest.raises(ValueError, match="at least two intervals"):
        points.variability("a")
