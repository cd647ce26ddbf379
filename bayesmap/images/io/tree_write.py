"""The JSON tree of images, in both dialects, and what arrays and tables it refers to."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.table import Column, Table

from bayesmap.images.cells import CellGrid, CellGridBounds, PatchDefinition
from bayesmap.images.geom import YX, Box
from bayesmap.images.image import Image
from bayesmap.images.io.ast_dump import to_ast
from bayesmap.images.io.cards import mask_cards, offset_cards, wcs_cards
from bayesmap.images.io.tables import provenance_to_tree
from bayesmap.images.io.tree import JSON
from bayesmap.images.mask import Mask
from bayesmap.images.projection import PixelFrame, Projection, TractFrame
from bayesmap.images.provenance import CoaddProvenance

if TYPE_CHECKING:
    from bayesmap.images.coadd import CellCoadd
    from bayesmap.images.masked_image import MaskedImage

__all__ = ["SEED", "Archive", "Dialect", "coadd_to_tree", "image_to_tree"]

ADDRESS = "https://images.lsst.io/schemas"


class Archive(Protocol):
    """Takes what a tree refers to."""

    def add_array(self, name: str, array: np.ndarray, header: fits.Header | None = None) -> dict[str, JSON]:
        """Store an array with header cards under a name, such as "mask_fractions/rejected"; return a reference."""

    def add_table(self, name: str, table: Table) -> list[dict[str, JSON]]:
        """Store a table under a name; return a reference for each column."""


@dataclass(frozen=True)
class Dialect:
    """Names of a layout.

    Parameters
    ----------
    schema : str, optional
        Version of the schema, "1.0.0"; None for the dialect of releases before there were schemas.
    """

    schema: str | None = None

    def node(self, kind: str, content: dict[str, JSON]) -> dict[str, JSON]:
        """An object of the tree with what says its version."""
        if self.schema is None:
            return content
        version: dict[str, JSON] = {"schema_version": self.schema, "min_read_version": 1}
        return version | content | {"schema_url": f"{ADDRESS}/{kind}-{self.schema}"}

    def pair(self, pair: YX[int]) -> JSON:
        """Two numbers."""
        return [pair.y, pair.x] if self.schema is None else {"y": pair.y, "x": pair.x}

    @property
    def start(self) -> str:
        """Name of the first row and column."""
        return "start" if self.schema is None else "yx0"

    @property
    def projection(self) -> str:
        """Name of the projection."""
        return "projection" if self.schema is None else "sky_projection"


SEED = Dialect()


def image_to_tree(
    image: "MaskedImage", archive: Archive, dialect: Dialect = SEED, kind: str = "masked_image"
) -> dict[str, JSON]:
    """Tree of a masked image.

    Parameters
    ----------
    image : MaskedImage
        The image.
    archive : Archive
        Takes the arrays.
    dialect : Dialect
        Names to use.
    kind : str
        What the schema calls it.

    Returns
    -------
    dict
        What can be written as JSON.

    Raises
    ------
    ValueError
        If the unit, the projection or the metadata cannot be written.
    """
    projection = image.projection
    unit = image.unit
    variance = Image(
        image.variance.values_in(None if unit is None else unit**2),
        bbox=image.bbox,
        unit=None if unit is None else unit**2,
        projection=projection,
    )
    tree: dict[str, JSON] = {"metadata": dict(image.metadata)} if image.metadata else {}
    tree["image"] = _plane("image", image.image, archive, dialect)
    tree["mask"] = _mask(image.mask, archive, dialect)
    tree["variance"] = _plane("variance", variance, archive, dialect)
    if projection is not None:
        tree[dialect.projection] = _projection(projection, dialect)
    return dialect.node(kind, tree)


def coadd_to_tree(coadd: "CellCoadd", archive: Archive, dialect: Dialect = SEED) -> dict[str, JSON]:
    """Tree of a coadd; parameters and errors as for `image_to_tree`."""
    version = dialect.node("cell_coadd", {})
    tree = {key: value for key, value in image_to_tree(coadd, archive, dialect).items() if key not in version}
    tree["mask_fractions"] = {
        name: _plane(f"mask_fractions/{name}", plane, archive, dialect) for name, plane in coadd.mask_fractions.items()
    }
    tree["noise_realizations"] = [
        _plane(f"noise_realizations/{number}", plane, archive, dialect)
        for number, plane in enumerate(coadd.noise_realizations)
    ]
    tree["band"] = coadd.band
    psf: dict[str, JSON] = {"array": archive.add_array("psf", coadd.psf.array)}
    tree["psf"] = dialect.node("cell_psf", psf | {"bounds": _bounds(coadd.psf.bounds, dialect)})
    if dialect.schema is not None:
        tree["aperture_corrections"] = None
    tree["patch"] = None if coadd._patch is None else _patch(coadd._patch, dialect)
    tree["provenance"] = None
    if coadd._provenance is not None:
        provenance = provenance_to_tree(_in_dialect(coadd._provenance, dialect), archive.add_table)
        tree["provenance"] = dialect.node("coadd_provenance", provenance)
    if dialect.schema is not None:
        backgrounds: dict[str, JSON] = {"fields": {}, "descriptions": {}, "subtracted": None}
        tree["backgrounds"] = dialect.node("background_map", backgrounds)
    return dialect.node("cell_coadd", tree)


def _plane(name: str, image: Image, archive: Archive, dialect: Dialect) -> dict[str, JSON]:
    header = fits.Header()
    if image.unit is not None:
        header["BUNIT"] = image.unit.to_string("fits")
    header.extend(wcs_cards(image.projection, image.bbox))
    header.extend(offset_cards(image.bbox))
    reference: JSON = archive.add_array(name, image.array, header)
    data: JSON = reference if image.unit is None else {"value": reference, "unit": _unit_text(image.unit)}
    return dialect.node("image", {"data": data, dialect.start: [*image.bbox.start]})


def _mask(mask: Mask, archive: Archive, dialect: Dialect) -> dict[str, JSON]:
    references: list[JSON] = []
    for schema in mask.schema.split("int32"):
        array = np.zeros(mask.bbox.shape, dtype="int32")
        for plane in schema.names:
            array[mask.get(plane)] |= schema.bit(plane).mask
        header = mask_cards(schema)
        header.extend(wcs_cards(mask.projection, mask.bbox))
        header.extend(offset_cards(mask.bbox))
        references.append(archive.add_array("mask", array, header))
    planes: list[JSON] = [
        None if plane is None else {"name": plane.name, "description": plane.description} for plane in mask.schema
    ]
    content: dict[str, JSON] = {"data": references, dialect.start: [*mask.bbox.start], "planes": planes}
    return dialect.node("mask", content | {"dtype": mask.schema.dtype.name})


def _projection(projection: Projection[PixelFrame], dialect: Dialect) -> dict[str, JSON]:
    frame = projection.pixel_frame
    pixels: dict[str, JSON] = {"unit": "pixel", "frame_type": "GENERAL"}
    if isinstance(frame, TractFrame):
        pixels = {"skymap": frame.skymap, "tract": frame.tract, "bbox": _box(frame.bbox), "frame_type": "TRACT"}
    bounds = None if projection.pixel_bounds is None else _box(projection.pixel_bounds)
    text = to_ast(projection._wcs) if projection._ast is None else projection._ast
    transform: dict[str, JSON] = {"frames": [pixels, "ICRS"], "bounds": [bounds, None], "mappings": [{"ast": text}]}
    return dialect.node("sky_projection", {"pixel_to_sky": dialect.node("transform", transform)})


def _in_dialect(provenance: CoaddProvenance, dialect: Dialect) -> CoaddProvenance:
    """With a column that only the later dialect has, and needs."""
    name, contributions = "unmasked_fraction", provenance.contributions
    if dialect.schema is None or name in contributions.colnames:
        return provenance
    contributions = contributions.copy()
    unknown = np.full(len(contributions), np.nan)
    contributions[name] = Column(unknown, description="Fraction of the cell that is not masked; unknown here.")
    return CoaddProvenance(provenance.inputs, contributions)


def _bounds(bounds: CellGridBounds, dialect: Dialect) -> dict[str, JSON]:
    missing: list[JSON] = [{"i": cell.i, "j": cell.j} for cell in sorted(bounds.missing)]
    return {"grid": _grid(bounds.grid, dialect), "bbox": _box(bounds.bbox), "missing": missing}


def _grid(grid: CellGrid, dialect: Dialect) -> dict[str, JSON]:
    return {"bbox": _box(grid.bbox), "cell_shape": dialect.pair(grid.cell_shape)}


def _patch(patch: PatchDefinition, dialect: Dialect) -> dict[str, JSON]:
    return {
        "id": patch.id,
        "index": dialect.pair(patch.index),
        "inner_bbox": _box(patch.inner_bbox),
        "cells": _grid(patch.cells, dialect),
    }


def _box(box: Box) -> JSON:
    return {axis: {"start": part.start, "stop": part.stop} for axis, part in (("y", box.y), ("x", box.x))}


def _unit_text(unit: u.UnitBase) -> str:
    return unit.to_string("vounit")
