"""Bins without background: the density is the plain sum, and an error says where nothing can explain counts."""

import astropy.units as u
import numpy as np
import pytensor
import pytensor.tensor as pt
import pytest

from bayesmap._backend.functions import QUICK
from bayesmap.inference.compile import compile_datasets
from bayesmap.inference.density import LogDensity
from bayesmap.likelihoods import PoissonLikelihood
from bayesmap.modeling import DiskSpatialModel, PowerLawNormSpectralModel, Prior, SkyModel
from tests.inference.tiny import LAT, LON, background, make_dataset, point, power_law, source_and_background


def emptied(models, **kwargs):
    """The last energy and a corner have no background; the source shines in both, with counts near it."""
    dataset = make_dataset(models=models, **kwargs)
    dataset.background.data[2] = 0
    dataset.background.data[:, :4, :5] = 0
    dataset.counts.data[2] = 0
    dataset.counts.data[:, :4, :5] = 0
    dataset.counts.data[2, 10:13, 14:17] = [[0, 1, 0], [1, 3, 2], [0, 1, 0]]
    return dataset


@pytest.mark.parametrize("route", ["mixture", "stamp"])
def test_the_density_is_the_plain_sum(route):
    dataset = emptied(source_and_background())
    _, built = compile_datasets(dataset, psf_route=route)
    [observed] = built.values()
    parameters, mask = observed.npred.parameters, observed.arrays.mask
    symbols = [pt.dscalar() for _ in parameters]
    value = observed.logp(observed.value, *symbols)
    function = pytensor.function(symbols, [value, *pt.grad(value, symbols)], mode=QUICK)
    for shift in (0.0, 0.03, 5.0):  # on the source, beside it, and out of the map
        at = [p.value + shift * (p.name == "lon_0") for p in parameters]
        logp, *gradient = function(*at)
        npred = np.maximum(observed.npred(*at), 0)  # a spline has rounding below zero
        wanted = PoissonLikelihood().pointwise(dataset.counts.data, npred)[mask].sum()
        assert logp == pytest.approx(wanted, rel=1e-10 if route == "mixture" else 1e-7)
        assert np.isfinite(logp) == (shift < 1)
        assert np.isfinite(gradient).all()


def test_a_background_that_fades_away_is_no_number_but_zero():
    """A norm of 1e-200 with a tilt that makes it zero at the highest energy, where there are no counts."""
    norm = background()
    norm.spectral_model = PowerLawNormSpectralModel(tilt=0.0)
    norm.spectral_model.tilt.frozen = False
    norm.spectral_model.tilt.prior = Prior("Normal", mu=0, sigma=500)
    dataset = make_dataset(models=[norm])
    dataset.counts.data[1:] = 0
    density = LogDensity(compile_datasets(dataset)[0], mode=QUICK)
    for z in (0.5, 1.5, 3.0):  # the factor underflows at the second one
        value, gradient = density(z * np.array([float(name.endswith("tilt")) for name in density.names]))
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()


def test_rounding_of_a_fourier_transform_is_not_a_negative_prediction():
    """A disk behind a PSF, without background around it, under a prior that reaches below zero."""
    disk = DiskSpatialModel(lon_0=LON * u.deg, lat_0=LAT * u.deg, r_0=0.15 * u.deg, frame="galactic")
    source = SkyModel(spectral_model=power_law(), spatial_model=disk, name="disk")
    source.spectral_model.amplitude.prior = Prior("Normal", mu=1e-12, sigma=3e-13)
    for p in (disk.lon_0, disk.lat_0, source.spectral_model.index):
        p.frozen = True
    dataset = make_dataset(models=[source])
    dataset.background.data[:] = 0
    far = np.hypot(*np.indices(dataset.counts.data.shape)[1:] - np.array([11.5, 14.5]).reshape(2, 1, 1, 1)) > 6
    dataset.counts.data[far] = 0
    density = LogDensity(compile_datasets(dataset)[0], mode=QUICK)
    value, gradient = density(np.zeros(density.size))
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()
    assert density(np.array([-5.0 * name.endswith("amplitude") for name in density.names]))[0] == -np.inf


class TestUnexplained:
    def without_background(self, models):
        dataset = make_dataset(models=models)
        dataset.background.data[:] = 0
        dataset.counts.data[:] = 0
        dataset.counts.data[0, 12, 3] = 2  # 0.6 deg from the source, beyond the reach of its PSF
        return dataset

    def test_a_source_that_may_move_there_explains_counts(self):
        source = point()
        compile_datasets(self.without_background([source, background()]), psf_route="mixture")
        source.spatial_model.lon_0.prior = Prior("Uniform", lower=24.2, upper=25.8)
        value = LogDensity(compile_datasets(self.without_background([source, background()]))[0], mode=QUICK)
        assert value(value.start)[0] == -np.inf  # at the centre of the prior
        there = value.start + np.array([3.0 * (name == "source.lon_0") for name in value.names])
        assert np.isfinite([value(there + step * (np.array(value.names) == "source.lon_0"))[0] for step in
                            np.linspace(-2.5, 0, 40)]).any()  # fmt: skip

    def test_a_source_that_cannot_move_there_does_not(self):
        source = point()
        source.spatial_model.freeze()
        with pytest.raises(ValueError, match=r"'tiny': 1 bins hold counts.*first \(energy, lat, lon\) = \(0, 12, 3\)"):
            compile_datasets(self.without_background([source, background()]))

    def test_nor_one_that_is_not_exposed(self):
        source = point()
        source.spatial_model.lon_0.prior = Prior("Uniform", lower=24.2, upper=25.8)
        dataset = self.without_background([source, background()])
        dataset.exposure.data[:, 12, 3] = 0
        with pytest.raises(ValueError, match=r"'tiny': 1 bins hold counts"):
            compile_datasets(dataset)

    def test_an_amplitude_whose_median_is_zero_explains_counts(self):
        source = point()
        source.spatial_model.freeze()
        source.spectral_model.amplitude.prior = Prior("Cauchy", alpha=0, beta=1e-12)
        dataset = self.without_background([source, background()])
        dataset.counts.data[:] = 0
        dataset.counts.data[0, 11, 14] = 5
        compile_datasets(dataset)
