"""Counts cubes with their responses as data: components, geometry, masks, reading and writing."""

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from bayesmap._types import FileName, QuantityLike, TimeLike
from bayesmap._util import make_name, make_path
from bayesmap.datasets import create
from bayesmap.datasets.components import Component, renew_locations
from bayesmap.datasets.metadata import MapDatasetMetaData, meta_from_file, meta_to_file
from bayesmap.datasets.operations import DatasetOperations
from bayesmap.datasets.roles import BACKGROUND, COUNTS, EDISP, EXPOSURE, MASK, PSF, RecoRole
from bayesmap.errors import FormatError, GeometryMismatchError
from bayesmap.io import read_components, write_components
from bayesmap.io.gadf import components_to_hdulist
from bayesmap.irf import GTI
from bayesmap.likelihoods import Likelihood
from bayesmap.maps import Map
from bayesmap.maps.files import named_errors
from bayesmap.modeling import BackgroundModel, Models
from bayesmap.modeling.collection import ModelsLike

if TYPE_CHECKING:
    from astropy.table import Table

    from bayesmap.irf import EDispKernel, EDispKernelMap, EDispMap, PSFKernel, PSFMap, RecoPSFMap
    from bayesmap.maps import MapAxis, WcsGeom
    from bayesmap.maps.geom import Geom

__all__ = ["MapDatasetBase"]


class MapDatasetBase(DatasetOperations):
    """The data side of `MapDataset`: what it holds, not what it predicts."""

    # masks come first: the other roles ask where data count
    mask_safe = Component(MASK, "Safe data range: true in the bins where data and responses can be trusted.")
    mask_fit = Component(MASK, "Bins used by the likelihood.")
    counts = Component(COUNTS, "Counts cube in reconstructed energy.")
    background = Component(BACKGROUND, "Expected background counts, binned like the counts.")
    exposure = Component(EXPOSURE, "Exposure in true energy.")
    psf = Component(PSF, "Point spread function.")
    edisp = Component(EDISP, "Energy dispersion.")
    likelihood: Likelihood

    def __init__(
        self,
        models: ModelsLike | None = None,
        counts: Map | None = None,
        exposure: Map | None = None,
        background: Map | None = None,
        psf: "PSFMap | RecoPSFMap | PSFKernel | None" = None,
        edisp: "EDispKernelMap | EDispMap | EDispKernel | None" = None,
        mask_safe: Map | None = None,
        mask_fit: Map | None = None,
        gti: GTI | None = None,
        meta_table: "Table | None" = None,
        name: str | None = None,
        meta: Any = None,
    ):
        super().__init__(name)
        if isinstance(background, BackgroundModel):
            models = [*([] if models is None else Models(models)), background.to_fov_model(self.name)]
            background = background.map
        self.mask_safe = mask_safe
        self.mask_fit = mask_fit
        self.counts = counts
        self.background = background
        self.exposure = exposure
        self.psf = psf
        self.edisp = edisp
        self.gti = gti
        self.meta_table = meta_table
        self.meta = meta
        self.models = models

    @property
    def meta(self) -> Any:
        """What is known about the observations, a `~bayesmap.datasets.MapDatasetMetaData` or a free-form dict."""
        return self._meta

    @meta.setter
    def meta(self, meta: Any) -> None:
        if meta is not None and not isinstance(meta, MapDatasetMetaData | Mapping):
            raise TypeError(
                f"dataset {self.name!r}: meta must be a MapDatasetMetaData or a dict, got {type(meta).__name__}"
            )
        self._meta = MapDatasetMetaData() if meta is None else meta

    # --- geometry and masks

    @property
    def _reco_names(self) -> list[str]:
        """Names of the components that are binned like the counts, counts first."""
        names = [name for name, component in self.components.items() if isinstance(component.role, RecoRole)]
        return sorted(names, key=lambda name: name != "counts")

    def reco_geoms(self, skip: str | None = None) -> Iterator[tuple[str, Any]]:
        """Name and geometry of the loaded components that are binned like the counts."""
        for name in self._reco_names:
            value = self.loaded(name)
            if value is not None and name != skip:
                yield name, value.geom

    @property
    def _geom(self) -> Any:
        """Geometry of the counts."""
        for name in self._reco_names:
            value = getattr(self, name)
            if value is not None:
                return value.geom
        raise ValueError(f"dataset {self.name!r} has none of {', '.join(self._reco_names)}, so its geometry is unknown")

    @property
    def geoms(self) -> "dict[str, Geom]":
        """Geometries of the maps: ``geom``, ``geom_exposure``, ``geom_psf``, ``geom_edisp``, as far as they exist."""
        geoms = {"geom": self._geom}
        if self.exposure is not None:
            geoms["geom_exposure"] = self.exposure.geom
        if self.psf is not None:
            geoms["geom_psf"] = self.psf.psf_map.geom
        if self.edisp is not None:
            geoms["geom_edisp"] = self.edisp.edisp_map.geom
        return geoms

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of the counts, ``(n_energy, n_lat, n_lon)``."""
        return tuple(int(n) for n in self._geom.data_shape)

    @property
    def mask(self) -> Map | None:
        """Bins in both ``mask_safe`` and ``mask_fit``, as far as they are given; None if neither is."""
        if self.mask_safe is None or self.mask_fit is None:
            return self.mask_fit if self.mask_safe is None else self.mask_safe
        return Map.from_geom(self.mask_safe.geom, data=self.mask_safe.data & self.mask_fit.data, unit="")

    @property
    def mask_image(self) -> Map | None:
        """Pixels where any energy is in ``mask``."""
        return _any_energy(self.mask)

    @property
    def mask_safe_image(self) -> Map | None:
        """Pixels where any energy is in ``mask_safe``."""
        return _any_energy(self.mask_safe)

    @property
    def mask_fit_image(self) -> Map | None:
        """Pixels where any energy is in ``mask_fit``."""
        return _any_energy(self.mask_fit)

    @property
    def energy_range(self) -> tuple[Map, Map]:
        """Lowest and highest energy edge inside ``mask`` per pixel, two images; NaN where no bin is left."""
        return _energy_range(self._geom, self.mask)

    @property
    def energy_range_safe(self) -> tuple[Map, Map]:
        """As `energy_range`, for ``mask_safe``."""
        return _energy_range(self._geom, self.mask_safe)

    @property
    def energy_range_fit(self) -> tuple[Map, Map]:
        """As `energy_range`, for ``mask_fit``."""
        return _energy_range(self._geom, self.mask_fit)

    @property
    def energy_range_total(self) -> tuple[Any, Any]:
        """Lowest and highest energy edge inside ``mask`` in any pixel, two quantities."""
        low, high = self.energy_range
        return np.nanmin(low.quantity), np.nanmax(high.quantity)

    # --- making, reading, writing

    @classmethod
    def create(
        cls,
        geom: "WcsGeom",
        energy_axis_true: "MapAxis | None" = None,
        migra_axis: "MapAxis | None" = None,
        rad_axis: "MapAxis | None" = None,
        binsz_irf: QuantityLike = create.BINSZ_IRF_DEFAULT,
        reference_time: TimeLike = "2000-01-01",
        name: str | None = None,
        meta_table: "Table | None" = None,
        reco_psf: bool = False,
        **kwargs: Any,
    ) -> Self:
        """Create a dataset of zero-filled maps.

        Parameters
        ----------
        geom : `~bayesmap.maps.WcsGeom`
            Geometry of the counts, with an axis ``energy``.
        energy_axis_true : `~bayesmap.maps.MapAxis`, optional
            True energies, named ``energy_true``; by default those of ``geom``.
        migra_axis : `~bayesmap.maps.MapAxis`, optional
            If given, the energy dispersion is an `~bayesmap.irf.EDispMap`, else an `~bayesmap.irf.EDispKernelMap`.
        rad_axis : `~bayesmap.maps.MapAxis`, optional
            Offsets of the point spread function.
        binsz_irf : `~astropy.units.Quantity` or float
            Pixel size of the response maps, in deg if a number.
        reference_time : `~astropy.time.Time` or str
            Reference time of the GTI.
        name : str, optional
            Name of the dataset.
        meta_table : `~astropy.table.Table`, optional
            One row per observation.
        reco_psf : bool
            Whether the point spread function is in reconstructed energy.
        **kwargs : dict
            Further arguments of the constructor; they replace the zero-filled ones.

        Returns
        -------
        MapDataset
            Zero-filled dataset; its ``mask_safe`` excludes all bins.
        """
        geoms = create.dataset_geoms(geom, energy_axis_true, migra_axis, rad_axis, binsz_irf, reco_psf)
        return cls.from_geoms(**geoms, reference_time=reference_time, name=name, meta_table=meta_table, **kwargs)

    @classmethod
    def from_geoms(
        cls,
        geom: "WcsGeom",
        geom_exposure: "WcsGeom | None" = None,
        geom_psf: "WcsGeom | None" = None,
        geom_edisp: "WcsGeom | None" = None,
        reference_time: TimeLike = "2000-01-01",
        name: str | None = None,
        **kwargs: Any,
    ) -> Self:
        """Create a dataset of zero-filled maps with the given geometries.

        Parameters
        ----------
        geom, geom_exposure, geom_psf, geom_edisp : `~bayesmap.maps.WcsGeom`
            Geometries of counts, exposure, PSF and energy dispersion; with an axis ``migra`` the last gives an
            `~bayesmap.irf.EDispMap`, a PSF geometry with an axis ``energy`` gives a `~bayesmap.irf.RecoPSFMap`.
        reference_time : `~astropy.time.Time` or str
            Reference time of the GTI.
        name : str, optional
            Name of the dataset.
        **kwargs : dict
            Further arguments of the constructor.

        Returns
        -------
        MapDataset
            Zero-filled dataset; its ``mask_safe`` excludes all bins.
        """
        parts = create.empty_components(geom, geom_exposure, geom_psf, geom_edisp, reference_time, cls.components)
        return cls(**{**parts, "name": name, **kwargs})

    @classmethod
    def read(
        cls,
        filename: FileName,
        name: str | None = None,
        lazy: bool = False,
        cache: bool = True,
        format: str = "gadf",
        checksum: bool = False,
    ) -> Self:
        """Read a dataset from a FITS file.

        Parameters
        ----------
        filename : str or path
            File to read.
        name : str, optional
            Name of the dataset; by default that in the file, else a random one.
        lazy : bool
            Whether maps are loaded on first use only.
        cache : bool
            Whether maps loaded lazily are kept.
        format : {"gadf"}
            Format of the file.
        checksum : bool
            Whether to verify the checksums in the file.

        Returns
        -------
        MapDataset
            The dataset.

        Raises
        ------
        bayesmap.errors.FormatError
            If the file is damaged or not of this format.
        """
        parts = read_components(filename, lazy=lazy, cache=cache, format=format, checksum=checksum)
        return cls._from_components(parts, name, filename)

    @classmethod
    def from_hdulist(cls, hdulist: Any, name: str | None = None, lazy: bool = False, format: str = "gadf") -> Self:
        """Create a dataset from a list of HDUs; the arguments are those of `read`."""
        return cls._from_components(read_components(hdulist, lazy=lazy, format=format), name)

    @classmethod
    def _from_components(cls, parts: dict[str, Any], name: str | None, source: Any = "the file") -> Self:
        """Dataset from what a reader returns."""
        parts = dict(parts)
        foreign = sorted(parts.keys() - {*cls.components, "gti", "meta_table", "meta", "name"})
        if foreign:
            raise FormatError(
                f"{source}: HDU {foreign[0].upper()!r}: a {cls.__name__} has no {' and no '.join(foreign)}; it is the "
                "file of another type of dataset"
            )
        stored = parts.pop("name", None)
        label = make_name(name) if name is not None else None
        with named_errors(source):
            parts["meta"] = meta_from_file(parts.get("meta"))
            try:
                return cls(**parts, name=make_name(stored) if label is None else label)
            except GeometryMismatchError as error:
                raise FormatError(str(error)) from error

    def _parts(self) -> dict[str, Any]:
        """Components and side information, as a writer takes them; what no file holds is told."""
        if repr(self.likelihood) != repr(type(self).likelihood):
            warnings.warn(
                f"dataset {self.name!r}: files do not hold its likelihood, {self.likelihood!r}: set it again after "
                "reading",
                UserWarning,
                stacklevel=3,
            )
        parts = {key: getattr(self, key) for key in (*self.components, "gti", "meta_table", "meta")}
        parts["meta"] = meta_to_file(self.meta)
        return {key: value for key, value in parts.items() if value is not None} | {"name": self.name}

    def to_hdulist(self) -> Any:
        """Return the HDUs of the dataset, without its models, in the layout of `write`."""
        return components_to_hdulist(self._parts())

    def write(self, filename: FileName, overwrite: bool = False, checksum: bool = False) -> None:
        """Write the dataset to a FITS file, without its models.

        The file appears complete or not at all: an interrupted write leaves an older file intact.

        Parameters
        ----------
        filename : str or path
            File to write.
        overwrite : bool
            Whether an existing file is replaced.
        checksum : bool
            Whether to store checksums.

        Raises
        ------
        OSError
            If the file exists and ``overwrite`` is False, or cannot be written; nothing is left then.
        """
        write_components(self._parts(), filename, overwrite=overwrite, checksum=checksum)
        renew_locations(self, make_path(filename))


def _any_energy(mask: Map | None) -> Map | None:
    """Mask reduced over its energies."""
    if mask is None:
        return None
    data = mask.data.any(axis=tuple(range(mask.data.ndim - 2)))
    return Map.from_geom(mask.geom.to_image(), data=data, unit="")


def _energy_range(geom: "WcsGeom", mask: Map | None) -> tuple[Map, Map]:
    """Images of the lowest and highest energy edge of the bins in the mask."""
    axis, image = geom.axes["energy"], geom.to_image()
    inside = np.ones(geom.data_shape, dtype=bool) if mask is None else mask.data
    edges = axis.edges.value
    low = np.where(inside.any(axis=0), edges[np.argmax(inside, axis=0)], np.nan)
    high = np.where(inside.any(axis=0), edges[axis.nbin - np.argmax(inside[::-1], axis=0)], np.nan)
    return tuple(Map.from_geom(image, data=data, unit=axis.unit) for data in (low, high))  # type: ignore[return-value]
