"""Roles: what kind of thing a component of a dataset is, and what is a valid one.

One class per role; a dataset class names the role of each of its components, and an operation on a dataset asks the
role how such a thing is treated.
"""

import warnings
from typing import Any

import astropy.units as u
import numpy as np

from bayesmap.errors import GeometryMismatchError
from bayesmap.irf import EDispKernelMap, EDispMap, PSFMap, RecoPSFMap
from bayesmap.maps import Map

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

#: relative and absolute agreement asked of axes that must be equal
AXIS_TOLERANCE = 1e-6


def describe(geom: Any) -> str:
    """One short text that tells two map geometries apart."""
    parts = [f"shape {tuple(int(n) for n in geom.data_shape)}"]
    center = getattr(geom, "center_skydir", None)
    if center is not None:
        parts.append(f"{geom.frame} centre ({center.data.lon.deg:.4f}, {center.data.lat.deg:.4f}) deg")
    for axis in geom.axes:
        edges = axis.edges
        parts.append(f"{axis.name} {edges[0].value:.4g} to {edges[-1].value:.4g} {edges.unit}")
    return ", ".join(parts)


def same_geometry(one: Any, other: Any) -> bool:
    """Whether two geometries have equal shape, axes and sky coordinates."""
    return one is other or (tuple(one.data_shape) == tuple(other.data_shape) and one == other)


def same_axis(one: Any, other: Any) -> bool:
    """Whether two axes have the same edges."""
    if one.nbin != other.nbin:
        return False
    return np.allclose(one.edges.to_value(other.unit), other.edges.value, rtol=AXIS_TOLERANCE, atol=0)


class Role:
    """What a component is; the base of all roles."""

    #: classes that may be assigned
    kinds: tuple[type, ...] = (Map,)

    def check(self, dataset: Any, name: str, value: Any) -> Any:
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
        if not isinstance(value, self.kinds):
            kinds = " or ".join(kind.__name__ for kind in self.kinds)
            raise TypeError(f"dataset {dataset.name!r}: {name} must be a {kinds}, got {type(value).__name__}")
        self.check_geometry(dataset, name, value)
        self.check_unit(dataset, name, value)
        self.check_values(dataset, name, value)
        return value

    def check_geometry(self, dataset: Any, name: str, value: Any) -> None:
        """Raise if the geometry contradicts the other components."""

    def check_unit(self, dataset: Any, name: str, value: Any) -> None:
        """Raise if the unit is of the wrong kind."""

    def check_values(self, dataset: Any, name: str, value: Any) -> None:
        """Raise if values are impossible."""


def _refuse(dataset: Any, name: str, value: Map, bad: np.ndarray, what: str) -> None:
    """Raise a ValueError that names dataset, component, number of bins and the first of them."""
    if not bad.any():
        return
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    raise ValueError(
        f"dataset {dataset.name!r}: {name} is {what} in {int(bad.sum())} of {bad.size} bins, first at index {first} "
        f"with value {value.data[first]!r}; it must be finite and not negative"
        + (" inside mask_safe; mask these bins or give other values" if name != "mask_safe" else "")
    )


class RecoRole(Role):
    """Something binned like the counts, in reconstructed energy."""

    def check_geometry(self, dataset: Any, name: str, value: Map) -> None:
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
        _check_edisp_axis(dataset, name, value.geom, "energy")

    def safe(self, dataset: Any, value: Map) -> np.ndarray:
        """Bins that count: those in mask_safe, all if there is none or it has another shape."""
        mask = dataset.loaded("mask_safe")
        if mask is None or mask.data.shape != value.data.shape:
            return np.ones(value.data.shape, dtype=bool)
        return mask.data


class CountsRole(RecoRole):
    """Counts per bin: dimensionless, finite, not negative."""

    def check_unit(self, dataset: Any, name: str, value: Map) -> None:
        if value.unit not in (u.dimensionless_unscaled, u.ct):
            raise u.UnitConversionError(f"dataset {dataset.name!r}: {name} must be dimensionless, got {value.unit}")

    def check_values(self, dataset: Any, name: str, value: Map) -> None:
        with np.errstate(invalid="ignore"):
            bad = ~np.isfinite(value.data) | (value.data < 0)
        _refuse(dataset, name, value, bad & self.safe(dataset, value), "negative or not finite")


class ObservedRole(CountsRole):
    """Observed counts: integers, unless someone wants an Asimov data set (which warns)."""

    def check_values(self, dataset: Any, name: str, value: Map) -> None:
        super().check_values(dataset, name, value)
        if value.data.dtype.kind in "iub":
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


class AcceptanceRole(RecoRole):
    """Relative acceptance per bin, of any unit: finite, not negative."""

    def check_values(self, dataset: Any, name: str, value: Map) -> None:
        with np.errstate(invalid="ignore"):
            bad = ~np.isfinite(value.data) | (value.data < 0)
        _refuse(dataset, name, value, bad & self.safe(dataset, value), "negative or not finite")


class ExposureRole(Role):
    """Exposure in true energy: area times time, finite, not negative."""

    def check_geometry(self, dataset: Any, name: str, value: Map) -> None:
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
        _check_edisp_axis(dataset, name, value.geom, "energy_true")

    def check_unit(self, dataset: Any, name: str, value: Map) -> None:
        if not value.unit.is_equivalent("cm2 s"):
            raise u.UnitConversionError(
                f"dataset {dataset.name!r}: {name} must have a unit of area times time such as 'm2 s', "
                f"got {str(value.unit)!r}"
            )

    def check_values(self, dataset: Any, name: str, value: Map) -> None:
        with np.errstate(invalid="ignore"):
            bad = ~np.isfinite(value.data) | (value.data < 0)
        mask = dataset.loaded("mask_safe")
        if mask is not None and bad.any() and mask.data.shape[-2:] == bad.shape[-2:]:
            bad &= mask.data.reshape(-1, *bad.shape[-2:]).any(axis=0)
        _refuse(dataset, name, value, bad, "negative or not finite")


class MaskRole(RecoRole):
    """A boolean map, true where data are used."""

    def check_values(self, dataset: Any, name: str, value: Map) -> None:
        if value.data.dtype != bool:
            raise ValueError(
                f"dataset {dataset.name!r}: {name} must hold booleans, got {value.data.dtype}; "
                "compare it with something, for example mask > 0"
            )


class PSFRole(Role):
    """Point spread function."""

    kinds = (PSFMap, RecoPSFMap)


class EDispRole(Role):
    """Energy dispersion, whose true energies are those of the exposure."""

    kinds = (EDispKernelMap, EDispMap)

    def check_geometry(self, dataset: Any, name: str, value: Any) -> None:
        axes = value.edisp_map.geom.axes
        exposure = dataset.loaded("exposure")
        pairs = [("energy_true", "exposure", exposure.geom)] if exposure is not None else []
        if "energy" in axes.names:
            pairs += [("energy", other, geom) for other, geom in dataset.reco_geoms()]
        for axis, other, geom in pairs:
            _compare_axis(dataset, name, axes, other, geom.axes, axis)


def _compare_axis(dataset: Any, name: str, axes: Any, other: str, other_axes: Any, axis: str) -> None:
    """Raise unless the named axis has the same edges in both."""
    if axis not in other_axes.names or axis not in axes.names:
        return
    one, two = axes[axis], other_axes[axis]
    if not same_axis(one, two):
        text = [f"{a.nbin} bins from {a.edges[0]:.4g} to {a.edges[-1]:.4g}" for a in (one, two)]
        raise GeometryMismatchError(
            f"dataset {dataset.name!r}: the axis {axis!r} of {name} has {text[0]}, that of {other} has {text[1]}; "
            "they must be equal"
        )


def _check_edisp_axis(dataset: Any, name: str, geom: Any, axis: str) -> None:
    """Compare an axis of a map with that of the energy dispersion, if it is loaded."""
    edisp = dataset.loaded("edisp")
    if edisp is not None:
        _compare_axis(dataset, name, geom.axes, "edisp", edisp.edisp_map.geom.axes, axis)


COUNTS = ObservedRole()
COUNTS_OFF = ObservedRole()
ACCEPTANCE = AcceptanceRole()
ACCEPTANCE_OFF = AcceptanceRole()
BACKGROUND = CountsRole()
EXPOSURE = ExposureRole()
MASK = MaskRole()
PSF = PSFRole()
EDISP = EDispRole()
