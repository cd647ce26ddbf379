"""Header cards: which ones a layout owns, and the others, which are kept and written back."""

import re

from astropy.io import fits

__all__ = ["extra_cards"]

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
