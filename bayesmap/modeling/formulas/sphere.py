r"""Spherical geometry with gradients that are finite everywhere.

All angles are in degrees, all functions are symbolic. The gradient of a separation is infinite at zero, so shapes are
written with

.. math::
    w = 1 - \cos s = 2 \sin^2\frac{\Delta b}{2} + 2 \cos b_1 \cos b_2 \sin^2\frac{\Delta l}{2}

which is smooth there and keeps its relative accuracy for small separations s.
"""

import numpy as np

from bayesmap._backend.notes import note, noted
from bayesmap._lazy import pt
from bayesmap._types import Tensor

__all__ = ["direction_cosines", "offsets", "on_grid", "one_minus_cos", "separation", "unit_vectors"]

RADIANS = np.pi / 180.0
_TINY = 1e-28  # squared sine of a separation below which a direction has no meaning (2e-9 arcsec)


def unit_vectors(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Return the unit vectors of positions in deg, as numbers: one more axis, the first, of length three."""
    lon, lat = np.deg2rad(lon), np.deg2rad(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def on_grid(lon: Tensor, lat: Tensor, vectors: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return symbolic positions whose unit vectors are known, so that nothing here needs their sines and cosines.

    Parameters
    ----------
    lon, lat : TensorVariable
        Positions in deg; a formula may use them as any others.
    vectors : tuple of TensorVariable
        The components of `unit_vectors` of these positions, of the same shape.
    """
    note(lon, "unit_vectors", (lat, vectors))
    return lon, lat


def _from_center(lon: Tensor, lat: Tensor, lon_0: Tensor, lat_0: Tensor) -> list[Tensor] | None:
    """Differences of the unit vectors of a grid from that of a position; None where they are not known."""
    known = noted(lon, "unit_vectors")
    if known is None or known[0] is not lat:
        return None
    vectors = known[1]
    lon_0, lat_0 = RADIANS * pt.as_tensor_variable(lon_0), RADIANS * pt.as_tensor_variable(lat_0)
    center = pt.cos(lat_0) * pt.cos(lon_0), pt.cos(lat_0) * pt.sin(lon_0), pt.sin(lat_0)
    return [x - x_0 for x, x_0 in zip(vectors, center, strict=True)]


def one_minus_cos(lon: Tensor, lat: Tensor, lon_0: Tensor, lat_0: Tensor) -> Tensor:
    """Return one minus the cosine of the angular separation of two positions in deg."""
    difference = _from_center(lon, lat, lon_0, lat_0)
    if difference is not None:
        x, y, z = difference
        return 0.5 * (x * x + y * y + z * z)
    half_lon = 0.5 * RADIANS * (lon - lon_0)
    half_lat = 0.5 * RADIANS * (lat - lat_0)
    cosines = pt.cos(RADIANS * lat) * pt.cos(RADIANS * lat_0)
    return 2 * (pt.sin(half_lat) ** 2 + cosines * pt.sin(half_lon) ** 2)


def offsets(lon: Tensor, lat: Tensor, lon_0: Tensor, lat_0: Tensor) -> tuple[Tensor, Tensor]:
    """Return the offsets (East, North) of a position from another, in units of the sphere's radius.

    They are sin(s) sin(p) and sin(s) cos(p) with separation s and position angle p (from North to East).
    """
    difference = _from_center(lon, lat, lon_0, lat_0)
    if difference is not None:
        # the local axes are orthogonal to the centre, which may be subtracted first: nothing cancels
        (x, y, z), lon_0, lat_0 = difference, RADIANS * lon_0, RADIANS * lat_0
        outwards = pt.cos(lon_0) * x + pt.sin(lon_0) * y
        return pt.cos(lon_0) * y - pt.sin(lon_0) * x, pt.cos(lat_0) * z - pt.sin(lat_0) * outwards
    dlon = RADIANS * (lon - lon_0)
    dlat = RADIANS * (lat - lat_0)
    cos_lat, sin_lat_0 = pt.cos(RADIANS * lat), pt.sin(RADIANS * lat_0)
    east = cos_lat * pt.sin(dlon)
    # sin(dlat) + ... instead of the textbook difference, which cancels for small offsets
    north = pt.sin(dlat) + 2 * sin_lat_0 * cos_lat * pt.sin(0.5 * dlon) ** 2
    return east, north


def separation(lon: Tensor, lat: Tensor, lon_0: Tensor, lat_0: Tensor) -> Tensor:
    """Return the angular separation in deg; its gradient at zero is set to zero."""
    w = 0.5 * one_minus_cos(lon, lat, lon_0, lat_0)
    inside = pt.and_(w > _TINY, w < 1 - _TINY)
    safe = pt.switch(inside, w, 0.5)  # both branches of a switch are differentiated
    return pt.switch(inside, 2 * pt.arcsin(pt.sqrt(safe)) / RADIANS, pt.switch(w < 0.5, 0.0, 180.0))


def direction_cosines(
    lon: Tensor, lat: Tensor, lon_0: Tensor, lat_0: Tensor, phi: Tensor, e: Tensor = None
) -> tuple[Tensor, Tensor]:
    """Return the squared cosine and sine of the angle between an axis and the direction to a position.

    Parameters
    ----------
    lon, lat, lon_0, lat_0 : tensor
        Position and origin in deg.
    phi : tensor
        Position angle of the axis in deg, from North to East.
    e : tensor or float, optional
        Eccentricity of what the axis belongs to. For the number 0 directions do not matter and are not computed.

    Returns
    -------
    tuple of tensor
        They add up to one; at the origin itself, and for a round shape, they are 1 and 0.
    """
    if isinstance(e, int | float) and e == 0:
        return 1.0, 0.0
    east, north = offsets(lon, lat, lon_0, lat_0)
    sin_phi, cos_phi = pt.sin(RADIANS * phi), pt.cos(RADIANS * phi)
    across = east * cos_phi - north * sin_phi
    square = east**2 + north**2
    defined = square > _TINY
    sin_square = pt.switch(defined, across**2, 0.0) / pt.switch(defined, square, 1.0)
    return 1 - sin_square, sin_square
