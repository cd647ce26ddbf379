"""Objects of the older LSST pipelines, which they share by their attributes alone: none of their packages is needed.

References
----------
https://pipelines.lsst.io/py-api/lsst.cell_coadds.MultipleCellCoadd.html
"""

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.io import fits
from astropy.table import Table

from bayesmap.images.cells import CellGrid, CellGridBounds, CellIJ, PatchDefinition
from bayesmap.images.geom import YX, Box
from bayesmap.images.image import Image
from bayesmap.images.interval import Interval
from bayesmap.images.legacy_planes import DEEP_COADD, legacy_names, mask_from_legacy
from bayesmap.images.mask_schema import MaskPlane
from bayesmap.images.projection import Projection, TractFrame
from bayesmap.images.provenance import CoaddProvenance, Polygon
from bayesmap.images.psf import CellPointSpreadFunction
from bayesmap.maps.wcs_tools import read_wcs

if TYPE_CHECKING:
    from bayesmap.images.masked_image import MaskedImage

__all__ = ["masked_image_to_legacy", "parts_from_legacy"]


def parts_from_legacy(legacy: Any, plane_map: Mapping[str, MaskPlane] | None, tract_info: Any) -> dict[str, Any]:
    """Arguments of `CellCoadd`; see `CellCoadd.from_legacy`."""
    grid = _grid(legacy.grid)
    cells = list(legacy.cells.values())
    bbox = _hull(_box(cell.inner.bbox) for cell in cells)
    stitched = legacy.stitch(_legacy_box(bbox))
    identifiers = legacy.identifiers
    frame = TractFrame(identifiers.skymap, identifiers.tract, _box(tract_info.getBBox()))
    patch = tract_info[identifiers.patch]
    unit = u.Unit(legacy.units.value)
    fractions = {} if stitched.mask_fractions is None else {"rejected": _image(stitched.mask_fractions)}
    mask, bits = stitched.mask, stitched.mask.getMaskPlaneDict()
    return {
        "image": _image(stitched.image, unit),
        "mask": mask_from_legacy(mask.array, bits, _image_box(mask), DEEP_COADD if plane_map is None else plane_map),
        "variance": _image(stitched.variance, unit**2),
        "mask_fractions": fractions,
        "noise_realizations": [_image(noise) for noise in stitched.noise_realizations],
        "projection": Projection(read_wcs(_header(legacy.wcs.getFitsMetadata())), frame),
        "band": identifiers.band,
        "psf": _psf(stitched.psf, CellGridBounds(grid, bbox)),
        "patch": PatchDefinition(
            patch.getSequentialIndex(),
            YX(identifiers.patch.y, identifiers.patch.x),
            _box(patch.getInnerBBox()),
            grid,
        ),
        "provenance": _provenance(cells, legacy.common.visit_polygons),
    }


def _grid(legacy: Any) -> CellGrid:
    if legacy.padding:
        raise ValueError(f"cells with padding cannot be converted, got a padding of {legacy.padding} pixels")
    return CellGrid(_box(legacy.bbox), YX(legacy.cell_size.y, legacy.cell_size.x))


def _box(legacy: Any) -> Box:
    return Box(Interval(legacy.y.begin, legacy.y.end), Interval(legacy.x.begin, legacy.x.end))


def _hull(boxes: Iterable[Box]) -> Box:
    listed = list(boxes)
    return Box(Interval.hull(*(box.y for box in listed)), Interval.hull(*(box.x for box in listed)))


def _legacy_box(box: Box) -> Any:
    geom = import_module("lsst.geom")
    return geom.Box2I(geom.Point2I(box.x.start, box.y.start), geom.Extent2I(box.x.size, box.y.size))


def _image_box(legacy: Any) -> Box:
    return Box.from_shape(legacy.array.shape, (legacy.getY0(), legacy.getX0()))


def _image(legacy: Any, unit: u.UnitBase | None = None) -> Image:
    return Image(legacy.array, bbox=_image_box(legacy), unit=unit)


def _header(metadata: Any) -> fits.Header:
    """Header of a WCS; its first pixel is that of the absolute coordinates."""
    cards = metadata.toDict() if hasattr(metadata, "toDict") else metadata
    return fits.Header(dict(cards))


def _psf(legacy: Any, bounds: CellGridBounds) -> CellPointSpreadFunction:
    """PSF with NaN where there is no kernel; such cells are missing."""
    own, grid, images = _grid(legacy.grid), bounds.grid, legacy.images
    size, first = bounds.subgrid_size, bounds.subgrid_start
    array = np.full((size.i, size.j, *images.arbitrary.array.shape), np.nan)
    there = set()
    for index in images.keys():  # noqa: SIM118 (no mapping)
        start = own.bbox_of(CellIJ(index.y, index.x)).start
        cell = grid.index_of(y=start.y, x=start.x)
        if bounds.contains_cell(cell):
            array[cell.i - first.i, cell.j - first.j] = images[index].array
            there.add(cell)
    missing = frozenset(bounds.cell_indices()) - there
    return CellPointSpreadFunction(array, CellGridBounds(grid, bounds.bbox, missing))


def _provenance(cells: list[Any], polygons: Mapping[Any, Any]) -> CoaddProvenance:
    observations = list(polygons)
    inputs = Table(
        {
            "instrument": np.array([o.instrument for o in observations], dtype=object),
            "visit": np.array([o.visit for o in observations], dtype="uint64"),
            "detector": np.array([o.detector for o in observations], dtype="uint16"),
            "physical_filter": np.array([o.physical_filter for o in observations], dtype=object),
            "day_obs": np.array([o.day_obs for o in observations], dtype="uint32"),
            "polygon": _objects([_polygon(polygons[o]) for o in observations]),
        }
    )
    pairs = [(c.identifiers.cell, o, given) for c in cells for o, given in c.inputs.items()]
    shapes = [given.psf_shape for _, _, given in pairs]
    contributions = Table(
        {
            "cell_i": np.array([cell.y for cell, _, _ in pairs], dtype="uint16"),
            "cell_j": np.array([cell.x for cell, _, _ in pairs], dtype="uint16"),
            "instrument": np.array([o.instrument for _, o, _ in pairs], dtype=object),
            "visit": np.array([o.visit for _, o, _ in pairs], dtype="uint64"),
            "detector": np.array([o.detector for _, o, _ in pairs], dtype="uint16"),
            "overlaps_center": np.array([given.overlaps_center for _, _, given in pairs], dtype=bool),
            "overlap_fraction": np.array([given.overlap_fraction for _, _, given in pairs], dtype="float64"),
            "weight": np.array([given.weight for _, _, given in pairs], dtype="float64"),
            "psf_shape_xx": np.array([shape.getIxx() for shape in shapes], dtype="float64") * u.pix**2,
            "psf_shape_yy": np.array([shape.getIyy() for shape in shapes], dtype="float64") * u.pix**2,
            "psf_shape_xy": np.array([shape.getIxy() for shape in shapes], dtype="float64") * u.pix**2,
            "psf_shape_flag": np.array([given.psf_shape_flag for _, _, given in pairs], dtype=bool),
        }
    )
    return CoaddProvenance(inputs, contributions)


def _polygon(legacy: Any) -> Polygon:
    points = legacy.getVertices()
    return Polygon(np.array([point.x for point in points]), np.array([point.y for point in points]))


def _objects(values: list[Polygon]) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def masked_image_to_legacy(image: "MaskedImage", copy: bool | None, plane_map: Mapping[str, MaskPlane] | None) -> Any:
    """Convert to an afw MaskedImage; see `MaskedImage.to_legacy`."""
    fixed = [name for name in ("image", "variance") if not getattr(image, name).array.flags.writeable]
    if copy is False and fixed:
        raise TypeError(f"the arrays of {fixed} cannot be changed; such can be copied only, with copy=True or None")
    names = legacy_names(image.mask.schema, plane_map)
    afw, geom = import_module("lsst.afw.image"), import_module("lsst.geom")
    corner = geom.Point2I(image.bbox.x.start, image.bbox.y.start)
    planes = []
    for plane in (image.image, image.variance):
        deep = not plane.array.flags.writeable if copy is None else copy
        planes.append(afw.Image(plane.array.copy() if deep else plane.array, xy0=corner, dtype=plane.array.dtype.type))
    mask = afw.Mask(_legacy_box(image.bbox))
    for new, old in names.items():
        mask.array[image.mask.get(new)] |= 1 << mask.addMaskPlane(old)
    return afw.makeMaskedImage(planes[0], mask, planes[1])
