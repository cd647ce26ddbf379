"""Spectra with one or two parameters, whose evidence is known by a formula or by quadrature."""

import astropy.units as u
import numpy as np
from scipy.special import gammaln, logsumexp
from scipy.stats import poisson

from bayesmap.datasets import SpectrumDataset
from bayesmap.inference import compile_fit
from bayesmap.inference.density import LogDensity
from bayesmap.maps import MapAxis, RegionGeom, RegionNDMap
from bayesmap.modeling import Models, PowerLawSpectralModel, Prior, SkyModel

UNIT = "cm-2 s-1 TeV-1"
INDEX = Prior("Normal", mu=2.2, sigma=0.4)
AMPLITUDE = Prior("LogUniform", lower="2e-13 cm-2 s-1 TeV-1", upper="5e-12 cm-2 s-1 TeV-1")
COUNTS = (31, 22, 14, 4, 3, 1)
#: prior of the amplitude alone, in units of 1e-12: Gamma(a, b)
SHAPE, RATE = 2.5, 2.0


def dataset(model, background=2.0, counts=COUNTS, name="d"):
    """Six energies from 1 to 20 TeV."""
    axis = MapAxis.from_energy_bounds("1 TeV", "20 TeV", nbin=6, name="energy")
    true = MapAxis.from_energy_bounds("1 TeV", "20 TeV", nbin=6, name="energy_true")
    geom, geom_true = (RegionGeom.create(None, axes=[one]) for one in (axis, true))
    level = np.full(geom.data_shape, background or 0.0)
    return SpectrumDataset(
        models=Models([model]),
        counts=RegionNDMap.from_geom(geom, data=np.reshape(counts, geom.data_shape).astype(float), unit=""),
        background=RegionNDMap.from_geom(geom, data=level, unit="") if background else None,
        exposure=RegionNDMap.from_geom(geom_true, data=np.full(geom_true.data_shape, 6e9), unit="m2 s"),
        name=name,
    )


def source(**priors):
    """A power law under given priors; parameters without one are frozen."""
    spectrum = PowerLawSpectralModel(index=2.2, amplitude=f"1e-12 {UNIT}")
    for name in ("index", "amplitude"):
        getattr(spectrum, name).frozen = name not in priors
        getattr(spectrum, name).prior = priors.get(name)
    return SkyModel(spectral_model=spectrum, name="s")


def quick_fit(datasets):
    """A compiled fit whose density is made in a second, and slow to call."""
    fit = compile_fit(datasets)
    fit._density = LogDensity(fit._terms, mode="FAST_COMPILE")
    return fit


def spectrum_fit():
    """Two parameters over a known background."""
    return quick_fit(dataset(source(index=INDEX, amplitude=AMPLITUDE)))


def grid(fit, n=160):
    """Log of likelihood times prior on a grid of index and ln(amplitude / 1e-12), from predictions and SciPy alone."""
    data, index = fit.datasets[0], np.linspace(0.2, 4.2, n)
    log_amplitude = np.linspace(np.log(0.2), np.log(5.0), n)
    counts, spectrum = data.counts.data.ravel(), data.models[0].spectral_model
    spectrum.amplitude.value = 1e-12
    values = np.empty((n, n))
    for i, slope in enumerate(index):
        spectrum.index.value = slope
        signal = data.npred_signal().data.ravel()
        expected = data.background.data.ravel() + np.exp(log_amplitude)[:, None] * signal
        values[i] = poisson.logpmf(counts, expected).sum(axis=1) + INDEX.logp(slope)
    return index, log_amplitude, values - np.log(np.log(25.0))


def quadrature(fit):
    """Log-evidence by the trapezoidal rule."""
    index, log_amplitude, values = grid(fit)
    weights = np.ones(len(index))
    weights[[0, -1]] = 0.5
    area = (index[1] - index[0]) * (log_amplitude[1] - log_amplitude[0])
    return logsumexp(values, b=weights[:, None] * weights) + np.log(area)


def gamma_poisson(a=SHAPE, counts=COUNTS):
    """A fit of the amplitude alone without background, the shape and rate of its posterior, and its log-evidence.

    The counts are those of a power law with a known index; the prior of A / 1e-12 is Gamma(a, b).
    """
    amplitude = Prior("Gamma", alpha=a, beta=RATE / (1e-12 * u.Unit(UNIT)))
    data = dataset(source(amplitude=amplitude), background=None, counts=counts)
    unit = data.npred_signal().data.ravel()
    total, number = unit.sum(), np.sum(counts)
    log_evidence = (
        a * np.log(RATE)
        - gammaln(a)
        + gammaln(a + number)
        - (a + number) * np.log(RATE + total)
        + (counts * np.log(unit) - gammaln(np.add(counts, 1))).sum()
    )
    return quick_fit(data), (a + number, RATE + total), log_evidence
