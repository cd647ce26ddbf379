"""A dataset as plain float64 arrays in internal units."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.coordinates import SkyCoord

from bayesmap import units
from bayesmap.errors import GeometryMismatchError
from bayesmap.irf.checks import check_probabilities
from bayesmap.maps import MapAxis
from bayesmap.modeling.parameter import Values

if TYPE_CHECKING:
    from bayesmap.irf import GTI
    from bayesmap.maps import Map

__all__ = ["FoldArrays", "Selection", "Values", "fold_arrays", "off_arrays", "time_intervals"]


@dataclass(frozen=True, eq=False)
class Selection:
    """Some bins of a cube, sorted by energy, latitude, longitude.

    Attributes
    ----------
    index : numpy.ndarray
        Flat indices, shape ``(n_bin,)``.
    columns : numpy.ndarray
        Column (x) of each bin, shape ``(n_bin,)``.
    rows : numpy.ndarray
        For each image row of the cube the first bin in it, shape ``(n_energy * n_lat + 1,)``.
    energy, pixel : numpy.ndarray
        Energy index and flat index in the image of each bin, shape ``(n_bin,)``.
    """

    index: np.ndarray
    columns: np.ndarray
    rows: np.ndarray
    energy: np.ndarray
    pixel: np.ndarray

    @classmethod
    def from_mask(cls, mask: np.ndarray) -> "Selection":
        """Select the bins where a mask of shape ``(n_energy, n_lat, n_lon)`` is true."""
        n_energy, n_lat, n_lon = mask.shape
        index = np.flatnonzero(mask)
        per_row = np.count_nonzero(mask.reshape(n_energy * n_lat, n_lon), axis=1)
        rows = np.concatenate([[0], np.cumsum(per_row)])
        n_pixel = n_lat * n_lon
        return cls(index, index % n_lon, rows, index // n_pixel, index % n_pixel)


@dataclass(frozen=True, eq=False)
class FoldArrays:
    """What folding needs of a dataset.

    Attributes
    ----------
    name : str
        Name of the dataset, for messages.
    geom : `~bayesmap.maps.WcsGeom`
        Geometry of the counts, shape ``(n_reco, n_lat, n_lon)``.
    mask : numpy.ndarray
        Boolean cube: bins that enter the likelihood.
    counts, background : numpy.ndarray or None
        Cubes ``(n_reco, n_lat, n_lon)``.
    exposure : numpy.ndarray or None
        ``(n_true, n_lat, n_lon)`` in 1e12 cm2 s.
    energy_edges, energy_edges_true : numpy.ndarray
        In TeV.
    psf, edisp : IRF maps or None
        Looked up per source.
    reco_psf : bool
        The PSF depends on reconstructed energy and acts after the energy dispersion (HAWC).
    gti : GTI or None
        Good time intervals, for models that depend on time.
    off : dict of numpy.ndarray
        Further data cubes that the likelihood asks for: "counts_off" and "alpha" of an ON/OFF dataset, else empty.
    """

    name: str
    geom: Any
    mask: np.ndarray
    counts: np.ndarray | None
    background: np.ndarray | None
    exposure: np.ndarray | None
    energy_edges: np.ndarray
    energy_edges_true: np.ndarray
    psf: Any = None
    edisp: Any = None
    reco_psf: bool = False
    gti: Any = None
    off: dict[str, np.ndarray] = field(default_factory=dict)
    cache: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def inside(self) -> np.ndarray:
        """One in the bins of the mask, zero elsewhere, a cube of float64."""
        return self.mask.astype("float64")

    @property
    def is_region(self) -> bool:
        """Whether the counts are those of a region, one pixel without a sky grid."""
        return bool(self.geom.is_region)

    @property
    def energy(self) -> np.ndarray:
        """Logarithmic centres of the reconstructed energy bins in TeV."""
        return np.sqrt(self.energy_edges[1:] * self.energy_edges[:-1])

    @property
    def energy_true(self) -> np.ndarray:
        """Logarithmic centres of the true energy bins in TeV."""
        return np.sqrt(self.energy_edges_true[1:] * self.energy_edges_true[:-1])

    @property
    def true_energy_axis(self) -> MapAxis:
        """The axis of true energies."""
        return MapAxis.from_energy_edges(self.energy_edges_true, unit="TeV", name="energy_true")

    @property
    def pixel_scale(self) -> tuple[float, float]:
        """Width of a pixel in x and y in deg, at the centre of the map."""
        if "scale" not in self.cache:
            x, y = np.abs(self.geom.pixel_scales.to_value("deg"))
            self.cache["scale"] = (float(x), float(y))
        scale: tuple[float, float] = self.cache["scale"]
        return scale

    def intervals(self, model: Any) -> tuple[np.ndarray, np.ndarray]:
        """Starts and stops of the good time intervals; see :func:`time_intervals`."""
        return time_intervals(self.name, self.gti, model)

    def dispersion(self, position: SkyCoord, apply: bool = True) -> np.ndarray:
        """Energy dispersion at a position, shape ``(n_reco, n_true)``.

        Parameters
        ----------
        position : `~astropy.coordinates.SkyCoord`
            Where on the sky.
        apply : bool
            False: reconstructed is true energy, each true bin is shared out by its overlap with the reconstructed ones.

        Raises
        ------
        GeometryMismatchError
            If the dataset has no energy dispersion and the two energy axes differ, or its axes do not fit.
        ValueError
            If it holds no probabilities (after a change in place).
        """
        n_reco, n_true = len(self.energy), len(self.energy_true)
        if not apply:
            return _overlap(self.energy_edges, self.energy_edges_true)
        if self.edisp is None:
            if n_reco != n_true or not np.allclose(self.energy_edges, self.energy_edges_true, rtol=1e-6):
                raise GeometryMismatchError(
                    f"dataset {self.name!r}: without energy dispersion the exposure must have the energy axis of the "
                    f"counts; it has {n_true} true energies, the counts have {n_reco}"
                )
            return np.eye(n_reco)
        kernel = self.edisp.get_edisp_kernel(position=position, energy_axis=self.geom.axes["energy"])
        matrix = np.asarray(kernel.pdf_matrix, dtype="float64").T
        if matrix.shape != (n_reco, n_true):
            raise GeometryMismatchError(
                f"dataset {self.name!r}: energy dispersion has {matrix.shape[1]} true and {matrix.shape[0]} "
                f"reconstructed energies, exposure and counts have {n_true} and {n_reco}"
            )
        used = np.ones(n_true, bool) if self.exposure is None else self.exposure.reshape(n_true, -1).any(axis=1)
        check_probabilities(matrix, used, self.name)
        return np.nan_to_num(matrix)

    def weight_classes(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels with the same weights in all energies, as one class.

        Returns
        -------
        classes : numpy.ndarray
            Class of each pixel, shape ``(n_lat, n_lon)``.
        class_weights : numpy.ndarray
            Weights of each class, shape ``(n_class, n_reco)``.
        """
        columns = np.ascontiguousarray(weights.reshape(len(weights), -1).T)
        keys = columns.view([("", columns.dtype)] * columns.shape[1]).ravel()
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        return inverse.reshape(weights.shape[1:]).astype("int64"), columns[first]


def time_intervals(name: str, gti: "GTI | None", model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return starts and stops of good time intervals as the temporal model of a sky model takes them.

    Parameters
    ----------
    name : str
        Name of the dataset.
    gti : GTI or None
        Its good time intervals.
    model : SkyModel
        With a temporal model.

    Raises
    ------
    ValueError
        If there are no intervals, or the temporal model is not defined in them.
    """
    temporal = model.temporal_model
    if gti is None or not len(gti) or not gti.time_sum > 0:
        raise ValueError(
            f"model {model.name!r} depends on time ({type(temporal).__name__}), but dataset {name!r} has no good time "
            "intervals: set its gti"
        )
    start, stop = temporal.strip_time(gti.time_start), temporal.strip_time(gti.time_stop)
    try:
        temporal.check_times(start, stop)
    except ValueError as error:
        raise ValueError(f"model {model.name!r} on dataset {name!r}: {error}") from None
    return start, stop


def fold_arrays(dataset: Any) -> FoldArrays:
    """Collect the arrays of a dataset.

    Parameters
    ----------
    dataset : Dataset
        Anything with the attributes ``name, counts, background, exposure, psf, edisp, mask``; those with ``counts_off``
        also have ``acceptance`` and ``acceptance_off``.

    Returns
    -------
    FoldArrays
        Native-endian float64 arrays in internal units.

    Raises
    ------
    ValueError
        If the dataset has nothing that is binned like the counts.
    """
    on_off = hasattr(dataset, "counts_off")
    background = None if on_off else dataset.background
    off = [getattr(dataset, key) for key in ("acceptance", "acceptance_off", "counts_off")] if on_off else []
    reference = next((m for m in (dataset.counts, background, dataset.mask, *off) if m is not None), None)
    if reference is None:
        what = "counts, OFF counts, acceptance or mask" if on_off else "counts, background or mask"
        raise ValueError(f"dataset {dataset.name!r} has no {what}: no geometry to fold on")
    geom = reference.geom
    exposure = dataset.exposure
    edges = units.strip(geom.axes["energy"].edges)
    true_edges = edges if exposure is None else units.strip(exposure.geom.axes["energy_true"].edges)
    mask = np.ones(geom.data_shape, dtype=bool) if dataset.mask is None else np.asarray(dataset.mask.data, dtype=bool)
    if exposure is not None and exposure.geom.data_shape[1:] != geom.data_shape[1:]:
        raise GeometryMismatchError(
            f"dataset {dataset.name!r}: exposure has {exposure.geom.data_shape[1:]} pixels, counts "
            f"{geom.data_shape[1:]}; they must be equal"
        )
    return FoldArrays(
        name=dataset.name,
        geom=geom,
        mask=np.broadcast_to(mask, geom.data_shape),
        counts=_numbers(dataset.counts),
        background=_numbers(background),
        exposure=None if exposure is None else units.strip(exposure.quantity),
        energy_edges=edges,
        energy_edges_true=true_edges,
        psf=dataset.psf,
        edisp=dataset.edisp,
        reco_psf=dataset.psf is not None and dataset.psf.energy_name == "energy",
        gti=getattr(dataset, "gti", None),
        off=off_arrays(dataset) if on_off else {},
    )


def off_arrays(dataset: Any) -> dict[str, np.ndarray]:
    """OFF data of an ON/OFF dataset, as far as there are any.

    Parameters
    ----------
    dataset : Dataset
        With the attributes ``counts_off``, ``acceptance``, ``acceptance_off`` and ``alpha``.

    Returns
    -------
    dict of numpy.ndarray
        "counts_off" and "alpha", float64 of shape ``(n_energy, n_lat, n_lon)``; round-off below zero, as of
        ring backgrounds, is zero.
    """
    off = {"counts_off": dataset.counts_off}
    if dataset.acceptance is not None and dataset.acceptance_off is not None:
        off["alpha"] = dataset.alpha
    return {key: np.maximum(np.asarray(m.data, dtype="float64"), 0) for key, m in off.items() if m is not None}


def _numbers(map_: "Map | None") -> np.ndarray | None:
    return None if map_ is None else np.asarray(map_.data, dtype="float64")


def _overlap(reco: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Share of each true energy bin that lies in each reconstructed one: ``(n_reco, n_true)``."""
    low = np.maximum(reco[:-1, None], true[None, :-1])
    high = np.minimum(reco[1:, None], true[None, 1:])
    return np.clip(high - low, 0, None) / np.diff(true)
