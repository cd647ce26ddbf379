"""Arrays and columns of a file, found by the references in its JSON tree."""

import re
from collections import defaultdict

import astropy.units as u
import numpy as np
from astropy.io import fits

from bayesmap.errors import FormatError
from bayesmap.images.geom import Box
from bayesmap.images.io.tree import Node, read_start
from bayesmap.images.mask_schema import MaskSchema
from bayesmap.maps.files import named_errors

__all__ = ["Hdus", "Reference"]

_SOURCE = re.compile(r"fits:(?P<name>[^,\[\]]+)(?:,(?P<version>\d{1,6}))?(?:\[(?P<column>\d{1,4})\])?")
#: type of the pixels of an HDU by its BITPIX
TYPES = {8: "uint8", 16: "int16", 32: "int32", 64: "int64", -32: "float32", -64: "float64"}


class Reference:
    """Where an array of the tree is stored.

    Parameters
    ----------
    node : Node
        With "source", "datatype", and "shape" for an array.
    """

    def __init__(self, node: Node) -> None:
        match = _SOURCE.fullmatch(node["source"].text())
        if match is None:
            raise node["source"].wrong("'fits:' with the name of an HDU")
        self.hdu = match["name"].upper()
        self.version = int(match["version"] or 1)
        self.column = int(match["column"] or 0)
        shape = node.get("shape")
        self.shape = () if shape is None else tuple(size.integer() for size in shape.list())
        self.datatype = node["datatype"].text()

    def __str__(self) -> str:
        return self.hdu if self.version == 1 else f"{self.hdu},{self.version}"


class Hdus:
    """The HDUs of an open file.

    Parameters
    ----------
    hdulist : `~astropy.io.fits.HDUList`
        The open file.
    """

    def __init__(self, hdulist: fits.HDUList) -> None:
        self.hdulist = hdulist
        self._places = defaultdict(list)
        for number, hdu in enumerate(hdulist):
            self._places[hdu.name.upper(), hdu.ver].append(number)

    def find(self, name: str, version: int = 1) -> fits.ImageHDU | fits.CompImageHDU | fits.BinTableHDU:
        """The only HDU with a name and version.

        Raises
        ------
        FormatError
            If there is none, or several.
        """
        places = self._places.get((name, version), [])
        if len(places) != 1:
            told = "is missing" if not places else f"is there {len(places)} times"
            raise FormatError(f"HDU {name!r} {told}" + (f" (EXTVER {version})" if version > 1 else ""))
        return self.hdulist[places[0]]

    def array(self, reference: Reference, slices: tuple[slice, ...] = ()) -> np.ndarray:
        """An array or a part of it; only the tiles that it touches are read.

        Parameters
        ----------
        reference : Reference
            Where it is.
        slices : tuple of slice
            Part along the first axes; everything by default.

        Returns
        -------
        array
            In the byte order of the machine, its own memory.

        Raises
        ------
        FormatError
            If there is no such HDU, or one of another shape or type than the tree says.
        """
        hdu = self.find(reference.hdu, reference.version)
        with named_errors("", str(reference)):
            if not isinstance(hdu, fits.ImageHDU | fits.CompImageHDU):
                raise FormatError("it should be an image")
            found = (tuple(hdu.shape), TYPES.get(hdu.header["BITPIX"]))
            if found != (reference.shape, reference.datatype):
                raise FormatError(
                    f"it has shape and type {found}, the JSON tree says {(reference.shape, reference.datatype)}"
                )
            full = tuple(slice(0, size) for size in reference.shape)
            part = np.asarray(hdu.section[slices + full[len(slices) :]])
            if part.dtype.newbyteorder("=") != np.dtype(reference.datatype):
                raise FormatError(
                    f"its values are {part.dtype}, not {reference.datatype}: keywords such as BSCALE change them"
                )
            return np.array(part, dtype=reference.datatype, order="C")

    def column(self, reference: Reference, rows: int | None) -> np.ndarray:
        """A column of a table.

        Parameters
        ----------
        reference : Reference
            Where it is; columns count from 1.
        rows : int, optional
            How many rows the table has, if that is known.

        Returns
        -------
        array
            Shape ``(rows, *shape)``.

        Raises
        ------
        FormatError
            If there is no such column, or one of another shape or type than the tree says.
        """
        hdu = self.find(reference.hdu, reference.version)
        with named_errors("", str(reference)):
            if not isinstance(hdu, fits.BinTableHDU) or not 1 <= reference.column <= len(hdu.columns):
                raise FormatError(f"it should be a table with {reference.column} columns or more")
            values = np.asarray(hdu.data.field(reference.column - 1))
            name = hdu.columns[reference.column - 1].name
            if values.dtype.newbyteorder("=") != np.dtype(reference.datatype) or values.shape[1:] != reference.shape:
                raise FormatError(
                    f"column {name!r} has type {values.dtype} and shape {values.shape[1:]}, "
                    f"the JSON tree says {reference.datatype} and {reference.shape}"
                )
            if rows not in (None, len(values)):
                raise FormatError(f"column {name!r} has {len(values)} rows, others {rows}")
            return np.array(values, dtype=reference.datatype)

    def check_header(self, reference: Reference, box: Box, unit: u.UnitBase | None) -> None:
        """Raise unless first pixel and unit in a header, as far as they are there, are those of the tree.

        Raises
        ------
        FormatError
            Naming both.
        """
        header = self.find(reference.hdu, reference.version).header
        with named_errors("", str(reference)):
            start = header.get("CRVAL1A", box.x.start), header.get("CRVAL2A", box.y.start)
            if start != (box.x.start, box.y.start):
                raise FormatError(f"its first pixel is x, y = {start}, the JSON tree says {tuple(box.start.xy)}")
            if "BUNIT" in header and unit != u.Unit(header["BUNIT"]):
                raise FormatError(f"its unit is {header['BUNIT']!r}, the JSON tree says {unit or 'no unit'}")

    def check_planes(self, reference: Reference, schema: MaskSchema) -> None:
        """Raise unless the mask planes in a header, as far as they are there, are those of the tree.

        Raises
        ------
        FormatError
            Naming both.
        """
        header = self.find(reference.hdu, reference.version).header
        named = {key: header[key] for key in header if key.startswith("MSKN")}
        names = list(schema.names)
        if named and list(named.values()) != names:
            raise FormatError(
                f"HDU {str(reference)!r} has the mask planes {list(named.values())}, the JSON tree says {names}"
            )


def image_box(node: Node, reference: Reference) -> Box:
    """Pixels of an image of the tree.

    Raises
    ------
    FormatError
        If it has no pixels, or more axes than y and x.
    """
    if len(reference.shape) != 2 or min(reference.shape) < 1:
        raise node.wrong(f"an image with two axes, not one of shape {reference.shape}")
    return Box.from_shape(reference.shape, read_start(node))
