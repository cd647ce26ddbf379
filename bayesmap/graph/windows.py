"""Windows on the pixels of a map: where a source needs to be looked at, and the sub-pixels there."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pytensor.tensor as pt
from astropy.coordinates import SkyCoord

from bayesmap._types import Tensor
from bayesmap.graph.arrays import FoldArrays

if TYPE_CHECKING:
    from bayesmap.maps import WcsGeom

__all__ = ["Window", "as_index", "sub_pixels", "window_of"]

#: first row and column, height and width
Window = tuple[int, int, int, int]


def as_index(number: Tensor, lowest: int, highest: int) -> Tensor:
    """A float as an integer between two others: cut before it is one, as there is no integer for what is too large."""
    return pt.maximum(pt.cast(pt.clip(number, lowest, highest), "int64"), lowest)  # after all, for what is no number


def window_of(arrays: FoldArrays, spatial: Any, reach: float, kernel: int) -> Window:
    """Largest window that a shape with a position can have.

    Parameters
    ----------
    arrays : FoldArrays
        The dataset.
    spatial : SpatialModel
        The shape, with a position.
    reach : float
        How far in deg it may move and grow.
    kernel : int
        Half width of the PSF in pixels.
    """
    scale = arrays.pixel_scale
    x, y = (float(v) for v in arrays.geom.wcs.world_to_pixel(spatial.position.transform_to(arrays.geom.frame)))
    radius = float(spatial.evaluation_radius.to_value("deg")) + reach
    n_lat, n_lon = arrays.mask.shape[1:]
    half = [int(np.ceil(radius / s)) + kernel + 1 for s in scale]
    # What lies further from the map than the kernel reaches cannot be seen.
    x0, x1 = max(round(x) - half[0], -2 * kernel), min(round(x) + half[0] + 1, n_lon + 2 * kernel)
    y0, y1 = max(round(y) - half[1], -2 * kernel), min(round(y) + half[1] + 1, n_lat + 2 * kernel)
    return y0, x0, max(y1 - y0, 1), max(x1 - x0, 1)


def sub_pixels(
    geom: "WcsGeom", frame: str, window: Window, fine_x: int, fine_y: int | None = None
) -> tuple[np.ndarray, ...]:
    """Longitude, latitude and solid angle of the sub-pixels of a window: each ``(height, width, fine_x * fine_y)``."""
    y0, x0, height, width = window
    fine_y = fine_x if fine_y is None else fine_y
    steps_x, steps_y = ((np.arange(fine) + 0.5) / fine - 0.5 for fine in (fine_x, fine_y))
    x = (x0 + np.arange(width))[None, :, None] + np.tile(steps_x, fine_y)
    y = (y0 + np.arange(height))[:, None, None] + np.repeat(steps_y, fine_x)
    x, y = np.broadcast_arrays(x, y)
    wcs = geom.wcs

    def vector(dx: float, dy: float) -> np.ndarray:
        lon, lat = np.deg2rad(wcs.wcs_pix2world(np.stack([(x + dx).ravel(), (y + dy).ravel()], axis=1), 0).T)
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])

    step_x, step_y = 0.5 / fine_x, 0.5 / fine_y
    across, along = vector(step_x, 0) - vector(-step_x, 0), vector(0, step_y) - vector(0, -step_y)
    solid_angle = np.linalg.norm(np.cross(across.T, along.T), axis=1).reshape(x.shape)
    lon, lat = wcs.wcs_pix2world(np.stack([x.ravel(), y.ravel()], axis=1), 0).T
    sky = SkyCoord(lon, lat, unit="deg", frame=geom.frame).transform_to(frame)
    return sky.data.lon.deg.reshape(x.shape), sky.data.lat.deg.reshape(x.shape), solid_angle
