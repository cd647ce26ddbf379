"""Read masked images and coadds from the files of the package ``lsst-images``, in both of its dialects."""

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import ParseResult, unquote, urlparse
from urllib.request import url2pathname

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from bayesmap._types import FileName
from bayesmap._util import make_path
from bayesmap.errors import FormatError, NoOverlapError
from bayesmap.images.geom import Box
from bayesmap.images.image import Image
from bayesmap.images.io.cards import extra_cards
from bayesmap.images.io.hdus import Hdus, Reference, image_box
from bayesmap.images.io.tables import read_provenance
from bayesmap.images.io.tree import Node, parse, read_bounds, read_box, read_patch, read_schema
from bayesmap.images.mask import Mask
from bayesmap.images.projection import GeneralFrame, PixelFrame, Projection, TractFrame
from bayesmap.images.psf import CellPointSpreadFunction
from bayesmap.maps.files import named_errors, open_fits
from bayesmap.maps.wcs_tools import read_wcs
from bayesmap.units import parse_unit

if TYPE_CHECKING:
    from bayesmap.images.masked_image import MaskedImage

__all__ = ["local_path", "read_image", "read_tree"]

#: version of the layout up to which files are read
VERSION = 1
#: HDUs whose further cards are kept
MAIN = ("PRIMARY", "IMAGE", "MASK", "VARIANCE")


def local_path(url: FileName | ParseResult) -> Path:
    """Path of a file that a name or a ``file:`` address means.

    Raises
    ------
    ValueError
        If the address is another one.
    """
    parsed = url if isinstance(url, ParseResult) else urlparse(os.fspath(url))
    if parsed.scheme == "file":
        return Path(url2pathname(unquote(parsed.path)))
    if len(parsed.scheme) > 1:  # a single letter is a drive
        raise ValueError(f"only local files are read, got the address {parsed.geturl()!r}: download it first")
    return make_path(parsed.geturl() if isinstance(url, ParseResult) else url)


def read_image[T: "MaskedImage"](cls: type[T], url: FileName | ParseResult, bbox: Box | None, is_coadd: bool) -> T:
    """Read a masked image or a coadd.

    Parameters
    ----------
    cls : type
        `MaskedImage` or `CellCoadd`.
    url : path or address
        A local file.
    bbox : Box, optional
        Part to read instead of everything; of the compressed pixels only tiles that it touches are read.
    is_coadd : bool
        Whether what only coadds have is read too.

    Returns
    -------
    MaskedImage or CellCoadd
        The image.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is damaged, or has not what is asked for.
    IndexError
        If the box reaches beyond that of the file.
    """
    path = local_path(url)
    with open_fits(path) as hdulist:
        reader = _Reader(hdulist, bbox)
        if bbox is None or reader.whole.contains(bbox):
            image = cls(**reader.parts(is_coadd))
            image._cards = reader.cards()
            return image
    raise IndexError(f"the box {bbox} is not inside of that of the image in {path}, {reader.whole}")


class _Reader:
    """Reads the parts of one file."""

    def __init__(self, hdulist: fits.HDUList, bbox: Box | None) -> None:
        self.hdus = Hdus(hdulist)
        self.tree = _tree(self.hdus)
        image = self.tree["image"]
        self.whole = image_box(image, Reference(_data(image)[0]))
        self.bbox = self.whole if bbox is None else bbox

    def parts(self, is_coadd: bool) -> dict[str, Any]:
        """Arguments of the constructor."""
        tree = self.tree
        projection = self._projection(tree.get("projection", "sky_projection"))
        metadata = tree.get("metadata")
        parts = {
            "image": self._image(tree["image"]),
            "mask": self._mask(tree["mask"]),
            "variance": self._image(tree["variance"]),
            "projection": projection,
            "metadata": {} if metadata is None else {key: node.value for key, node in metadata.items()},
        }
        return parts | self._coadd_parts() if is_coadd else parts

    def cards(self) -> dict[str, fits.Header]:
        """Cards of the main HDUs that mean nothing here."""
        hdus = {hdu.name: hdu for hdu in reversed(self.hdus.hdulist) if hdu.name in MAIN}
        return {name: extra_cards(hdu.header) for name, hdu in hdus.items()}

    def _coadd_parts(self) -> dict[str, Any]:
        tree = self.tree
        _warn_of_the_rest(tree)
        fractions, noise, band = (tree.get(name) for name in ("mask_fractions", "noise_realizations", "band"))
        psf = self._psf(tree["psf"])
        provenance = read_provenance(tree.get("provenance"), self.hdus)
        cells = list(psf.bounds.cell_indices())
        if provenance is not None and self.bbox != self.whole:
            provenance = provenance.subset(cells) if cells else None
        return {
            "mask_fractions": {} if fractions is None else {key: self._image(node) for key, node in fractions.items()},
            "noise_realizations": [] if noise is None else [self._image(node) for node in noise.list()],
            "band": None if band is None else band.text(),
            "psf": psf,
            "patch": read_patch(tree.get("patch")),
            "provenance": provenance,
        }

    def _image(self, node: Node) -> Image:
        data, unit = _data(node)
        reference = Reference(data)
        with named_errors("", str(reference)):
            self.hdus.check_header(reference, self._check_box(node, reference), unit)
            return Image(self.hdus.array(reference, self._slices()), bbox=self.bbox, unit=unit)

    def _mask(self, node: Node) -> Mask:
        schema = read_schema(node)
        mask = Mask(schema=schema, bbox=self.bbox)
        references = [Reference(part) for part in node["data"].list()]
        stored = schema.split(references[0].datatype if references else "int32")
        if len(stored) != len(references):
            raise node["data"].wrong(f"{len(stored)} arrays for {len(schema.names)} mask planes")
        for part, reference in zip(stored, references, strict=True):
            self.hdus.check_header(reference, self._check_box(node, reference), None)
            self.hdus.check_planes(reference, part)
            array = self.hdus.array(reference, self._slices())
            if unknown := int(np.count_nonzero(array & ~part.bitmask(*part.names)[0])):
                raise FormatError(f"HDU {str(reference)!r}: {unknown} pixels have bits set that are no mask planes")
            for plane in part.names:
                mask.set(plane, (array & part.bit(plane).mask) != 0)
        return mask

    def _psf(self, node: Node) -> CellPointSpreadFunction:
        bounds = read_bounds(node["bounds"])
        try:
            inside = bounds[bounds.bbox.intersection(self.bbox)]
        except NoOverlapError:
            raise node["bounds"].wrong(f"cells that touch the image, {self.bbox}") from None
        reference = Reference(node["array"])
        if reference.shape[:2] != (bounds.subgrid_size.i, bounds.subgrid_size.j) or len(reference.shape) != 4:
            raise node["array"].wrong(f"an array with four axes for the {bounds.subgrid_size} cells")
        first = inside.subgrid_start - bounds.subgrid_start
        last = first + inside.subgrid_size
        array = self.hdus.array(reference, (slice(first.i, last.i), slice(first.j, last.j)))
        with named_errors("", str(reference)):
            return CellPointSpreadFunction(array, inside)

    def _projection(self, node: Node | None) -> Projection[PixelFrame] | None:
        """The WCS of the image; what the tree says about it is kept for files that are written."""
        if node is None:
            return None
        transform = node["pixel_to_sky"]
        pixels, sky = transform["frames"].list(2)
        if sky.value != "ICRS":
            raise sky.wrong("'ICRS'")
        bounds = transform.get("bounds")
        pixel_bounds = None if bounds is None else bounds.list(2)[0]
        wcs = self._wcs()
        with named_errors("", "IMAGE"):
            projection = Projection.from_fits_wcs(
                wcs,
                _frame(pixels),
                None if pixel_bounds is None or pixel_bounds.value is None else read_box(pixel_bounds),
                x0=self.whole.x.start,
                y0=self.whole.y.start,
            )
        projection._ast = _ast(transform)
        return projection

    def _wcs(self) -> WCS:
        """The WCS of the image; raises a FormatError if another main plane has a different one."""
        mask = self.tree["mask"]["data"].list()
        nodes = [_data(self.tree["image"])[0], _data(self.tree["variance"])[0], *mask]
        found = None
        for reference in map(Reference, nodes):
            with named_errors("", str(reference)):
                wcs = read_wcs(self.hdus.find(reference.hdu, reference.version).header)
                found = wcs if found is None else found
                if wcs.has_celestial and not wcs.wcs.compare(found.wcs):
                    raise FormatError("its WCS is another one than that of the image")
        return found

    def _check_box(self, node: Node, reference: Reference) -> Box:
        box = image_box(node, reference)
        if box != self.whole:
            raise FormatError(f"HDU {str(reference)!r} has the box {box}, the image {self.whole}; they must be equal")
        return box

    def _slices(self) -> tuple[slice, slice]:
        return self.bbox.slice_within(self.whole)


def _tree(hdus: Hdus) -> Node:
    """The JSON tree of a file."""
    version = hdus.hdulist[0].header.get("FMTVER", VERSION)
    if not isinstance(version, int) or version > VERSION:
        raise FormatError(f"the file has the layout FMTVER={version!r}; it is read up to {VERSION}")
    tree = read_tree(hdus, "JSON")
    needed = tree.get("min_read_version")
    if needed is not None and needed.integer() > VERSION:
        raise needed.wrong(f"{VERSION} or less, for this version of the package to read it")
    return tree


def read_tree(hdus: Hdus, name: str) -> Node:
    """The JSON tree in a table of one cell.

    Raises
    ------
    FormatError
        If there is no such HDU, or something else in it.
    """
    hdu = hdus.find(name)
    with named_errors("", name):
        if not isinstance(hdu, fits.BinTableHDU) or hdu.columns.names != ["JSON"] or len(hdu.data) < 1:
            raise FormatError("it should be a table with a column 'JSON'")
        return parse(np.asarray(hdu.data["JSON"][0], dtype="uint8").tobytes())


def _warn_of_the_rest(tree: Node) -> None:
    """Say which parts of a coadd are not read, if they are there."""
    corrections, backgrounds = tree.get("aperture_corrections"), tree.get("backgrounds")
    fields = None if backgrounds is None else backgrounds.get("fields")
    for what, node in (("aperture corrections", corrections), ("subtracted backgrounds", fields)):
        if node is not None and node.value not in ({}, []):
            warnings.warn(f"the {what} of the coadd are not read; files that are written lack them", stacklevel=2)


def _data(node: Node) -> tuple[Node, u.UnitBase | None]:
    """Reference and unit of an image of the tree."""
    data = node["data"]
    if data.get("value") is None:
        return data, None
    return data["value"], parse_unit(data["unit"].text())


def _frame(node: Node) -> PixelFrame:
    kind = node["frame_type"].text()
    if kind == "TRACT":
        return TractFrame(node["skymap"].text(), node["tract"].integer(), read_box(node["bbox"]))
    if kind == "GENERAL":
        return GeneralFrame()
    raise node["frame_type"].wrong("'TRACT' or 'GENERAL'")


def _ast(transform: Node) -> str | None:
    """The mapping in the language of AST, if it is told as one text."""
    mappings = transform.get("mappings")
    if mappings is None or not isinstance(mappings.value, list) or len(mappings.value) != 1:
        return None
    text = mappings.list(1)[0].get("ast")
    return text.value if text is not None and isinstance(text.value, str) else None
