"""How much and how fast light curves vary, and random light curves with a power spectrum.

The functions take what Gammapy's take and return the same numbers, apart from what their notes say.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import astropy.units as u
import numpy as np
import scipy

from bayesmap._types import RandomState
from bayesmap._util import get_random_state

__all__ = [
    "TimmerKonig_lightcurve_simulator",
    "compute_chisq",
    "compute_flux_doubling",
    "compute_fpp",
    "compute_fvar",
    "discrete_correlation",
    "structure_function",
]


def _excess(
    square: np.ndarray, flux_err: np.ndarray, mean: np.ndarray, n_points: np.ndarray, axis: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fractional excess of a mean square over that of the errors, and its error."""
    noise = np.nansum(flux_err**2, axis=axis) / n_points
    fraction = np.sqrt(np.abs(square - noise)) / mean
    first = np.sqrt(2 / n_points) * noise / mean**2
    second = np.sqrt(noise / n_points) * (2 * fraction / mean)
    return fraction, np.sqrt(first**2 + second**2) / (2 * fraction)


def _bare(flux: np.ndarray | u.Quantity, flux_err: np.ndarray | u.Quantity) -> tuple[np.ndarray, np.ndarray]:
    """Fluxes and errors as numbers in the unit of the fluxes."""
    if not isinstance(flux, u.Quantity):
        return np.asarray(flux, dtype="float64"), np.asarray(flux_err, dtype="float64")
    return np.asarray(flux.value, dtype="float64"), np.asarray(
        u.Quantity(flux_err).to_value(flux.unit), dtype="float64"
    )


def compute_fvar(
    flux: np.ndarray | u.Quantity, flux_err: np.ndarray | u.Quantity, axis: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the fractional excess variance of a light curve.

    .. math::
        F_\mathrm{var} = \frac{\sqrt{|S^2 - \langle\sigma^2\rangle|}}{\langle F \rangle}

    Parameters
    ----------
    flux, flux_err : numpy.ndarray or `~astropy.units.Quantity`
        Fluxes and their errors, of one shape; NaN for missing points.
    axis : int
        Dimension of the time.

    Returns
    -------
    fvar, fvar_err : numpy.ndarray
        Fractional excess variance and its error, of that shape without the dimension of the time.

    References
    ----------
    Vaughan et al. 2003, MNRAS 345, 1271, equations 10 and B2.
    """
    mean = np.nanmean(flux, axis=axis, keepdims=True)
    n_points = np.count_nonzero(~np.isnan(flux), axis=axis)
    square = np.nansum((flux - mean) ** 2, axis=axis) / (n_points - 1)
    return _excess(square, flux_err, np.squeeze(mean, axis=axis), n_points, axis)


def compute_fpp(
    flux: np.ndarray | u.Quantity, flux_err: np.ndarray | u.Quantity, axis: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    r"""Return the fractional variability from point to point of a light curve.

    Parameters
    ----------
    flux, flux_err : numpy.ndarray or `~astropy.units.Quantity`
        Fluxes and their errors, of one shape; NaN for missing points.
    axis : int
        Dimension of the time.

    Returns
    -------
    fpp, fpp_err : numpy.ndarray
        As `compute_fvar`, with the mean square of the differences of neighbouring points in place of the variance.

    References
    ----------
    Edelson et al. 2002, ApJ 568, 610.
    """
    mean = np.nanmean(flux, axis=axis)
    n_points = np.count_nonzero(~np.isnan(flux), axis=axis)
    square = np.nansum(np.diff(flux, axis=axis) ** 2, axis=axis) / (n_points - 1)
    return _excess(square, flux_err, mean, n_points, axis)


def compute_chisq(flux: np.ndarray | u.Quantity) -> tuple[float, float]:
    """Return Pearson's chi-square of counts against their mean, and its p-value.

    Parameters
    ----------
    flux : array_like
        Numbers with Poisson errors, of any shape. The unit of a quantity is left out.
    """
    values = np.asarray(getattr(flux, "value", flux), dtype="float64")
    result = scipy.stats.chisquare(values, np.full(values.shape, values.mean()))
    return float(result.statistic), float(result.pvalue)


def compute_flux_doubling(
    flux: np.ndarray | u.Quantity, flux_err: np.ndarray | u.Quantity, coords: u.Quantity, axis: int = 0
) -> dict[str, Any]:
    r"""Return the shortest times in which a light curve doubles and halves, from neighbouring points.

    .. math:: T = \frac{\Delta t}{\log_2 (F_2 / F_1)}

    Parameters
    ----------
    flux, flux_err : numpy.ndarray or `~astropy.units.Quantity`
        Fluxes and their errors.
    coords : `~astropy.units.Quantity`
        Times.
    axis : int
        Dimension of the time.

    Returns
    -------
    dict
        "doubling", "doubling_err" and "doubling_coord" (the time of the earlier point), the same for "halving";
        each with one value per light curve, the shape of the other dimensions (at least one).

    References
    ----------
    Brown 2013, MNRAS 431, 824.
    """
    flux, flux_err = (np.moveaxis(np.atleast_2d(a.T).T if np.ndim(a) == 1 else a, axis, -1) for a in (flux, flux_err))
    step, ratio = np.diff(coords), flux[..., 1:] / flux[..., :-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        times = step / np.log2(ratio)
        slope = step * np.log(2) / np.log(ratio) ** 2
        errors = np.sqrt(
            (flux_err[..., 1:] * slope / flux[..., 1:]) ** 2 + (flux_err[..., :-1] * slope / flux[..., :-1]) ** 2
        )
    numbers = times.value
    found = {}
    for name, sign in (("doubling", 1), ("halving", -1)):
        valid = np.isfinite(numbers) & (sign * numbers > 0)
        index = np.argmin(np.where(valid, sign * numbers, np.inf), axis=-1)[..., np.newaxis]
        found[name] = np.abs(np.take_along_axis(times, index, axis=-1)[..., 0])
        found[f"{name}_err"] = np.take_along_axis(errors, index, axis=-1)[..., 0]
        found[f"{name}_coord"] = coords[index[..., 0]]
    return found


def structure_function(
    flux: np.ndarray | u.Quantity, flux_err: np.ndarray | u.Quantity, time: u.Quantity, tdelta_precision: int = 5
) -> tuple[np.ndarray, u.Quantity]:
    """Return the structure function of a light curve: the mean squared difference of fluxes at each distance in time.

    Parameters
    ----------
    flux, flux_err : numpy.ndarray or `~astropy.units.Quantity`
        Fluxes and their errors, shape ``(n_time, ...)``; pairs are weighted by the product of their significances, and
        those with a NaN have no weight.
    time : `~astropy.units.Quantity`
        Times.
    tdelta_precision : int
        Decimals to which distances are rounded.

    Returns
    -------
    sf : numpy.ndarray
        One value per distance, in the squared unit of the fluxes.
    distances : `~astropy.units.Quantity`
        Positive distances that occur.

    References
    ----------
    Emmanoulopoulos et al. 2010, MNRAS 404, 931.
    """
    matrix = (time[np.newaxis, :] - time[:, np.newaxis]).round(decimals=tdelta_precision)
    distances = np.unique(matrix)
    distances = distances[distances > 0]
    values, errors = _bare(flux, flux_err)
    significance = values / errors
    result = []
    for distance in distances:
        first, second = np.nonzero(matrix == distance)
        square = np.nan_to_num((values[second] - values[first]) ** 2)
        weight = np.nan_to_num(significance[second] * significance[first])
        with np.errstate(divide="ignore", invalid="ignore"):
            result.append((square * weight).sum(axis=0) / weight.sum(axis=0))
    return np.array(result), distances


def discrete_correlation(
    flux1: np.ndarray | u.Quantity,
    flux_err1: np.ndarray | u.Quantity,
    flux2: np.ndarray | u.Quantity,
    flux_err2: np.ndarray | u.Quantity,
    time1: u.Quantity,
    time2: u.Quantity,
    tau: u.Quantity,
    axis: int = 0,
) -> tuple[u.Quantity, np.ndarray, np.ndarray]:
    """Return the discrete correlation function of two light curves.

    Parameters
    ----------
    flux1, flux_err1, flux2, flux_err2 : numpy.ndarray or `~astropy.units.Quantity`
        Fluxes and their errors.
    time1, time2 : `~astropy.units.Quantity`
        Times.
    tau : `~astropy.units.Quantity`
        Width of the bins of time lags.
    axis : int
        Dimension of the time.

    Returns
    -------
    bincenters : `~astropy.units.Quantity`
        Lags, first light curve minus second.
    correlation, correlation_err : numpy.ndarray
        Mean of the normalised products in each bin and its error, shape ``(n_bin, n)``; NaN for empty bins.

    Raises
    ------
    ValueError
        If the light curves have other dimensions than the time of different shape.

    References
    ----------
    Edelson & Krolik 1988, ApJ 333, 646.
    """
    first, second = _normalised(flux1, flux_err1, axis), _normalised(flux2, flux_err2, axis)
    if np.squeeze(first).shape[1:] != np.squeeze(second).shape[1:]:
        raise ValueError(f"both light curves must have one shape beside the time, got {first.shape} and {second.shape}")
    unit = time1.unit
    products = (first[:, np.newaxis] * second[np.newaxis]).reshape(len(first) * len(second), -1)
    lags = (time1[:, np.newaxis] - time2[np.newaxis, :].to(unit)).value.ravel()
    width = tau.to_value(unit)
    low, high = np.floor(lags.min() / width), np.floor(lags.max() / width) + 1
    bins = np.linspace(low, high, int(abs(high) + abs(low) + 1)) * width
    number = np.digitize(lags, bins)
    correlation, errors = [], []
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # means of empty bins
        for k in range(1, len(bins)):
            inside = products[number == k]
            mean = np.nanmean(inside, axis=0)
            correlation.append(mean)
            errors.append(np.sqrt(np.nansum((mean - inside) ** 2, axis=0)) / np.float64(len(inside) - 1))
    return u.Quantity((bins[1:] + bins[:-1]) / 2, unit), np.array(correlation), np.array(errors)


def _normalised(flux: np.ndarray | u.Quantity, flux_err: np.ndarray | u.Quantity, axis: int) -> np.ndarray:
    """Deviations from the mean over the standard deviation that is not noise, time first."""
    values, errors = (np.moveaxis(a, axis, 0) for a in _bare(flux, flux_err))
    spread = np.nanstd(values, axis=0) ** 2 - np.nanmean(errors, axis=0) ** 2
    with np.errstate(invalid="ignore"):
        result: np.ndarray = (values - np.nanmean(values, axis=0)) / np.sqrt(spread)
    return result


def TimmerKonig_lightcurve_simulator(
    power_spectrum: Callable[..., Any],
    npoints: int,
    spacing: u.Quantity,
    nchunks: int = 10,
    random_state: RandomState = "random-seed",
    power_spectrum_params: Mapping[str, object] | None = None,
    mean: u.Quantity | float = 0.0,
    std: u.Quantity | float = 1.0,
    poisson: bool = False,
) -> tuple[Any, u.Quantity]:
    """Return a random light curve with a power spectrum.

    Parameters
    ----------
    power_spectrum : callable
        Power as a function of the frequencies (inverse of the unit of ``spacing``), perhaps of further arguments.
    npoints : int
        Number of points.
    spacing : `~astropy.units.Quantity`
        Distance of the points in time.
    nchunks : int
        The light curve is the middle of one that is this many times longer, so that slow variations are in it.
    random_state : int, numpy.random.Generator or str
        Chooses the draws.
    power_spectrum_params : Mapping, optional
        Further arguments of the power spectrum.
    mean, std : float or `~astropy.units.Quantity`
        Mean and standard deviation of the light curve.
    poisson : bool
        Whether counts are drawn with the light curve as their rate; negative rates count as zero.

    Returns
    -------
    time_series : numpy.ndarray or `~astropy.units.Quantity`
        Light curve.
    time_axis : `~astropy.units.Quantity`
        Times, ``spacing`` apart, from zero. (In Gammapy the last is ``npoints * spacing``.)

    Raises
    ------
    TypeError
        If the power spectrum is no function or a number of points is no integer.
    ValueError
        If counts are asked for with a mean below one per point.

    References
    ----------
    Timmer & Koenig 1995, A&A 300, 707, section 3.
    """
    if not callable(power_spectrum):
        raise TypeError(f"power_spectrum must be a function of the frequency, got {power_spectrum!r}")
    for name, number in (("npoints", npoints), ("nchunks", nchunks)):
        if not isinstance(number, int | np.integer) or number < 1:
            raise TypeError(f"{name} must be a positive integer, got {number!r}")
    if poisson and float(getattr(mean, "value", mean)) * spacing.value < 1:
        raise ValueError(f"counts with a mean of {mean} per time and {spacing} per point are nearly all zero")
    rng = get_random_state(random_state)
    size = npoints * nchunks
    frequencies = np.fft.rfftfreq(size, spacing.value)[1:]
    power = np.asarray(power_spectrum(frequencies, **(power_spectrum_params or {})), dtype="float64")
    amplitudes = np.sqrt(0.5 * power) * (rng.normal(size=power.size) + 1j * rng.normal(size=power.size))
    if size % 2 == 0:  # the highest frequency is real
        amplitudes[-1] = np.sqrt(0.5 * power[-1]) * rng.normal()
    series = np.fft.irfft(np.concatenate([[0], amplitudes]), n=size)
    start = size // 2 - npoints // 2
    series = series[start : start + npoints]
    series = (series - series.mean()) / series.std() * std + mean
    if poisson:
        rate = getattr(series, "value", series) * spacing.value
        series = rng.poisson(np.clip(rate, 0, None)) / spacing.value * getattr(series, "unit", 1)
    return series, np.arange(npoints) * spacing
