"""Which pixels a part of an image takes, and which pixels two images on one grid share."""

from collections.abc import Sequence

import numpy as np
from astropy.coordinates import SkyCoord

from bayesmap._util import check_option
from bayesmap.errors import GeometryMismatchError
from bayesmap.maps.geom import Geom
from bayesmap.maps.wcs_tools import degrees_pair, first_pixel, round_up_to_odd, same_projection

__all__ = ["common_slices", "cutout_bounds", "cutout_npix", "on_same_grid"]


def cutout_npix(geom: Geom, width: object, odd_npix: bool = False, min_npix: int = 1) -> list[int]:
    """Return the number of pixels in longitude and latitude that are nearest to a width."""
    pixels = np.clip(np.array(degrees_pair("width", width)) / geom.pixel_scales.deg, 1, None)
    return [max(min_npix, round_up_to_odd(p) if odd_npix else int(np.round(p))) for p in pixels]


def cutout_bounds(geom: Geom, position: SkyCoord, npix: Sequence[int], mode: str) -> tuple[list[int], list[int]]:
    """Return the first pixel and the number of pixels of a part of an image, in longitude and latitude.

    Parameters
    ----------
    geom : WcsGeom
        Image.
    position : `~astropy.coordinates.SkyCoord`
        Centre of the part.
    npix : sequence of int
        Its number of pixels.
    mode : {"trim", "partial", "strict", "free"}
        A part that sticks out is cut off, kept, an error, or kept even where nothing overlaps.
    """
    check_option("mode", mode, ("trim", "partial", "strict", "free"))
    pix = geom.to_image().coord_to_pix(position)
    if not np.all(np.isfinite(pix)):
        raise ValueError(f"the position {_text(position)} has no pixel in {geom!r}")
    start = [first_pixel(float(p), n) for p, n in zip(pix, npix, strict=True)]
    low = [max(first, 0) for first in start]
    kept = [min(s + n, size) - lo for s, n, size, lo in zip(start, npix, geom.npix, low, strict=True)]
    if mode == "free":
        return start, list(npix)
    if min(kept) < 1 or (mode == "strict" and kept != list(npix)):
        problem = "does not overlap with" if min(kept) < 1 else "sticks out of"
        raise ValueError(f"a cutout of {npix[0]} x {npix[1]} pixels around {_text(position)} {problem} {geom!r}")
    return (start, list(npix)) if mode == "partial" else (low, kept)


def _text(position: SkyCoord) -> str:
    return f"{position.to_string('decimal')} deg ({position.frame.name})"


def on_same_grid(first: Geom, second: Geom, tolerance: float) -> bool:
    """Whether the pixel centres of two images coincide up to ``tolerance`` pixels, extended beyond their edges."""
    offset = first.wcs.wcs.crpix - second.wcs.wcs.crpix
    aligned = np.all(np.abs(offset - np.round(offset)) < tolerance)
    return bool(aligned) and same_projection(first.wcs, second.wcs)


def common_slices(cutout: Geom, parent: Geom, mode: str) -> dict[str, tuple[slice, slice]]:
    """Return the slices of `WcsGeom.cutout_slices`."""
    check_option("mode", mode, ("trim", "partial", "strict"))
    if not on_same_grid(cutout, parent, 1e-3):
        raise GeometryMismatchError(f"{cutout!r} is not on the pixel grid of {parent!r}")
    offset = np.round(parent.wcs.wcs.crpix - cutout.wcs.wcs.crpix).astype(int)
    inner, outer = [], []
    for start, own, size in zip(offset.tolist(), cutout.npix, parent.npix, strict=True):
        low, high = max(start, 0), min(start + own, size)
        if high <= low or (mode == "strict" and high - low < own):
            raise GeometryMismatchError(f"{cutout!r} does not lie inside {parent!r}")
        outer.append(slice(low, high))
        inner.append(slice(low - start, high - start))
    return {"parent-slices": (outer[1], outer[0]), "cutout-slices": (inner[1], inner[0])}
