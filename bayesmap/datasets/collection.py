"""Operations on several datasets: stack, slice, tabulate."""

import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self

import astropy.units as u
import numpy as np
from astropy.table import Table

from bayesmap._types import QuantityLike, Region
from bayesmap.irf import GTI

if TYPE_CHECKING:
    from bayesmap.datasets.map import MapDataset

if TYPE_CHECKING:
    from astropy.time import Time

__all__ = ["DatasetsOperations"]


class DatasetsOperations:
    """The operations of `Datasets`, for the class that is the list."""

    if TYPE_CHECKING:

        def __init__(self, datasets: Iterable["MapDataset"] = ()) -> None: ...
        def __iter__(self) -> Iterator["MapDataset"]: ...
        def __len__(self) -> int: ...
        def __getitem__(self, key: Any) -> Any: ...

    # --- what the datasets have in common

    @property
    def is_all_same_type(self) -> bool:
        """Whether all datasets are of one class."""
        return len({type(dataset) for dataset in self}) <= 1

    @property
    def is_all_same_shape(self) -> bool:
        """Whether all datasets are of one class and one shape of the data."""
        return self.is_all_same_type and len({_shape(dataset) for dataset in self}) <= 1

    @property
    def is_all_same_energy_shape(self) -> bool:
        """Whether all datasets have the same number of reconstructed energies."""
        return len({_shape(dataset)[0] for dataset in self}) <= 1

    @property
    def energy_axes_are_aligned(self) -> bool:
        """Whether all datasets have the same reconstructed energies."""
        axes = [dataset._geom.axes["energy"] for dataset in self]
        return all(axis == axes[0] for axis in axes)

    @property
    def energy_ranges(self) -> tuple[u.Quantity, u.Quantity]:
        """Lowest and highest edge of the reconstructed energies, one per dataset each, in the unit of the first."""
        bounds = [dataset._geom.axes["energy"].bounds for dataset in self]
        return u.Quantity([low for low, _ in bounds]), u.Quantity([high for _, high in bounds])

    @property
    def gti(self) -> GTI | None:
        """One interval per dataset, from its first start to its last stop; None if there are none."""
        gtis = [gti for gti in map(_gti, self) if gti is not None]
        if not gtis:
            return None
        return GTI.from_time_intervals([(gti.time_start.min(), gti.time_stop.max()) for gti in gtis])

    @property
    def meta_table(self) -> Table:
        """The tables of observations of all datasets below each other, with the columns NAME and TYPE in front.

        Cells that a dataset does not have are masked; a column whose cells have different lengths holds objects.
        """
        rows = []
        for dataset in self:
            table = getattr(dataset, "meta_table", None)
            columns = {} if table is None else {name: table[name] for name in table.colnames}
            for index in range(1 if table is None else len(table)):
                cells = {name: column[index] for name, column in columns.items()}
                rows.append({"NAME": dataset.name, "TYPE": dataset.tag} | cells)
        names = list(dict.fromkeys(name for row in rows for name in row)) or ["NAME", "TYPE"]
        result = Table({name: _column([row.get(name) for row in rows]) for name in names})
        tables: Iterable[Any] = (getattr(dataset, "meta_table", None) for dataset in self)
        for table in tables:
            for name in () if table is None else table.colnames:
                result[name].unit = result[name].unit or table[name].unit
        return result

    @property
    def is_all_same_geom(self) -> bool:
        """Whether all counts (flux points) have the same geometry."""
        geoms = [dataset.data.geom if hasattr(dataset, "data") else dataset._geom for dataset in self]
        return all(geom == geoms[0] for geom in geoms[1:])

    @property
    def contributes_to_stat(self) -> np.ndarray:
        """Whether each dataset has bins in its mask, a boolean array."""
        masks = [dataset.mask for dataset in self]
        return np.array([mask is None or bool(np.any(getattr(mask, "data", mask))) for mask in masks])

    # --- new collections and datasets

    def slice_by_energy(self, energy_min: QuantityLike, energy_max: QuantityLike) -> Self:
        """Select a range of reconstructed energy in each dataset; the names stay, the models are left behind.

        Parameters
        ----------
        energy_min, energy_max : `~astropy.units.Quantity` or str
            Bounds, which move to the nearest bin edges of each dataset.

        Returns
        -------
        Datasets
            The datasets that have such energies.

        Warns
        -----
        UserWarning
            If a dataset has no energies in the range and is left out.
        """
        sliced = []
        for dataset in self:
            try:
                sliced.append(dataset.slice_by_energy(energy_min, energy_max, name=dataset.name))
            except ValueError as error:
                warnings.warn(f"{error}; it is left out", UserWarning, stacklevel=2)
        return type(self)(sliced)

    def select_time(self, time_min: "Time", time_max: "Time", atol: QuantityLike = "1e-6 s") -> Self:
        """Select the datasets whose good time intervals lie inside an interval.

        Parameters
        ----------
        time_min, time_max : `~astropy.time.Time`
            The interval.
        atol : `~astropy.units.Quantity` or str
            Tolerance.

        Returns
        -------
        Datasets
            The same objects; those without time intervals are left out.
        """
        atol = u.Quantity(atol)
        return type(self)(
            dataset
            for dataset, gti in ((dataset, _gti(dataset)) for dataset in self)
            if gti is not None and gti.time_start.min() >= time_min - atol and gti.time_stop.max() <= time_max + atol
        )

    def to_spectrum_datasets(self, region: Region) -> Self:
        """Extract the spectrum in a region from each dataset, under the same names; see `to_spectrum_dataset`.

        Parameters
        ----------
        region : `~regions.SkyRegion`
            The region.
        """
        return type(self)(dataset.to_spectrum_dataset(region, name=dataset.name) for dataset in self)

    def __add__(self, other: Any) -> Self:
        """Return these datasets and another one, or those of another collection; names must stay unique."""
        return type(self)([*self, *(other if isinstance(other, Iterable) else [other])])

    def stack_reduce(self, name: str | None = None, nan_to_num: bool = True) -> "MapDataset":
        """Stack all datasets into a new one.

        Parameters
        ----------
        name : str, optional
            Name of the result; a random one by default.
        nan_to_num : bool
            Whether values that are not finite count as zero.

        Returns
        -------
        Dataset
            A masked copy of the first dataset with the others stacked on it, see `MapDataset.stack`. One dataset after
            the other is read; those that are still on disk are not kept in memory.

        Raises
        ------
        ValueError
            If there are no datasets, or not all are of one type.
        bayesmap.errors.GeometryMismatchError
            If a dataset does not lie on the pixels of the first.
        """
        *_, stacked = self._stack_steps(name, nan_to_num)
        return stacked

    def _stack_steps(self, name: str | None, nan_to_num: bool = True) -> Iterator["MapDataset"]:
        """Yield the stacked dataset after each step; it is the same object."""
        if not len(self):
            raise ValueError("there are no datasets to stack")
        if not self.is_all_same_type:
            types = sorted({type(dataset).__name__ for dataset in self})
            raise ValueError(f"only datasets of one type can be stacked, got {types}")
        stacked = self[0].to_masked(name=name, nan_to_num=nan_to_num)
        stacked.mask_fit = None
        yield stacked
        for dataset in self[1:]:
            stacked.stack(dataset, nan_to_num=nan_to_num)
            yield stacked

    def info_table(self, cumulative: bool = False) -> Table:
        """Summary table, one row per dataset.

        Parameters
        ----------
        cumulative : bool
            Whether each row is about all datasets up to it, stacked; then there are no models. They must be of one
            type.

        Returns
        -------
        `~astropy.table.Table`
            The entries of ``info_dict`` as columns, with units.
        """
        rows = [one.info_dict() for one in (self._stack_steps("stacked") if cumulative and len(self) else self)]
        columns = list(dict.fromkeys(key for row in rows for key in row))
        table = Table()
        for key in columns:
            unit = next((row[key].unit for row in rows if isinstance(row.get(key), u.Quantity)), None)
            missing = np.nan if unit is None else np.nan * unit
            values = [row.get(key, missing) for row in rows]
            table[key] = values if unit is None else u.Quantity(values)
        return table


def _shape(dataset: Any) -> tuple[int, ...]:
    """Shape of the data; flux points give it by a method."""
    shape = dataset.data_shape
    return tuple(shape() if callable(shape) else shape)


def _column(cells: list[Any]) -> np.ma.MaskedArray | np.ndarray:
    """A column of cells, of which some may be missing or of another length."""
    missing = np.array([cell is None for cell in cells], dtype=bool)
    shapes = {np.shape(cell) for cell in cells if cell is not None}
    if len(shapes) > 1 or (shapes != {()} and missing.any()):
        column = np.empty(len(cells), dtype=object)
        column[:] = [np.asarray(cell) if np.ndim(cell) else cell for cell in cells]
        return column
    if not missing.any():
        return np.array(cells)
    filled = np.array([cell for cell in cells if cell is not None])
    values = np.zeros(len(cells), dtype=filled.dtype)
    values[~missing] = filled
    return np.ma.masked_array(values, mask=missing)


def _gti(dataset: "MapDataset") -> GTI | None:
    """Good time intervals of a dataset; None if it has none."""
    gti: GTI | None = getattr(dataset, "gti", None)
    return gti if gti is not None and len(gti) else None
