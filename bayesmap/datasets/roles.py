"""Roles: what kind of thing a component of a dataset is, what is a valid one, and how operations treat it.

One class per role; a dataset class names the role of each of its components, and an operation on a dataset asks the
role how such a thing is treated. How components are stacked is in `bayesmap.datasets.stack`.
"""

import warnings
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from bayesmap.datasets.acceptance import is_on_off, off_acceptance
from bayesmap.datasets.energies import edisp_mask, excludes_energies, with_energies
from bayesmap.datasets.geometry import axes_of, check_edisp_axis, compare_axis, describe, same_geometry
from bayesmap.errors import GeometryMismatchError
from bayesmap.io.checks import impossible
from bayesmap.irf import EDispKernel, EDispKernelMap, EDispMap, PSFKernel, PSFMap, RecoPSFMap
from bayesmap.irf.checks import impossible_values
from bayesmap.maps import Map
from bayesmap.maps.kinds import MapKind

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset
    from bayesmap.maps import MapAxis

__all__ = [
    "ACCEPTANCE",
    "ACCEPTANCE_OFF",
    "BACKGROUND",
    "COUNTS",
    "COUNTS_OFF",
    "EDISP",
    "EXPOSURE",
    "MASK",
    "PSF",
    "Role",
]


class Role:
    """What a component is; the base of all roles."""

    #: classes that may be assigned
    kinds: tuple[type, ...] = (Map,)

    def check(self, dataset: "MapDataset", name: str, value: Any) -> Any:
        """Return ``value`` if it may become the component ``name`` of ``dataset``.

        Parameters
        ----------
        dataset : `bayesmap.datasets.Dataset`
            The dataset; its loaded components are compared with.
        name : str
            Name of the component.
        value : object
            What is assigned.

        Raises
        ------
        TypeError
            If it is of another class.
        bayesmap.errors.GeometryMismatchError
            If its geometry contradicts that of another component.
        astropy.units.UnitConversionError
            If its unit is of the wrong kind.
        ValueError
            If it holds impossible values.
        """
        value = self.convert(dataset, value)
        if not isinstance(value, self.kinds):
            kinds = " or ".join(kind.__name__ for kind in self.kinds)
            raise TypeError(f"dataset {dataset.name!r}: {name} must be a {kinds}, got {type(value).__name__}")
        self.check_geometry(dataset, name, value)
        self.check_unit(dataset, name, value)
        self.check_values(dataset, name, value)
        return value

    def convert(self, dataset: "MapDataset", value: Any) -> Any:
        """What is stored in place of ``value``, if it may be given in another form."""
        return value

    def check_geometry(self, dataset: "MapDataset", name: str, value: Any) -> None:
        """Raise if the geometry contradicts the other components."""

    def check_unit(self, dataset: "MapDataset", name: str, value: Any) -> None:
        """Raise if the unit is of the wrong kind."""

    def check_values(self, dataset: "MapDataset", name: str, value: Any) -> None:
        """Raise if values are impossible."""

    # What the operations of `bayesmap.datasets.operations` do with such a component: a new value each. By default
    # the component does not change with the binning of the counts.

    def cutout(self, dataset: "MapDataset", value: Any, **kwargs: Any) -> Any:
        """The part around a position; the arguments are those of `Map.cutout`."""
        return value.cutout(**kwargs)

    def slice_by_idx(self, dataset: "MapDataset", value: Any, slices: dict[str, slice]) -> Any:
        """The part selected by slices of those axes that the component has."""
        names = axes_of(value).names
        return value.slice_by_idx({name: cut for name, cut in slices.items() if name in names})

    def pad(self, dataset: "MapDataset", value: Any, pad_width: int | tuple[int, int], mode: str) -> Any:
        """The component with pixels added around it."""
        return value.copy()

    def downsample(self, dataset: "MapDataset", value: Any, factor: int, axis_name: str | None) -> Any:
        """The component with pixels or energy bins joined."""
        return value.copy()

    def resample(self, dataset: "MapDataset", value: Any, energy_axis: "MapAxis") -> Any:
        """The component with reconstructed energies grouped."""
        return value.copy()


def _refuse(
    dataset: "MapDataset", name: str, value: MapKind, bad: np.ndarray, what: str, right: str = "finite and not negative"
) -> None:
    """Raise a ValueError that names dataset, component, number of bins and the first of them."""
    if not bad.any():
        return
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    raise ValueError(
        f"dataset {dataset.name!r}: {name} is {what} in {int(bad.sum())} of {bad.size} bins, first at index {first} "
        f"with value {value.data[first]!r}; it must be {right}"
        + (" inside mask_safe; mask these bins or give other values" if name != "mask_safe" else "")
    )


def _possible(data: np.ndarray) -> bool:
    """Whether all values are finite and not negative; fast, as most are (NaN compares false)."""
    return data.size == 0 or bool(data.min() >= 0 and data.max() < np.inf)


class RecoRole(Role):
    """Something binned like the counts, in reconstructed energy."""

    def check_geometry(self, dataset: "MapDataset", name: str, value: MapKind) -> None:
        if "energy_true" in value.geom.axes.names:
            raise GeometryMismatchError(
                f"dataset {dataset.name!r}: {name} must be binned in reconstructed energy (axis 'energy'), "
                f"got the axes {value.geom.axes.names}"
            )
        for other, geom in dataset.reco_geoms(skip=name):
            if not same_geometry(value.geom, geom):
                raise GeometryMismatchError(
                    f"dataset {dataset.name!r}: {name} has the geometry ({describe(value.geom)}), "
                    f"{other} has ({describe(geom)}); they must be equal"
                )
        check_edisp_axis(dataset, name, value.geom, "energy")

    def safe(self, dataset: "MapDataset", value: MapKind) -> np.ndarray:
        """Bins that count: those in mask_safe, all if there is none or it has another shape."""
        mask = dataset.loaded("mask_safe")
        if mask is None or mask.data.shape != value.data.shape:
            return np.ones(value.data.shape, dtype=bool)
        return mask.data

    def pad(self, dataset: "MapDataset", value: MapKind, pad_width: int | tuple[int, int], mode: str) -> MapKind:
        return value.pad(pad_width, mode=mode)


class CountsRole(RecoRole):
    """Counts per bin: dimensionless, finite, not negative; joined bins are sums inside ``mask_safe``."""

    def downsample(self, dataset: "MapDataset", value: MapKind, factor: int, axis_name: str | None) -> MapKind:
        return value.downsample(factor, preserve_counts=True, axis_name=axis_name, weights=dataset.mask_safe)

    def resample(self, dataset: "MapDataset", value: MapKind, energy_axis: "MapAxis") -> MapKind:
        return value.resample_axis(energy_axis, weights=dataset.mask_safe)

    def check_unit(self, dataset: "MapDataset", name: str, value: MapKind) -> None:
        if value.unit not in (u.dimensionless_unscaled, u.ct):
            raise u.UnitConversionError(f"dataset {dataset.name!r}: {name} must be dimensionless, got {value.unit}")

    def check_values(self, dataset: "MapDataset", name: str, value: MapKind) -> None:
        if _possible(value.data):
            return
        with np.errstate(invalid="ignore"):
            bad = ~np.isfinite(value.data) | (value.data < 0)
        _refuse(dataset, name, value, bad & self.safe(dataset, value), "negative or not finite")


class ObservedRole(CountsRole):
    """Observed counts: integers, unless someone wants an Asimov data set (which warns).

    A likelihood that allows negative predictions takes any finite data.
    """

    def check_values(self, dataset: "MapDataset", name: str, value: MapKind) -> None:
        if dataset.likelihood.allows_negative:
            bad = ~np.isfinite(value.data) & self.safe(dataset, value)
            _refuse(dataset, name, value, bad, "not finite", "finite")
            return
        super().check_values(dataset, name, value)
        if value.data.dtype.kind in "iub":
            return
        if np.array_equal(value.data, np.rint(value.data)):
            return
        data = value.data[self.safe(dataset, value)]
        fractional = int(np.count_nonzero(data != np.rint(data)))
        if fractional:
            warnings.warn(
                f"dataset {dataset.name!r}: {name} is not an integer in {fractional} of {data.size} bins; the Poisson "
                "likelihood is evaluated there as it stands (an Asimov data set), but these are not observed counts",
                UserWarning,
                stacklevel=5,
            )


class OffCountsRole(ObservedRole):
    """Counts of the OFF measurement; those of a ring background come from a convolution, with its round-off."""

    def check_values(self, dataset: "MapDataset", name: str, value: MapKind) -> None:
        bad = impossible(name, value.data) & self.safe(dataset, value)
        _refuse(dataset, name, value, bad, "negative or not finite")


class AcceptanceRole(RecoRole):
    """Relative acceptance per bin, of any unit: finite, not negative.

    Joined by averages in `downsample` and by sums inside ``mask_safe`` in `resample`, as in Gammapy.
    """

    def downsample(self, dataset: "MapDataset", value: MapKind, factor: int, axis_name: str | None) -> MapKind:
        return value.downsample(factor, preserve_counts=False, axis_name=axis_name)

    def resample(self, dataset: "MapDataset", value: MapKind, energy_axis: "MapAxis") -> MapKind:
        return value.resample_axis(energy_axis, weights=dataset.mask_safe)

    def check_values(self, dataset: "MapDataset", name: str, value: MapKind) -> None:
        if _possible(value.data):
            return
        with np.errstate(invalid="ignore"):
            bad = ~np.isfinite(value.data) | (value.data < 0)
        _refuse(dataset, name, value, bad & self.safe(dataset, value), "negative or not finite")


class OffAcceptanceRole(AcceptanceRole):
    """Acceptance of the OFF measurement: where bins are joined it keeps the sum of ``alpha * counts_off``."""

    def check_values(self, dataset: "MapDataset", name: str, value: MapKind) -> None:
        off = dataset.loaded("counts_off")
        bad = impossible(name, value.data, None if off is None or off.data.shape != value.data.shape else off.data)
        _refuse(dataset, name, value, bad & self.safe(dataset, value), "negative or not finite")

    def downsample(self, dataset: "MapDataset", value: MapKind, factor: int, axis_name: str | None) -> MapKind:
        plain = super().downsample(dataset, value, factor, axis_name)
        if not is_on_off(dataset) or dataset.counts_off is None or dataset.acceptance is None:
            return plain
        together: Any = (dataset.counts_off, dataset.background, dataset.acceptance, value)
        counts, background, on, off = (COUNTS_OFF.downsample(dataset, m, factor, axis_name) for m in together)
        acceptance = ACCEPTANCE.downsample(dataset, dataset.acceptance, factor, axis_name)
        np.divide(acceptance.data * off.data, on.data, out=plain.data, where=on.data > 0)  # of safe bins alone
        return off_acceptance(acceptance, counts, background, plain)

    def resample(self, dataset: "MapDataset", value: MapKind, energy_axis: "MapAxis") -> MapKind:
        plain = super().resample(dataset, value, energy_axis)
        if not is_on_off(dataset) or dataset.counts_off is None or dataset.acceptance is None:
            return plain
        together: Any = (dataset.counts_off, dataset.background)
        counts, background = (COUNTS_OFF.resample(dataset, m, energy_axis) for m in together)
        return off_acceptance(ACCEPTANCE.resample(dataset, dataset.acceptance, energy_axis), counts, background, plain)


class ExposureRole(Role):
    """Exposure in true energy: area times time, finite, not negative; joined pixels are averages."""

    def pad(self, dataset: "MapDataset", value: MapKind, pad_width: int | tuple[int, int], mode: str) -> MapKind:
        return value.pad(pad_width, mode=mode)

    def downsample(self, dataset: "MapDataset", value: MapKind, factor: int, axis_name: str | None) -> MapKind:
        return value.downsample(factor, preserve_counts=False) if axis_name is None else value.copy()

    def check_geometry(self, dataset: "MapDataset", name: str, value: MapKind) -> None:
        if "energy" in value.geom.axes.names:
            raise GeometryMismatchError(
                f"dataset {dataset.name!r}: {name} must be binned in true energy (axis 'energy_true'), "
                f"got the axes {value.geom.axes.names}"
            )
        for other, geom in dataset.reco_geoms():
            if not same_geometry(value.geom.to_image(), geom.to_image()):
                raise GeometryMismatchError(
                    f"dataset {dataset.name!r}: {name} has the sky geometry ({describe(value.geom.to_image())}), "
                    f"{other} has ({describe(geom.to_image())}); they must be equal"
                )
        check_edisp_axis(dataset, name, value.geom, "energy_true")

    def check_unit(self, dataset: "MapDataset", name: str, value: MapKind) -> None:
        if not value.unit.is_equivalent("cm2 s"):
            raise u.UnitConversionError(
                f"dataset {dataset.name!r}: {name} must have a unit of area times time such as 'm2 s', "
                f"got {str(value.unit)!r}"
            )

    def check_values(self, dataset: "MapDataset", name: str, value: MapKind) -> None:
        if _possible(value.data):
            return
        with np.errstate(invalid="ignore"):
            bad = ~np.isfinite(value.data) | (value.data < 0)
        mask = dataset.loaded("mask_safe")
        if mask is not None and bad.any() and mask.data.shape[-2:] == bad.shape[-2:]:
            bad &= mask.data.reshape(-1, *bad.shape[-2:]).any(axis=0)
        _refuse(dataset, name, value, bad, "negative or not finite")


class MaskRole(RecoRole):
    """A boolean map, true where data are used; joined bins are true where any is."""

    def downsample(self, dataset: "MapDataset", value: MapKind, factor: int, axis_name: str | None) -> MapKind:
        return value.downsample(factor, axis_name=axis_name)

    def resample(self, dataset: "MapDataset", value: MapKind, energy_axis: "MapAxis") -> MapKind:
        return value.resample_axis(energy_axis, ufunc=np.logical_or)

    def check_values(self, dataset: "MapDataset", name: str, value: MapKind) -> None:
        if value.data.dtype != bool:
            raise ValueError(
                f"dataset {dataset.name!r}: {name} must hold booleans, got {value.data.dtype}; "
                "compare it with something, for example mask > 0"
            )


class ResponseRole(Role):
    """A response: its values are finite and not negative."""

    def check_values(self, dataset: "MapDataset", name: str, value: Any) -> None:
        if wrong := impossible_values(value):
            raise ValueError(f"dataset {dataset.name!r}: {name} is {wrong}")


class PSFRole(ResponseRole):
    """Point spread function; one given as images (`PSFKernel`) becomes a map of one pixel."""

    kinds = (PSFMap, RecoPSFMap)

    def convert(self, dataset: "MapDataset", value: Any) -> Any:
        if not isinstance(value, PSFKernel):
            return value
        exposure = dataset.loaded("exposure")
        axis = None if exposure is None else exposure.geom.axes["energy_true"]
        kind = RecoPSFMap if "energy" in value.psf_kernel_map.geom.axes.names else PSFMap
        return kind.from_psf_kernel(value, axis)


class EDispRole(ResponseRole):
    """Energy dispersion, whose true energies are those of the exposure; kernels are summed inside ``mask_safe``.

    One matrix (`EDispKernel`) becomes a map of one pixel. Where energies are joined, a migration map becomes a kernel
    map if ``mask_safe`` excludes energies, and else stays as it is.
    """

    kinds = (EDispKernelMap, EDispMap)

    def convert(self, dataset: "MapDataset", value: Any) -> Any:
        return EDispKernelMap.from_edisp_kernel(value) if isinstance(value, EDispKernel) else value

    def downsample(self, dataset: "MapDataset", value: Any, factor: int, axis_name: str | None) -> Any:
        kernels = None if axis_name is None else self._kernels(dataset, value)
        if kernels is None:
            return value.copy()
        return kernels.downsample(factor, axis_name=axis_name, weights=self._weights(dataset, kernels))

    def resample(self, dataset: "MapDataset", value: Any, energy_axis: "MapAxis") -> Any:
        kernels = self._kernels(dataset, value)
        if kernels is None:
            return value.copy()
        return kernels.resample_energy_axis(energy_axis, weights=self._weights(dataset, kernels))

    @staticmethod
    def _kernels(dataset: "MapDataset", value: Any) -> Any:
        """What is to be joined; None for a migration map that holds in all reconstructed energies."""
        if isinstance(value, EDispMap) and not excludes_energies(dataset.mask_safe):
            return None
        return with_energies(value, dataset._geom.axes["energy"])

    @staticmethod
    def _weights(dataset: "MapDataset", kernels: Any) -> Any:
        return None if dataset.mask_safe is None else edisp_mask(dataset.mask_safe, kernels)

    def check_geometry(self, dataset: "MapDataset", name: str, value: Any) -> None:
        axes = value.edisp_map.geom.axes
        exposure = dataset.loaded("exposure")
        pairs = [("energy_true", "exposure", exposure.geom)] if exposure is not None else []
        if "energy" in axes.names:
            pairs += [("energy", other, geom) for other, geom in dataset.reco_geoms()]
        for axis, other, geom in pairs:
            compare_axis(dataset, name, axes, other, geom.axes, axis)


COUNTS = ObservedRole()
COUNTS_OFF = OffCountsRole()
ACCEPTANCE = AcceptanceRole()
ACCEPTANCE_OFF = OffAcceptanceRole()
BACKGROUND = CountsRole()
EXPOSURE = ExposureRole()
MASK = MaskRole()
PSF = PSFRole()
EDISP = EDispRole()
