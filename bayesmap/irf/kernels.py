"""Numerical parts of the responses: Gaussian shapes, diagonal responses, containment, sampled PSF images."""

import astropy.units as u
import numpy as np
import scipy

from bayesmap.maps import Map, MapAxis

__all__ = [
    "bias_energy",
    "containment_map",
    "gaussian_dispersion",
    "gaussian_profile",
    "migra_containment_map",
    "normalize_rad",
    "overlap_fraction",
    "profile_image",
    "rad_containment",
]


def gaussian_profile(rad: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return a two-dimensional Gaussian density per squared unit of ``rad``, integral one over the plane."""
    return np.exp(-0.5 * (rad / sigma) ** 2) / (2 * np.pi * sigma**2)


def gaussian_dispersion(energy_true: np.ndarray, edges: np.ndarray, bias: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return the probabilities of reconstructed energy bins for a Gaussian in the migration E / E_true.

    Parameters
    ----------
    energy_true : numpy.ndarray
        True energies, shape ``(n_true,)``.
    edges : numpy.ndarray
        Edges of the bins of reconstructed energy in the same unit, shape ``(n_reco + 1,)``.
    bias, sigma : numpy.ndarray
        Mean of E / E_true minus one, and its standard deviation, broadcast to ``(n_true,)``.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_true, n_reco)``; the exact integral over each bin.
    """
    bias, sigma = (np.broadcast_to(v, energy_true.shape)[:, None] for v in (bias, sigma))
    cumulative = scipy.special.ndtr((edges / energy_true[:, None] - 1 - bias) / sigma)
    return np.diff(cumulative, axis=1)


def bias_energy(
    center: u.Quantity, values: u.Quantity, bias: float, energy_min: object = None, energy_max: object = None
) -> u.Quantity:
    """Return the reconstructed energy of `EDispKernel.get_bias_energy`.

    Parameters
    ----------
    center : `~astropy.units.Quantity`
        True energies, shape ``(n,)``.
    values : `~astropy.units.Quantity`
        Bias at them.
    bias : float
        Value to be found.
    energy_min, energy_max : `~astropy.units.Quantity` or str, optional
        Bounds.

    Notes
    -----
    Bias and logarithm of energy are linear between the centres; the first crossing from below or above is taken.
    """
    low = center[np.nanargmax(values)] if energy_min is None else u.Quantity(energy_min).to(center.unit)
    high = center[-1] if energy_max is None else u.Quantity(energy_max).to(center.unit)
    log_energy, known = np.log(center.value), np.isfinite(values)
    inner = (center > low) & (center < high) & known
    nodes = np.concatenate([[np.log(low.value)], log_energy[inner], [np.log(high.value)]])
    excess = np.interp(nodes, log_energy[known], values[known].value) - bias
    crossings = np.flatnonzero(excess[:-1] * excess[1:] <= 0)
    if not crossings.size:
        return np.atleast_1d(low * (1 + bias))
    k = crossings[0]
    step = excess[k] - excess[k + 1]
    fraction = excess[k] / step if step else 0.0
    found = np.exp(nodes[k] + fraction * (nodes[k + 1] - nodes[k]))
    return np.atleast_1d(u.Quantity(found * (1 + bias), center.unit))


def overlap_fraction(energy_axis: MapAxis, energy_axis_true: MapAxis) -> np.ndarray:
    """Return the fraction of each true-energy bin inside each reconstructed one, shape ``(n_true, n_reco)``."""
    low, high = (edges.to_value("TeV") for edges in (energy_axis.edges_min, energy_axis.edges_max))
    true_low, true_high = (e.to_value("TeV")[:, None] for e in (energy_axis_true.edges_min, energy_axis_true.edges_max))
    common = np.minimum(high, true_high) - np.maximum(low, true_low)
    return np.clip(common, 0, None) / (true_high - true_low)


def _rad_steps(axis: MapAxis, unit: u.UnitBase) -> np.ndarray:
    """Solid angle of the rings of a rad axis, times the unit of a density: the weight of each bin."""
    ring = 2 * np.pi * axis.center * axis.bin_width
    return (ring * unit).to_value("")


def rad_containment(profile: np.ndarray, axis: MapAxis, unit: u.UnitBase) -> np.ndarray:
    """Return the probability inside the edges of a rad axis.

    Parameters
    ----------
    profile : numpy.ndarray
        Densities at the centres of the axis, shape ``(..., n_rad)``, in ``unit``.
    axis : MapAxis
        Axis of offsets.
    unit : `~astropy.units.Unit`
        Unit of the densities, such as sr-1.

    Returns
    -------
    numpy.ndarray
        Shape ``(..., n_rad + 1)``, starting from zero.
    """
    steps = np.nan_to_num(profile) * _rad_steps(axis, unit)
    return np.concatenate([np.zeros((*steps.shape[:-1], 1)), np.cumsum(steps, axis=-1)], axis=-1)


def _cumulative(m: Map, axis: MapAxis, steps: np.ndarray) -> Map:
    """Cumulative sum of ``data * steps`` along an axis at its edges, continued as a constant outside."""
    dimension = m.geom.axes.index_data(axis.name)
    shape = [1] * m.data.ndim
    shape[dimension] = -1
    values = np.nan_to_num(m.data.astype("float64")) * steps.reshape(shape)
    padding = [(0, 0)] * m.data.ndim
    padding[dimension] = (1, 0)
    data = np.pad(np.cumsum(values, axis=dimension), padding)
    nodes = MapAxis.from_nodes(axis.edges, name=axis.name, interp=axis.interp)
    total = Map.from_geom(m.geom.replace_axis(nodes), data=data, unit="")
    return total.pad(1, axis_name=axis.name, mode="edge")


def containment_map(psf_map: Map) -> Map:
    """Return the probability inside ``rad`` at the edges of the rad axis of a PSF map."""
    axis = psf_map.geom.axes["rad"]
    return _cumulative(psf_map, axis, _rad_steps(axis, psf_map.unit))


def migra_containment_map(edisp_map: Map) -> Map:
    """Return the probability below ``migra`` at the edges of the migra axis of an energy dispersion map."""
    axis = edisp_map.geom.axes["migra"]
    return _cumulative(edisp_map, axis, axis.bin_width.to_value(""))


def normalize_rad(psf_map: Map) -> Map:
    """Return a PSF map divided by its integral over the plane; where that is zero, values stay as they are."""
    axis = psf_map.geom.axes["rad"]
    dimension = psf_map.geom.axes.index_data("rad")
    profile = np.moveaxis(psf_map.data.astype("float64"), dimension, -1)
    total = np.expand_dims(rad_containment(profile, axis, psf_map.unit)[..., -1], dimension)
    return psf_map.copy(data=(psf_map.data / np.where(total > 0, total, 1)).astype(psf_map.data.dtype))


def profile_image(rad: np.ndarray, nodes: np.ndarray, profile: np.ndarray) -> np.ndarray:
    """Return a radial profile at offsets: linear between nodes and beyond the outer ones, never negative."""
    index = np.clip(np.searchsorted(nodes, rad) - 1, 0, len(nodes) - 2)
    fraction = (rad - nodes[index]) / (nodes[index + 1] - nodes[index])
    return np.clip(profile[index] * (1 - fraction) + profile[index + 1] * fraction, 0, None)
