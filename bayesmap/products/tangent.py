"""Directions near each other as points of a plane."""

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord

__all__ = ["TangentPlane"]


class TangentPlane:
    """Gnomonic projection of draws of a position around their mean direction.

    Parameters
    ----------
    lon, lat : numpy.ndarray
        Draws in deg, shape ``(n,)``; longitudes may be any multiple of a turn apart.
    frame : str
        Frame of the coordinates.
    what : str
        Of what they are, for errors.
    points : bool
        Whether all draws may be at one place.

    Attributes
    ----------
    center : `~astropy.coordinates.SkyCoord`
        Mean direction, where the plane touches the sphere.
    offsets : numpy.ndarray
        To the east and to the north, in deg of the centre, shape ``(n, 2)``.
    separations : numpy.ndarray
        Angles from the centre in deg, shape ``(n,)``.

    Raises
    ------
    ValueError
        If the draws are spread over a hemisphere, or lie at one place or on a line.
    """

    def __init__(self, lon: np.ndarray, lat: np.ndarray, frame: str, what: str, points: bool = False) -> None:
        directions = _vectors(np.radians(lon), np.radians(lat))
        mean = directions.mean(axis=0)
        cosines = directions @ (mean / max(float(np.linalg.norm(mean)), 1e-300))
        if cosines.min() <= 0:
            raise ValueError(f"{what} is spread over a hemisphere or more: there is no region around a mean direction")
        x, y, z = mean / np.linalg.norm(mean)
        middle = np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))
        self._frame, self._axes = frame, _axes(*middle)
        self.center = SkyCoord(*np.degrees(middle), unit="deg", frame=frame)
        east, north, out = self._axes @ directions.T
        self.offsets = np.degrees(np.stack([east / out, north / out], axis=1))
        self.separations = np.degrees(np.arctan2(np.hypot(east, north), out))
        if not points and np.linalg.matrix_rank(np.cov(self.offsets.T), hermitian=True) < 2:
            raise ValueError(
                f"{what} does not vary in two directions: a region needs longitude and latitude to be free"
            )

    def coordinates(self, offsets: np.ndarray) -> SkyCoord:
        """Directions of points of the plane, shape ``(n, 2)`` in deg."""
        east, north = np.radians(offsets).T
        x, y, z = self._axes.T @ np.stack([east, north, np.ones_like(east)])
        return SkyCoord(np.arctan2(y, x) * u.rad, np.arctan2(z, np.hypot(x, y)) * u.rad, frame=self._frame)


def _vectors(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Unit vectors, shape ``(n, 3)``."""
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def _axes(lon: float, lat: float) -> np.ndarray:
    """East, north and outward at a direction, as rows."""
    east = [-np.sin(lon), np.cos(lon), 0.0]
    north = [-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)]
    out = [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    return np.array([east, north, out])
