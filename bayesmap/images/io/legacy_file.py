"""Read the files that older LSST pipelines write of a masked image: image, mask and variance, one after another."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal
from urllib.parse import ParseResult

import numpy as np
from astropy.io import fits

from bayesmap._types import FileName
from bayesmap._util import check_option
from bayesmap.errors import FormatError
from bayesmap.images.geom import Box
from bayesmap.images.image import Image
from bayesmap.images.io.cards import extra_cards
from bayesmap.images.io.read import local_path
from bayesmap.images.legacy_planes import mask_from_legacy
from bayesmap.images.mask import Mask
from bayesmap.images.mask_schema import MaskPlane
from bayesmap.images.projection import PixelFrame, Projection
from bayesmap.maps.files import named_errors, open_fits
from bayesmap.maps.wcs_tools import read_wcs
from bayesmap.units import parse_unit

if TYPE_CHECKING:
    from bayesmap.images.masked_image import MaskedImage

__all__ = ["read_legacy_image"]

#: place of each plane in the file
PLANES = {"image": 1, "mask": 2, "variance": 3}


def read_legacy_image(
    cls: type["MaskedImage"],
    uri: FileName | ParseResult,
    preserve_quantization: bool,
    plane_map: Mapping[str, MaskPlane] | None,
    component: Literal["image", "mask", "variance"] | None,
    frame: PixelFrame | None,
) -> "MaskedImage | Image | Mask":
    """Read a masked image or one plane; see `MaskedImage.read_legacy`."""
    if component is not None:
        check_option("component", component, PLANES)
    path = local_path(uri)
    with open_fits(path) as hdulist:
        if len(hdulist) < 4 and component is None:
            raise FormatError(f"{path} has {len(hdulist)} HDUs; image, mask and variance are the second to fourth")
        if component == "mask":
            return _read_mask(hdulist, plane_map, frame)
        if component is not None:
            return _read_image(hdulist, component, preserve_quantization, frame)
        image = cls(
            _read_image(hdulist, "image", preserve_quantization, frame),
            mask=_read_mask(hdulist, plane_map, None),
            variance=_read_image(hdulist, "variance", preserve_quantization, None),
        )
        image._cards = {"PRIMARY": extra_cards(hdulist[0].header)}
        image._cards |= {name.upper(): extra_cards(hdulist[place].header) for name, place in PLANES.items()}
    if preserve_quantization:
        image._packed = _packed(path)
    return image


def _read_image(hdulist: fits.HDUList, name: str, read_only: bool, frame: PixelFrame | None) -> Image:
    hdu = _plane(hdulist, name)
    with named_errors("", name):
        array, bbox = _pixels(hdu), _box(hdu)
        if array.dtype.kind not in "fiu":
            raise FormatError(f"its values are {array.dtype}, not numbers")
        unit = parse_unit(hdu.header["BUNIT"]) if "BUNIT" in hdu.header else None
        # what was rounded is kept as it is only while nobody changes it
        array.flags.writeable = not (read_only and isinstance(hdu, fits.CompImageHDU))
        return Image(array, bbox=bbox, unit=unit, projection=_projection(hdu, bbox, frame))


def _read_mask(hdulist: fits.HDUList, plane_map: Mapping[str, MaskPlane] | None, frame: PixelFrame | None) -> Mask:
    hdu = _plane(hdulist, "mask")
    with named_errors("", "mask"):
        array, bbox = _pixels(hdu), _box(hdu)
        if array.dtype.kind not in "iu":
            raise FormatError(f"its values are {array.dtype}, not integers")
        bits = {key.removeprefix("MP_"): hdu.header[key] for key in hdu.header if key.startswith("MP_")}
        if wrong := {key: bit for key, bit in bits.items() if type(bit) is not int or not 0 <= bit < 32}:
            raise FormatError(f"bits of mask planes go from 0 to 31, got {wrong}")
        if len(set(bits.values())) < len(bits):
            raise FormatError(f"two mask planes have the same bit: {bits}")
        mask = mask_from_legacy(array, bits, bbox, plane_map)
        return mask.view(projection=_projection(hdu, bbox, frame))


def _plane(hdulist: fits.HDUList, name: str) -> fits.ImageHDU | fits.CompImageHDU:
    if len(hdulist) <= PLANES[name]:
        raise FormatError(f"there is no HDU {PLANES[name]} with the {name}")
    hdu = hdulist[PLANES[name]]
    if not isinstance(hdu, fits.ImageHDU | fits.CompImageHDU) or len(hdu.shape) != 2 or 0 in hdu.shape:
        raise FormatError(f"HDU {PLANES[name]} should be the {name}, with two axes; it is {hdu.name!r}")
    return hdu


def _pixels(hdu: fits.ImageHDU | fits.CompImageHDU) -> np.ndarray:
    data = np.asarray(hdu.section[:, :])
    return np.array(data, dtype=data.dtype.newbyteorder("="))


def _box(hdu: fits.ImageHDU | fits.CompImageHDU) -> Box:
    """Pixels of a plane; their origin stands in LTV1 and LTV2, with the opposite sign."""
    start = []
    for keyword in ("LTV2", "LTV1"):
        value = hdu.header.get(keyword, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 or abs(value) >= 2**31:
            raise FormatError(f"{keyword} should be a whole number, got {value!r}")
        start.append(-int(value))
    return Box.from_shape(hdu.shape, start)


def _projection(
    hdu: fits.ImageHDU | fits.CompImageHDU, bbox: Box, frame: PixelFrame | None
) -> Projection[PixelFrame] | None:
    if frame is None:
        return None
    wcs = read_wcs(hdu.header)
    return Projection.from_fits_wcs(wcs, frame, x0=bbox.x.start, y0=bbox.y.start) if wcs.has_celestial else None


def _packed(path: FileName) -> dict[str, fits.BinTableHDU]:
    """Compressed pixels of image and variance, as they stand in the file."""
    packed = {}
    with fits.open(path, memmap=False, disable_image_compression=True) as hdulist:
        for name in ("image", "variance"):
            hdu = hdulist[PLANES[name]]
            if hdu.header.get("ZIMAGE"):
                for column in hdu.columns.names:
                    hdu.data[column]  # reads the arrays of variable length
                packed[name.upper()] = hdu.copy()
    return packed
