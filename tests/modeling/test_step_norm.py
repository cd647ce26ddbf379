"""Factors that are constant in energy bands."""

import astropy.units as u
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from bayesmap.modeling import (
    ExpCutoffPowerLawSpectralModel,
    LogParabolaSpectralModel,
    PowerLawSpectralModel,
    SkyModel,
    SpectralModel,
    StepNormSpectralModel,
)

EDGES = [1, 3, 10, 30] * u.TeV
NORMS = [0.5, 2.0, 1.5]


def test_values_are_those_of_the_band():
    step = StepNormSpectralModel(EDGES, NORMS)
    at = [0.1, 1, 2.999, 3, 9.999, 10, 30, 100] * u.TeV
    np.testing.assert_array_equal(step(at).value, [0.5, 0.5, 0.5, 2.0, 2.0, 1.5, 1.5, 1.5])


@pytest.mark.parametrize("spectrum", [PowerLawSpectralModel, LogParabolaSpectralModel, ExpCutoffPowerLawSpectralModel])
@pytest.mark.parametrize("power", [0, 1])
def test_integrals_are_sums_over_the_parts_of_a_bin(spectrum, power):
    """Against a sum over a hundred thousand energies that knows nothing of bands."""
    reference = spectrum()
    product = reference * StepNormSpectralModel(EDGES, NORMS)
    low, high = [0.3, 2, 3, 0.5] * u.TeV, [0.9, 5, 10, 80] * u.TeV
    found = (product.energy_flux if power else product.integral)(low, high)
    for value, a, b in zip(found, low, high, strict=True):
        edges = np.geomspace(a, b, 100_001)
        energy = np.sqrt(edges[:-1] * edges[1:])
        sums = (product(energy) * energy**power * np.diff(edges)).sum()
        assert u.isclose(value, sums, rtol=2e-4)  # the band edges do not lie on those of the sum
    swapped = StepNormSpectralModel(EDGES, NORMS) * reference
    assert u.allclose((swapped.energy_flux if power else swapped.integral)(low, high), found, rtol=1e-13)


def test_symbolic_integrals_and_gradients():
    step = StepNormSpectralModel(EDGES, NORMS)
    product = LogParabolaSpectralModel() * step
    norms = pt.vector("norms")
    values = product.values if hasattr(product, "values") else {p: p.internal for p in product.parameters}
    values = {**values, **{p: norms[i] for i, p in enumerate(step.parameters)}}
    low, high = np.array([0.5, 2.0, 3.0]), np.array([2.0, 8.0, 50.0])
    fixed = product.integral_graph(low, high, values)
    edges = pt.vector("edges"), pt.vector("other edges")
    moving = product.integral_graph(*edges, values)
    by_norm = pytensor.gradient.jacobian(fixed, norms)
    numbers = [pytensor.function([norms], x) for x in (fixed, by_norm)]
    assert np.allclose(numbers[0](NORMS), product.integral(low * u.TeV, high * u.TeV).to_value("1e-12 cm-2 s-1"))
    assert np.allclose(numbers[1](NORMS) @ NORMS, numbers[0](NORMS))  # linear in the norms
    assert np.allclose(pytensor.function([norms, *edges], moving)(NORMS, low, high), numbers[0](NORMS), rtol=1e-12)


def test_in_files_and_with_one_parameter_for_all():
    product = PowerLawSpectralModel() * StepNormSpectralModel(EDGES, NORMS)
    again = SkyModel.from_dict(SkyModel(product, name="a").to_dict()).spectral_model
    assert u.allclose(again(EDGES), product(EDGES))
    assert isinstance(again, SpectralModel)


def test_as_many_norms_as_bands():
    with pytest.raises(ValueError, match="4 norms for 4 energies, 3 are needed"):
        StepNormSpectralModel(EDGES, [1, 1, 1, 1])
    with pytest.raises(ValueError, match="ascend"):
        StepNormSpectralModel([3, 1] * u.TeV, [1])
