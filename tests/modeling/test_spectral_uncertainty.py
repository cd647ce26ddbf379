"""Errors of fluxes, pivot energies, inversion, reference fluxes, references: against closed forms and Gammapy."""

import astropy.units as u
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from bayesmap.maps import MapAxis
from bayesmap.modeling import (
    ConstantSpectralModel,
    EBLAbsorptionNormSpectralModel,
    ExpCutoffPowerLawSpectralModel,
    LogParabola2SpectralModel,
    LogParabolaNormSpectralModel,
    LogParabolaSpectralModel,
    PowerLaw2SpectralModel,
    PowerLawNormSpectralModel,
    PowerLawSpectralModel,
    SmoothBrokenPowerLawSpectralModel,
    SuperExpCutoffPowerLaw4FGLDR3SpectralModel,
    TemplateSpectralModel,
    create_cosmic_ray_spectral_model,
    create_crab_spectral_model,
)
from bayesmap.modeling.spectral import posterior_samples
from tests.golden import shared_path
from tests.modeling.spectral_zoo import examples

UNIT = "cm-2 s-1 TeV-1"
COVARIANCE = np.array([[0.01, -0.4e-14, 0], [-0.4e-14, 4e-26, 0], [0, 0, 0]])


def power_law():
    model = PowerLawSpectralModel(index=2.2, amplitude=2e-12 * u.Unit(UNIT), reference="1 TeV")
    model.covariance = COVARIANCE
    return model


def posterior(name="src", **draws):
    units = {"amplitude": UNIT}
    variables = {
        f"{name}.{key}": xr.DataArray(
            np.reshape(v, (2, -1)), dims=("chain", "draw"), attrs={"units": units.get(key, "")}
        )
        for key, v in draws.items()
    }
    return xr.DataTree.from_dict({"posterior": xr.Dataset(variables)})


def correlated_draws(rng, n=4000):
    mean = [2.2, 2e-12]
    index, amplitude = rng.multivariate_normal(mean, COVARIANCE[:2, :2], n, method="svd").T
    return {"index": index, "amplitude": amplitude}


def test_covariance_is_kept_with_the_errors():
    model = power_law()
    np.testing.assert_allclose(model.covariance, COVARIANCE, rtol=1e-12)
    assert [p.error for p in model.parameters] == pytest.approx([0.1, 2e-13, 0])
    np.testing.assert_allclose(model.copy().covariance, COVARIANCE, rtol=1e-12)
    other = PowerLawSpectralModel()
    other.index.error = 0.2
    np.testing.assert_array_equal(other.covariance, np.diag([0.2**2, 0, 0]))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.eye(2), r"has shape \(3, 3\), got \(2, 2\)"),
        (np.diag([1.0, -1, 0]), "without negative eigenvalues"),
        (np.array([[1, 2, 0], [2, 1, 0], [0, 0, 1.0]]), "without negative eigenvalues"),
        (np.full((3, 3), np.nan), "finite"),
    ],
)
def test_wrong_covariance(matrix, message):
    with pytest.raises(ValueError, match=message):
        power_law().covariance = matrix


def linear_error(energy):
    """Relative error of the power law by error propagation."""
    slopes = np.stack([-np.log(energy), np.full_like(energy, 1 / 2e-12)])
    return np.sqrt(np.einsum("ie,ij,je->e", slopes, COVARIANCE[:2, :2], slopes))


def test_errors_of_a_power_law_from_covariance_and_from_draws(rng):
    model = power_law()
    energy = np.array([0.5, 1.0, 3.0])
    expected = linear_error(energy)
    for samples in (None, posterior(**correlated_draws(rng)), [*correlated_draws(rng).values(), np.ones(4000)]):
        if isinstance(samples, list):
            samples = [column * p.unit for column, p in zip(samples, model.parameters, strict=True)]
        median, low, high = model.evaluate_error(energy * u.TeV, samples=samples)
        np.testing.assert_allclose(median / model(energy * u.TeV), 1, rtol=0.02)
        np.testing.assert_allclose(0.5 * (low + high) / median, expected, rtol=0.08)
        flux, flux_low, flux_high = model.integral_error(1 * u.TeV, 10 * u.TeV, samples=samples)
        assert flux.value == pytest.approx(model.integral(1 * u.TeV, 10 * u.TeV).value, rel=0.02)
        assert flux.unit == "cm-2 s-1"
        assert 0 < flux_low < flux_high
        eflux = model.energy_flux_error(1 * u.TeV, 10 * u.TeV, samples=samples)
        assert eflux[0].value == pytest.approx(model.energy_flux(1 * u.TeV, 10 * u.TeV).value, rel=0.02)
        index = model.spectral_index_error(2 * u.TeV, n_samples=300, samples=samples)
        np.testing.assert_allclose(index.value, [2.2, 0.1, 0.1], rtol=0.2)


def test_shapes_of_errors_and_frozen_models():
    model = power_law()
    assert model.evaluate_error(np.ones((2, 3)) * u.TeV).shape == (3, 2, 3)
    assert model.integral_error([1, 2] * u.TeV, [2, 3] * u.TeV).shape == (3, 2)
    table = examples()["TemplateSpectralModel"]()
    median, low, high = table.evaluate_error(1 * u.TeV)
    assert median == table(1 * u.TeV)
    assert low == high == 0
    plain = PowerLawSpectralModel()
    assert plain.evaluate_error(1 * u.TeV)[1] == 0
    absorbed = plain * examples()["EBLAbsorptionNormSpectralModel"]()
    absorbed.model2.alpha_norm.error = 0.1
    median, low, high = absorbed.evaluate_error(10 * u.TeV, n_samples=300)
    depth = -np.log(float((absorbed(10 * u.TeV) / plain(10 * u.TeV)).value))
    assert (0.5 * (low + high) / median).value == pytest.approx(0.1 * depth, rel=0.15)


def test_posterior_of_several_models(rng):
    one, two = posterior("a", **correlated_draws(rng)), posterior("b", **correlated_draws(rng))
    tree = xr.DataTree.from_dict(
        {"posterior": xr.merge([one["posterior"].to_dataset(), two["posterior"].to_dataset()])}
    )
    model = power_law()
    with pytest.raises(ValueError, match=r"2 models with these \['a', 'b'\]; pass samples=posterior_samples"):
        model.evaluate_error(1 * u.TeV, samples=tree)
    samples = posterior_samples(model, tree, name="b")
    assert [s.unit for s in samples] == [p.unit for p in model.parameters]
    np.testing.assert_array_equal(samples[0].value, np.ravel(tree["posterior"]["b.index"]))
    assert np.all(samples[2] == 1 * u.TeV)
    model.evaluate_error(1 * u.TeV, samples=samples)
    with pytest.raises(KeyError, match="no variable 'c.index'"):
        posterior_samples(model, tree, name="c")
    with pytest.raises(ValueError, match="1 arrays of samples for 3 parameters"):
        model.evaluate_error(1 * u.TeV, samples=[samples[0]])


def test_pivot_energy():
    """Of a power law: where index and amplitude decorrelate."""
    model = power_law()
    expected = np.exp(COVARIANCE[0, 1] / (2e-12 * COVARIANCE[0, 0]))
    assert model.pivot_energy.to_value("TeV") == pytest.approx(expected, rel=1e-6)
    plain = PowerLawSpectralModel()
    assert np.isnan(plain.pivot_energy)
    plain.amplitude.error = 1e-13
    assert np.isnan(plain.pivot_energy)


def test_plots_of_errors(rng):
    model = power_law()
    tree = posterior(**correlated_draws(rng))
    for samples in (None, tree):
        ax = model.plot_error(("0.5 TeV", "20 TeV"), n_points=20, n_samples=200, samples=samples, color="red")
        band = ax.collections[-1].get_paths()[0].vertices[:, 1]
        middle = (u.TeV**2 * model(1 * u.TeV)).to_value("erg cm-2 s-1")
        assert 0.02 * middle < band.min() < middle < band.max() < 20 * middle
    model.plot(("0.5 TeV", "20 TeV"), ax=ax)
    with pytest.raises(ValueError, match="has no parameters"):
        examples()["TemplateSpectralModel"]().plot_error(("0.5 TeV", "20 TeV"))
    plt.close("all")


def test_inverse():
    model = PowerLawSpectralModel(index=3)
    assert model.inverse(1.25e-13 * u.Unit(UNIT)).value == pytest.approx(2, rel=1e-12)
    energy = [0.2, 1.0, 50.0] * u.TeV
    for name in ("LogParabolaSpectralModel", "ExpCutoffPowerLawSpectralModel", "TemplateSpectralModel"):
        model = examples()[name]()
        monotonic = energy[-2:] if name.startswith("Log") else energy
        found = model.inverse(model(monotonic), "1 TeV" if name.startswith("Log") else "0.06 TeV", "90 TeV")
        np.testing.assert_allclose(found.value, monotonic.value, rtol=1e-10)
    assert np.isnan(PowerLawSpectralModel().inverse(1e-3 * u.Unit(UNIT)))
    bump = LogParabolaSpectralModel(reference="3 TeV", alpha=0, beta=1)
    (both,) = bump.inverse_all(5e-13 * u.Unit(UNIT))
    np.testing.assert_allclose(both.value, 3 * np.exp([-np.sqrt(np.log(2)), np.sqrt(np.log(2))]), rtol=1e-10)
    with pytest.raises(u.UnitConversionError):
        bump.inverse(1 * u.TeV)
    with pytest.raises(ValueError, match="ordered"):
        bump.inverse(1e-12 * u.Unit(UNIT), "2 TeV", "1 TeV")


def test_peaks():
    """Where E^2 dN/dE is largest, on a fine grid."""
    energy = np.geomspace(1e-3, 1e3, 600001) * u.TeV
    for model in (
        ExpCutoffPowerLawSpectralModel(index=1.3, lambda_="0.2 TeV-1", alpha=0.7),
        LogParabolaSpectralModel(alpha=1.8, beta=0.3, reference="2 TeV"),
        LogParabola2SpectralModel(alpha=1.8, beta=0.3, reference="2 TeV", escale="0.5 TeV"),
        SuperExpCutoffPowerLaw4FGLDR3SpectralModel(index_1=1.7, expfactor=0.2, index_2=0.6),
    ):
        peak = energy[np.argmax(energy**2 * model(energy))]
        assert model.e_peak.to_value("TeV") == pytest.approx(peak.value, rel=1e-4)
    assert np.isnan(ExpCutoffPowerLawSpectralModel(index=2.3).e_peak)
    assert np.isnan(LogParabolaSpectralModel(beta=-0.1).e_peak)
    assert np.isnan(LogParabola2SpectralModel(beta=0).e_peak)
    assert np.isnan(SuperExpCutoffPowerLaw4FGLDR3SpectralModel(expfactor=-0.1).e_peak)


def test_from_log10():
    energy = 7 * u.TeV
    values = {"reference": "1 TeV", "alpha": 2.2}
    model = LogParabolaSpectralModel.from_log10("1e-12 cm-2 s-1 TeV-1", beta=0.3, **values)
    assert model(energy).value == pytest.approx(1e-12 * 7 ** (-2.2 - 0.3 * np.log10(7)))
    norm = LogParabolaNormSpectralModel.from_log10(1.5, "1 TeV", 2.2, 0.3)
    assert norm(energy).value == pytest.approx(1.5 * 7 ** (-2.2 - 0.3 * np.log10(7)))
    two = LogParabola2SpectralModel.from_log10("1e-12 cm-2 s-1 TeV-1", "1 TeV", 2.2, 0.3, "2 TeV")
    assert two(energy).value == pytest.approx(1e-12 * 7 ** (-2.2 - 0.3 * np.log10(3.5)))


def test_reference_fluxes():
    axis = MapAxis.from_energy_bounds("1 TeV", "100 TeV", nbin=4)
    model = PowerLawSpectralModel()
    fluxes = model.reference_fluxes(axis)
    assert list(fluxes) == ["e_ref", "e_min", "e_max", "ref_dnde", "ref_flux", "ref_eflux", "ref_e2dnde"]
    assert all(flux.shape == (4, 1, 1) for flux in fluxes.values())
    assert u.allclose(fluxes["ref_flux"][:, 0, 0], model.integral(axis.edges_min, axis.edges_max))
    assert u.allclose(fluxes["ref_e2dnde"], 1e-12 * u.Unit("TeV cm-2 s-1"))


# dN/dE at 0.3, 3, 30 TeV in cm-2 s-1 TeV-1, from Gammapy 2.1
CRAB = {
    "meyer": [6.23643134218611e-10, 1.899352246066737e-12, 3.21806073228656e-15],
    "hegra": [6.633286388953131e-10, 1.5912145751104689e-12, 3.8170579039986035e-15],
    "hess_pl": [8.184463102918023e-10, 1.9186254243783132e-12, 4.497697005633057e-15],
    "hess_ecpl": [6.542699486127011e-10, 2.206771241771619e-12, 1.3606948512415822e-15],
    "magic_lp": [5.433710541218489e-10, 1.8883317579688226e-12, 2.1730018441887754e-15],
    "magic_ecpl": [5.171671124988546e-10, 2.0332855897199015e-12, 1.392750150849342e-16],
}
COSMIC = {
    "proton": [0.0031135346933341005, 6.212318439957714e-06, 1.2395204871833883e-08],
    "N": [0.002169395035369793, 4.969796912603657e-06, 1.138514698790886e-08],
    "Si": [0.0008777799700572895, 1.9203733327629244e-06, 4.201319081074829e-09],
    "Fe": [0.00039947146517476344, 9.364525195607492e-07, 2.1952589805332516e-09],
    "electron": [6.9474598053982365e-06, 2.5988506141285134e-09, 1.560778503517058e-12],
}


@pytest.mark.parametrize("name", CRAB)
def test_crab(name):
    model = create_crab_spectral_model(name)
    np.testing.assert_allclose(model([0.3, 3, 30] * u.TeV).to_value(UNIT), CRAB[name], rtol=1e-10)


@pytest.mark.parametrize("name", COSMIC)
def test_cosmic_rays(name):
    model = create_cosmic_ray_spectral_model(name)
    np.testing.assert_allclose(model([0.3, 3, 30] * u.TeV).to_value(UNIT), COSMIC[name], rtol=1e-10)


def test_unknown_references():
    with pytest.raises(ValueError, match="did you mean 'hess_ecpl'"):
        create_crab_spectral_model("hess_cpl")
    with pytest.raises(ValueError, match="particle must be one of"):
        create_cosmic_ray_spectral_model("gold")


def test_edges_of_formulas():
    """Smooth where closed forms have a pole, as the definition says where it jumps."""
    energy = np.geomspace(0.1, 50, 9) * u.TeV
    near, at = (PowerLaw2SpectralModel(index=index)(energy).value for index in (1 + 1e-9, 1.0))
    np.testing.assert_allclose(near, at, rtol=1e-7)
    equal = SmoothBrokenPowerLawSpectralModel(index1=2.2, index2=2.2)
    np.testing.assert_allclose(equal(energy).value, PowerLawSpectralModel(index=2.2)(energy).value, rtol=1e-13)
    for index_2 in (0.0, 1e-12, 1e-3):
        model = SuperExpCutoffPowerLaw4FGLDR3SpectralModel(index_2=index_2, expfactor=0.3)
        log_energy = np.log(energy.value)
        expected = 1e-12 * np.exp(-1.5 * log_energy - 0.3 * log_energy**2 * (0.5 + index_2 * log_energy / 6))
        np.testing.assert_allclose(model(energy).value, expected, rtol=1e-5 if index_2 > 1e-6 else 1e-11)


def test_operators():
    law, factor = PowerLawSpectralModel(), PowerLawNormSpectralModel(tilt=0.3, norm=2)
    energy = [0.4, 5] * u.TeV
    for model, expected in [
        (law + law, 2 * law(energy)),
        (law - 0.5 * law, 0.5 * law(energy)),
        (3 * law, 3 * law(energy)),
        (law * 3, 3 * law(energy)),
        (law / 4, law(energy) / 4),
        (law / factor, law(energy) / factor(energy)),
        (law / law, np.ones(2)),
        (1 / factor, 1 / factor(energy)),
        (1 + factor, 1 + factor(energy)),
        (1 - factor, 1 - factor(energy)),
        (law + 2e-12 * u.Unit(UNIT), law(energy) + 2e-12 * u.Unit(UNIT)),
        (law * (50 * u.percent), 0.5 * law(energy)),
        (factor * factor * law, factor(energy) ** 2 * law(energy)),
    ]:
        assert u.allclose(model(energy), expected, rtol=1e-13)
        assert model.is_norm_spectral_model == (u.Quantity(expected).unit == "")
    assert (3 * law).parameters.free_parameters.names == ["index", "amplitude"]
    in_gev = PowerLawSpectralModel(amplitude="1e-15 cm-2 s-1 GeV-1")
    assert u.allclose((law + in_gev)(energy), 2 * law(energy))
    assert (in_gev * factor)(energy).unit == "cm-2 s-1 GeV-1"
    for wrong in (lambda: law + factor, lambda: law * law, lambda: factor / law, lambda: law + 1):
        with pytest.raises(u.UnitConversionError):
            wrong()
    for wrong in (lambda: law + "pl", lambda: law * None, lambda: law * True):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(u.UnitConversionError):
        law * (3 * u.s)


def test_names_and_links_of_compounds():
    law, factor = PowerLawSpectralModel(), PowerLawNormSpectralModel()
    model = law * factor
    assert model.parameter_names == ("index", "amplitude", "model1.reference", "tilt", "norm", "model2.reference")
    assert model.index is law.index
    assert getattr(model, "model2.reference") is factor.reference
    with pytest.raises(AttributeError, match="no attribute or parameter 'reference'"):
        _ = model.reference
    setattr(model, "model2.reference", law.reference)
    assert factor.reference is law.reference
    assert model.parameter_names.count("reference") == 2
    other = PowerLawSpectralModel(index=3)
    model.index = other.index
    assert law.index is other.index
    with pytest.raises(TypeError, match="set its .value"):
        model.index = 3
    changed = model.copy(index=2.7)
    assert (changed.model1.index.value, law.index.value) == (2.7, 3)
    with pytest.raises(TypeError, match="no parameter 'idx'"):
        model.copy(idx=1)
    model.freeze()
    assert model.frozen
    model.unfreeze()
    assert model.parameters.free_parameters.names == ["index", "amplitude", "norm"]


def test_scale_keeps_the_parameters_of_its_spectrum_fixed():
    law = PowerLawSpectralModel(index=2.4)
    scaled = examples()["ScaleSpectralModel"]().__class__(law, norm=3)
    assert scaled.parameters.names == ["norm"]
    assert u.allclose(scaled(2 * u.TeV), 3 * law(2 * u.TeV))
    with pytest.raises(TypeError, match="must be a SpectralModel"):
        type(scaled)("pl")


def test_ebl_table_of_dominguez():
    model = EBLAbsorptionNormSpectralModel.read(shared_path("data", "models", "ebl_dominguez11.fits.gz"), redshift=0.2)
    assert (len(model.param), len(model.energy)) == (399, 500)
    assert model(0.01 * u.TeV).value == pytest.approx(1, abs=1e-3)
    halved = model.copy(alpha_norm=0.5)
    np.testing.assert_allclose(halved([0.5, 5] * u.TeV) ** 2, model([0.5, 5] * u.TeV), rtol=1e-12)
    farther = model.copy(redshift=0.4)
    assert farther(1 * u.TeV) < model(1 * u.TeV)
    assert ConstantSpectralModel().is_norm_spectral_model is False
    assert isinstance(model * TemplateSpectralModel([1, 2] * u.TeV, [1, 1] * u.Unit(UNIT)), type(1 * model))
