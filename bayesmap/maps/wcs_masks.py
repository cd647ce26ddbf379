"""Masks on the pixels of an image geometry, by regions and distances to its edge."""

from typing import TYPE_CHECKING, cast

import numpy as np

from bayesmap.maps.geom import Geom

if TYPE_CHECKING:
    from bayesmap.maps.map import Map
    from bayesmap.maps.wcs import WcsGeom

__all__ = ["WcsMasks"]


class WcsMasks(Geom):
    """Methods of `WcsGeom` that return masks and structuring elements."""

    def region_mask(self, regions: object, inside: bool = True) -> "Map":
        """Return a boolean map of the pixels whose centre lies in any of the regions.

        Parameters
        ----------
        regions : `~regions.SkyRegion`, `~regions.PixelRegion`, str, or a list of them
            A string is in DS9 format. A point region selects the pixel that holds it.
        inside : bool
            False inverts the mask.

        Returns
        -------
        Map
            True inside, broadcast over the axes.
        """
        from bayesmap.maps.masks import region_mask

        return region_mask(cast("WcsGeom", self), regions, inside)

    def region_weights(self, regions: object, oversampling_factor: int = 10) -> "Map":
        """Return a map of the fraction of every pixel that lies in the regions, sampled on a finer grid."""
        from bayesmap.maps.masks import region_weights

        return region_weights(cast("WcsGeom", self), regions, oversampling_factor)

    def boundary_mask(self, width: object) -> "Map":
        """Return a boolean map that is False within ``width`` (rounded up to pixels) of the image edge."""
        from bayesmap.maps.masks import boundary_mask

        return boundary_mask(cast("WcsGeom", self), width)

    def binary_structure(self, width: object, kernel: str = "disk") -> np.ndarray:
        """Return a structuring element ("disk" of radius or "box" of size ``width``) with the axes in front."""
        from bayesmap.maps.masks import binary_structure

        return binary_structure(cast("WcsGeom", self), width, kernel)
