"""Coadds made of cells, as the LSST pipelines write them."""

from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import Any, Self, cast

import astropy.units as u

from bayesmap.errors import NoOverlapError
from bayesmap.images.cells import CellGrid, CellGridBounds, PatchDefinition
from bayesmap.images.generalized import Metadata, checked_box
from bayesmap.images.geom import Box
from bayesmap.images.image import Image
from bayesmap.images.io.tree import JSON
from bayesmap.images.io.tree_write import Archive, Dialect, coadd_to_tree
from bayesmap.images.legacy import parts_from_legacy
from bayesmap.images.legacy_planes import DEEP_COADD
from bayesmap.images.mask import Mask
from bayesmap.images.mask_schema import MaskPlane, MaskSchema
from bayesmap.images.masked_image import MaskedImage
from bayesmap.images.projection import Projection, TractFrame
from bayesmap.images.provenance import CoaddProvenance
from bayesmap.images.psf import CellPointSpreadFunction

__all__ = ["CellCoadd"]


class CellCoadd(MaskedImage):
    """A coadd of cells on a regular grid, each with its own point spread function.

    Parameters
    ----------
    image : Image
        The main plane, with a unit; its projection is that of all planes, unless there is another one.
    mask : Mask, optional
        Notes about pixels, with the same box.
    variance : Image, optional
        Variance of each pixel, with the same box, in the square of the unit of ``image``; 1 by default.
    mask_fractions : dict of Image, optional
        For planes of the input images the summed weight of those in which they are set (dimensionless).
    noise_realizations : sequence of Image, optional
        Draws of the noise of the coadd, in the unit of ``image``.
    mask_schema : MaskSchema, optional
        Instead of a mask: the planes of one in which nothing is set.
    projection : Projection, optional
        Maps pixels of the tract to the sky; needed if that of ``image`` is None.
    band : str, optional
        Name of the band.
    psf : CellPointSpreadFunction
        Of at least one cell. Cells that it lacks are taken to have no image data either.
    patch : PatchDefinition, optional
        The full patch, if the image lies in one; the grid of the PSF is that of its cells.
    provenance : CoaddProvenance, optional
        Exposures that went into the image; needs ``patch``.

    Raises
    ------
    TypeError
        Unless either a mask or a schema is given; if the image has no unit or no projection to pixels of a tract; or if
        there is provenance without patch.
    ValueError
        If boxes, units or grids do not fit together.

    Notes
    -----
    In a missing cell the image is 0, the variance infinite, the mask NO_DATA. Planes share their pixels with the images
    that they were made from.

    `read_fits` reads files of the package ``lsst-images`` in both of its dialects, and `write_fits` writes them.
    Aperture corrections and backgrounds, which the later one may have, are not read; a warning says so if there are.
    """

    _is_coadd = True

    def __init__(
        self,
        image: Image,
        *,
        mask: Mask | None = None,
        variance: Image | None = None,
        mask_fractions: Mapping[str, Image] | None = None,
        noise_realizations: Sequence[Image] = (),
        mask_schema: MaskSchema | None = None,
        projection: Projection[TractFrame] | None = None,
        band: str | None = None,
        psf: CellPointSpreadFunction,
        patch: PatchDefinition | None = None,
        provenance: CoaddProvenance | None = None,
        metadata: Metadata | None = None,
    ) -> None:
        super().__init__(
            image, mask=mask, variance=variance, mask_schema=mask_schema, projection=projection, metadata=metadata
        )
        if self.unit is None:
            raise TypeError("the image of a coadd needs a unit, such as nJy")
        if self._image.projection is None:
            raise TypeError("a coadd needs a projection, of its own or that of the image")
        if not isinstance(self._image.projection.pixel_frame, TractFrame):
            frame = self._image.projection.pixel_frame
            raise TypeError(f"the projection of a coadd has the pixels of a tract (TractFrame), got {frame!r}")
        self._mask_fractions = dict(mask_fractions or {})
        self._noise_realizations = list(noise_realizations)
        for name, plane in self._further_planes():
            if plane.bbox != self.bbox:
                raise ValueError(f"{name} has the box {plane.bbox}, the image {self.bbox}; they must be equal")
        self._psf = _psf_within(psf, self.bbox)
        self._band = band
        if patch is None and provenance is not None:
            raise TypeError("a coadd with provenance needs the patch that its cells belong to")
        if patch is not None and patch.cells != psf.grid:
            raise ValueError(f"the patch has the cells {patch.cells}, the PSF {psf.grid}; they must be equal")
        self._patch = patch
        self._provenance = provenance

    def __str__(self) -> str:
        return f"CellCoadd({self.bbox}, tract={self.tract})"

    __repr__ = __str__

    def __getitem__(self, bbox: Box | EllipsisType) -> Self:
        """Sub-image that shares its pixels and metadata with this one.

        The PSF is a copy of that of the cells that the box touches; the grid stays that of the full patch.

        Raises
        ------
        TypeError
            Unless it is a box or ``...``.
        IndexError
            If it reaches beyond the image.
        """
        bbox = checked_box(bbox, self.bbox)
        psf = _psf_within(self.psf, bbox)
        cells = list(psf.bounds.cell_indices())
        provenance = self._provenance.subset(cells) if self._provenance is not None and cells else None
        return self._with(
            image=self.image[bbox],
            mask=self.mask[bbox],
            variance=self.variance[bbox],
            mask_fractions={name: plane[bbox] for name, plane in self.mask_fractions.items()},
            noise_realizations=[plane[bbox] for plane in self.noise_realizations],
            psf=psf,
            provenance=provenance,
        )

    @property
    def mask_fractions(self) -> Mapping[str, Image]:
        """For planes of the input images the summed weight of those in which they are set, by name."""
        return self._mask_fractions

    @property
    def noise_realizations(self) -> Sequence[Image]:
        """Draws of the noise of the coadd."""
        return self._noise_realizations

    @property
    def band(self) -> str | None:
        """Name of the band, if it is known."""
        return self._band

    @property
    def psf(self) -> CellPointSpreadFunction:
        """Effective point spread function; its cells contain the image and may reach beyond it."""
        return self._psf

    @property
    def bounds(self) -> CellGridBounds:
        """The cells that the image touches, and which of them are missing."""
        return self._psf.bounds

    @property
    def grid(self) -> CellGrid:
        """Grid of the cells, that of the full patch."""
        return self._psf.bounds.grid

    @property
    def unit(self) -> u.UnitBase:
        """Unit of the main plane."""
        return self._image.unit

    @property
    def projection(self) -> Projection[TractFrame]:
        """What maps absolute pixel coordinates to the sky."""
        return cast("Projection[TractFrame]", self._image.projection)

    @property
    def skymap(self) -> str:
        """Name of the sky map."""
        return self.projection.pixel_frame.skymap

    @property
    def tract(self) -> int:
        """Number of the tract."""
        return self.projection.pixel_frame.tract

    @property
    def patch(self) -> PatchDefinition:
        """The full patch.

        Raises
        ------
        AttributeError
            If it is not known.
        """
        if self._patch is None:
            raise AttributeError("Coadd has no patch information.")
        return self._patch

    @property
    def provenance(self) -> CoaddProvenance:
        """Exposures that went into the image.

        Raises
        ------
        AttributeError
            If they are not known.
        """
        if self._provenance is None:
            raise AttributeError("Coadd has no provenance information.")
        return self._provenance

    @staticmethod
    def from_legacy(
        legacy: object, *, plane_map: Mapping[str, MaskPlane] | None = None, tract_info: object
    ) -> "CellCoadd":
        """Convert from an ``lsst.cell_coadds.MultipleCellCoadd``.

        Parameters
        ----------
        legacy : ``lsst.cell_coadds.MultipleCellCoadd``
            A coadd of the LSST pipelines; the inner part of each cell is taken.
        plane_map : dict of MaskPlane, optional
            New mask planes by their old names; by default those of coadds.
        tract_info : ``lsst.skymap.TractInfo``
            The tract that it belongs to.

        Returns
        -------
        CellCoadd
            Its pixels are those of the images that ``legacy`` puts together.

        Raises
        ------
        ModuleNotFoundError
            Without the package ``lsst.geom`` of the pipelines.
        RuntimeError
            If a mask plane that is not in ``plane_map`` is set somewhere.
        ValueError
            If cells have padding, or parts do not fit together.
        """
        return CellCoadd(**parts_from_legacy(legacy, plane_map, tract_info))

    def to_legacy(self, *, copy: bool | None = None, plane_map: Mapping[str, MaskPlane] | None = None) -> object:
        """Convert to an ``lsst.afw.image.MaskedImage``; see `MaskedImage.to_legacy`.

        Mask planes of coadds get their old names by default, others keep theirs.
        """
        if plane_map is None:
            renamed = {plane.name for plane in DEEP_COADD.values()}
            others = [plane for plane in self.mask.schema if plane is not None and plane.name not in renamed]
            plane_map = {**DEEP_COADD, **{plane.name: plane for plane in others}}
        return super().to_legacy(copy=copy, plane_map=plane_map)

    def copy(self) -> Self:
        """An independent copy of pixels and metadata; PSF, projection, patch and provenance are shared."""
        copied = super().copy()
        copied._mask_fractions = {name: plane.copy() for name, plane in self.mask_fractions.items()}
        copied._noise_realizations = [plane.copy() for plane in self.noise_realizations]
        return copied

    def _tree(self, archive: Archive, dialect: Dialect) -> dict[str, JSON]:
        return coadd_to_tree(self, archive, dialect)

    def _cell_shape(self) -> tuple[int, ...]:
        return tuple(self.grid.cell_shape)

    def _further_planes(self) -> list[tuple[str, Image]]:
        fractions = [(f"mask_fractions[{name!r}]", plane) for name, plane in self._mask_fractions.items()]
        noise = [(f"noise_realizations[{number}]", plane) for number, plane in enumerate(self._noise_realizations)]
        return fractions + noise

    def _parts(self) -> dict[str, Any]:
        return super()._parts() | {
            "mask_fractions": self._mask_fractions,
            "noise_realizations": self._noise_realizations,
            "band": self._band,
            "psf": self._psf,
            "patch": self._patch,
            "provenance": self._provenance,
        }


def _psf_within(psf: CellPointSpreadFunction, bbox: Box) -> CellPointSpreadFunction:
    """The PSF of the cells that a box touches.

    Raises
    ------
    ValueError
        If it touches none of them.
    """
    try:
        inside = psf.bounds.bbox.intersection(bbox)
    except NoOverlapError:
        raise ValueError(f"the PSF has cells in {psf.bounds.bbox} and none in the image's box {bbox}") from None
    return psf if psf.bounds[inside].bbox == psf.bounds.bbox else psf[inside]
