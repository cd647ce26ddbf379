"""Energy dispersion as maps: kernels per pixel, or migration E / E_true."""

import os
from typing import ClassVar, Self

import numpy as np
from astropy.coordinates import SkyCoord

from bayesmap._util import Absent
from bayesmap.irf.base import IRFMap, all_sky_geom, with_axes_of
from bayesmap.irf.edisp_kernel import EDispKernel
from bayesmap.irf.kernels import migra_containment_map
from bayesmap.maps import Geom, Map, MapAxis, RegionGeom, WcsGeom

__all__ = ["EDispKernelMap", "EDispMap"]

#: smaller probabilities of a kernel made from a migration map are round-off
ROUND_OFF = 1e-8


class EDispKernelMap(IRFMap):
    """Energy dispersion matrices for pixels on the sky.

    Parameters
    ----------
    edisp_kernel_map : Map
        Axes ``energy`` and ``energy_true``, so data have shape ``(energy_true, energy, lat, lon)``: the probability of
        a bin of reconstructed energy.
    exposure_map : Map, optional
        Exposure with the axes ``energy`` (one bin) and ``energy_true``.

    Raises
    ------
    ValueError
        If the axes are others.
    """

    tag = "edisp"
    required_axes: ClassVar[tuple[str, ...]] = ("energy", "energy_true")

    def __init__(self, edisp_kernel_map: Map, exposure_map: Map | None = None) -> None:
        super().__init__(edisp_kernel_map, exposure_map)

    @property
    def edisp_map(self) -> Map:
        """The map of probabilities."""
        return self._irf_map

    @edisp_map.setter
    def edisp_map(self, value: Map) -> None:
        self._irf_map = value

    def row_sums(self) -> np.ndarray:
        """Return the probability that an energy is reconstructed, shape ``(energy_true, lat, lon)``."""
        return self._irf_map.data.sum(axis=-3, dtype="float64")

    def get_edisp_kernel(self, position: SkyCoord | None = None, energy_axis: MapAxis | None = None) -> EDispKernel:
        """Return the kernel of the pixel that holds a position.

        Parameters
        ----------
        position : `~astropy.coordinates.SkyCoord`, optional
            Position, by default the centre of the map; the nearest pixel with values is taken if there are none.
        energy_axis : MapAxis, optional
            Not needed: a kernel map has its own reconstructed energies. (The argument is there so that both kinds of
            energy dispersion are called alike.)
        """
        axes = self._irf_map.geom.axes
        return EDispKernel([axes["energy_true"], axes["energy"]], self._at_nearest_pixel(position).copy())

    @classmethod
    def from_diagonal_response(cls, energy_axis: MapAxis, energy_axis_true: MapAxis, geom: Geom | None = None) -> Self:
        """Return a perfect energy measurement; see `EDispKernel.from_diagonal_response` and `from_edisp_kernel`."""
        return cls.from_edisp_kernel(EDispKernel.from_diagonal_response(energy_axis_true, energy_axis), geom)

    @classmethod
    def from_gauss(
        cls,
        energy_axis: MapAxis,
        energy_axis_true: MapAxis,
        sigma: object,
        bias: object,
        pdf_threshold: float = 1e-6,
        geom: Geom | None = None,
    ) -> Self:
        """Return Gaussian dispersions; see `EDispKernel.from_gauss` and `from_edisp_kernel`."""
        kernel = EDispKernel.from_gauss(energy_axis_true, energy_axis, sigma, bias, pdf_threshold)
        return cls.from_edisp_kernel(kernel, geom)

    @classmethod
    def from_edisp_kernel(cls, edisp: EDispKernel, geom: Geom | None = None) -> Self:
        """Return a map with the same kernel everywhere.

        Parameters
        ----------
        edisp : EDispKernel
            The kernel.
        geom : Geom, optional
            Image; by default a single pixel, the whole sky.
        """
        axes = [edisp.axes["energy"], edisp.axes["energy_true"]]
        cube = all_sky_geom(axes) if geom is None else geom.to_image().to_cube(axes)
        data = np.broadcast_to(edisp.pdf_matrix[..., None, None], cube.data_shape).copy()
        exposure = cube.squash("energy")
        return cls(
            Map.from_geom(cube, data=data, unit=""),
            Map.from_geom(exposure, data=np.ones(exposure.data_shape), unit="m2 s"),
        )

    @classmethod
    def read(
        cls, filename: str | os.PathLike, format: str = "gadf", hdu: str | None = None, checksum: bool = False
    ) -> Self:
        """Read the response from a FITS file; with the format "gtdrm" a matrix of the Fermi tools."""
        if format == "gtdrm":
            kernel = EDispKernel.read(filename, checksum=checksum, format=format)
            return cls.from_edisp_kernel(kernel, RegionGeom.create(None))
        return super().read(filename, format=format, hdu=hdu, checksum=checksum)

    def peek(self, figsize: tuple[float, float] = (15, 5)) -> object:
        """Plot bias and matrix at the centre; see `EDispKernel.peek`."""
        return self.get_edisp_kernel().peek(figsize)

    def to_image(self, weights: Map | None = None) -> Self:
        """Return the map with one bin of reconstructed energy: the sum, after multiplication with ``weights``."""
        weights = with_axes_of(self._irf_map.geom, weights)
        return self._new(self._irf_map.sum_over_axes(["energy"], keepdims=True, weights=weights), self._exposure_copy())

    def resample_energy_axis(self, energy_axis: MapAxis, weights: Map | None = None) -> Self:
        """Return the map with reconstructed energies grouped.

        Parameters
        ----------
        energy_axis : MapAxis
            Its edges move to the nearest ones of the map; bins outside are left out.
        weights : Map, optional
            Weights before the sum; axes of one bin are repeated.
        """
        weights = with_axes_of(self._irf_map.geom, weights)
        return self._new(self._irf_map.resample_axis(energy_axis, weights=weights), self._exposure_copy())


class EDispMap(IRFMap):
    """Energy dispersion as densities of the migration E / E_true for pixels on the sky.

    Parameters
    ----------
    edisp_map : Map
        Axes ``migra`` and ``energy_true``, so data have shape ``(energy_true, migra, lat, lon)``: density in migration.
    exposure_map : Map, optional
        Exposure with the axes ``migra`` (one bin) and ``energy_true``.

    Raises
    ------
    ValueError
        If the axes are others.
    """

    tag = "edisp"
    required_axes: ClassVar[tuple[str, ...]] = ("migra", "energy_true")

    def __init__(self, edisp_map: Map, exposure_map: Map | None = None) -> None:
        super().__init__(edisp_map, exposure_map)

    @property
    def edisp_map(self) -> Map:
        """The map of densities."""
        return self._irf_map

    @edisp_map.setter
    def edisp_map(self, value: Map) -> None:
        self._irf_map = value

    def row_sums(self) -> np.ndarray:
        """Return the integral over the migration, shape ``(energy_true, lat, lon)``."""
        width = self._irf_map.geom.axes["migra"].bin_width.to_value("")
        return np.einsum("tmyx,m->tyx", self._irf_map.data, width, dtype="float64", casting="unsafe")

    def normalize(self) -> None:
        """Divide in place by the integral over the migration; empty bins stay empty."""
        axis = self._irf_map.geom.axes["migra"]
        dimension = self._irf_map.geom.axes.index_data("migra")
        total = (np.nan_to_num(self._irf_map.data) * axis.bin_width.value[:, None, None]).sum(axis=dimension)
        total = np.expand_dims(total, dimension)
        self._irf_map.data = self._irf_map.data / np.where(total > 0, total, 1)

    @classmethod
    def from_diagonal_response(cls, energy_axis_true: MapAxis, migra_axis: MapAxis | None = None) -> Self:
        """Return a perfect energy measurement, the same on the whole sky.

        Parameters
        ----------
        energy_axis_true : MapAxis
            True energies.
        migra_axis : MapAxis, optional
            Migrations; all probability is in the bin that holds one. By default three bins of total width 2e-5.
        """
        if migra_axis is None:
            migra_axis = MapAxis.from_bounds(1 - 1e-5, 1 + 1e-5, nbin=3, name="migra", node_type="edges")
        geom = WcsGeom.create(npix=(2, 1), binsz=180, axes=[migra_axis, energy_axis_true])
        edisp_map = Map.from_geom(geom, data=np.zeros(geom.data_shape), unit="")
        index = int(migra_axis.coord_to_idx(1))
        edisp_map.data[:, index] = 1 / migra_axis.bin_width[index].to_value("")
        exposure = geom.squash("migra")
        return cls(edisp_map, Map.from_geom(exposure, data=np.ones(exposure.data_shape), unit="m2 s"))

    def get_edisp_kernel(self, energy_axis: MapAxis | None = None, position: SkyCoord | None = None) -> EDispKernel:
        """Return the kernel of the pixel that holds a position.

        Parameters
        ----------
        energy_axis : MapAxis, optional
            Reconstructed energies, by default the true ones.
        position : `~astropy.coordinates.SkyCoord`, optional
            Position, by default the centre of the map; the nearest pixel with values is taken if there are none.

        Returns
        -------
        EDispKernel
            Migration densities integrated between the energy edges, at the centres of true energy.

        Raises
        ------
        TypeError
            If the first argument is no energy axis.
        """
        if energy_axis is not None and not isinstance(energy_axis, MapAxis):
            raise TypeError(f"energy_axis must be a MapAxis, got {energy_axis!r}; the position comes second")
        position = self._valid_position(position)
        kernel_map = self.to_region_nd_map(position).to_edisp_kernel_map(self._energy_axis(energy_axis))
        return kernel_map.get_edisp_kernel()

    def peek(self, figsize: tuple[float, float] = (15, 5)) -> object:
        """Plot bias and matrix at the centre, in the true energies; see `EDispKernel.peek`."""
        return self.get_edisp_kernel().peek(figsize)

    sample_coord = Absent("draws single events: use MapDatasetEventSampler, which applies the responses")

    def _energy_axis(self, energy_axis: MapAxis | None) -> MapAxis:
        own: MapAxis = self._irf_map.geom.axes["energy_true"]
        return own.copy(name="energy") if energy_axis is None else energy_axis

    def to_edisp_kernel_map(self, energy_axis: MapAxis, threshold: float = ROUND_OFF) -> EDispKernelMap:
        """Return energy dispersion matrices.

        Parameters
        ----------
        energy_axis : MapAxis
            Reconstructed energies.
        threshold : float
            Smaller probabilities become zero.

        Returns
        -------
        EDispKernelMap
            Migration densities integrated between the energy edges, at the centres of true energy.
        """
        total = migra_containment_map(self._irf_map)
        true: MapAxis = self._irf_map.geom.axes["energy_true"]
        nodes = total.geom.axes["migra"].center.value
        migra = (energy_axis.edges / true.center[:, None]).to_value("")
        data = np.stack([_at_nodes(values, nodes, points) for values, points in zip(total.data, migra, strict=True)])
        data = np.diff(data, axis=1)
        geom = self._irf_map.geom.to_image().to_cube([energy_axis, true])
        kernel_map = Map.from_geom(geom, data=np.where(data < threshold, 0, data), unit="")
        if self.exposure_map is None:
            return EDispKernelMap(kernel_map)
        exposure = self.exposure_map.copy(geom=geom.squash("energy"))
        return EDispKernelMap(kernel_map, exposure)


def _at_nodes(values: np.ndarray, nodes: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Linear interpolation along the first dimension, constant outside."""
    pix = np.interp(points, nodes, np.arange(len(nodes)))
    lower = np.clip(np.floor(pix).astype(int), 0, len(nodes) - 2)
    fraction = (pix - lower)[:, None, None]
    return (1 - fraction) * values[lower] + fraction * values[lower + 1]
