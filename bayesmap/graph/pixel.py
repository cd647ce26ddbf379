"""Where a position on the sky falls on the pixel grid, as a symbolic and smooth function.

The plate carree and gnomonic projections are written out (Calabretta & Greisen 2002, A&A 395, 1077); any other
projection is replaced by its affine approximation around a reference position.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import astropy.units as u
import numpy as np
import pytensor.tensor as pt
from astropy.coordinates import SkyCoord

from bayesmap._backend.program import number
from bayesmap._types import Tensor

__all__ = ["SkyToPixel", "bilinear"]

DEG = np.pi / 180


def _unit_vector(lon: Tensor, lat: Tensor) -> list[Tensor]:
    lon, lat = lon * DEG, lat * DEG
    return [pt.cos(lat) * pt.cos(lon), pt.cos(lat) * pt.sin(lon), pt.sin(lat)]


def _numbers(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    lon, lat = np.deg2rad(lon), np.deg2rad(lat)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


@dataclass(frozen=True)
class SkyToPixel:
    """Map from the sky to the pixels of one geometry, for positions given in one frame.

    Attributes
    ----------
    kind : {"CAR", "TAN", "affine"}
        How native coordinates become plane coordinates.
    rotation : numpy.ndarray
        Shape (3, 3): from unit vectors in the model's frame to the native frame of the projection.
    matrix, origin : numpy.ndarray
        Shapes (2, 2) and (2,): pixel = matrix @ plane coordinates in deg + origin.

    Notes
    -----
    For several positions at once, see `together`, the arrays have one more axis at the end.
    """

    kind: str
    rotation: np.ndarray
    matrix: np.ndarray
    origin: np.ndarray

    @classmethod
    def from_geom(cls, geom: Any, reference: SkyCoord) -> "SkyToPixel":
        """Build the map for a `~bayesmap.maps.WcsGeom`; positions are given in the frame of ``reference``."""
        wcs = geom.wcs
        kind = wcs.wcs.ctype[0][-3:]
        if kind not in ("CAR", "TAN"):
            return cls._affine(geom, reference)
        spread = np.array([(0, 0), (3, 0), (-3, 0), (0, 3), (0, -3), (2, 2), (-2, -2)]) * u.deg
        points = reference.spherical_offsets_by(spread[:, 0], spread[:, 1])
        world = points.transform_to(geom.frame)
        native = wcs.wcs.s2p(np.stack([world.data.lon.deg, world.data.lat.deg], axis=1), 0)
        here = _numbers(points.data.lon.deg, points.data.lat.deg)
        there = _numbers(native["phi"], native["theta"])
        left, _, right = np.linalg.svd(there @ here.T)
        rotation = left @ right
        if kind == "CAR":
            # Turn native longitude so that the reference is at zero: no jump at 180 deg.
            phi = native["phi"][0] * DEG
            turn = np.array([[np.cos(phi), np.sin(phi), 0], [-np.sin(phi), np.cos(phi), 0], [0, 0, 1]])
            rotation = turn @ rotation
        matrix = np.linalg.inv(wcs.pixel_scale_matrix)
        pixel = np.array([float(v) for v in wcs.world_to_pixel_values(*(c[0] for c in _lonlat(world)))])
        probe = cls(kind, rotation, matrix, np.zeros(2))
        x, y = probe.pixel(float(points[0].data.lon.deg), float(points[0].data.lat.deg))
        return cls(kind, rotation, matrix, pixel - number(pt.stack([x, y])))

    @classmethod
    def together(cls, places: Sequence["SkyToPixel"]) -> "SkyToPixel":
        """Maps of one geometry as one, for vectors with one position for each of them."""
        columns = zip(*((p.rotation, p.matrix, p.origin) for p in places), strict=True)
        rotation, matrix, origin = (np.stack(column, axis=-1) for column in columns)
        return cls(places[0].kind, rotation, matrix, origin)

    @classmethod
    def _affine(cls, geom: Any, reference: SkyCoord) -> "SkyToPixel":
        """Tangent plane at the reference, with the Jacobian of the true projection there."""
        step = 0.01 * u.deg
        points = reference.spherical_offsets_by([0, 0.01, -0.01, 0, 0] * u.deg, [0, 0, 0, 0.01, -0.01] * u.deg)
        x, y = geom.wcs.world_to_pixel(points.transform_to(geom.frame))
        columns = [(x[1] - x[2], y[1] - y[2]), (x[3] - x[4], y[3] - y[4])]
        matrix = np.array(columns).T / (2 * step.value)
        return cls("affine", _local_axes(reference), matrix, np.array([x[0], y[0]], dtype=float))

    def _plane(self, vector: list[Tensor]) -> tuple[Tensor, Tensor]:
        a, b, c = self._rotate(vector)
        if self.kind == "CAR":
            return pt.arctan2(b, a) / DEG, pt.arcsin(c) / DEG
        if self.kind == "TAN":
            return b / c / DEG, -a / c / DEG
        return a / c / DEG, b / c / DEG

    def _plane_step(self, vector: list[Tensor], step: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Derivative of the plane coordinates (deg) along a unit step on the sphere (deg)."""
        a, b, c = self._rotate(vector)
        da, db, dc = self._rotate(step)
        if self.kind == "CAR":
            across = a**2 + b**2
            return (a * db - b * da) / across, dc / pt.sqrt(across)
        if self.kind == "TAN":
            return (db * c - b * dc) / c**2, -(da * c - a * dc) / c**2
        return (da * c - a * dc) / c**2, (db * c - b * dc) / c**2

    def _rotate(self, vector: list[Tensor]) -> list[Tensor]:
        return [sum(r * v for r, v in zip(row, vector, strict=True)) for row in self.rotation]

    def pixel(self, lon: Tensor, lat: Tensor) -> tuple[Tensor, Tensor]:
        """Pixel coordinates (x, y) of a position in deg; pixel centres are integers."""
        u_, v_ = self._plane(_unit_vector(lon, lat))
        m, origin = self.matrix, self.origin
        return m[0, 0] * u_ + m[0, 1] * v_ + origin[0], m[1, 0] * u_ + m[1, 1] * v_ + origin[1]

    def jacobian(self, lon: Tensor, lat: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pixels per degree: ``(dx/deast, dx/dnorth, dy/deast, dy/dnorth)`` at a position in deg."""
        lon_, lat_ = lon * DEG, lat * DEG
        zero = pt.zeros_like(pt.as_tensor_variable(lon_))
        vector = _unit_vector(lon, lat)
        east = [-pt.sin(lon_), pt.cos(lon_), zero]
        north = [-pt.sin(lat_) * pt.cos(lon_), -pt.sin(lat_) * pt.sin(lon_), pt.cos(lat_)]
        m = self.matrix
        (ue, ve), (un, vn) = self._plane_step(vector, east), self._plane_step(vector, north)
        return (
            m[0, 0] * ue + m[0, 1] * ve,
            m[0, 0] * un + m[0, 1] * vn,
            m[1, 0] * ue + m[1, 1] * ve,
            m[1, 0] * un + m[1, 1] * vn,
        )


def _lonlat(world: SkyCoord) -> tuple[np.ndarray, np.ndarray]:
    return world.data.lon.deg, world.data.lat.deg


def _local_axes(position: SkyCoord) -> np.ndarray:
    """Unit vectors to the East, to the North and outwards at a position: rows of a rotation."""
    lon, lat = position.data.lon.rad, position.data.lat.rad
    east = [-np.sin(lon), np.cos(lon), 0]
    north = [-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)]
    outwards = [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    return np.array([east, north, outwards])


def bilinear(cube: Any, x: Any, y: Any) -> Any:
    """Bilinear interpolation of ``(n, n_lat, n_lon)`` at pixels, constant beyond the edge: ``(n_source, n)``."""
    height, width = cube.shape[1], cube.shape[2]
    x, y = pt.clip(x, 0, width - 1), pt.clip(y, 0, height - 1)
    x0 = pt.minimum(pt.cast(pt.floor(x), "int64"), pt.maximum(width - 2, 0))
    y0 = pt.minimum(pt.cast(pt.floor(y), "int64"), pt.maximum(height - 2, 0))
    x1, y1 = pt.minimum(x0 + 1, width - 1), pt.minimum(y0 + 1, height - 1)
    fx, fy = (x - x0)[None], (y - y0)[None]
    low = cube[:, y0, x0] * (1 - fx) + cube[:, y0, x1] * fx
    high = cube[:, y1, x0] * (1 - fx) + cube[:, y1, x1] * fx
    return (low * (1 - fy) + high * fy).T
