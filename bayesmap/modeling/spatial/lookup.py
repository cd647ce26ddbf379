"""Interpolation between the pixel centres of a template, and the integral of what is interpolated."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from bayesmap.maps import WcsGeom

__all__ = ["STEEPEST", "SkyTable", "between"]

#: Largest ratio of neighbouring values between which logarithms are interpolated.
STEEPEST = 1e6
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)
_CHUNK = 200_000  # cells integrated at once


def between(low: Any, high: Any, share: Any) -> np.ndarray:
    """Return values between two nodes: linear in logarithms if both are positive, in the values themselves if not.

    Parameters
    ----------
    low, high : array_like
        Values at the nodes, not negative.
    share : array_like
        Position, 0 at the first node and 1 at the second. Beyond them logarithms go on, values do not.
    """
    low, high, share = np.broadcast_arrays(low, high, share)
    steep = ~_smooth(np.minimum(low, high), np.maximum(low, high))
    inside = np.clip(share, 0.0, 1.0)
    start, end = (np.log(np.where(steep, 1.0, value)) for value in (low, high))
    values: np.ndarray = np.where(steep, low + inside * (high - low), np.exp(start + share * (end - start)))
    return values


def _smooth(least: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """Whether logarithms can be interpolated between the least and the largest of some values."""
    smooth: np.ndarray = (least > 0) & (largest <= STEEPEST * least)
    return smooth


class SkyTable:
    """Values between the pixel centres of an image.

    Where the four pixels around a position are positive, their logarithms are interpolated linearly; where one of them
    is zero (or smaller by a factor of `STEEPEST`), the values themselves. In the outer half of the outermost pixels
    they fall on as they do inside, but do not rise; a map that goes around the sky goes on at its other end.

    Parameters
    ----------
    data : numpy.ndarray
        Values, not negative, shape ``(n_lat, n_lon)``.
    geom : `~bayesmap.maps.WcsGeom`
        Their image.
    """

    def __init__(self, data: np.ndarray, geom: "WcsGeom") -> None:
        self._around = bool(geom.is_allsky and geom.projection in ("CAR", "CEA", "MER", "CYP"))
        self._inside = np.asarray(data, dtype="float64")
        self._data = self._padded(self._inside, 1.0)
        self._geom = geom

    def _padded(self, image: np.ndarray, distance: float) -> np.ndarray:
        """The image with one more pixel on each side, at a distance in pixels."""
        rows = _extended(image, distance)
        return np.pad(rows, [(0, 0), (1, 1)], mode="wrap") if self._around else _extended(rows.T, distance).T

    def rough(self) -> np.ndarray:
        """Return which pixels are beside an edge, or on the border of the map and bright: shape ``(n_lat, n_lon)``."""
        corners = _corners(np.pad(self._inside, 1, mode="wrap" if self._around else "constant"))
        steps = np.ptp(corners, axis=0)
        steep = ~_smooth(np.minimum.reduce(corners), np.maximum.reduce(corners)) & (steps > 1e-3 * self._inside.max())
        pixels: np.ndarray = np.logical_or.reduce(_corners(steep))
        return pixels

    def _around_position(self, x: np.ndarray, y: np.ndarray) -> tuple[Any, Any, list[np.ndarray]]:
        """Shares of the upper and right pixels, and the values of the four pixels around positions."""
        x, y = np.nan_to_num(x) + 1, np.nan_to_num(y) + 1
        rows, columns = (
            np.clip(np.floor(pix).astype(int), 0, n - 2) for pix, n in zip((y, x), self._data.shape, strict=True)
        )
        return y - rows, x - columns, [self._data[rows + i, columns + j] for i in (0, 1) for j in (0, 1)]

    def positive(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return whether all pixels around positions are positive."""
        return np.minimum.reduce(self._around_position(x, y)[2]) > 0

    def at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the values at pixel positions within half a pixel of the image, of their shape."""
        up, right, corners = self._around_position(x, y)
        weights = [(1 - up) * (1 - right), (1 - up) * right, up * (1 - right), up * right]
        smooth = _smooth(np.minimum.reduce(corners), np.maximum.reduce(corners))
        plain = sum(w * c for w, c in zip(weights, corners, strict=True))
        logs = sum(w * np.log(np.where(smooth, c, 1.0)) for w, c in zip(weights, corners, strict=True))
        values: np.ndarray = np.where(smooth, np.exp(logs), plain)
        return values

    def integral(self) -> float:
        """Return the integral over the image, in the unit of the values times sr."""
        area = np.nan_to_num(self._geom.to_image().solid_angle().to_value("sr"))
        area = np.pad(np.pad(area, [(1, 1), (0, 0)], mode="edge"), [(0, 0), (1, 1)], mode="edge")
        data = self._padded(self._inside, 0.5)
        share = [np.ones(n - 1) for n in self._data.shape]
        for part in share:
            part[[0, -1]] = 0.5
        step = max(1, _CHUNK // self._data.shape[1])
        total = 0.0
        for start in range(0, len(share[0]), step):
            cells = slice(start, start + step + 1)
            means = _cell_means(_corners(data[cells]))
            solid_angle = np.mean(_corners(area[cells]), axis=0)
            total += float(share[0][start : start + step] @ (means * solid_angle) @ share[1])
        return total


def _extended(image: np.ndarray, distance: float) -> np.ndarray:
    """The image with a row more at both ends, a distance in rows beyond the outermost ones."""
    first, last = image[0], image[-1]
    if len(image) > 1:
        first = np.minimum(first, between(first, image[1], -distance))
        last = np.minimum(last, between(last, image[-2], -distance))
    return np.concatenate([first[None], image, last[None]])


def _corners(image: np.ndarray) -> tuple[np.ndarray, ...]:
    """Values at the corners of the cells between pixel centres: lower left, lower right, upper left, upper right."""
    return image[:-1, :-1], image[:-1, 1:], image[1:, :-1], image[1:, 1:]


def _cell_means(corners: tuple[np.ndarray, ...]) -> np.ndarray:
    """Means of the interpolated values over the cells between pixel centres."""
    smooth = _smooth(np.minimum.reduce(corners), np.maximum.reduce(corners))
    plain = np.mean(corners, axis=0)
    smooth &= np.ptp(corners, axis=0) > 1e-3 * plain  # flat cells are the same either way
    lower_left, lower_right, upper_left, upper_right = (np.log(c[smooth]) for c in corners)
    means = np.zeros(lower_left.shape)
    for node, weight in zip(0.5 + 0.5 * _NODES, 0.5 * _WEIGHTS, strict=True):
        left = lower_left + node * (upper_left - lower_left)
        right = lower_right + node * (upper_right - lower_right)
        half = 0.5 * np.abs(right - left)  # along a row the mean is that of an exponential
        steps = np.where(half > 1e-4, half, 1.0)
        means += weight * np.exp(0.5 * (left + right)) * np.where(half > 1e-4, np.sinh(steps) / steps, 1.0)
    plain[smooth] = means
    return plain
