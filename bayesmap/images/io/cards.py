"""Header cards: which ones a layout owns, and the others, which are kept and written back."""

import re

from astropy.io import fits

from bayesmap.images.geom import Box
from bayesmap.images.mask_schema import MaskSchema
from bayesmap.images.projection import PixelFrame, Projection

__all__ = ["extra_cards", "mask_cards", "offset_cards", "wcs_cards"]

#: keywords that say what the HDU is, or what stands elsewhere too: sizes, compression, WCS, unit, mask planes, places
_OWNED = re.compile(
    r"SIMPLE|XTENSION|BITPIX|Z?NAXIS\d*|EXTEND|[PG]COUNT|EXT(NAME|VER|LEVEL|TYPE)|INHERIT|BUNIT|B(SCALE|ZERO)|BLANK|DATE|"
    r"CHECKSUM|DATASUM|(INDX|JSON)(ADDR|SIZE)|FMTVER|DATAMODL|MSK[NMD]\d{4}|MP_.*|LTV\d|"
    r"T(FIELDS|FORM\d+|TYPE\d+|UNIT\d+|HEAP)|Z(IMAGE|TENSION|BITPIX|PCOUNT|GCOUNT|CMPTYPE|QUANTIZ|DITHER0)|"
    r"Z(TILE|NAME|VAL)\d+|"
    # celestial and other WCS
    r"WCSAXES[A-Z]?|WCSNAME[A-Z]?|(CRPIX|CRVAL|CDELT|CTYPE|CUNIT|CROTA|CNAME)\d+[A-Z]?|(PC|CD|PV|PS)\d+_\d+[A-Z]?|"
    r"LONPOLE[A-Z]?|LATPOLE[A-Z]?|RADESYS[A-Z]?|EQUINOX[A-Z]?|MJDREF[IF]?|MJD-OBS|DATE-OBS|(A|B|AP|BP)_(\d_\d|ORDER|DMAX)"
)


def extra_cards(header: fits.Header) -> fits.Header:
    """The cards of a header that the layout does not own.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
        As it was read.

    Returns
    -------
    `~astropy.io.fits.Header`
        Others in their order, comments and history among them.
    """
    cards = [card for card in header.cards if card.keyword and not _OWNED.fullmatch(card.keyword)]
    return fits.Header(cards)


def offset_cards(bbox: Box) -> fits.Header:
    """Second WCS (A) that gives absolute pixel coordinates."""
    header = fits.Header()
    for axis, start in ((1, bbox.x.start), (2, bbox.y.start)):
        header[f"CTYPE{axis}A"] = "LINEAR"
        header[f"CRPIX{axis}A"] = 1.0
        header[f"CRVAL{axis}A"] = float(start)
        header[f"CUNIT{axis}A"] = "PIXEL"
    return header


def wcs_cards(projection: Projection[PixelFrame] | None, bbox: Box) -> fits.Header:
    """Celestial WCS of an array that covers a box, with all digits; empty without projection."""
    if projection is None:
        return fits.Header()
    wcs = projection.as_fits_wcs(bbox)
    header = wcs.to_header(relax=True)
    # it writes 12 digits: 1e-6 pixels in a large tract
    parameters, matrix = wcs.wcs, wcs.pixel_scale_matrix
    for row in (0, 1):
        header[f"CRPIX{row + 1}"] = parameters.crpix[row]
        header[f"CRVAL{row + 1}"] = parameters.crval[row]
        header[f"CDELT{row + 1}"] = 1.0
        for column in (0, 1):
            header[f"PC{row + 1}_{column + 1}"] = matrix[row, column]
    header["LONPOLE"], header["LATPOLE"] = parameters.lonpole, parameters.latpole
    return header


def mask_cards(schema: MaskSchema) -> fits.Header:
    """Names, bits and meanings of mask planes."""
    header = fits.Header()
    for number, plane in enumerate(schema):
        if plane is not None:
            header[f"MSKN{number:04d}"] = (plane.name, f"Name of mask plane {number}.")
            header[f"MSKM{number:04d}"] = (1 << number, f"Bit of mask plane {number}.")
            header[f"MSKD{number:04d}"] = plane.description
    return header
