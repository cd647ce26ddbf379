"""Digests of the contents of datasets, part by part: whether two are the same, and if not, in what they differ."""

import functools
import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bayesmap.datasets.flux_points import FluxPointsDataset
from bayesmap.datasets.image import ImageDataset
from bayesmap.irf.base import IRFMap

if TYPE_CHECKING:
    from bayesmap.datasets.base import Dataset

__all__ = ["TEXTS", "arrays_of", "changed_parts", "dataset_digests"]

#: parts of which not the digest is kept but what they are
TEXTS = ("type", "likelihood")


def dataset_digests(dataset: "Dataset") -> dict[str, str]:
    """Digest of each part of a dataset that enters the likelihood.

    Parameters
    ----------
    dataset : Dataset
        Any of the package. Components that are still on disk are read.

    Returns
    -------
    dict of str
        By the name of the part, such as "counts" or "psf": SHA-256 of its values as float64, in 16 hexadecimal digits,
        so that it is the same before and after writing and reading. "geometry" stands for position and energies to
        five digits; "type" and "likelihood" are texts.
    """
    likelihood = getattr(dataset, "likelihood", getattr(dataset, "stat_type", ""))
    words = (type(dataset).__name__, likelihood if isinstance(likelihood, str) else repr(likelihood))
    texts = dict(zip(TEXTS, words, strict=True))
    parts = {name: value for name, value in _parts(dataset).items() if value is not None}
    return texts | {
        name: _digest([value] if isinstance(value, np.ndarray) else arrays_of({name: value}))
        for name, value in parts.items()
    }


def changed_parts(stored: Mapping[str, str], present: Mapping[str, str]) -> list[str]:
    """Parts of which two digests differ, also those that only one of them has."""
    return [name for name in dict.fromkeys([*stored, *present]) if stored.get(name) != present.get(name)]


@functools.singledispatch
def _parts(dataset: Any) -> dict[str, Any]:
    """Arrays, maps and responses of a dataset by name; its components, or its arrays if it declares none."""
    components = getattr(dataset, "components", {})
    if not components:
        return {name.lstrip("_"): value for name, value in vars(dataset).items() if isinstance(value, np.ndarray)}
    return {**{name: getattr(dataset, name) for name in components}, "geometry": _geometry(dataset._geom)}


@_parts.register
def _flux_points_parts(dataset: FluxPointsDataset) -> dict[str, Any]:
    masks = {"mask_safe": dataset.mask_safe, "mask_fit": dataset.mask_fit}
    table = dataset.data.to_table()
    columns = {name: np.asarray(table[name]) for name in table.colnames if table[name].dtype.kind in "biuf"}
    return {**masks, **columns}


@_parts.register
def _image_parts(dataset: ImageDataset) -> dict[str, Any]:
    kernels = dataset.scene_arrays().kernels
    parts = {"image": dataset.data, "variance": dataset.variance, "mask": dataset.mask, "psf": kernels}
    return {**parts, "geometry": _geometry(dataset.geom)}


def _geometry(geom: Any) -> np.ndarray:
    """Where the bins are, as text in an array, to the digits that files keep."""
    edges = [f"{axis.name} {np.array2string(axis.edges.value, precision=5)} {axis.unit}" for axis in _edged(geom)]
    center = geom.center_skydir.icrs
    return np.array([*edges, f"{center.ra.deg:.5f} {center.dec.deg:.5f}", str(geom.data_shape)])


def _edged(geom: Any) -> list[Any]:
    return [axis for axis in geom.axes if hasattr(axis, "edges")]


def _digest(parts: list[Any]) -> str:
    total = hashlib.sha256()
    for part in parts:
        values = np.asarray(part)
        if values.dtype.kind in "biuf":
            total.update(f"{values.shape}".encode())
            # sums with zero have no negative zeros, which compression to integers loses
            total.update((np.ascontiguousarray(values, dtype="<f8") + 0.0).tobytes())
        else:
            total.update(repr(values.tolist()).encode())
    return total.hexdigest()[:16]


def arrays_of(values: Mapping[str, Any]) -> list[Any]:
    """Names and arrays of maps and responses among some attributes, in the order of the names."""
    found: list[Any] = []
    for name, value in sorted(values.items()):
        if hasattr(value, "data") and not isinstance(value, np.ndarray | np.generic):
            found += [name, np.asarray(value.data)]
        elif isinstance(value, IRFMap):
            found += [name, *arrays_of(vars(value))]
    return found
