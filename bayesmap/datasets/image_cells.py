"""What a dataset takes of an image: the cells with their PSF, and the mask planes of bad pixels."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from bayesmap._util import suggest
from bayesmap.images import CellCoadd, Mask, MaskedImage

__all__ = ["image_cells", "known_planes"]

#: mask planes whose pixels are left out, where a mask has them
BAD_PLANES = ("NO_DATA", "SATURATED", "BAD", "COSMIC_RAY", "REJECTED")


def known_planes(name: str, mask: Mask, wanted: Iterable[str] | None) -> tuple[str, ...]:
    """Mask planes whose pixels are left out: those that are wanted, or those of `BAD_PLANES` that a mask has.

    Raises
    ------
    ValueError
        If a mask has no such plane.
    """
    known = list(mask.schema.names)
    if wanted is None:
        return tuple(plane for plane in BAD_PLANES if plane in known)
    planes = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    for plane in planes:
        if plane not in known:
            raise ValueError(
                f"dataset {name!r}: the mask has no plane {plane!r}{suggest(plane, known)}; it has {known}"
            )
    return planes


def image_cells(name: str, image: MaskedImage, psf: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where in an image the PSF is constant, and what it is there.

    Parameters
    ----------
    name : str
        Of the dataset, for messages.
    image : CellCoadd or MaskedImage
        A coadd has cells with a PSF each; of any other image all is one cell.
    psf : array-like or None
        The kernel of an image that is no coadd, of odd sizes and sum one.

    Returns
    -------
    boxes : numpy.ndarray
        First and last (excluded) row, first and last column of each cell that is there, shape ``(n_cell, 4)``.
    kernels : numpy.ndarray
        Shape ``(n_cell, odd, odd)``.

    Raises
    ------
    ValueError
        If there is no cell, or no PSF, or one that cannot be.
    """
    bbox = image.bbox
    if isinstance(image, CellCoadd):
        if psf is not None:
            raise ValueError(f"dataset {name!r}: a coadd has a PSF of its own; psf is for other images")
        boxes, kernels = [], []
        for cell in image.bounds.cell_indices():
            box = image.grid.bbox_of(cell).intersection(bbox)
            rows, columns = box.y - bbox.y.start, box.x - bbox.x.start
            boxes.append([rows.start, rows.stop, columns.start, columns.stop])
            kernels.append(image.psf[cell].array)
        if not boxes:
            raise ValueError(f"dataset {name!r}: all cells of the coadd are missing")
        return np.array(boxes), np.array(kernels, dtype="float64")
    if psf is None:
        raise ValueError(f"dataset {name!r}: a MaskedImage has no PSF; give a kernel as psf")
    kernel = np.asarray(psf, dtype="float64")
    if kernel.ndim != 2 or not (kernel.shape[0] % 2 and kernel.shape[1] % 2):
        raise ValueError(f"dataset {name!r}: psf must be an image with odd sizes, got shape {kernel.shape}")
    if not np.isfinite(kernel).all():
        number = np.count_nonzero(~np.isfinite(kernel))
        raise ValueError(f"dataset {name!r}: {number} values of psf are not finite numbers")
    if not np.isclose(kernel.sum(), 1, atol=0.01):
        raise ValueError(f"dataset {name!r}: the sum of psf is {kernel.sum():.3g}; it must be 1")
    return np.array([[0, bbox.shape.y, 0, bbox.shape.x]]), kernel[None]
