"""FluxPointsDataset: statistics against Gammapy, masks, files."""

import astropy.units as u
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from astropy.table import Table
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import erfc

from bayesmap.datasets import Datasets, FluxPointsDataset
from bayesmap.datasets.flux_points_stat import profile_stat
from bayesmap.estimators import FluxPoints
from bayesmap.maps import MapAxis
from bayesmap.modeling import FoVBackgroundModel, SkyModel
from bayesmap.modeling.spectral import LogParabolaSpectralModel, PowerLawSpectralModel
from bayesmap.stats.flux_points import chi2_asymmetric, chi2_upper_limit
from tests.estimators.test_flux_points import CASES, HAWC, table
from tests.golden import golden, shared_path

mpl.use("Agg")

MODELS = {
    "diff_fits": PowerLawSpectralModel(index=2.3),
    "flux_fits": PowerLawSpectralModel(index=2.3),
    "diff_ecsv": LogParabolaSpectralModel(amplitude="1e-12 cm-2 s-1 TeV-1", reference="1 TeV", alpha=2.2, beta=0.1),
    "flux_ecsv": PowerLawSpectralModel(index=2.0),
    "crab_hess": PowerLawSpectralModel(index=2.6, amplitude="3.5e-11 cm-2 s-1 TeV-1"),
    "hawc19_masked": HAWC,
}


def make(case, **kwargs):
    name, reference = CASES[case]
    points = FluxPoints.read(shared_path("data", *name.split("/")), reference_model=reference)
    if case == "flux_fits":  # Gammapy compares fluxes in bands at the reference energies, see test_bands
        points.meta["sed_type_init"] = "dnde"
    dataset = FluxPointsDataset(data=points, models=SkyModel(MODELS[case], name="m"), name="fp", **kwargs)
    if case == "hawc19_masked":
        energy = points.energy_ref
        dataset.mask_fit = (energy > 2 * u.TeV) & (energy < 60 * u.TeV)
    return dataset


def tiny(**kwargs):
    return FluxPointsDataset(SkyModel(PowerLawSpectralModel(), name="m"), FluxPoints.from_table(table()), **kwargs)


@pytest.mark.parametrize("case", CASES)
def test_golden(case):
    want, dataset = golden("stats")[f"fluxpoints/{case}"], make(case)
    np.testing.assert_allclose(dataset.stat_sum(), want["stat_sum"], rtol=1e-10)
    np.testing.assert_allclose(dataset.stat_array(), want["stat_array"].data, rtol=1e-8)
    np.testing.assert_array_equal(dataset.mask_safe, want["mask_safe"].data)
    assert list(dataset.data_shape()) == want["data_shape"].data.tolist()
    for got, key in (
        (dataset.flux_pred(), "flux_pred"),
        (dataset.residuals(), "residuals_diff"),
        (dataset.residuals("diff/model"), "residuals_ratio"),
    ):
        stored = want[key]
        scale = np.nanmax(np.abs(stored.data))
        np.testing.assert_allclose(got.to_value(stored.unit), stored.data, rtol=1e-8, atol=1e-12 * scale, err_msg=key)
    distrib = make(case, stat_type="distrib")
    distrib.mask_fit = None
    np.testing.assert_allclose(distrib.stat_sum(), want["stat_profile_distrib"], rtol=1e-9)
    assert str(dataset).rstrip() == want["str"].rstrip()


def test_tutorial():
    """The numbers of the tutorial."""
    want = golden("tutorial")["flux_points_dataset"]
    points = FluxPoints.read(shared_path("data", "flux_points", "diff_flux_points.fits"))
    dataset = FluxPointsDataset(data=points, models=SkyModel(PowerLawSpectralModel(index=2.3), name="fp-pl"), name="fp")
    np.testing.assert_allclose(dataset.stat_sum(), want["stat_sum"], rtol=1e-10)
    np.testing.assert_array_equal(dataset.mask_safe, want["mask_safe"].data)
    np.testing.assert_allclose(points.norm.data, want["norm"].data, rtol=1e-10)
    assert str(points) == want["data_str"]
    assert str(dataset).rstrip() == want["str"].rstrip()


def test_profile_is_the_stored_one():
    """At the scanned norms the statistic is the stored profile; between them nearly a parabola."""
    dataset = make("crab_hess", stat_type="profile")
    points = dataset.data
    assert dataset.mask.ravel().tolist() == [False, True, True, True, True]
    for index in (1, 4):
        norm = points.norm_scan[index, 5]
        value = profile_stat(points, np.full((5, 1, 1), norm), {})[index, 0, 0]
        np.testing.assert_allclose(value, points.stat_scan[index, 5] - points.stat.data[index, 0, 0], rtol=1e-12)
    chi2 = make("crab_hess")
    np.testing.assert_allclose(dataset.stat_sum(), chi2.stat_sum(), rtol=8)
    assert np.isfinite(dataset.stat_sum())


def test_profile_needs_profiles():
    with pytest.raises(ValueError, match="dataset 'x': stat_type 'profile' needs stat_scan"):
        tiny(name="x", stat_type="profile")
    with pytest.raises(ValueError, match="stat_type must be one of"):
        tiny(stat_type="cash")


def test_formulas():
    """Asymmetric errors and limits against their definition."""
    assert chi2_asymmetric(np.array(1.0), np.array([3.0, -1.0]), 1.0, 2.0).tolist() == [1.0, 4.0]
    model, limit = np.linspace(0, 3, 7), 2.0
    want = 2 * np.log(erfc((limit - model) / limit) / erfc(1))
    np.testing.assert_allclose(chi2_upper_limit(model, limit), want, atol=1e-12)


def test_limits_enter_only_distrib():
    chi2, distrib = tiny(), tiny(stat_type="distrib")
    assert chi2.mask.ravel().tolist() == [True, True, True, False]
    assert distrib.mask.ravel().tolist() == [True, True, True, True]
    limit = distrib.data.dnde_ul.data.ravel()[-1]
    model = distrib.flux_pred().to_value("cm-2 s-1 TeV-1").ravel()[-1]
    np.testing.assert_allclose(distrib.stat_array().ravel()[-1], chi2_upper_limit(model, limit))


def test_mean_of_asymmetric_errors():
    t = table()
    t.remove_column("dnde_err")
    dataset = FluxPointsDataset(SkyModel(PowerLawSpectralModel()), FluxPoints.from_table(t))
    sigma = 0.5 * (t["dnde_errn"] + t["dnde_errp"])
    want = (t["dnde"] - dataset.flux_pred().to_value("cm-2 s-1 TeV-1").ravel()) ** 2 / sigma**2
    np.testing.assert_allclose(dataset.stat_array().ravel(), want)
    t.remove_columns(["dnde_errn", "dnde_errp"])
    with pytest.raises(ValueError, match="needs norm_err or norm_errn"):
        FluxPointsDataset(data=FluxPoints.from_table(t))


@pytest.mark.parametrize("stat_type", ["chi2", "distrib"])
def test_points_without_an_error_are_left_out(stat_type):
    """An error of zero would be an infinite statistic."""
    t = table()
    for name in ("dnde_err", "dnde_errn", "dnde_errp"):
        t[name][:2] = [0.0, np.nan]
    t["dnde_ul"][3] = 0.0
    lost, what = (3, "error or limit") if stat_type == "distrib" else (2, "error")
    with pytest.warns(
        UserWarning, match=f"'p': {lost} of 4 flux points have no valid {what} and are left out .* at 1.778 TeV"
    ):
        dataset = FluxPointsDataset(
            SkyModel(PowerLawSpectralModel()), FluxPoints.from_table(t), stat_type=stat_type, name="p"
        )
    assert dataset.mask.ravel().tolist() == [False, False, True, False]
    with np.errstate(divide="ignore", invalid="ignore"):
        assert np.isfinite(dataset.stat_sum())


@pytest.mark.parametrize("sed_type", ["flux", "eflux"])
@pytest.mark.parametrize("edges", [[0.1, 1, 10, 100], [0.1, 0.3, 1, 3, 10, 30, 100]])
@pytest.mark.parametrize("spectrum", [PowerLawSpectralModel(index=3.5), LogParabolaSpectralModel(alpha=3, beta=0.2)])
def test_bands(sed_type, edges, spectrum):
    """Points that are exact integrals of a spectrum fit it exactly, whatever the width of the bands."""
    edges = edges * u.TeV
    flux = getattr(spectrum, "integral" if sed_type == "flux" else "energy_flux")(edges[:-1], edges[1:])
    table = Table({"e_min": edges[:-1], "e_max": edges[1:], sed_type: flux, f"{sed_type}_err": 0.05 * flux})
    dataset = FluxPointsDataset(data=FluxPoints.from_table(table, sed_type=sed_type), name="points")
    model = SkyModel(spectrum.copy(), name="m")
    dataset.models = [model]
    np.testing.assert_allclose(dataset.stat_sum(), 0, atol=1e-9)
    np.testing.assert_allclose((dataset.flux_pred() / dataset.data.dnde.quantity).to_value(""), 1)
    model.spectral_model.amplitude.value *= 1.1  # 10 % of an error of 5 %
    np.testing.assert_allclose(dataset.stat_array(), 4)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("loglike", [0.0, -1234.5])
def test_log_likelihoods_are_profiles(sign, loglike):
    """The columns of fermipy: the scan is relative to the maximum, and a statistic is -2 ln L."""
    edges, grid = np.array([1, 2, 4, 8.0]) * u.TeV, np.linspace(0, 3, 31)
    norm, err = np.array([1, 1.1, 0.9]), np.array([0.1, 0.1, 0.2])
    pull = (grid - norm[:, None]) / err[:, None]
    reference = PowerLawSpectralModel().reference_fluxes(MapAxis.from_energy_edges(edges))
    columns = {f"ref_{key}": reference[f"ref_{key}"].ravel() for key in ("dnde", "flux", "eflux")}
    columns |= {"e_min": edges[:-1], "e_max": edges[1:], "e_ref": np.sqrt(edges[:-1] * edges[1:])}
    columns |= {"norm": norm, "norm_err": err, "loglike": np.full(3, loglike), "norm_scan": np.tile(grid, (3, 1))}
    table = Table({**columns, "dloglike_scan": sign * 0.5 * pull**2}, meta={"SED_TYPE": "likelihood"})
    points = FluxPoints.from_table(table)
    np.testing.assert_allclose(points.stat.data.ravel(), -2 * loglike)
    np.testing.assert_allclose(points.stat_scan, -2 * loglike + pull**2)
    dataset = FluxPointsDataset(SkyModel(PowerLawSpectralModel()), points, stat_type="profile", name="p")
    assert dataset.mask.all()
    np.testing.assert_allclose(dataset.stat_sum(), (((1 - norm) / err) ** 2).sum(), rtol=1e-6)


def test_masks():
    dataset = tiny(mask_safe=[False, True, True, True], mask_fit=np.array([True, True, False, True]))
    assert dataset.mask.ravel().tolist() == [False, True, False, False]
    np.testing.assert_allclose(dataset.stat_sum(), dataset.stat_array().ravel()[1])
    dataset.mask_fit = np.zeros((4, 1, 1), dtype=bool)
    with pytest.warns(UserWarning, match="excludes all bins"):
        assert dataset.stat_sum() == 0
    with pytest.raises(ValueError, match="mask_fit has 3 values for 4 flux points"):
        dataset.mask_fit = [True] * 3
    with pytest.raises(ValueError, match="must hold booleans"):
        dataset.mask_safe = np.ones(4)
    with pytest.raises(TypeError, match="data must be FluxPoints, got NoneType"):
        FluxPointsDataset()


def test_models():
    """Spectra add up; models of other datasets and of backgrounds do not count."""
    dataset = tiny(name="fp")
    one = dataset.flux_pred()
    model = SkyModel(PowerLawSpectralModel(), name="second", datasets_names=["fp"])
    other = SkyModel(PowerLawSpectralModel(), name="third", datasets_names=["elsewhere"])
    dataset.models = [*dataset.models, model, other, FoVBackgroundModel(dataset_name="elsewhere")]
    np.testing.assert_allclose(dataset.flux_pred().value, 2 * one.value)
    dataset.models = None
    with pytest.raises(ValueError, match="dataset 'fp' has no source models"):
        dataset.stat_sum()
    assert np.isnan(dataset.info_dict()["stat_sum"])


def test_copy_and_slice():
    dataset = tiny(name="fp", mask_fit=[True, False, True, True])
    copy = dataset.copy(name="other")
    assert copy.name == "other"
    np.testing.assert_allclose(copy.stat_sum(), dataset.stat_sum())
    copy.models["m"].spectral_model.index.value = 3
    assert dataset.models["m"].spectral_model.index.value == 2
    part = dataset.slice_by_energy("3 TeV", "40 TeV", name="part")
    assert part.data_shape() == (2,)
    assert part.mask_fit.ravel().tolist() == [False, True]
    assert Datasets([dataset]).copy()["fp"].stat_sum() == dataset.stat_sum()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mask_fit=st.none() | st.lists(st.booleans(), min_size=4, max_size=4),
    mask_safe=st.none() | st.lists(st.booleans(), min_size=4, max_size=4),
    stat_type=st.sampled_from(["chi2", "distrib"]),
    suffix=st.sampled_from([".fits", ".fits.gz", ".ecsv"]),
)
def test_what_is_written_comes_back(tmp_path, mask_fit, mask_safe, stat_type, suffix):
    dataset = tiny(name="a b", mask_fit=mask_fit, mask_safe=mask_safe, stat_type=stat_type)
    path = tmp_path / f"points{suffix}"
    dataset.write(path, overwrite=True)
    got = FluxPointsDataset.read(path)
    assert (got.name, got.stat_type) == ("a b", stat_type)
    assert (got.mask_fit is None) == (mask_fit is None)
    np.testing.assert_array_equal(got.mask, dataset.mask)
    got.models = dataset.models
    np.testing.assert_allclose(got.stat_array(), dataset.stat_array(), rtol=1e-12)
    assert got.data.meta.keys() == dataset.data.meta.keys()


def test_read_gammapy_file():
    """Masks are columns of the file."""
    dataset = FluxPointsDataset.read(shared_path("data", "yaml_pair", "hess-fp.fits"), name="hess-fp")
    assert dataset.name == "hess-fp"
    assert dataset.mask_fit.ravel().tolist() == [False, True, True, True, True]


@pytest.mark.parametrize("case", ["crab_hess", "hawc19_masked"])
def test_figures(case):
    upper, lower = make(case).plot_fit(kwargs_residuals={"method": "diff"})
    upper.figure.canvas.draw()
    assert upper.get_yscale() == "log"
    assert len(upper.lines) > 1
    assert np.isfinite(lower.get_ylim()).all()
    ax = plt.figure().add_subplot()
    assert make(case).plot_spectrum(ax=ax, kwargs_fp={"sed_type": "dnde"}) is ax
    with pytest.raises(ValueError, match="method must be one of"):
        make(case).plot_residuals(ax=ax, method="ratio")
    plt.close("all")
