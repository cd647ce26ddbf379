"""Point spread functions as images."""

import os
from collections.abc import Mapping
from typing import Any, Self

import astropy.units as u
import numpy as np

from bayesmap._types import Spectrum
from bayesmap.irf.kernels import gaussian_profile
from bayesmap.maps import Map, WcsGeom

__all__ = ["PSFKernel"]


class PSFKernel:
    """Images of a point source, one per energy.

    Parameters
    ----------
    psf_kernel_map : Map
        Images of odd size, in their centre the source.
    normalize : bool
        Whether the images are divided by their sums; empty ones stay empty.
    """

    def __init__(self, psf_kernel_map: Map, normalize: bool = True) -> None:
        self._psf_kernel_map = psf_kernel_map
        if normalize:
            self.normalize()

    @property
    def psf_kernel_map(self) -> Map:
        """The images as a map."""
        return self._psf_kernel_map

    @property
    def data(self) -> np.ndarray:
        """Values, shape ``(n_energy, n_lat, n_lon)``."""
        return self._psf_kernel_map.data

    def normalize(self) -> None:
        """Divide each image in place by its sum."""
        data = self._psf_kernel_map.data
        total = data.sum(axis=(-2, -1), keepdims=True, dtype="float64")
        self._psf_kernel_map.data = (data / np.where(total > 0, total, 1)).astype(data.dtype)

    @classmethod
    def from_gauss(cls, geom: WcsGeom, sigma: object, max_radius: object = None, factor: int = 4) -> Self:
        """Return Gaussian images.

        Parameters
        ----------
        geom : WcsGeom
            Geometry whose pixels (and axes) the kernel gets.
        sigma : `~astropy.units.Quantity` or str
            Width.
        max_radius : `~astropy.units.Quantity` or str, optional
            Half of the width of the images, by default five sigma.
        factor : int
            Samples per pixel and direction.
        """
        width = u.Quantity(sigma).to("deg")
        geom = geom.to_odd_npix(max_radius=5 * width if max_radius is None else max_radius)
        fine = geom.to_image().upsample(factor)
        rad = geom.center_skydir.separation(fine.get_coord().skycoord).deg
        n = geom.npix[0]
        image = gaussian_profile(rad, width.value).reshape(n, factor, n, factor).sum(axis=(1, 3))
        return cls(Map.from_geom(geom, data=np.broadcast_to(image, geom.data_shape).copy(), unit=""))

    @classmethod
    def read(cls, *args: Any, **kwargs: Any) -> Self:
        """Read from a FITS file; arguments as for `Map.read`."""
        return cls(Map.read(*args, **kwargs), normalize=False)

    def write(self, filename: str | os.PathLike, overwrite: bool = False, **kwargs: Any) -> None:
        """Write to a FITS file; arguments as for `Map.write`."""
        self._psf_kernel_map.write(filename, overwrite=overwrite, **kwargs)

    @classmethod
    def from_spatial_model(cls, model: Any, geom: WcsGeom, max_radius: object = None, factor: int = 4) -> Self:
        """Return images of a shape, placed in their centre.

        Parameters
        ----------
        model : SpatialModel
            Shape; it is not changed.
        geom : WcsGeom
            Geometry whose pixels (and axes) the kernel gets.
        max_radius : `~astropy.units.Quantity` or str, optional
            Half of the width of the images, by default the evaluation radius of the shape.
        factor : int
            Pixels are integrated over this many parts in each direction.
        """
        geom = geom.to_odd_npix(max_radius=model.evaluation_radius if max_radius is None else max_radius)
        shape = model.copy()
        shape.position = geom.center_skydir
        image = shape.integrate_geom(geom.to_image().upsample(factor), oversampling_factor=1).downsample(factor)
        return cls(Map.from_geom(geom, data=np.broadcast_to(image.quantity.value, geom.data_shape).copy(), unit=""))

    def to_image(
        self, spectral_model: Spectrum | None = None, exposure: object = None, keepdims: bool = True
    ) -> "PSFKernel":
        """Return one image, the average over energy weighted by exposure and a spectrum.

        Parameters
        ----------
        spectral_model : object with ``integral(energy_min, energy_max)``, optional
            Spectrum, by default a power law of index 2.
        exposure : array_like or `~astropy.units.Quantity`, optional
            One value per energy, by default equal.
        keepdims : bool
            Whether the energy axis stays, with one bin.

        Raises
        ------
        ValueError
            If there is not one exposure per energy.
        """
        axis = self._psf_kernel_map.geom.axes[0]
        if spectral_model is None:
            flux = 1 / axis.edges_min.to_value("TeV") - 1 / axis.edges_max.to_value("TeV")
        else:
            flux = u.Quantity(spectral_model.integral(axis.edges_min, axis.edges_max)).value
        area = np.ones(axis.nbin) if exposure is None else np.ravel(u.Quantity(exposure).value)
        if area.shape != (axis.nbin,):
            raise ValueError(f"exposure must have one value per energy ({axis.nbin}), got shape {area.shape}")
        weight = flux * area
        total = self._psf_kernel_map.copy(data=self.data * (weight / weight.sum())[:, None, None])
        return PSFKernel(total.sum_over_axes([axis.name], keepdims=keepdims))

    def slice_by_idx(self, slices: Mapping[str, slice | int]) -> "PSFKernel":
        """Return the images selected by slices of the axes."""
        return PSFKernel(self._psf_kernel_map.slice_by_idx(slices))

    def plot_kernel(self, ax: object = None, energy: object = None, add_cbar: bool = False, **kwargs: object) -> object:
        """Plot the image nearest to an energy, or the average; see `bayesmap.plot.plot_psf_kernel`."""
        from bayesmap.plot.irf import plot_psf_kernel

        return plot_psf_kernel(self, ax, energy, add_cbar, **kwargs)

    def peek(self, figsize: tuple[float, float] = (15, 5)) -> object:
        """Plot the average and the image at 1 TeV; see `bayesmap.plot.peek_psf_kernel`."""
        from bayesmap.plot.irf import peek_psf_kernel

        return peek_psf_kernel(self, figsize)

    def __repr__(self) -> str:
        return f"<PSFKernel on {self._psf_kernel_map.geom!r}>"
