"""What FITS headers say about sizes, checked against the file before memory is taken.

References
----------
FITS Standard 4.0, sections 4.4 (keywords of sizes), 7.3 (binary tables), 10.1 (tiled compression).
"""

import math
import os
import re
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits

from bayesmap.errors import FormatError

__all__ = ["MEMORY_LIMIT", "check_layout"]

#: bytes of what a file describes in fewer: compressed data, tables that point to the same data several times
MEMORY_LIMIT = 2**30
BLOCK, CARD = 2880, 80
#: largest value of keywords that lead to loops or arrays; for the others that of the standard
LARGEST = {"NAXIS": 999, "ZNAXIS": 999, "TFIELDS": 999, "WCSAXES": 99, "BITPIX": 64, "ZBITPIX": 64}
LARGEST |= dict.fromkeys(("A_ORDER", "B_ORDER", "AP_ORDER", "BP_ORDER"), 9)
_SIZES = re.compile(
    r"(Z?NAXIS\d*|Z?BITPIX|PCOUNT|GCOUNT|THEAP|TFIELDS|WCSAXES[A-Z]?|[AB]P?_ORDER|GROUPS|ZIMAGE|TFORM\d+)$"
)
_FORMAT = re.compile(r"\s*(\d*)([LXBIJKAEDCMPQ])([LXBIJKAEDCM]?)")
#: bytes of one element of a column
WIDTHS = {"L": 1, "X": 1, "B": 1, "A": 1, "I": 2, "J": 4, "E": 4, "K": 8, "D": 8, "C": 8, "M": 16, "P": 8, "Q": 16}


#: what a header says about sizes: numbers, texts of formats, truth values
type Keywords = dict[str, Any]


def check_layout(content: BinaryIO) -> None:
    """Raise unless all headers of a FITS file are possible, and the data that they promise are there.

    Parameters
    ----------
    content : binary file object
        The file, from its beginning; it is there again afterwards.

    Raises
    ------
    FormatError
        Naming the HDU and the keyword.
    """
    size = content.seek(0, os.SEEK_END)
    start, number = 0, 0
    while start < size:
        content.seek(start)
        values = _header(content, number)
        if values is None:
            break  # what follows the last HDU, or no FITS file: for astropy to say
        start = content.tell()
        length = _data_size(values, number)
        if length > size - start:
            raise FormatError(
                f"HDU {number} should have {length} bytes of data by its header, {size - start} are left: the file is "
                "truncated, or the header is wrong"
            )
        _check_columns(content, values, start, number)
        start += -(-length // BLOCK) * BLOCK
        number += 1
    content.seek(0)


def _header(content: BinaryIO, number: int) -> Keywords | None:
    """Keywords of a header that tell sizes; None if there is no header."""
    values: Keywords = {}
    first = True
    while True:
        block = content.read(BLOCK)
        if len(block) < BLOCK or first and block[:8] not in (b"SIMPLE  ", b"XTENSION"):
            return None
        first = False
        for position in range(0, BLOCK, CARD):
            keyword = block[position : position + 8].decode("latin-1").rstrip().upper()
            if keyword == "END":
                return values
            if _SIZES.match(keyword) and block[position + 8 : position + 9] == b"=":
                if keyword in values and keyword[:5] != "TFORM":
                    raise FormatError(f"HDU {number} has the keyword {keyword} twice")
                values[keyword] = _value(block[position : position + CARD], keyword, number)


def _value(card: bytes, keyword: str, number: int) -> object:
    """Value of a card: a text, a truth value or a number within its limits."""
    value = fits.Card.fromstring(card).value
    if keyword[:5] == "TFORM" or keyword in ("GROUPS", "ZIMAGE"):
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 0 and "BITPIX" not in keyword:
        raise FormatError(f"HDU {number}: {keyword} is {value!r}; right is a number from 0 on")
    largest = LARGEST.get("WCSAXES" if keyword.startswith("WCSAXES") else keyword)
    if largest is not None and abs(value) > largest:
        raise FormatError(f"HDU {number}: {keyword} is {value}; it goes up to {largest}")
    return value


def _pixels(values: Keywords, number: int, prefix: str = "") -> int:
    """Bytes of an image: the product of its axes times the size of a pixel; 0 without axes."""
    axes = [f"{prefix}NAXIS{axis + 1}" for axis in range(values.get(f"{prefix}NAXIS", 0))]
    if values.get("GROUPS") is True and not prefix:
        axes = axes[1:]  # the first one is 0 there
    missing = [axis for axis in axes if axis not in values]
    if missing:
        raise FormatError(f"HDU {number} lacks the keyword {missing[0]}")
    return math.prod(values[axis] for axis in axes) if axes else 0


def _data_size(values: Keywords, number: int) -> int:
    """Bytes of data behind a header; also what they unpack to is checked."""
    if values.get("ZIMAGE") is True:
        unpacked = _pixels(values, number, "Z") * abs(values.get("ZBITPIX", 8)) // 8
        if unpacked > MEMORY_LIMIT:
            raise FormatError(f"HDU {number} unpacks to {unpacked} bytes; only up to {MEMORY_LIMIT} are read")
    elements = values.get("GCOUNT", 1) * (values.get("PCOUNT", 0) + _pixels(values, number))
    return abs(values.get("BITPIX", 8)) * elements // 8


def _check_columns(content: BinaryIO, values: Keywords, start: int, number: int) -> None:
    """Raise unless the columns of a table fit in its rows, and what they point to lies behind it."""
    width, position, pointers = values.get("NAXIS1", 0), 0, []
    for field in range(1, values.get("TFIELDS", 0) + 1):
        match = _FORMAT.match(str(values.get(f"TFORM{field}", "")))
        if match is None:
            continue  # a table of text, or wrong: for astropy to say
        repeat, kind = int(match[1] or 1), match[2]
        if kind in "PQ" and repeat:
            pointers.append((field, position, kind, WIDTHS.get(match[3] or "B", 1)))
        position += -(-repeat // 8) if kind == "X" else repeat * WIDTHS[kind]
        if position > width:
            raise FormatError(f"HDU {number}: the columns up to TFORM{field} have {position} bytes, a row has {width}")
    if pointers:
        _check_pointers(content, values, start, number, pointers)


def _check_pointers(
    content: BinaryIO, values: Keywords, start: int, number: int, pointers: list[tuple[int, int, str, int]]
) -> None:
    """Raise unless the arrays of variable length lie inside the HDU and are not too large together."""
    width, rows = values.get("NAXIS1", 0), values.get("NAXIS2", 0)
    content.seek(start)
    table = np.frombuffer(content.read(width * rows), dtype="u1").reshape(rows, width)
    heap = width * rows + values.get("PCOUNT", 0) - values.get("THEAP", width * rows)
    for field, position, kind, itemsize in pointers:
        dtype = ">i4" if kind == "P" else ">i8"
        pairs = np.ascontiguousarray(table[:, position : position + 2 * int(dtype[2])]).view(dtype).reshape(rows, 2)
        numbers, offsets = pairs.T.astype("float64")
        if np.any((numbers < 0) | ((numbers > 0) & ((offsets < 0) | (offsets + numbers * itemsize > heap)))):
            raise FormatError(f"HDU {number}: column {field} points outside of the data behind the table")
        if numbers.sum() * itemsize > max(MEMORY_LIMIT, 10 * heap):
            raise FormatError(f"HDU {number}: the arrays of column {field} overlap to more than {MEMORY_LIMIT} bytes")
