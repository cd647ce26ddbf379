"""Drawing energies, directions and times of single events from spectra and responses."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
import scipy
from astropy.coordinates import SkyCoord

from bayesmap.maps import MapAxis

if TYPE_CHECKING:
    from bayesmap.irf import GTI
    from bayesmap.maps import Map
    from bayesmap.modeling.spectral.base import SpectralModel

__all__ = ["draw_energies", "draw_kernel", "draw_migration", "draw_offsets", "draw_times", "inside_bins"]

#: steps per node of a radial profile, within which the density is constant
RAD_STEPS = 8


def inside_bins(index: np.ndarray, axis: MapAxis, rng: np.random.Generator) -> u.Quantity:
    """Values inside the bins of an axis, uniform in the scale of the axis (the logarithm for energies)."""
    low, high = axis.edges_min.value[index], axis.edges_max.value[index]
    fraction = rng.random(len(index))
    if axis.interp == "log":
        return low * (high / low) ** fraction * axis.unit
    return (low + (high - low) * fraction) * axis.unit


def draw_energies(
    index: np.ndarray, axis: MapAxis, spectrum: "SpectralModel", factor: int, rng: np.random.Generator
) -> u.Quantity:
    """True energies inside bins, following a spectrum.

    Parameters
    ----------
    index : numpy.ndarray
        Bin of each event.
    axis : MapAxis
        True energies.
    spectrum : SpectralModel
        Spectrum; within each of ``factor`` parts of a bin its logarithm is uniform.
    factor : int
        Number of parts.
    rng : numpy.random.Generator
        Source of randomness.
    """
    fine = axis.upsample(factor)
    flux = spectrum.integral(fine.edges[:-1], fine.edges[1:]).value
    total = np.concatenate([[0.0], np.cumsum(flux)])
    below, above = total[index * factor], total[(index + 1) * factor]
    # the part of each event, then its place in the part: rounding of the sum cannot move it into another bin
    part = np.searchsorted(total, below + (above - below) * rng.random(len(index)), side="right") - 1
    return inside_bins(np.clip(part, index * factor, (index + 1) * factor - 1), fine, rng)


def draw_kernel(kernel_map: "Map", position: SkyCoord, energy_true: u.Quantity, rng: np.random.Generator) -> u.Quantity:
    """Reconstructed energies from matrices, NaN for events outside of the reconstructed energies.

    Parameters
    ----------
    kernel_map : Map
        Axes ``energy`` and ``energy_true``, data ``(energy_true, energy, lat, lon)``.
    position, energy_true
        Of the events.
    rng : numpy.random.Generator
        Source of randomness.
    """
    axis = kernel_map.geom.axes["energy"]
    energy = np.full(len(energy_true), np.nan) * axis.unit
    for events, probability in _rows(kernel_map, position, energy_true):
        index = np.searchsorted(np.cumsum(probability), rng.random(len(events)), side="right")
        seen = index < axis.nbin
        energy[events[seen]] = inside_bins(index[seen], axis, rng)
    return energy


def draw_migration(
    edisp_map: "Map", position: SkyCoord, energy_true: u.Quantity, rng: np.random.Generator
) -> u.Quantity:
    """Reconstructed energies from densities of E / E_true, NaN where the density is incomplete.

    Parameters
    ----------
    edisp_map : Map
        Axes ``migra`` and ``energy_true``, data ``(energy_true, migra, lat, lon)``.
    position, energy_true
        Of the events.
    rng : numpy.random.Generator
        Source of randomness.
    """
    axis = edisp_map.geom.axes["migra"]
    migra = np.full(len(energy_true), np.nan)
    for events, density in _rows(edisp_map, position, energy_true):
        total = np.concatenate([[0.0], np.cumsum(density * axis.bin_width.to_value(""))])
        migra[events] = np.interp(rng.random(len(events)), total, axis.edges.to_value(""), right=np.nan)
    return migra * energy_true


def _rows(m: Any, position: SkyCoord, energy_true: u.Quantity) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the events that share a pixel and a true energy of a response, and its values there."""
    axis = m.geom.axes["energy_true"]
    energy = np.clip(axis.coord_to_idx(energy_true, clip=True), 0, axis.nbin - 1)
    lon, lat = (np.rint(p).astype(int) for p in _pixels(m, position))
    yield from _groups(m, energy, lat, lon)


def _pixels(m: Any, position: SkyCoord) -> tuple[np.ndarray, np.ndarray]:
    """Pixel coordinates, moved into the map."""
    shape = m.geom.data_shape_image
    if shape == (1, 1):
        return np.zeros(len(position)), np.zeros(len(position))
    lon, lat = m.geom.to_image().coord_to_pix(position)
    return tuple(np.clip(np.nan_to_num(p), 0, n - 1) for p, n in ((lon, shape[1]), (lat, shape[0])))


def _groups(m: Any, energy: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the events that share the bin ``[energy, :, lat, lon]`` of a response, and its values there.

    Pixels in which the response is unknown at all energies are replaced by the nearest known ones.
    """
    known = (np.nan_to_num(m.data) > 0).any(axis=(0, 1))
    if known.any() and not known.all():
        lat, lon = scipy.ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)[
            :, lat, lon
        ]
    flat = np.ravel_multi_index((energy, lat, lon), (m.data.shape[0], *m.data.shape[2:]))
    order = np.argsort(flat, kind="stable")
    values, first = np.unique(flat[order], return_index=True)
    for events, value in zip(np.split(order, first[1:]), values, strict=True):
        e, y, x = np.unravel_index(value, (m.data.shape[0], *m.data.shape[2:]))
        yield events, np.nan_to_num(m.data[e, :, y, x].astype("float64"))


def draw_offsets(psf: Any, position: SkyCoord, energy: u.Quantity, rng: np.random.Generator) -> u.Quantity:
    """Angles between true and reconstructed directions, NaN where the PSF is empty.

    Parameters
    ----------
    psf : PSFMap or RecoPSFMap
        Point spread function.
    position : `~astropy.coordinates.SkyCoord`
        True directions.
    energy : `~astropy.units.Quantity`
        True or reconstructed energies, whichever the PSF has.
    rng : numpy.random.Generator
        Source of randomness.

    Notes
    -----
    Profiles are linear in position and energy between nodes. A linear mixture is drawn from by first drawing one of
    the neighbouring nodes with the weights of the interpolation. In radius they are linear between nodes and, like in
    the prediction, continued to the centre with the slope of the first segment; they are normalised.
    """
    m = psf.psf_map
    axis = m.geom.axes[psf.energy_name]
    pix = np.clip(np.nan_to_num(axis.coord_to_pix(energy)), 0, axis.nbin - 1)
    lon, lat = _pixels(m, position)
    energy_index, lat, lon = (_one_neighbour(p, rng) for p in (pix, lat, lon))
    edges = _fine_edges(m.geom.axes["rad"])
    rad = np.full(len(pix), np.nan)
    for events, profile in _groups(m, energy_index, lat, lon):
        total = _containment(profile, m.geom.axes["rad"], edges)
        if total[-1] > 0:
            # between the fine edges the density is constant, so that the squared radius is uniform
            rad[events] = np.sqrt(np.interp(rng.random(len(events)), total / total[-1], edges**2))
    return rad * u.deg


def _one_neighbour(pix: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of the two nodes around each pixel coordinate, drawn with the weights of a linear interpolation."""
    lower = np.floor(pix)
    return (lower + (rng.random(len(pix)) < pix - lower)).astype(int)


def _fine_edges(axis: MapAxis) -> np.ndarray:
    """Offsets in deg from zero to the last node."""
    return np.linspace(0, axis.center.to_value("deg")[-1], RAD_STEPS * axis.nbin + 1)


def _containment(profile: np.ndarray, axis: MapAxis, edges: np.ndarray) -> np.ndarray:
    """Probability inside the fine edges, not normalised."""
    nodes = axis.center.to_value("deg")
    middle = 0.5 * (edges[:-1] + edges[1:])
    density = np.interp(middle, nodes, profile)
    if len(nodes) > 1:
        inner = middle < nodes[0]
        slope = (profile[1] - profile[0]) / (nodes[1] - nodes[0])
        density[inner] = np.maximum(profile[0] + slope * (middle[inner] - nodes[0]), 0)
    return np.concatenate([[0.0], np.cumsum(density * np.diff(edges**2))])


def draw_times(n: int, gti: "GTI", rng: np.random.Generator) -> u.Quantity:
    """Times uniform in good time intervals, in s since their reference time; overlaps count once."""
    intervals = gti.union()
    start, length = intervals.met_start.to_value("s"), intervals.time_delta.to_value("s")
    total = np.concatenate([[0.0], np.cumsum(length)])
    elapsed = rng.random(n) * total[-1]
    index = np.clip(np.searchsorted(total, elapsed, side="right") - 1, 0, len(length) - 1)
    return (start[index] + elapsed - total[index]) * u.s
