"""Optical images: coadds with a mask, a variance and a point spread function per cell."""

from typing import TYPE_CHECKING

from bayesmap._lazy import lazy_names

if TYPE_CHECKING:
    from bayesmap.images.cells import CellGrid, CellGridBounds, CellIJ, PatchDefinition
    from bayesmap.images.coadd import CellCoadd
    from bayesmap.images.geom import XY, YX, Box
    from bayesmap.images.image import Image
    from bayesmap.images.interval import Interval
    from bayesmap.images.io.compression import (
        FitsCompressionAlgorithm,
        FitsCompressionOptions,
        FitsDitherAlgorithm,
        FitsQuantizationOptions,
    )
    from bayesmap.images.mask import Mask
    from bayesmap.images.mask_schema import MaskPlane, MaskSchema
    from bayesmap.images.masked_image import MaskedImage
    from bayesmap.images.projection import GeneralFrame, Projection, TractFrame
    from bayesmap.images.provenance import CoaddProvenance, Polygon
    from bayesmap.images.psf import CellPointSpreadFunction

__all__ = [
    "XY",
    "YX",
    "Box",
    "CellCoadd",
    "CellGrid",
    "CellGridBounds",
    "CellIJ",
    "CellPointSpreadFunction",
    "CoaddProvenance",
    "FitsCompressionAlgorithm",
    "FitsCompressionOptions",
    "FitsDitherAlgorithm",
    "FitsQuantizationOptions",
    "GeneralFrame",
    "Image",
    "Interval",
    "Mask",
    "MaskPlane",
    "MaskSchema",
    "MaskedImage",
    "PatchDefinition",
    "Polygon",
    "Projection",
    "TractFrame",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "XY": "geom",
        "YX": "geom",
        "Box": "geom",
        "CellCoadd": "coadd",
        "CellGrid": "cells",
        "CellGridBounds": "cells",
        "CellIJ": "cells",
        "CellPointSpreadFunction": "psf",
        "CoaddProvenance": "provenance",
        "FitsCompressionAlgorithm": "io.compression",
        "FitsCompressionOptions": "io.compression",
        "FitsDitherAlgorithm": "io.compression",
        "FitsQuantizationOptions": "io.compression",
        "GeneralFrame": "projection",
        "Image": "image",
        "Interval": "interval",
        "Mask": "mask",
        "MaskPlane": "mask_schema",
        "MaskSchema": "mask_schema",
        "MaskedImage": "masked_image",
        "PatchDefinition": "cells",
        "Polygon": "provenance",
        "Projection": "projection",
        "TractFrame": "projection",
    },
)
