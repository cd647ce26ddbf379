"""Mask planes of the older LSST pipelines and their new names."""

from collections.abc import Mapping

import numpy as np

from bayesmap.images.geom import Box
from bayesmap.images.mask import Mask
from bayesmap.images.mask_schema import MaskPlane, MaskSchema

__all__ = ["DEEP_COADD", "legacy_names", "mask_from_legacy"]

#: planes of a coadd of cells, by their old names
DEEP_COADD: Mapping[str, MaskPlane] = {
    "NO_DATA": MaskPlane("NO_DATA", "There are no data for the pixel."),
    "INTRP": MaskPlane("INTERPOLATED", "The value is interpolated from pixels around."),
    "CR": MaskPlane("COSMIC_RAY", "A cosmic ray hit the pixel in an input image; it is interpolated there."),
    "SAT": MaskPlane("SATURATED", "The pixel is saturated in more than a tenth of the possible input images."),
    "EDGE": MaskPlane(
        "DETECTION_EDGE", "So near to the edge that nothing was searched for, given the size of the kernel."
    ),
    "CLIPPED": MaskPlane("CLIPPED", "Something that only single input images show was left out."),
    "REJECTED": MaskPlane("REJECTED", "At least one input image was left out, as the pixel is masked there."),
    "DETECTED": MaskPlane("DETECTED", "The pixel belongs to a detected source."),
    "INEXACT_PSF": MaskPlane("INEXACT_PSF", "Other input images went into the pixel than into the PSF of its cell."),
}


def mask_from_legacy(
    array: np.ndarray, bits: Mapping[str, int], bbox: Box, plane_map: Mapping[str, MaskPlane] | None
) -> Mask:
    """Mask from the bits of one integer per pixel.

    Parameters
    ----------
    array : array
        Bits, shape ``(ny, nx)``.
    bits : dict of int
        Number of the bit of each plane, by its old name.
    bbox : Box
        Pixels of the array.
    plane_map : dict of MaskPlane, optional
        New planes by their old names; by default all planes keep their names.

    Raises
    ------
    RuntimeError
        If a plane that is not in the map is set somewhere.
    ValueError
        If a bit that belongs to no plane is set somewhere.
    """
    if plane_map is None:
        ordered = sorted(bits, key=bits.__getitem__)
        plane_map = {name: MaskPlane(name, f"Plane {name} of the LSST pipelines.") for name in ordered}
    known = sum(1 << bit for bit in set(bits.values()))
    if unknown := int(np.count_nonzero(array.astype("int64") & 0xFFFFFFFF & ~known)):
        raise ValueError(f"{unknown} pixels of the mask have bits set that belong to none of the planes {sorted(bits)}")
    mask = Mask(schema=MaskSchema(plane_map.values()), bbox=bbox)
    for name, bit in bits.items():
        where = (array.astype("int64") >> bit & 1).astype(bool)
        if name in plane_map:
            mask.set(plane_map[name].name, where)
        elif number := int(where.sum()):
            raise RuntimeError(f"Legacy mask plane {name!r} is not remapped, but {number} pixels have this bit set.")
    return mask


def legacy_names(schema: MaskSchema, plane_map: Mapping[str, MaskPlane] | None) -> dict[str, str]:
    """Old names of mask planes, by their new ones.

    Parameters
    ----------
    schema : MaskSchema
        Mask planes.
    plane_map : dict of MaskPlane, optional
        New planes by their old names; by default planes keep their names.

    Raises
    ------
    ValueError
        If a plane is not in the map.
    """
    if plane_map is None:
        return {name: name for name in schema.names}
    names = {plane.name: old for old, plane in plane_map.items()}
    if missing := [name for name in schema.names if name not in names]:
        raise ValueError(f"plane_map has no old names for the mask planes {missing}; it has some for {sorted(names)}")
    return {name: names[name] for name in schema.names}
