"""Stacking of datasets, component by component and in place."""

import contextlib
import copy
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np
from astropy.table import Table

from bayesmap.datasets.acceptance import is_on_off, off_acceptance
from bayesmap.datasets.components import is_lazy
from bayesmap.datasets.energies import edisp_mask, edisp_pair
from bayesmap.datasets.metadata import stack_meta
from bayesmap.errors import GeometryMismatchError
from bayesmap.irf import GTI
from bayesmap.maps import Map
from bayesmap.maps.reduce import stack_slices

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset
    from bayesmap.datasets.onoff import MapDatasetOnOff

__all__ = ["stack_dataset", "stack_tables", "stackable_copy"]

ON_OFF = ("counts_off", "acceptance", "acceptance_off")
#: components that take most memory while they are read, which is done before others are there
LARGE = ("exposure", "psf", "edisp")


def stack_dataset(dataset: "MapDataset", other: "MapDataset", nan_to_num: bool = True) -> None:
    """Add another dataset in place; see `MapDataset.stack`."""
    if "counts" not in getattr(other, "components", ()):
        raise TypeError(f"cannot stack a {type(other).__name__} on dataset {dataset.name!r}")
    with _stays_on_disk(other):
        check_stackable(dataset, other)
        _drop_mask_fit(dataset, other)
        _add_components(dataset, other, nan_to_num)
        _stack_side(dataset, other)


@contextlib.contextmanager
def _stays_on_disk(dataset: "MapDataset") -> Iterator[None]:
    """Forget at the end what was loaded on the way, so that of many datasets only one is in memory."""
    lazy = {key: value for key, value in dataset.__dict__.items() if key in dataset.components and is_lazy(value)}
    yield
    dataset.__dict__.update(lazy)


def _add_components(dataset: "MapDataset", other: "MapDataset", nan_to_num: bool) -> None:
    """Add the components of another dataset, one after the other, to those of the first."""
    for key, stack in STACKERS.items():
        if key in dataset.components and getattr(dataset, key) is not None:
            stack(dataset, other, nan_to_num)
    if is_on_off(dataset) and is_on_off(other):
        _stack_off(dataset, other, nan_to_num)
    _stack_mask_safe(dataset, other)


def check_stackable(dataset: "MapDataset", other: "MapDataset") -> None:
    """Raise unless two datasets can be stacked; nothing is changed."""
    if is_on_off(dataset) and not is_on_off(other):
        raise TypeError(
            f"cannot stack dataset {other.name!r} ({type(other).__name__}) on the ON/OFF dataset {dataset.name!r}: its "
            "OFF counts are not known"
        )
    for one in (dataset, other):
        missing = [key for key in ON_OFF if key in one.components and getattr(one, key) is None]
        if missing and (one.mask_safe is None or one.mask_safe.data.any()):
            raise ValueError(f"cannot stack dataset {one.name!r}: it has safe bins but no {', '.join(missing)}")
    if not is_on_off(dataset) and dataset.background_model is not None and dataset.background is not None:
        raise ValueError(
            f"cannot stack on dataset {dataset.name!r}: its background model {dataset.background_model.name!r} would "
            "change the background of the other dataset too; take it out of dataset.models first"
        )
    shared = [key for key in dataset.components if key in other.components and key not in (*LARGE, "mask_fit")]
    for key in ("mask_safe", *LARGE, *shared):
        own, theirs = getattr(dataset, key), getattr(other, key)
        if own is None or theirs is None:
            continue
        if key == "edisp" and type(own) is not type(theirs):
            own, theirs = edisp_pair(dataset, other)
        try:
            _check_component(own, theirs)
        except (GeometryMismatchError, ValueError) as error:
            raise type(error)(f"cannot stack {key} of dataset {other.name!r} on {dataset.name!r}: {error}") from error


def _check_component(own: Any, theirs: Any) -> None:
    """Raise unless two components of one kind can be stacked."""
    if isinstance(own, Map):
        stack_slices(own.geom, theirs.geom)
        theirs.unit.to(own.unit)
    else:
        own.check_stackable(theirs)


def _drop_mask_fit(dataset: "MapDataset", other: "MapDataset") -> None:
    """Drop the fit mask of the result."""
    with_mask = [one.name for one in (dataset, other) if one.mask_fit is not None]
    if with_mask:
        warnings.warn(
            f"stacking drops the mask_fit of {', '.join(map(repr, with_mask))}; assign one to the stacked dataset",
            UserWarning,
            stacklevel=4,
        )
    dataset.mask_fit = None


def _stack_counts(dataset: "MapDataset", other: "MapDataset", nan_to_num: bool) -> None:
    if other.counts is not None:
        dataset.counts.stack(other.counts, weights=other.mask_safe, nan_to_num=nan_to_num)


def _stack_background(dataset: "MapDataset", other: "MapDataset", nan_to_num: bool) -> None:
    if other.background is None:
        return
    plain = is_on_off(other) or other.background_model is None
    background = other.background if plain else other.npred_background()
    dataset.background.stack(background, weights=other.mask_safe, nan_to_num=nan_to_num)


def _stack_exposure(dataset: "MapDataset", other: "MapDataset", nan_to_num: bool) -> None:
    """Exposures add where any energy is safe, live times if any pixel is."""
    if other.exposure is None:
        return
    dataset.exposure.stack(other.exposure, weights=other.mask_safe_image, nan_to_num=nan_to_num)
    livetime = other.exposure.meta.get("livetime")
    if livetime is not None and (other.mask_safe is None or other.mask_safe.data.any()):
        own = dataset.exposure.meta.get("livetime", 0 * u.s)
        dataset.exposure.meta["livetime"] = u.Quantity(own) + u.Quantity(livetime)


def _stack_psf(dataset: "MapDataset", other: "MapDataset", nan_to_num: bool) -> None:
    if other.psf is not None and other.psf.exposure_map is not None:
        dataset.psf.stack(other.psf, weights=other.mask_safe_psf, nan_to_num=nan_to_num)


def _stack_edisp(dataset: "MapDataset", other: "MapDataset", nan_to_num: bool) -> None:
    if other.edisp is None or other.edisp.exposure_map is None:
        return
    own, theirs = edisp_pair(dataset, other)
    weights = None if other.mask_safe is None else edisp_mask(other.mask_safe, theirs)
    own.stack(theirs, weights=weights, nan_to_num=nan_to_num)
    dataset.edisp = own


STACKERS = {
    "counts": _stack_counts,
    "exposure": _stack_exposure,
    "background": _stack_background,
    "psf": _stack_psf,
    "edisp": _stack_edisp,
}


def _stack_off(dataset: "MapDatasetOnOff", other: "MapDatasetOnOff", nan_to_num: bool) -> None:
    """OFF counts and acceptances, so that the backgrounds add up; see `off_acceptance`."""
    if any(getattr(other, key) is None for key in ON_OFF):
        return
    if any(getattr(dataset, key) is None for key in ON_OFF):  # only if nothing is safe, see check_stackable
        for key in ON_OFF:
            setattr(dataset, key, Map.from_geom(dataset._geom, unit=getattr(other, key).unit))
    background: Any = dataset.background
    plain = dataset.acceptance_off
    stacked = [
        (background, other.background),
        (dataset.counts_off, other.counts_off),
        (dataset.acceptance, other.acceptance),
        (plain, other.acceptance_off),
    ]
    for own, theirs in stacked:
        own.stack(theirs, weights=other.mask_safe, nan_to_num=nan_to_num)
    dataset.acceptance_off = off_acceptance(dataset.acceptance, dataset.counts_off, background, plain)


def _stack_mask_safe(dataset: "MapDataset", other: "MapDataset") -> None:
    """A bin is safe if it is in any dataset; one without a mask is safe everywhere."""
    if dataset.mask_safe is None:
        return
    mask = other.mask_safe
    if mask is None:
        mask = Map.from_geom(other._geom, data=np.ones(other.data_shape, dtype=bool), unit="")
    dataset.mask_safe.stack(mask)


def _stack_side(dataset: "MapDataset", other: "MapDataset") -> None:
    """Time intervals, table of observations and meta data."""
    if dataset.gti is not None and other.gti is not None:
        dataset.gti = GTI.from_stack([dataset.gti, other.gti]).union()
    dataset.meta_table = stack_tables(dataset.meta_table, other.meta_table)
    dataset.meta = stack_meta(dataset.meta, other.meta)


def stack_tables(table: Table | None, other: Table | None) -> Table | None:
    """Join two tables of observations in the layout of Gammapy: one row, whose cells list the observations.

    Parameters
    ----------
    table, other : `~astropy.table.Table`, optional
        Tables; cells may be arrays. A column that one of them lacks is filled with NaN or empty strings.

    Returns
    -------
    `~astropy.table.Table` or None
        The joined table; a copy of the other one if one is None or empty.
    """
    if table is None or other is None or not len(table) or not len(other):
        full = other if table is None or not len(table) else table
        return None if full is None else full.copy()
    joined = Table(meta=dict(table.meta))
    for name in dict.fromkeys([*table.colnames, *other.colnames]):
        like = (table if name in table.colnames else other)[name]
        joined[name] = np.concatenate([_cells(one, name, like) for one in (table, other)])[np.newaxis]
        joined[name].unit = like.unit
    return joined


def _cells(table: Table, name: str, like: Any) -> np.ndarray:
    """All values of a column, in one dimension, in the unit of another; fill values if the table lacks it."""
    if name in table.colnames:
        column = table[name]
        values = np.ravel(np.asarray(column))
        return values if column.unit in (None, like.unit) else values * column.unit.to(like.unit)
    count = max(np.size(table[other][0]) for other in table.colnames) * len(table)
    return np.full(count, "" if np.asarray(like).dtype.kind in "US" else np.nan)


def stackable_copy(dataset: "MapDataset", name: str | None, nan_to_num: bool) -> Any:
    """A masked copy of a dataset; see `MapDataset.to_masked`."""
    with _stays_on_disk(dataset):
        new = dataset._apply(lambda value, role: _zeros(value), name)
        if new.exposure is not None:
            meta = {key: value for key, value in new.exposure.meta.items() if key != "livetime"}
            new.exposure = new.exposure.copy(data=new.exposure.data, unit="m2 s", meta=meta)
        _add_components(new, dataset, nan_to_num)
        new.mask_fit = copy.deepcopy(dataset.mask_fit)
    return new


def _zeros(value: Any) -> Any:
    """A component filled with zeros; a response without exposure, which cannot be averaged, is copied."""
    if isinstance(value, Map):
        return value.copy(data=np.zeros_like(value.data))
    return value.copy() if value.exposure_map is None else value.zeros_like()
