"""Operations that make a new dataset from one: cut, slice, pad, join bins, mask.

Each asks the role of every component how such a thing is treated, see `bayesmap.datasets.roles`. The models stay
behind; GTI, tables, meta data and a likelihood that was set on the dataset travel along.
"""

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self, cast

import astropy.units as u
import numpy as np

from bayesmap._types import QuantityLike
from bayesmap._util import make_name
from bayesmap.datasets.base import Dataset
from bayesmap.datasets.checks import warn_correlated_off
from bayesmap.datasets.components import Component
from bayesmap.datasets.energies import edisp_mask
from bayesmap.datasets.geometry import axes_of
from bayesmap.datasets.stack import stack_dataset, stackable_copy
from bayesmap.maps import Map
from bayesmap.maps.geom import Geom

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

    from bayesmap.datasets.map import MapDataset
    from bayesmap.maps import MapAxis

__all__ = ["DatasetOperations"]

#: attributes that travel when they were set on a dataset rather than on its class
INSTANCE_SETTINGS = ("likelihood", "stat_type")


class DatasetOperations(Dataset):
    """The operations of map datasets, for the class that has the components."""

    counts: Component
    background: Component
    mask_safe: Component
    mask_fit: Component
    exposure: Component
    psf: Component
    edisp: Component

    if TYPE_CHECKING:

        @property
        def _geom(self) -> Geom:
            """Geometry of the counts."""

        @property
        def mask_safe_image(self) -> Any:
            """Pixels that are safe at any energy."""

    def _apply(self, operation: Any, name: str | None = None) -> Self:
        """New dataset, without models, from ``operation(component, role)`` on each component."""
        parts = {}
        for key, component in self.components.items():
            value = getattr(self, key)
            if value is not None:
                parts[key] = operation(value, component.role)
        new = self._with_side(type(self)(name=make_name(name)))  # first: what is legal data depends on the likelihood
        for key, part in parts.items():
            setattr(new, key, part)
        return new

    def _with_side[D: Dataset](self, new: D) -> D:
        """Give another dataset copies of what is not a component."""
        for key in ("gti", "meta_table", "meta"):
            setattr(new, key, copy.deepcopy(getattr(self, key)))
        for key in INSTANCE_SETTINGS:
            if key in self.__dict__:
                setattr(new, key, copy.deepcopy(self.__dict__[key]))
        return new

    def copy(self, name: str | None = None) -> Self:
        """A deep copy, models included; models tied to this dataset by name are tied to the copy.

        Parameters
        ----------
        name : str, optional
            Name of the copy; a random one by default.
        """
        new = self._apply(lambda value, role: copy.deepcopy(value), name)
        if self.models is not None:
            models = copy.deepcopy(self.models)
            for model in models:
                if model.datasets_names is not None:
                    model.datasets_names = [new.name if n == self.name else n for n in model.datasets_names]
            new._models = models
        return new

    def cutout(self, position: "SkyCoord", width: QuantityLike, mode: str = "trim", name: str | None = None) -> Self:
        """Cut out a part of the sky; the models are left behind.

        Parameters
        ----------
        position : `~astropy.coordinates.SkyCoord`
            Centre.
        width : `~astropy.units.Quantity`, str or tuple
            Size in lon and lat; one value for a square.
        mode : {"trim", "partial", "strict"}
            What happens at the edges, as in `~astropy.nddata.Cutout2D`.
        name : str, optional
            Name of the new dataset; a random one by default.

        Returns
        -------
        MapDataset
            The part.
        """
        kwargs = {"position": position, "width": width, "mode": mode}
        return self._apply(lambda value, role: role.cutout(self, value, **kwargs), name)

    def pad(self, pad_width: int | tuple[int, int], mode: str = "constant", name: str | None = None) -> Self:
        """Add pixels around the maps; the responses stay as they are.

        Parameters
        ----------
        pad_width : int or (int, int)
            Number of pixels on each side: longitude, latitude.
        mode : {"constant", "edge", "reflect", "wrap", "symmetric"}
            What new pixels hold, as in `numpy.pad`; "constant" is zero, also for the exposure (as Gammapy does, whose
            documentation says edge), and False for masks.
        name : str, optional
            Name of the new dataset; a random one by default.

        Returns
        -------
        MapDataset
            The larger dataset.
        """
        return self._apply(lambda value, role: role.pad(self, value, pad_width, mode), name)

    def slice_by_idx(self, slices: Mapping[str, slice], name: str | None = None) -> Self:
        """Select bins of axes by their indices.

        Parameters
        ----------
        slices : dict
            Slice (or index, which drops the axis) per axis name; components without this axis stay as they are.
        name : str, optional
            Name of the new dataset; a random one by default.

        Returns
        -------
        MapDataset
            The selected bins.

        Raises
        ------
        KeyError
            If no component has an axis of that name.
        TypeError
            If an index would drop an axis that a response needs.

        Examples
        --------
        >>> from bayesmap.datasets import MapDataset
        >>> from bayesmap.maps import MapAxis, WcsGeom
        >>> axis = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=3)
        >>> dataset = MapDataset.create(WcsGeom.create(npix=(4, 5), binsz=0.1, axes=[axis]))
        >>> dataset.slice_by_idx({"energy": slice(1, 3)}).data_shape
        (2, 5, 4)
        """
        slices = dict(slices)
        values = [getattr(self, key) for key in self.components]
        known = {name for value in values if value is not None for name in axes_of(value).names}
        if unknown := slices.keys() - known:
            raise KeyError(f"dataset {self.name!r} has no axis {sorted(unknown)}, its axes are {sorted(known)}")
        return self._apply(lambda value, role: role.slice_by_idx(self, value, slices), name)

    def slice_by_energy(
        self, energy_min: QuantityLike | None = None, energy_max: QuantityLike | None = None, name: str | None = None
    ) -> Self:
        """Select a range of reconstructed energy.

        Parameters
        ----------
        energy_min, energy_max : `~astropy.units.Quantity` or str, optional
            Bounds, which move to the nearest bin edges; by default those of the axis.
        name : str, optional
            Name of the new dataset; a random one by default.

        Returns
        -------
        MapDataset
            The selected energies.

        Raises
        ------
        ValueError
            If no energy is left.
        """
        axis = self._geom.axes["energy"]
        low, high = axis.bounds
        ends = (low if energy_min is None else energy_min, high if energy_max is None else energy_max)
        edges = u.Quantity([u.Quantity(end) for end in ends], axis.unit)
        try:
            groups = axis.group_table(edges)
        except ValueError as error:
            raise ValueError(
                f"dataset {self.name!r} has no energies between {edges[0]:.4g} and {edges[1]:.4g}, its bins are from "
                f"{low:.4g} to {high:.4g}"
            ) from error
        row = groups[groups["bin_type"] == "normal   "][0]
        return self.slice_by_idx({"energy": slice(int(row["idx_min"]), int(row["idx_max"]) + 1)}, name=name)

    def downsample(self, factor: int, axis_name: str | None = None, name: str | None = None) -> Self:
        """Join pixels, or bins of reconstructed energy.

        Counts and background are summed inside ``mask_safe``, the exposure is averaged, masks are true where any
        joined bin is. The responses change only with the energy: kernels are summed inside ``mask_safe``.

        Parameters
        ----------
        factor : int
            Number of pixels in each direction, or of bins, that become one; it must divide the shape.
        axis_name : {"energy"}, optional
            Axis to downsample; by default the image.
        name : str, optional
            Name of the new dataset; a random one by default.

        Returns
        -------
        MapDataset
            The coarser dataset.

        Raises
        ------
        ValueError
            If the factor does not divide the shape, the axis is not "energy", or there is none in a region dataset.

        Notes
        -----
        An `~bayesmap.irf.EDispMap` has no reconstructed energies, so it cannot leave out those that ``mask_safe``
        excludes: where there are such, it becomes an `~bayesmap.irf.EDispKernelMap` (`EDispMap.to_edisp_kernel_map`);
        else it stays as it is.
        """
        if axis_name not in (None, "energy"):
            raise ValueError(
                f"dataset {self.name!r}: downsample joins pixels or the axis 'energy' of the counts, got {axis_name!r}"
            )
        if axis_name is None and self._geom.is_region:
            raise ValueError(f"dataset {self.name!r} has no pixels to join, its geometry is a region: give axis_name")
        if axis_name is None and "counts_off" in self.components:
            warn_correlated_off(cast("MapDataset", self))
        return self._apply(lambda value, role: role.downsample(self, value, factor, axis_name), name)

    def resample_energy_axis(self, energy_axis: "MapAxis", name: str | None = None) -> Self:
        """Group the bins of reconstructed energy.

        Parameters
        ----------
        energy_axis : `~bayesmap.maps.MapAxis`
            Its edges move to the nearest ones of the dataset; bins outside are left out.
        name : str, optional
            Name of the new dataset; a random one by default.

        Returns
        -------
        MapDataset
            The coarser dataset; components are treated as in `downsample`.
        """
        return self._apply(lambda value, role: role.resample(self, value, energy_axis), name)

    def to_image(self, name: str | None = None) -> Self:
        """Sum over reconstructed energy inside ``mask_safe``; the axis stays, with one bin.

        Parameters
        ----------
        name : str, optional
            Name of the new dataset; a random one by default.
        """
        return self.resample_energy_axis(self._geom.axes["energy"].squash(), name=name)

    # --- masks

    def apply_mask_safe(self) -> None:
        """Set counts, background and OFF counts outside ``mask_safe`` to zero, in place.

        Raises
        ------
        ValueError
            If there is no ``mask_safe``.
        """
        mask = self.mask_safe
        if mask is None:
            raise ValueError(f"dataset {self.name!r} has no mask_safe to apply")
        for key in ("counts", "background", "counts_off"):
            if key in self.components and getattr(self, key) is not None:
                value = getattr(self, key)
                setattr(self, key, value.copy(data=np.where(mask.data, value.data, value.data.dtype.type(0))))

    @property
    def mask_safe_psf(self) -> Map | None:
        """Bins of the point spread function in which data count: those whose centre lies in a safe pixel.

        With one bin of offset, and of true energy: there a pixel counts if it is safe at any reconstructed energy. A
        PSF in reconstructed energy has the mask of the nearest energy. Outside of the counts all is False; a response
        of one pixel is true if any pixel is safe.
        """
        if self.mask_safe is None or self.psf is None:
            return None
        geom = self.psf.psf_map.geom.squash("rad")
        mask = self.mask_safe_image
        if self.psf.energy_name == "energy":
            nearest = self.mask_safe.geom.axes["energy"].coord_to_idx(geom.axes["energy"].center, clip=True)
            mask = Map.from_geom(mask.geom.to_cube([geom.axes["energy"]]), data=self.mask_safe.data[nearest], unit="")
        else:
            geom = geom.squash("energy_true")
        if geom.data_shape_image == (1, 1):
            data = mask.data.any(axis=(-2, -1))
        else:
            data = mask.interp_to_geom(geom.to_image().to_cube(list(mask.geom.axes))).data
        return Map.from_geom(geom, data=data.reshape(geom.data_shape), unit="")

    @property
    def mask_safe_edisp(self) -> Map | None:
        """Bins of the energy dispersion in which data count, with one bin of true energy.

        A bin is true if any of the pixels of ``mask_safe`` around its centre is, at the same reconstructed energy (at
        any, for an `~bayesmap.irf.EDispMap`); outside of the counts the nearest pixels are taken, and a response of
        one pixel takes all. (Gammapy interpolates in energy too, where rounding can let a masked energy in.)
        """
        if self.mask_safe is None or self.edisp is None:
            return None
        return edisp_mask(self.mask_safe, self.edisp)

    def to_masked(self, name: str | None = None, nan_to_num: bool = True) -> Self:
        """Return the dataset with counts, background, exposure and responses outside ``mask_safe`` set to zero.

        Parameters
        ----------
        name : str, optional
            Name of the new dataset; a random one by default.
        nan_to_num : bool
            Whether values that are not finite count as zero.

        Returns
        -------
        MapDataset
            What stacking this dataset on an empty one gives (the exposure in m2 s), and its ``mask_fit``. Responses
            without an exposure of their own are copied.
        """
        return stackable_copy(cast("MapDataset", self), name, nan_to_num)

    def stack(self, other: "MapDataset", nan_to_num: bool = True) -> None:
        r"""Add another dataset in place.

        With the safe mask :math:`\epsilon_{jk}` of dataset j in the bin k of reconstructed energy and pixel:

        ================== ========================================================================================
        component          result
        ================== ========================================================================================
        ``mask_safe``      true where any :math:`\epsilon_{jk}` is
        ``mask_fit``       dropped, with a warning
        ``counts``         :math:`\sum_j n_{jk} \epsilon_{jk}`
        ``background``     :math:`\sum_j b_{jk} \epsilon_{jk}`, b with the background model of the other dataset
        ``exposure``       :math:`\sum_j E_{jl} \max_k \epsilon_{jk}`; live times add up
        ``psf``            average weighted by exposure
        ``edisp``          :math:`\sum_j R_{jkl} \epsilon_{jk} E_{jl} / \sum_j E_{jl}`; a migration map, which has no k,
                           becomes a kernel map if the other is one or the mask of the other excludes energies
        ``gti``            union
        ``acceptance``     :math:`\sum_j a_{jk} \epsilon_{jk}`
        ``acceptance_off`` such that the background is the sum of the backgrounds, see the notes
        ================== ========================================================================================

        Parameters
        ----------
        other : MapDataset
            Dataset on the same pixels, or on an aligned part of them. If it is an ON/OFF dataset and this is not,
            ``alpha * counts_off`` is its background.
        nan_to_num : bool
            Whether values of the other dataset that are not finite count as zero.

        Raises
        ------
        TypeError
            If the types do not go together.
        bayesmap.errors.GeometryMismatchError
            If the geometries do not; the message names the component, and nothing has changed.
        ValueError
            If a response lacks its exposure, an ON/OFF dataset with safe bins lacks a component, or this dataset has a
            background model, which would change the background of the other too.

        Warns
        -----
        UserWarning
            If a ``mask_fit`` is dropped.

        Notes
        -----
        Only the other dataset is masked. Start from an empty dataset (`from_geoms`) or from `to_masked`. Components
        that only one of the two has stay as they are.

        In bins with OFF counts the stacked ``acceptance_off`` is
        :math:`a \sum_j n_{\mathrm{off},j} / \sum_j \alpha_j n_{\mathrm{off},j}`; in the others it is
        :math:`\sum_j a_{\mathrm{off},jk} \epsilon_{jk}`.
        """
        stack_dataset(cast("MapDataset", self), other, nan_to_num)

    def reset_data_cache(self) -> None:
        """Forget components that were loaded lazily, to free memory; they are read again when needed.

        Changes made to them in place are lost; components that were assigned stay.
        """
        for component in self.components.values():
            component.reset(self)
